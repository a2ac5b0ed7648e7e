"""What must hold of every program: the same results however it runs, and right derivatives."""

import re

import numpy as np

import olivine.core as mx
from tests.compositions import reference
from tests.compositions.program import NAME, Program, targets
from tests.support import RTOL, assert_same, dtype_name, to_mx, to_np

# Where a rounding error may become another result.
JUMP = re.compile(r"linalg\.qr|floor|ceil|trunc|round|sign\(|logical_|isnan|isinf|isfinite|isclose|less|greater|equal|arg|searchsorted|unique"
                  r"|remainder|divmod|astype|any|all|count_nonzero|where| > |%|bernoulli|categorical|randint|permutation"
                  r"|view|nan_to_num|cross_entropy|bits|extract|compress|nonzero|repeat|cond\(|switch|while_loop|matrix_rank|lstsq")  # fmt: skip
BATCH = 3
SIZES = {2: 3, 3: 2, 4: 6, 5: 4, 8: 9, 16: 7}


class Finding(AssertionError):
    """A rule that a program breaks; `kind` names the rule."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def rule(kind):
    """Turns whatever goes wrong in a check into a finding of its kind."""

    def wrap(f):
        def checked(*args):
            try:
                return f(*args)
            except Finding:
                raise
            except AssertionError as error:
                raise Finding(kind, str(error)) from error
            except Exception as error:
                raise Finding(f"{kind} raises", f"{type(error).__name__}: {error}") from error

        checked.kind = kind
        return checked

    return wrap


@rule("lazy")
def check_lazy(p, want, keep):
    f = p.function()
    lazy = f(*p.values())
    mx.eval(lazy)
    assert_same(lazy, want, "all at once")
    last = p.function(p.names()[-1:])
    assert_same(last(*p.values()), want[-1:], "the last value only")


@rule("compile")
def check_compile(p, want, keep):
    names = p.names()
    compiled = mx.compile(p.function([names[i] for i in keep]))
    for _ in range(2):
        inputs = p.values()
        assert_same(compiled(*inputs), [want[i] for i in keep], "compiled")
        assert_same(inputs, p.values(), "the inputs")


@rule("shapeless")
def check_shapeless(p, want, keep):
    names = p.names()
    f = mx.compile(p.function([names[i] for i in keep]), shapeless=True)
    assert_same(f(*p.values()), [want[i] for i in keep], "compiled for any size")
    other = p.values(1, SIZES)
    try:
        want = p.stepwise(other)
    except (ValueError, TypeError, IndexError):
        try:
            mx.eval(f(*other))
        except (ValueError, TypeError, IndexError):
            return
        # Only a value that was not asked for may have failed.
        try:
            mx.eval(p.function([names[i] for i in keep])(*other))
        except (ValueError, TypeError, IndexError) as error:
            raise AssertionError(f"accepts sizes that fail step by step: {error}") from error
        return
    assert_same(f(*other), [want[i] for i in keep], "other sizes")


@rule("vmap")
def check_vmap(p, want, keep):
    rng = np.random.default_rng([p.seed, 7])
    axes = [None if rng.uniform() < 0.2 else int(rng.integers(len(a.shape) + 1)) for a in p.inputs]
    if all(a is None for a in axes):
        axes[0] = 0
    draws = [p.values(d) for d in range(BATCH)]
    draws = [
        [x if a is not None else draws[0][i] for i, (x, a) in enumerate(zip(d, axes, strict=True))]
        for d in draws
    ]
    try:
        rows = [p.stepwise(d) for d in draws]
    except (ValueError, TypeError, IndexError):
        return  # another draw does not fit, a singular matrix for one
    batched = [
        d if a is None else mx.stack([row[i] for row in draws], axis=a)
        for i, (a, d) in enumerate(zip(axes, draws[0], strict=True))
    ]
    got = mx.vmap(p.function(), in_axes=axes)(*batched)
    mx.eval(got)
    compare_batches(p, got, [np.stack([to_np(r[i]) for r in rows]) for i in range(len(got))])
    names = p.names()
    some = p.function([names[i] for i in keep])
    once = mx.vmap(some, in_axes=axes)(*batched)
    assert_same(mx.compile(mx.vmap(some, in_axes=axes))(*batched), once, "compile of vmap")
    assert_same(mx.vmap(mx.compile(some), in_axes=axes)(*batched), once, "vmap of compile")


def compare_batches(p, got, want):
    """Equal bits until a sum is rounded otherwise, then close ones until a jump hides what is right."""
    state = {f"x{i}": "same" for i in range(len(p.inputs))}
    at = dict(zip(p.names(), zip(got, want, strict=True), strict=True))
    for s in p.statements:
        parents = {state[n] for n in NAME.findall(s.split(" = ", 1)[1])} or {"same"}
        for name in targets(s):
            a, w = at[name]
            assert tuple(a.shape) == w.shape, f"shape {a.shape} instead of {w.shape} of {s}"
            assert to_np(a).dtype == w.dtype, f"{a.dtype} instead of {w.dtype} of {s}"
            state[name] = compare_value(a, w, parents, s)


def compare_value(a, w, parents, s):
    dtype, x = dtype_name(a.dtype), to_np(a)
    unsure = (
        "unknown" in parents
        or "near" in parents
        and (JUMP.search(s) or dtype not in ("float64", "complex128"))
    )
    wide = np.complex128 if dtype.startswith("c") else np.float64
    if dtype not in RTOL:
        same = np.array_equal(x, w)
        assert same or unsure, f"values of {s}"
        return "unknown" if unsure else "same"
    equal_bits = x.tobytes() == w.tobytes()
    x, w = x.astype(wide), w.astype(wide)
    if not unsure and np.array_equal(x, w, equal_nan=True):
        # Signs of zeros and bits of NaN may still differ, as `view` shows.
        return "same" if parents == {"same"} and equal_bits else "near"
    if unsure or not np.isfinite(w).all():
        return "unknown"
    tol = 1e-6 if dtype in ("float64", "complex128") else 60 * RTOL[dtype]
    size = max(1.0, float(np.max(np.abs(w), initial=0)))
    bad = np.max(np.abs(x - w), initial=0) / size if np.isfinite(x).all() else np.inf
    assert bad <= tol, f"values of {s}, off by {bad:.2g}"
    return "near" if dtype in ("float64", "complex128") else "unknown"


def loss_of(p, count=4, real=("float64",)):
    """A scalar of the last few floating values."""
    f = p.function()

    def loss(*inputs):
        outs = [o for o in f(*inputs) if dtype_name(o.dtype) in real][-count:]
        return sum(
            (mx.sum(mx.tanh(0.5 * o.astype(outs[0].dtype))) for o in outs),
            mx.array(0.0, outs[0].dtype if outs else mx.float32),
        )

    return loss


def float_inputs(p):
    return [
        i
        for i, a in enumerate(p.inputs)
        if a.key is None and a.dtype.startswith(("float", "bfloat"))
    ]


@rule("grad")
def check_grad(p, want, keep):
    """Gradients exist, have the inputs' shapes, and are the same compiled and checkpointed."""
    nums = float_inputs(p)
    if not nums:
        return
    loss, xs = loss_of(p, real=("float32", "float64", "float16", "bfloat16")), p.values()
    value, grads = mx.value_and_grad(loss, argnums=nums)(*xs)
    again = mx.compile(mx.value_and_grad(loss, argnums=nums))(*xs)
    assert_same([value], [loss(*xs)], "the value beside the gradient")
    assert_same([again[0], *as_list(again[1])], [value, *as_list(grads)], "compiled gradient")
    for i, g in zip(nums, as_list(grads), strict=True):
        assert g.shape == xs[i].shape and g.dtype == xs[i].dtype, (
            f"gradient {g.dtype}{g.shape} of x{i}"
        )


