"""Random programs as text: drawn statement by statement from templates, run, cut down.

A program is its inputs and statements `x5 = mx.sum(x3, axis=-1)`; as text it can be printed, repeated
without this file, and shrunk by leaving statements out. Drawing runs each statement and draws another
one where its operands don't fit, or where all would turn into infinities.
"""

import functools
import re
from dataclasses import dataclass, field

import numpy as np

import olivine.core as mx
from tests.compositions.templates import GENERAL, NAMESPACE, ROUGH, SMOOTH
from tests.support import COMPLEX, FLOATING, INTEGER, UNSIGNED, dtype_name, rounded, to_mx, to_np

SHAPES = (
    (),
    (1,),
    (4,),
    (8,),
    (3, 5),
    (4, 4),
    (5, 1),
    (2, 3, 4),
    (1, 3, 5),
    (2, 2, 3),
    (3, 1, 2, 4),
    (16, 2),
)
LARGE = ((67, 130), (20011,), (3, 4001), (33, 8, 65))
MIXED = ("float32", "float32", "float32", "float16", "bfloat16", "float64", "int32", "uint8", "int64", "int8", "uint32",
         "bool_", "complex64")  # fmt: skip
# What a seed draws from: dtypes of inputs, dtypes of casts, whether jumps are wanted, limit of values.
PROFILES = {
    "mixed": (MIXED, MIXED, True, 1e6),
    "double": (
        ("float64", "float64", "float64", "int32", "int64", "bool_"),
        ("float64", "int32", "bool_"),
        True,
        1e4,
    ),
    "smooth": (("float64",), (), False, 30.0),
}
NAME = re.compile(r"\bx\d+\b")
SMALL_MEMORY = 32 << 20
TRIES = 25


@functools.lru_cache(maxsize=1024)
def code(text):
    """Compiled once, since every check runs the same statements."""
    return compile(text, "<program>", "exec")


class Misfit(Exception):
    """A blank that nothing fits."""


@dataclass
class Input:
    shape: tuple
    dtype: str
    key: int | None = None  # a random key instead of values


@dataclass
class Program:
    seed: int
    profile: str
    inputs: list
    statements: list = field(default_factory=list)
    drawn: dict = field(default_factory=dict, repr=False)  # inputs by draw and sizes

    def names(self):
        return [name for s in self.statements for name in targets(s)]

    def values(self, draw=0, sizes=None):
        """Fresh inputs, the `draw`th ones; `sizes` replaces dimensions."""
        key = draw, bool(sizes)
        if key not in self.drawn:
            self.drawn[key] = self.draw_values(draw, sizes)
        return [
            mx.random.key(at.key + draw) if x is None else to_mx(x, at.dtype)
            for at, x in zip(self.inputs, self.drawn[key], strict=True)
        ]

    def draw_values(self, draw, sizes):
        rng = np.random.default_rng([self.seed, draw])
        out = []
        for at in self.inputs:
            if at.key is not None:
                out.append(None)
                continue
            shape = tuple((sizes or {}).get(n, n) for n in at.shape)
            x = rng.normal(0, 1.0 if at.dtype in FLOATING + COMPLEX else 3.0, shape)
            if at.dtype in COMPLEX:
                x = x + 1j * rng.normal(0, 1, shape)
            x = np.abs(x) if at.dtype in UNSIGNED else x > 0 if at.dtype == "bool_" else x
            out.append(rounded(np.round(x) if at.dtype in INTEGER else x, at.dtype))
        return out

    def needed(self, returned):
        """The statements that the named values need."""
        wanted, kept = set(returned), []
        for s in reversed(self.statements):
            if wanted & set(targets(s)):
                wanted |= set(NAME.findall(s.split(" = ", 1)[1]))
                kept.insert(0, s)
        return kept

    def source(self, returned):
        head = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        lines = [f"def program({head}):", *self.needed(returned), f"return [{', '.join(returned)}]"]
        return "\n    ".join(lines) + "\n"

    def function(self, returned=None):
        """The program as a function of its inputs; it returns the named values, or all."""
        space = dict(NAMESPACE)
        exec(code(self.source(returned or self.names())), space)
        return space["program"]

    def stepwise(self, inputs):
        """All values, each computed before the next statement is made."""
        space = {**NAMESPACE, **{f"x{i}": x for i, x in enumerate(inputs)}}
        for s in self.statements:
            exec(code(s), space)
            mx.eval([space[name] for name in targets(s)])
        return [space[name] for name in self.names()]

    def without(self, index):
        """The program less a statement and all that need its values."""
        gone, kept = set(targets(self.statements[index])), []
        for i, s in enumerate(self.statements):
            if i == index or gone & set(NAME.findall(s.split(" = ", 1)[1])):
                gone |= set(targets(s))
            else:
                kept.append(s)
        return Program(self.seed, self.profile, self.inputs, kept)

    def text(self):
        kinds = [
            f"# x{i}: {'key' if a.key is not None else a.dtype} {a.shape}"
            for i, a in enumerate(self.inputs)
        ]
        return "\n".join([*kinds, *self.statements])


