"""Compares what the libraries gave, and says it as a table and a page."""

import collections
import dataclasses

import numpy as np

from .tolerances import INTENDED, TOLERANCES


def difference(a, b, floor):
    """The largest |a - b| over |b| plus the root mean square of b (at least `floor`)."""
    if a.shape != b.shape:
        return np.inf
    if a.size == 0:
        return 0.0
    if a.dtype.kind not in "fc":
        return 0.0 if np.array_equal(a, b) else np.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    same = np.isclose(a, b, rtol=0, atol=0, equal_nan=True)
    if not np.all(same[~finite]) or not np.all(np.isfinite(a[finite])):
        return np.inf
    a, b = a[finite], b[finite]
    if a.size == 0 or np.array_equal(a, b):
        return 0.0
    scale = np.abs(b) + max(_size(b), floor)
    return float(np.max(np.abs(a - b) / np.maximum(scale, 1e-300)))


def _size(x):
    x = np.asarray(x, np.float64).ravel()
    x = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(x * x))) if x.size else 0.0


@dataclasses.dataclass
class Tally:
    """What the table says of one family, dtype and oracle."""

    cases: int = 0
    arrays: int = 0
    worst: float = 0.0
    where: str = ""
    nearer: int = 0
    different: int = 0
    intended: int = 0


@dataclasses.dataclass
class Found:
    tallies: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(Tally))
    problems: list = dataclasses.field(default_factory=list)
    intended: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def unexplained(self):
        return len(self.problems)


def explained(case, what, oracle):
    for number, (family, text, part, who, _) in enumerate(INTENDED):
        if family == case.family and text in case.name and part in what and who in (oracle, "both"):
            return number
    return None


def _note(found, tally, case, dtype, oracle, what, text):
    number = explained(case, f"{dtype} {what}", oracle)
    if number is None:
        tally.different += 1
        found.problems.append((case, dtype, oracle, what, text))
    else:
        tally.intended += 1
        found.intended[number] += 1


def _select(arrays, key):
    return {name[len(key) + 1 :]: x for name, x in arrays.items() if name.startswith(key + "|")}


class Index:
    """The arrays of one library by case and dtype."""

    def __init__(self, arrays):
        self.by_key = collections.defaultdict(dict)
        for name, x in arrays.items():
            key, _, what = name.rpartition("|")
            self.by_key[key][what] = x

    def get(self, key):
        return self.by_key.get(key, {})


def compare_case(found, case, dtype, oracle, ours, theirs, truth):
    """`ours`, `theirs`: (arrays, texts, dtypes) of this case."""
    tally = found.tallies[case.family, dtype, oracle]
    tally.cases += 1
    errors = [side[1].get("error") for side in (ours, theirs)]
    if any(errors):
        if oracle == "torch" and errors[1] and not errors[0]:
            _note(found, tally, case, dtype, oracle, "error", f"torch: {errors[1]}")
        elif not all(errors) or errors[0][0] != errors[1][0]:
            text = f"ours {errors[0]}  {oracle} {errors[1]}"
            _note(found, tally, case, dtype, oracle, "error", text)
        return
    if oracle == "mlx":
        for name in sorted(ours[1].keys() | theirs[1].keys()):
            a, b = ours[1].get(name), theirs[1].get(name)
            if a != b:
                _note(found, tally, case, dtype, oracle, name, f"ours {a}  mlx {b}")
        for name in sorted(ours[0].keys() ^ theirs[0].keys()):
            _note(found, tally, case, dtype, oracle, name, "only one of both has this array")
    tolerance = TOLERANCES[case.family][dtype]
    floor = 0.05 * max(
        (_size(x) for name, x in theirs[0].items() if x.dtype.kind == "f"), default=0.0
    )
    for name in theirs[0].keys() & ours[0].keys():
        _compare_array(
            found, tally, case, dtype, oracle, name, ours, theirs, truth.get(name), tolerance, floor
        )


def _compare_array(found, tally, case, dtype, oracle, name, ours, theirs, truth, tolerance, floor):
    tally.arrays += 1
    a, b = ours[0][name], theirs[0][name]
    if a.shape != b.shape:
        _note(found, tally, case, dtype, oracle, name, f"shape {a.shape}, not {b.shape}")
        return
    if oracle == "mlx" and ours[2][name] != theirs[2][name]:
        text = f"dtype {ours[2][name]}, not {theirs[2][name]}"
        _note(found, tally, case, dtype, oracle, name + " dtype", text)
    if name == "exact":
        if not np.array_equal(a, b):
            tally.nearer += 1  # same distribution, other numbers: judged by its statistics
        return
    value = difference(a, b, floor)
    if value > tolerance and truth is not None and dtype == "bfloat16":
        if difference(a, truth, floor) <= difference(b, truth, floor):
            tally.nearer += 1
            return
    if value > tolerance:
        far = (
            ""
            if truth is None
            else (
                f"; from float32: ours {difference(a, truth, floor):.2g}, "
                f"theirs {difference(b, truth, floor):.2g}"
            )
        )
        text = f"differs by {value:.2g} (tolerance {tolerance:.2g}){far}"
        _note(found, tally, case, dtype, oracle, name, text)
    elif value > tally.worst:
        tally.worst, tally.where = value, f"{case.name}: {name}"


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
                if oracle == "torch" and not case.torch:
                    continue
                compare_case(
                    found, case, dtype, oracle, side("olivine", key), side(oracle, key), truth
                )
    return found


def show(found, examples):
    print(f"{'family':16}{'dtype':10}{'oracle':7}{'cases':>6}{'arrays':>8}{'worst':>10}  of")
    for (family, dtype, oracle), t in found.tallies.items():
        tolerance = TOLERANCES[family][dtype]
        print(
            f"{family:16}{dtype:10}{oracle:7}{t.cases:6}{t.arrays:8}{t.worst:10.2g}  "
            f"{tolerance:.2g}  nearer {t.nearer}, intended {t.intended}, different {t.different}"
            f"  {t.where[:60]}"
        )
    for case, dtype, oracle, what, text in found.problems[:examples]:
        print(f"\n{case.family}: {case.name}\n    {oracle} {dtype} {what}: {text}")
    total = sum(t.arrays for t in found.tallies.values())
    print(f"\n{total} arrays compared; {len(found.problems)} differences without explanation")