@rule("derivative")
def check_derivatives(p, want, keep):
    """Reverse and forward mode agree with each other and with differences, first and second order."""
    nums = float_inputs(p)
    if p.profile != "smooth" or not nums:
        return
    rng = np.random.default_rng([p.seed, 8])
    inputs, full = p.values(), loss_of(p)

    def loss(*xs):
        values = list(inputs)
        for i, x in zip(nums, xs, strict=True):
            values[i] = x
        return full(*values)

    xs = [inputs[i] for i in nums]
    us, vs = ([to_mx(rng.standard_normal(x.shape)) for x in xs] for _ in range(2))
    compare_slopes(loss, xs, vs, "first order")
    each = list(range(len(xs)))

    def slope(*a):
        gs = as_list(mx.grad(loss, argnums=each)(*a))
        return sum((mx.sum(g * u) for g, u in zip(gs, us, strict=True)), mx.array(0.0, mx.float64))

    compare_slopes(slope, xs, vs, "second order")


def as_list(x):
    return list(x) if isinstance(x, list | tuple) else [x]


def compare_slopes(f, xs, vs, what):
    grads = as_list(mx.grad(f, argnums=list(range(len(xs))))(*xs))
    terms = [to_np(g) * to_np(v) for g, v in zip(grads, vs, strict=True)]
    reverse, size = sum(float(t.sum()) for t in terms), sum(float(np.abs(t).sum()) for t in terms)
    forward = float(mx.jvp(f, xs, vs)[1][0].item())
    if not (np.isfinite(size) and np.isfinite(forward)) or size > 1e6:
        return
    assert abs(reverse - forward) <= 1e-7 * max(1.0, size), (
        f"{what}: reverse {reverse}, forward {forward}, addends {size}"
    )
    fast = mx.compile(f)

    def at(s):
        return float(fast(*(x + s * v for x, v in zip(xs, vs, strict=True))).item())

    here = at(0.0)
    sides = [((at(h) - here) / h, (here - at(-h)) / h) for h in (1e-5, 2e-6, 4e-7)]
    both = [(r + l) / 2 for r, l in sides]
    scale = max(1.0, size)
    # Differences that don't settle, or differ from one side to the other, say nothing: a kink or a jump.
    settled = max(both) - min(both) <= 1e-5 * scale and all(
        abs(r - l) <= 1e-2 * scale for r, l in sides
    )
    assert not settled or abs(both[1] - reverse) <= 1e-4 * scale, (
        f"{what}: {reverse}, by differences {both}"
    )


