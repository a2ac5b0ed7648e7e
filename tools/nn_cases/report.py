"""Compares what the libraries gave, and says it as a table and a page."""

import collections
import dataclasses
import math
import re

import numpy as np

from .tolerances import FAMILIES, INTENDED, TOLERANCES

# In bfloat16, results apart by more than the tolerance still pass if Olivine is no further from the
# float32 result than this many times the oracle's distance, as root mean squares.
NEAR = 1.25
# What cases in float32 may differ by in an array they ask for in 16 bits: its last digit.
DIGIT = 4e-3


def size_of(x):
    """The root mean square of the finite elements."""
    x = np.asarray(x, np.float64).ravel()
    x = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(x * x))) if x.size else 0.0


def difference(a, b, floor, each=False):
    """The largest |a - b| over |b| plus the root mean square of b (at least `floor`).

    `each` judges every element by its own size, or by 0.05 if it is smaller.
    """
    if a.shape != b.shape:
        return math.inf
    if a.dtype.kind not in "fc":
        return 0.0 if np.array_equal(a, b) else math.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    a, b = a[finite], b[finite]
    if np.array_equal(a, b):
        return 0.0
    if not np.all(np.isfinite(a)):
        return math.inf
    scale = np.abs(b) + (0.05 if each else max(size_of(b), floor))
    return float(np.max(np.abs(a - b) / np.maximum(scale, 1e-300)))


@dataclasses.dataclass
class Tally:
    """What the table says of one family, dtype and oracle."""

    cases: int = 0
    arrays: int = 0
    texts: int = 0
    worst: float = 0.0
    where: str = ""
    as_near: int = 0
    different: int = 0
    intended: int = 0
    missing: int = 0
    squares: list = dataclasses.field(default_factory=lambda: [0.0, 0.0, 0])

    def distances(self):
        """Root mean squares of (our, their) relative distance from the float32 result."""
        ours, theirs, count = self.squares
        return (math.sqrt(ours / count), math.sqrt(theirs / count)) if count else None


@dataclasses.dataclass
class Found:
    tallies: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(Tally))
    problems: list = dataclasses.field(default_factory=list)
    intended: collections.Counter = dataclasses.field(default_factory=collections.Counter)


