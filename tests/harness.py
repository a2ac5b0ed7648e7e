"""The rules every op row is held to; tests/ops/<family>.py holds the rows.

A row names an op, its NumPy reference, and cases (shapes of the array arguments, keyword arguments).
OpTests turns a module's ROWS into tests, one per row and rule; the loops over dtypes and layouts are
inside. Values are drawn per row from its domain with a seed made of its name, so runs repeat exactly.
"""

import functools
import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

import olivine.core as mx
from tests.support import (
    COMPLEX,
    DTYPES,
    FLOATING,
    INTEGER,
    RTOL,
    UNSIGNED,
    assert_close,
    assert_same,
    dtype_name,
    flat,
    mx_dtype,
    np_dtype,
    rounded,
    to_mx,
    to_np,
)

INEXACT = FLOATING + COMPLEX
REAL = ("bool_", *INTEGER, *FLOATING)
NUMBER = INTEGER + FLOATING + COMPLEX
INTEGRAL = ("bool_", *INTEGER)
LARGE = 1 << 17  # elements; enough for several chunks of several threads

UNARY = (((5,), {}), ((), {}), ((0, 3), {}), ((3, 4, 5), {}), ((LARGE + 3,), {}))
UNARY = tuple(((shape,), kwargs) for shape, kwargs in UNARY)
BINARY = tuple(
    (shapes, {})
    for shapes in (
        ((7,), (7,)),
        ((), ()),
        ((3, 1, 5), (4, 1)),
        ((6, 5), ()),
        ((0, 3), (1, 3)),
        ((4, 33), (33,)),
        ((LARGE + 5,), (LARGE + 5,)),
        ((515, 257), (515, 1)),
    )
)
TERNARY = tuple(
    (shapes, {})
    for shapes in (
        ((5,), (5,), (5,)),
        ((), (), ()),
        ((3, 1), (1, 4), ()),
        ((2, 0), (2, 1), (1,)),
        ((LARGE + 1,), (LARGE + 1,), (1,)),
    )
)
SUM_DTYPE = {
    "bool_": "int32",
    "int8": "int32",
    "int16": "int32",
    "uint8": "uint32",
    "uint16": "uint32",
}
SPECIAL = (0.0, 1.0, 0.5, 2.0, 3.0, np.inf, np.nan)


@dataclass(frozen=True)
class Row:
    name: str  # in olivine.core, dotted for submodules
    ref: Callable  # takes NumPy arrays, and the case's keywords
    cases: tuple = UNARY
    dtypes: tuple = FLOATING
    out: object = "same"  # rule of the result's dtype, one per result if a tuple
    low: float = -3.0
    high: float = 3.0
    sample: Callable | None = None  # (rng, argument, shape) -> float64 values, instead of low..high
    fixed: dict = field(default_factory=dict)  # argument -> (dtype, low, high): not varied
    rules: str = "values layouts dtypes jvp grad second vmap compile errors"
    special: bool = False  # compare on NaN, infinities, zeros, subnormal and huge values
    strict: bool = False  # all dtypes but `dtypes` are refused
    wrong: str = ""  # errors to provoke: "shape", "axis"
    tol: float = 1.0  # times the tolerance of the dtype
    span: float = 0.0  # magnitude of what is added up: errors are relative to it
    call: Callable | None = None  # instead of the function itself
    aliases: tuple = ()

    @functools.cached_property
    def fn(self):
        return self.call or lookup(self.name)

    def rng(self):
        return np.random.default_rng(zlib.crc32(self.name.encode()))

    def out_dtypes(self, name, count):
        rule = self.out if isinstance(self.out, tuple) else (self.out,) * count
        return [out_dtype(r, name) for r in rule]


def lookup(name):
    return functools.reduce(getattr, name.split("."), mx)


def out_dtype(rule, name):
    if callable(rule):
        return rule(name)
    if rule == "same":
        return name
    if rule == "float":
        return name if name in INEXACT else "float32"
    if rule == "sum":
        return SUM_DTYPE.get(name, name)
    if rule == "real":
        return {"complex64": "float32", "complex128": "float64"}.get(name, name)
    if rule == "float real":
        return out_dtype("real", out_dtype("float", name))
    return rule