def by_reference(process):
    """The rule that the plain kernels, in a process of their own, give the same."""

    @rule("plain kernels")
    def check_plain(p, want, keep):
        reference.check_reference(p, want, process, JUMP)

    return check_plain


SHORT = (check_compile, check_shapeless)
CHECKS = (check_lazy, *SHORT, check_vmap, check_grad, check_derivatives)


def check(p, checks=CHECKS):
    """Raises a Finding unless all holds."""
    if not p.statements:
        return
    want = rule("step by step")(p.stepwise)(p.values())
    keep = sorted(
        {len(want) - 1, *(int(i) for i in np.random.default_rng(p.seed).permutation(len(want))[:3])}
    )
    for one in checks:
        one(p, want, keep)


def shrink(p, finding, checks=CHECKS):
    """A program with fewer statements that breaks the same rule of these."""
    checks = [c for c in checks if finding.kind.startswith(c.kind)] or checks
    i = len(p.statements) - 1
    while i >= 0:
        smaller = p.without(min(i, len(p.statements) - 1))
        try:
            check(smaller, checks)
        except Finding as other:
            if other.kind == finding.kind:
                p, finding = smaller, other
        i = min(i, len(p.statements)) - 1
    return Program(p.seed, p.profile, p.inputs, p.statements), finding