def targets(statement):
    return statement.split(" = ", 1)[0].split(", ")


class Drawer:
    """Fills blanks from the values there are so far."""

    def __init__(self, seed, profile, length=None):
        self.rng = np.random.default_rng(seed)
        self.dtypes, self.casts, self.rough, self.limit = PROFILES[profile]
        self.large = profile != "smooth" and self.rng.uniform() < 0.06
        self.program = Program(seed, profile, [])
        for _ in range(int(self.rng.integers(2, 5))):
            shape = self.one_of(SHAPES + LARGE if self.large else SHAPES)
            self.program.inputs.append(Input(tuple(shape), self.one_of(self.dtypes)))
        self.keys = []
        if self.rng.uniform() < 0.4:
            self.keys.append(f"x{len(self.program.inputs)}")
            self.program.inputs.append(Input((2,), "uint32", int(self.rng.integers(1000))))
        self.space = {f"x{i}": x for i, x in enumerate(self.program.values())}
        self.count = len(self.space)
        self.length = length or int(self.rng.integers(20, 61))

    def one_of(self, items):
        return items[int(self.rng.integers(len(items)))]

    def draw(self):
        for _ in range(self.length):
            for _ in range(TRIES):
                if self.statement():
                    break
        return self.program

    def statement(self):
        expression = self.expression()
        if self.lead.size > 600 and ("linalg" in expression or "attention" in expression):
            return False  # their work grows with the cube and the square
        limit = mx.set_memory_limit(SMALL_MEMORY)  # what is huge in between is no use either
        try:
            out = eval(expression, {**NAMESPACE, **self.space})
            several = isinstance(out, list | tuple)
            out = list(out) if several else [out]
            mx.eval(out)
        except (ValueError, TypeError, IndexError, MemoryError):
            return False
        finally:
            mx.set_memory_limit(limit)
        if not 0 < len(out) <= 6 or not all(self.welcome(o) for o in out):
            return False
        names = [f"x{self.count + i}" for i in range(len(out))]
        # A single name takes the value out of its list, if it is in one.
        one = "[0]" if several and len(out) == 1 else ""
        self.program.statements.append(f"{', '.join(names)} = {expression}{one}")
        self.count += len(out)
        self.space.update(zip(names, out, strict=True))
        if expression.startswith("mx.random.split"):
            self.keys.append(names[0])
        return True

    def welcome(self, a):
        """Small enough, not all infinite, and of a size of values that keeps programs interesting."""
        if not isinstance(a, mx.array) or a.size > (60_000 if self.large else 600) or a.ndim > 6:
            return False
        if a.size == 0:
            return self.rough and self.rng.uniform() < 0.2
        if dtype_name(a.dtype) not in FLOATING + COMPLEX:
            return True
        x = np.abs(to_np(a).astype(np.complex128))
        good = np.isfinite(x)
        if self.program.profile == "smooth":
            return bool(good.all() and x.max() < self.limit)
        if not good.all():
            return good.mean() > 0.5 and self.rng.uniform() < 0.3
        return bool(x.max() < self.limit or self.rng.uniform() < 0.1)

    # ---- Blanks.
    def expression(self):
        tables = [SMOOTH] if not self.rough else [SMOOTH, ROUGH, ROUGH]
        table = self.one_of(tables)
        family = self.one_of([*table, "elementwise", "elementwise"])
        template = self.one_of(table[family])
        if self.rough and table is SMOOTH and family in GENERAL and self.rng.uniform() < 0.5:
            template = template.replace("{f}", "{a}").replace("{g}", "{b}")
        self.filled, self.lead, self.axis = {}, mx.array(0.0), None
        try:
            template = re.sub(r"<([^<>]+)>", lambda m: self.one_of(m[1].split("|")), template)
            # Arrays first: the other blanks depend on the first of them.
            template = re.sub(r"\{([abcfghmijk])\}", lambda m: self.array(m[1]), template)
            return re.sub(r"\{(\w+)\}", lambda m: str(self.other(m[1])), template)
        except Misfit:
            return "None"

    def array(self, blank):
        if blank in self.filled:
            return self.filled[blank]
        fits = {
            "f": lambda x, d: d in FLOATING, "g": lambda x, d: d in FLOATING, "h": lambda x, d: d in FLOATING,
            "m": lambda x, d: d in FLOATING and x.ndim > 1, "i": lambda x, d: d in INTEGER,
            "j": lambda x, d: d in INTEGER, "k": lambda x, d: d == "bool_",
        }.get(blank, lambda x, d: True)  # fmt: skip
        names = [
            n for n, x in self.space.items() if n not in self.keys and fits(x, dtype_name(x.dtype))
        ]
        if not names:
            raise Misfit
        # Late values are likelier: programs get deep rather than wide.
        late = len(names) - 1 - min(len(names) - 1, int(self.rng.geometric(0.3)) - 1)
        name = names[late if self.rng.uniform() < 0.6 else int(self.rng.integers(len(names)))]
        if not self.filled:
            self.lead = self.space[name]
            self.axis = int(self.rng.integers(-self.lead.ndim, 0)) if self.lead.ndim else None
        self.filled[blank] = name
        return name

    def other(self, blank):
        rng, x = self.rng, self.lead
        if (
            blank
            in ("axis", "n", "axes", "axis2", "at", "index", "last", "n0", "at0", "at1", "mask")
            and not x.ndim
        ):
            raise Misfit
        size = {"at": self.axis, "at0": 0, "at1": -1}.get(blank)
        if size is not None:
            n = x.shape[size]
            if not n:
                raise Misfit
            return [int(i) for i in rng.integers(-n, n, self.one_of((1, 2, 4)))]
        choices = {
            "axis": lambda: self.axis,
            "n": lambda: x.shape[self.axis],
            "n0": lambda: x.shape[0],
            "last": lambda: x.shape[-1],
            "mask": lambda: [bool(b) for b in rng.integers(0, 2, x.shape[0])],
            "axes": lambda: tuple(
                int(i) for i in rng.permutation(x.ndim)[: int(rng.integers(1, 3))]
            ),
            "axis2": lambda: int(rng.integers(-x.ndim, x.ndim)),
            "perm": lambda: tuple(int(i) for i in rng.permutation(x.ndim)),
            "newshape": lambda: self.factors(x.size),
            "index": lambda: self.index(x),
            "s": lambda: self.one_of((0.5, -1.0, 0.25, 1.5, -0.3)),
            "t": lambda: self.one_of((0.5, 1.0, 1.5, 0.3)),
            "r": lambda: int(rng.integers(3)),
            "p": lambda: int(rng.integers(1, 4)),
            "bit": lambda: int(rng.integers(2)),
            "flag": lambda: bool(rng.integers(2)),
            "dtype": lambda: self.one_of(self.casts),
            "key": lambda: self.one_of([*self.keys * 3, f"mx.random.key({int(rng.integers(99))})"]),
        }
        return choices[blank]()

    def factors(self, size):
        shape = [-1] if self.rng.uniform() < 0.3 else []
        for _ in range(int(self.rng.integers(1, 4))):
            n = self.one_of([d for d in range(1, 9) if size and size % d == 0] or [1])
            shape.append(n)
            size //= n
        return tuple(shape if -1 in shape else [*shape, size])

    def index(self, x):
        items = []
        for n in x.shape[: int(self.rng.integers(1, x.ndim + 1))]:
            i = int(self.rng.integers(-n, n)) if n else 0
            items.append(self.one_of((":", "1:", ":-1", "::2", "::-1", "None, :", f"{i}" if n else ":", "-3:", "..., :"
                                      if not any("..." in t for t in items) else ":")))  # fmt: skip
        # As an object, since statements also hand it to functions.
        parts = ", ".join(f"slice({', '.join(p or 'None' for p in (t + ':' if t.count(':') < 2 else t).split(':')[:3])})"
                          if ":" in t else t for item in items for t in item.split(", "))  # fmt: skip
        return f"({parts},)"


def draw(seed, length=None):
    """The program of a seed; `length`: of so many statements at most, instead of 20 to 60."""
    return Drawer(seed, tuple(PROFILES)[seed % len(PROFILES)], length).draw()