def draw(row, rng, shapes, name):
    """NumPy arguments of the given shapes; varied ones hold values of dtype `name`."""
    args = []
    for i, shape in enumerate(shapes):
        dtype, low, high = row.fixed.get(i, (name, row.low, row.high))
        if row.sample and i not in row.fixed:
            x = row.sample(rng, i, shape)
        else:
            x = rng.uniform(low, high, shape)
        if dtype in COMPLEX:
            x = x + 1j * (
                row.sample(rng, i, shape) if row.sample else rng.uniform(low, high, shape)
            )
        elif dtype == "bool_":
            x = x > (low + high) / 2
        elif dtype in INTEGER:
            x = np.floor(np.abs(x) if dtype in UNSIGNED else x)
        args.append(rounded(x, dtype))
    return args


def reference(row, args, kwargs, names):
    """The row's reference computed in double precision where the result is inexact."""
    wide = []
    for i, x in enumerate(args):
        if x.dtype.name in COMPLEX:
            x = x.astype(np.complex128)
        elif x.dtype.name in FLOATING or (names[0] in RTOL and i not in row.fixed):
            x = x.astype(np.float64)
        wide.append(x)
    with np.errstate(all="ignore"):
        return flat(row.ref(*wide, **kwargs))


# ---- Layouts: the same values seen through other strides. Each gives (array, NumPy values).


def contiguous(x):
    return to_mx(x), x


def transposed(x):
    return mx.transpose(to_mx(np.array(x.T, order="C"))), x


def backwards(x):
    index = (slice(None, None, -1),) * x.ndim
    return (to_mx(x[index].copy())[index] if x.ndim else to_mx(x)), x


def sliced(x):
    padded = np.repeat(np.pad(x, [(1, 2)] * x.ndim), 2, axis=-1) if x.ndim else x
    index = (slice(1, -2),) * (x.ndim - 1) + (slice(2, -4, 2),) if x.ndim else ()
    return (to_mx(padded)[index] if x.ndim else to_mx(x)), x


def stretched(x):
    if not x.ndim or not x.size:
        return to_mx(x), x
    return mx.broadcast_to(to_mx(x[:1]), x.shape), np.array(np.broadcast_to(x[:1], x.shape))


LAYOUTS = (transposed, backwards, sliced, stretched)


def check_case(row, name, shapes, kwargs, layout=contiguous, rng=None):
    rng = rng or row.rng()
    pairs = [layout(x) for x in draw(row, rng, shapes, name)]
    got = flat(row.fn(*(a for a, _ in pairs), **kwargs))
    names = row.out_dtypes(name, len(got))
    want = reference(row, [x for _, x in pairs], kwargs, names)
    assert len(got) == len(want), f"{len(got)} results instead of {len(want)}"
    for a, x, dtype in zip(got, want, names, strict=True):
        what = f"{row.name} {name} {shapes} {kwargs} {layout.__name__}"
        assert dtype_name(a.dtype) == dtype, f"{what}: {a.dtype} instead of {dtype}"
        assert_close(a, rounded(x, dtype), dtype, row.tol, what, row.span)


def main_dtype(row):
    return "float32" if "float32" in row.dtypes else row.dtypes[-1]


def size_of(shapes):
    return max((int(np.prod(shape)) for shape in shapes), default=0)


def small_cases(row, limit=3):
    found = [case for case in row.cases if 0 < size_of(case[0]) <= 200]
    return found[:limit]


def double(row, rng, shapes):
    """Arguments in double precision, and which of them can be differentiated."""
    args = draw(row, rng, shapes, "float64")
    return args, [i for i in range(len(args)) if i not in row.fixed or row.fixed[i][0] in FLOATING]


def closed(row, args, active, kwargs):
    """The op as a function of its differentiable arguments, giving its inexact results."""

    def f(*xs):
        full = [to_mx(x) for x in args]
        for i, x in zip(active, xs, strict=True):
            full[i] = x
        return [o for o in flat(row.fn(*full, **kwargs)) if dtype_name(o.dtype) in INEXACT]

    return f


def scalar_of(f, weights):
    def g(*xs):
        return sum((mx.sum(o * w) for o, w in zip(f(*xs), weights, strict=True)), mx.array(0.0))

    return g


def difference(f, xs, vs, step=1e-5):
    """Central finite difference of the outputs of f along the direction vs."""

    def at(s):
        return [to_np(o) for o in flat(f(*(to_mx(x + s * v) for x, v in zip(xs, vs, strict=True))))]

    return [(b - a) / (2 * step) for a, b in zip(at(-step), at(step), strict=True)]


def directions(rng, xs):
    return [rng.standard_normal(x.shape) for x in xs]


def inner(xs, ys):
    return sum(float(np.sum(np.asarray(x) * np.asarray(y))) for x, y in zip(xs, ys, strict=True))