class Comparison:
    """One case in one dtype against one oracle; sides are (arrays, texts, dtypes)."""

    def __init__(self, found, case, dtype, oracle):
        self.found, self.case, self.dtype, self.oracle = found, case, dtype, oracle
        self.tally = found.tallies[case.family, dtype, oracle]
        self.tolerance = TOLERANCES[case.family][dtype]

    def meant(self, what):
        """Whether the list of meant differences has this one, which is counted then."""
        label = f"{self.dtype} {what}"
        for number, (family, part, of, who, _) in enumerate(INTENDED):
            if family == self.case.family and re.search(part, self.case.name):
                if who == self.oracle and re.search(of, label):
                    self.tally.intended += 1
                    self.found.intended[number] += 1
                    return True
        return False

    def note(self, what, text):
        if not self.meant(what):
            self.tally.different += 1
            self.found.problems.append((self.case, self.dtype, self.oracle, what, text))

    def run(self, ours, theirs, truth):
        wrong, error = ours[1].get("error"), theirs[1].get("error")
        if error and any(text in error[1] for text in ("not implemented", "NYI")):
            self.tally.missing += 1
            return
        self.tally.cases += 1
        if wrong or error:
            if not (wrong and error) or wrong[0] != error[0]:
                self.note("error", f"ours {wrong}  {self.oracle} {error}")
            return
        if self.oracle == "mlx":
            self.compare_texts(ours, theirs)
        floats = [x for x in theirs[0].values() if x.dtype.kind == "f"]
        floor = 0.2 * max(map(size_of, floats), default=0.0)
        for name in theirs[0].keys() & ours[0].keys():
            self.compare_array(name, ours, theirs, truth.get(name), floor)

    def compare_texts(self, ours, theirs):
        for name in sorted(ours[1].keys() | theirs[1].keys()):
            a, b = ours[1].get(name), theirs[1].get(name)
            self.tally.texts += 1
            if a != b:
                self.note(name, f"ours {a}  mlx {b}")
        for name in sorted(ours[0].keys() ^ theirs[0].keys()):
            self.note(name, "only one of both has this array")

    def compare_array(self, name, ours, theirs, truth, floor):
        a, b = ours[0][name], theirs[0][name]
        self.tally.arrays += 1
        if self.oracle == "mlx" and ours[2][name] != theirs[2][name]:
            self.note(f"{name} dtype", f"dtype {ours[2][name]}, not {theirs[2][name]}")
        if a.shape != b.shape:
            self.note(name, f"shape {a.shape}, not {b.shape}")
            return
        value = difference(a, b, floor, self.case.family == "extremes")
        far = self.distances(a, b, truth, floor) if self.dtype == "bfloat16" else None
        single = self.dtype == "float32" and theirs[2][name] in ("bfloat16", "float16")
        if value <= (max(self.tolerance, DIGIT) if single else self.tolerance):
            if value > self.tally.worst:
                self.tally.worst, self.tally.where = value, f"{self.case.name}: {name}"
        elif self.meant(name):
            return
        elif far and far[0] <= NEAR * far[1]:
            self.tally.as_near += 1
        else:
            beyond = f"; from float32: ours {far[0]:.2g}, theirs {far[1]:.2g}" if far else ""
            self.note(name, f"differs by {value:.2g}, beyond {self.tolerance:.2g}{beyond}")
        if far:
            squares = self.tally.squares
            squares[:] = squares[0] + far[0] ** 2, squares[1] + far[1] ** 2, squares[2] + 1

    def distances(self, a, b, truth, floor):
        if truth is None or truth.shape != a.shape or a.dtype.kind != "f" or a.size == 0:
            return None
        scale = max(size_of(truth), floor)
        if not scale or not np.all(np.isfinite(truth)):
            return None
        return size_of(a - truth) / scale, size_of(b - truth) / scale


class Index:
    """The arrays of one library by case and dtype."""

    def __init__(self, arrays):
        self.by_key = collections.defaultdict(dict)
        for name, x in arrays.items():
            key, _, what = name.rpartition("|")
            self.by_key[key][what] = x

    def get(self, key):
        return self.by_key.get(key, {})


def compare_all(cases, results):
    found = Found()
    index = {name: Index(arrays) for name, (arrays, _) in results.items()}
    dtypes = {name: Index(more["dtypes"]) for name, (_, more) in results.items()}

    def side(name, key):
        texts = dict(results[name][1]["texts"].get(key, {}))
        texts.pop("trace", None)
        return index[name].get(key), texts, dtypes[name].get(key)

    for case in cases:
        for dtype in case.dtypes:
            key = f"{case.kind}|{case.name}|{dtype}"
            truth = index["mlx"].get(f"{case.kind}|{case.name}|truth")
            for oracle in ("mlx", "torch"):
                if oracle == "mlx" or case.torch:
                    comparison = Comparison(found, case, dtype, oracle)
                    comparison.run(side("olivine", key), side(oracle, key), truth)
    return found


def show(found, examples):
    print(f"{'family':14}{'dtype':9} {'oracle':6}{'cases':>6}{'arrays':>7}{'worst':>9}{'limit':>9}")
    for (family, dtype, oracle), t in found.tallies.items():
        far = t.distances()
        notes = [f"as near {t.as_near}"] if t.as_near else []
        notes += [f"meant {t.intended}"] if t.intended else []
        notes += [f"DIFFERENT {t.different}"] if t.different else []
        notes += ["from float32: ours {:.2g}, theirs {:.2g}".format(*far)] if far else []
        print(
            f"{family:14}{dtype:9} {oracle:6}{t.cases:6}{t.arrays:7}{t.worst:9.2g}"
            f"{TOLERANCES[family][dtype]:9.2g}  {', '.join(notes)}"
        )
    for case, dtype, oracle, what, text in found.problems[:examples]:
        print(f"\n{case.family}: {case.name}\n    {oracle} {dtype} {what}: {text}")
    print(f"\n{summary(found)}")


def totals(found):
    tallies = found.tallies.values()
    return {
        "comparisons": sum(t.cases for t in tallies),
        "arrays": sum(t.arrays for t in tallies),
        "texts": sum(t.texts for t in tallies),
        "intended": sum(t.intended for t in tallies),
        "different": len(found.problems),
    }


def summary(found):
    t = totals(found)
    return (
        f"{t['comparisons']} comparisons of {t['arrays']} arrays and {t['texts']} texts: "
        f"{t['intended']} differences are meant, {t['different']} have no explanation"
    )


# ---- The page.
HEAD = """# Layers, losses and optimizers against MLX and PyTorch

Written by `tools/nn_equality.py`{date}: Olivine {olivine}, MLX {mlx}, PyTorch {torch}, on the CPU.
{cases} cases cover {covered},
each with several settings.

The libraries get the same parameters and inputs. Compared are outputs, gradients with respect to
parameters and inputs (of a random weighting of the outputs), running statistics, the parameters and
the state of optimizers after one and five steps, whole training loops from one seed (every step's
loss, and all arrays after 12 steps), the values new layers start with, representations, names and
their order, and the module tree's behaviour with types of errors.

**{summary}.**

## Results

A difference is the largest |a - b| over |b| plus the root mean square of b, or plus a fifth of the
largest root mean square in the case where b cancels to nothing; of extreme arguments each element
is judged by its own size. "Worst" is the largest that was found within the limit. In bfloat16 a
result beyond the limit passes "as near" if it is at most {near} times as far from the float32
result (for the same rounded values) as the oracle's. The last columns say how far results are from
it, as root mean squares. Initializers of 16-bit dtypes may differ in a last digit.

| family | dtype | oracle | cases | arrays | worst | limit | as near | meant | ours | oracle's |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def _number(x):
    return "0" if x == 0 else f"{x:.1e}" if x < 1e-3 else f"{x:.2g}"


def page(found, results, cases, covered, date):
    versions = {name: more["version"] for name, (_, more) in results.items()}
    text = HEAD.format(
        date=f" on {date}" if date else "",
        cases=len(cases),
        covered=covered,
        summary=summary(found),
        near=NEAR,
        **versions,
    )
    for (family, dtype, oracle), t in found.tallies.items():
        far = t.distances() or ("", "")
        far = [_number(x) if x != "" else "" for x in far]
        row = [family, dtype, {"mlx": "MLX", "torch": "PyTorch"}[oracle], t.cases, t.arrays or ""]
        row += [_number(t.worst) if t.arrays else "", _number(TOLERANCES[family][dtype])]
        row += [t.as_near or "", t.intended or "", *far]
        text += f"| {' | '.join(map(str, row))} |\n"
    text += "\n## Limits\n\n| family | float32 | bfloat16 | because of |\n|---|---|---|---|\n"
    for family, (single, half, why) in FAMILIES.items():
        half = "" if half is None else _number(half)
        text += f"| {family} | {_number(single)} | {half} | {why} |\n"
    text += "\n## Differences that are meant\n\n"
    for number, (*_, why) in enumerate(INTENDED):
        text += f"- {why} ({found.intended[number]} results)\n"
    missing = sum(t.missing for t in found.tallies.values())
    text += (
        "\n## What is not compared\n\n"
        "- PyTorch has no equal of some cases: MLX's `Adam` without bias correction, its `Muon`, "
        "`Lion`, `Adafactor` and `Adamax`; losses whose `eps` works differently; `RoPE`, `ALiBi`.\n"
        f"- The oracle has no kernel on the CPU for {missing} comparisons: PyTorch for some in "
        "bfloat16, MLX for the product of `QQLinear`.\n"
        "- Entries of layers whose names start with an underscore are each library's own.\n"
        "- Sharded layers run in a group of one process.\n"
    )
    if found.problems:
        text += "\n## Differences without an explanation\n\n"
        for case, dtype, oracle, what, message in found.problems:
            text += f"- {case.name}, {oracle} {dtype} {what}: {message}\n"
    return text