def assert_near(got, want, size, what, rtol=3e-6):
    assert abs(got - want) <= rtol * max(1.0, size), f"{what}: {got} instead of {want}"


# Functions of MLX that Olivine does not have yet; their rows are ready. coverage.py fails when one
# of them arrives and is still named here.
PENDING = frozenset()


def needs(name):
    """Leaves a test out while the function it is about is pending."""
    return pytest.mark.skipif(name in PENDING, reason=f"olivine.core has no {name} yet")


class OpTests:
    """Inherit in a class Test… with `rows`; each test method runs for the rows that name its rule."""

    rows = ()

    def pytest_generate_tests(self, metafunc):
        rule = metafunc.function.__name__.removeprefix("test_")
        compiles = lambda r: "compile" in r.rules.split()
        extra = {"special": lambda r: r.special, "aliases": lambda r: r.aliases}
        extra |= {"export": compiles, "shapeless": compiles}
        applies = extra.get(rule, lambda r: rule in r.rules.split())
        rows = [row for row in metafunc.cls.rows if applies(row) and row.name not in PENDING]
        metafunc.parametrize("row", rows, ids=[row.name for row in rows])

    def test_values(self, row):
        for shapes, kwargs in row.cases:
            check_case(row, main_dtype(row), shapes, kwargs)

    def test_dtypes(self, row):
        rng = row.rng()
        for name in row.dtypes:
            for shapes, kwargs in small_cases(row, 2):
                check_case(row, name, shapes, kwargs, rng=rng)
        for shapes, kwargs in row.cases:
            if size_of(shapes) >= LARGE and "bfloat16" in row.dtypes:
                check_case(row, "bfloat16", shapes, kwargs)

    def test_layouts(self, row):
        name = main_dtype(row)
        for layout, (shapes, kwargs) in itertools.product(LAYOUTS, row.cases):
            if size_of(shapes) > 1 and (layout is not stretched or size_of(shapes) < LARGE):
                check_case(row, name, shapes, kwargs, layout)
        for name, layout in zip(row.dtypes, itertools.cycle(LAYOUTS), strict=False):
            for shapes, kwargs in small_cases(row, 2):
                check_case(row, name, shapes, kwargs, layout)

    def test_special(self, row):
        for name in (d for d in FLOATING if d in row.dtypes):
            check_special(row, name)

    def test_grad(self, row):
        rng = row.rng()
        for shapes, kwargs in small_cases(row):
            args, active = double(row, rng, shapes)
            xs, f = [args[i] for i in active], closed(row, args, active, kwargs)
            outs = f(*(to_mx(x) for x in xs))
            weights = [rng.standard_normal(o.shape) for o in outs]
            loss = scalar_of(f, [to_mx(w) for w in weights])
            got = mx.grad(loss, argnums=list(range(len(xs))))(*(to_mx(x) for x in xs))
            got = [to_np(g) for g in flat(got)]
            for g, x in zip(got, xs, strict=True):
                assert g.shape == x.shape and g.dtype == x.dtype, f"{g.dtype}{g.shape}"
            for _ in range(2):
                vs = directions(rng, xs)
                want = inner(difference(f, xs, vs), weights)
                size = inner([abs(g) for g in got], [abs(v) for v in vs])
                assert_near(inner(got, vs), want, size, f"{row.name} {shapes} {kwargs}")

    def test_second(self, row):
        rng = row.rng()
        for shapes, kwargs in small_cases(row, 2):
            args, active = double(row, rng, shapes)
            xs, f = [args[i] for i in active], closed(row, args, active, kwargs)
            outs = f(*(to_mx(x) for x in xs))
            # A square makes the second derivative of a linear op show up as well.
            weights = [to_mx(rng.standard_normal(o.shape)) for o in outs]
            loss = scalar_of(lambda *a, f=f: [o * o for o in f(*a)], weights)
            nums = list(range(len(xs)))
            first, us, vs = mx.grad(loss, argnums=nums), directions(rng, xs), directions(rng, xs)

            def slope(*a, first=first, vs=vs):
                pairs = zip(flat(first(*a)), vs, strict=True)
                return sum((mx.sum(g * to_mx(v)) for g, v in pairs), mx.array(0.0))

            got = [to_np(g) for g in flat(mx.grad(slope, argnums=nums)(*(to_mx(x) for x in xs)))]
            want = inner(difference(first, xs, us), vs)
            size = inner([abs(g) for g in got], [abs(u) for u in us])
            what = f"{row.name} {shapes} {kwargs}"
            assert_near(inner(got, us), want, size, what, 1e-5)
            tangents = [to_mx(u) for u in us]
            forward = mx.jvp(slope, [to_mx(x) for x in xs], tangents)[1][0]
            assert_near(to_np(forward), want, size, f"{what} forward over reverse", 1e-5)

    def test_jvp(self, row):
        rng = row.rng()
        for shapes, kwargs in small_cases(row):
            args, active = double(row, rng, shapes)
            xs, f = [args[i] for i in active], closed(row, args, active, kwargs)
            vs = directions(rng, xs)
            outs, got = mx.jvp(f, [to_mx(x) for x in xs], [to_mx(v) for v in vs])
            assert_same(outs, f(*(to_mx(x) for x in xs)), f"{row.name} primal of jvp")
            for g, w in zip(got, difference(f, xs, vs), strict=True):
                assert g.shape == w.shape, f"{g.shape} instead of {w.shape}"
                size = max(1.0, float(np.max(np.abs(w), initial=0)))
                np.testing.assert_allclose(to_np(g), w, rtol=3e-6, atol=3e-6 * size)
            if len(xs) > 1:  # a tangent for one argument only
                one = closed(row, args, active[:1], kwargs)
                got = mx.jvp(one, [to_mx(xs[0])], [to_mx(vs[0])])[1]
                for g, w in zip(got, difference(one, xs[:1], vs[:1]), strict=True):
                    np.testing.assert_allclose(to_np(g), w, rtol=3e-6, atol=1e-5)

    def test_vmap(self, row):
        rng, name = row.rng(), main_dtype(row)
        for shapes, kwargs in small_cases(row, 2):
            each = [draw(row, rng, shapes, name) for _ in range(3)]
            choices = [(0, len(shape), None)[: 3 if shape else None] for shape in shapes]
            choices = [c if len(set(c)) == 3 else (0, None) for c in choices]
            combos = [c for c in itertools.product(*choices) if any(a is not None for a in c)]
            for axes in combos[:: max(1, len(combos) // 8)]:
                check_vmap(row, each, axes, kwargs, name)

    def test_compile(self, row):
        rng, name = row.rng(), main_dtype(row)
        for shapes, kwargs in row.cases:
            compiled = mx.compile(lambda *a, kwargs=kwargs: row.fn(*a, **kwargs))
            for _ in range(2):
                args = [to_mx(x) for x in draw(row, rng, shapes, name)]
                want = row.fn(*args, **kwargs)
                assert_same(compiled(*args), want, f"{row.name} {shapes} {kwargs} compiled")

    def test_export(self, row, tmp_path):
        rng, name, path = row.rng(), main_dtype(row), tmp_path / "f"
        for shapes, kwargs in small_cases(row):
            args = [to_mx(x) for x in draw(row, rng, shapes, name)]
            mx.export_function(path, lambda *a, kwargs=kwargs: flat(row.fn(*a, **kwargs)), *args)
            got = list(mx.import_function(path)(*args))
            assert_same(
                got, flat(row.fn(*args, **kwargs)), f"{row.name} {shapes} {kwargs} imported"
            )

    def test_shapeless(self, row):
        """One compiled function called with several sizes gives what the function itself gives."""
        rng, name = row.rng(), main_dtype(row)
        for shapes, kwargs in small_cases(row):
            f = functools.partial(row.fn, **kwargs)
            compiled = mx.compile(lambda *a, f=f: f(*a), shapeless=True)
            for sizes in ((0, 1, 2), (0, 1, 3), (0, 2, 1), (0, 3, 2)):
                resized = [tuple(resize(d, sizes) for d in shape) for shape in shapes]
                try:
                    args = [to_mx(x) for x in draw(row, rng, resized, name)]
                    want = f(*args)
                    mx.eval(want)
                except Exception:
                    with pytest.raises(Exception):
                        mx.eval(compiled(*args))
                else:
                    assert_same(compiled(*args), want, f"{row.name} {resized} {kwargs} shapeless")

    def test_errors(self, row):
        shapes, kwargs = next(iter(small_cases(row, 1)), row.cases[0])
        args = [to_mx(x) for x in draw(row, row.rng(), shapes, main_dtype(row))]
        if "axis" in row.wrong:
            for axis in (9, -9, 2**40):
                expect_error(row, args, {**kwargs, "axis": axis})
        if "shape" in row.wrong:
            bad = [mx.zeros((2, 3)), mx.zeros((4, 5)), mx.zeros((6, 7))][: len(args)]
            expect_error(row, [b.astype(a.dtype) for a, b in zip(args, bad, strict=True)], kwargs)
        if row.strict:
            for name in set(DTYPES) - set(row.dtypes):
                expect_error(row, [a.astype(mx_dtype(name)) for a in args], kwargs)
        if row.call is None and args:
            for junk in ("text", {"a": 1}, object()):
                with pytest.raises((TypeError, ValueError)):
                    mx.eval(row.fn(junk, *args[1:], **kwargs))

    def test_aliases(self, row):
        shapes, kwargs = row.cases[0]
        args = [to_mx(x) for x in draw(row, row.rng(), shapes, main_dtype(row))]
        for alias in row.aliases:
            assert_same(lookup(alias)(*args, **kwargs), lookup(row.name)(*args, **kwargs), alias)


def resize(d, sizes):
    """Another size: one for 0, one for 1, and d times something for the rest, so equal sizes stay so."""
    return sizes[d] if d < 2 else d * sizes[2]


def expect_error(row, args, kwargs):
    """The call fails with an exception that says whose fault it is, and names the op."""
    try:
        mx.eval(row.fn(*args, **kwargs))
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        text = str(error)
    else:
        kinds = [f"{a.dtype}{tuple(a.shape)}" for a in args]
        pytest.fail(f"{row.name}({', '.join(kinds)}, {kwargs}) raised nothing")
    short = row.name.rsplit(".", 1)[-1]
    assert (
        f"[{short}]" in text
        or f"[{row.name}]" in text
        or "2**" in repr(kwargs)
        or (any(abs(v) > 2**31 for v in kwargs.values() if isinstance(v, int)))
    ), f"no [{short}] in: {text}"


def check_vmap(row, each, axes, kwargs, name):
    """vmap over `axes` equals the loop over the three sets of arguments in `each`."""
    stacked = []
    for i, axis in enumerate(axes):
        values = [args[i] for args in each]
        stacked.append(values[0] if axis is None else np.stack(values, axis))
    rows = [
        [each[0][i] if axis is None else args[i] for i, axis in enumerate(axes)] for args in each
    ]
    f = functools.partial(row.fn, **kwargs)
    got = flat(mx.vmap(f, in_axes=axes)(*(to_mx(x) for x in stacked)))
    want = [[to_np(o) for o in flat(f(*(to_mx(x) for x in args)))] for args in rows]
    what = f"{row.name} in_axes={axes} {kwargs}"
    for g, parts in zip(got, zip(*want, strict=True), strict=True):
        kind = dtype_name(g.dtype)
        assert np_dtype(kind) == parts[0].dtype, f"{what}: {g.dtype} instead of {parts[0].dtype}"
        assert_close(g, np.stack(parts), kind, row.tol, what, row.span)


def check_special(row, name):
    """NaN, infinities, signed zeros, subnormal and huge values against the reference."""
    info = np.finfo(np.float32 if name == "bfloat16" else np_dtype(name))
    tiny = float(info.smallest_normal)
    points = [*SPECIAL, tiny, tiny * 0.375, float(info.max) * 0.99, float(info.max) ** 0.5]
    points = rounded(points + [-p for p in points], name)
    count = len(row.cases[0][0])
    grid = np.meshgrid(*([points] * count), indexing="ij")
    args = [np.ascontiguousarray(g.reshape(-1)) for g in grid]
    got = flat(row.fn(*(to_mx(x) for x in args)))
    names = row.out_dtypes(name, len(got))
    for a, x, dtype in zip(got, reference(row, args, {}, names), names, strict=True):
        want, a = rounded(x, dtype), to_np(a)
        if dtype == "bool_":
            assert_same(a, want, f"{row.name} {name}")
            continue
        a, want = np.asarray(a, np.float64), np.asarray(want, np.float64)
        smallest = float(info.smallest_subnormal)
        with np.errstate(all="ignore"):
            near = np.abs(a - want) <= RTOL[dtype] * row.tol * np.abs(want) + smallest
        zero = (a == 0) & (want == 0)
        same = (np.isnan(a) & np.isnan(want)) | (a == want) | near
        same &= ~zero | (np.signbit(a) == np.signbit(want))
        bad = np.argwhere(~same).reshape(-1)
        lines = [f"{[float(x[i]) for x in args]} -> {a[i]}, not {want[i]}" for i in bad[:8]]
        assert not len(bad), f"{row.name} {name}: {len(bad)} wrong\n" + "\n".join(lines)
