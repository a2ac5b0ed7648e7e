"""Loops and branches against the same written in Python, against NumPy, and against formulas."""

import resource
import threading

import numpy as np
import pytest

import olivine.core as mx
from olivine import nn


def unrolled(f, init, xs, reverse=False):
    """What scan means."""
    n = len(mx_leaves(xs)[0])
    carry, ys = init, [None] * n
    for i in reversed(range(n)) if reverse else range(n):
        carry, ys[i] = f(carry, tree(lambda a, i=i: a[i], xs))
    return carry, tree(lambda *a: mx.stack(a), *ys)


def tree(f, first, *rest):
    if isinstance(first, dict):
        return {k: tree(f, first[k], *(r[k] for r in rest)) for k in first}
    if isinstance(first, (list, tuple)):
        return type(first)(tree(f, *t) for t in zip(first, *rest, strict=True))
    return f(first, *rest)


def mx_leaves(t):
    out = []
    tree(out.append, t)
    return out


def close(a, b, tolerance=1e-5):
    a, b = mx_leaves(a), mx_leaves(b)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        x, y = np.array(x), np.array(y)
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


rng = np.random.default_rng(7)
W = mx.array(rng.normal(size=(4, 4)).astype(np.float32) * 0.5)
XS = mx.array(rng.normal(size=(6, 4)).astype(np.float32))
H = mx.array(rng.normal(size=(4,)).astype(np.float32))


def cell(h, x):
    h = mx.tanh(h @ W + x)
    return h, mx.sum(h * x)


# ---- Values.


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [None, 1, 2, 4, 100, True])
def test_scan_is_the_unrolled_loop(reverse, checkpoint):
    close(
        mx.scan(cell, H, XS, reverse=reverse, checkpoint=checkpoint),
        unrolled(cell, H, XS, reverse),
    )


def test_carries_and_slices_may_be_trees():
    def f(c, x):
        return {"a": c["b"], "b": c["a"] + x[0]}, [c["a"] * x[1]["w"], (c["b"],)]

    init = {"a": mx.array([1.0, 2.0]), "b": mx.array([3.0, 4.0])}
    xs = (mx.arange(6.0).reshape(3, 2), {"w": mx.arange(3.0)})
    close(mx.scan(f, init, xs), unrolled(f, init, xs))


def test_a_dict_may_come_back_in_another_order():
    out = mx.fori_loop(
        0, 2, lambda i, c: {"y": c["y"] + 1, "x": c["x"] * 2}, {"x": mx.array(1), "y": mx.array(5)}
    )
    assert out["x"].item() == 4 and out["y"].item() == 7


def test_carries_that_are_passed_on_or_exchanged():
    def fibonacci(c, _):
        return (c[1], c[0] + c[1]), c[0]

    carry, ys = mx.scan(fibonacci, (mx.array(0), mx.array(1)), length=10)
    assert ys.tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    assert [c.item() for c in carry] == [55, 89]


def test_a_carry_may_become_a_slice_a_constant_or_the_index():
    k = mx.array(9)
    last, before = mx.scan(lambda c, x: (x, c), mx.array(0), mx.array([3, 1, 4]))
    assert last.item() == 4 and before.tolist() == [0, 3, 1]
    assert mx.fori_loop(0, 3, lambda i, c: i, mx.array(7)).item() == 2
    assert mx.fori_loop(0, 3, lambda i, c: k, mx.array(7)).item() == 9
    assert mx.fori_loop(0, 0, lambda i, c: k, mx.array(7)).item() == 7


def test_a_result_may_be_a_view_or_given_twice():
    a = mx.arange(6.0).reshape(2, 3)

    def f(c, x):
        t = mx.transpose(c + x)
        return mx.transpose(t), (t, t, c + x)

    close(mx.scan(f, a, mx.array([1.0, 2.0, 3.0])), unrolled(f, a, mx.array([1.0, 2.0, 3.0])))


def test_inputs_may_be_views_of_any_layout():
    xs = mx.transpose(mx.arange(24.0).reshape(4, 6))[::-2]
    init = mx.broadcast_to(mx.array(1.0), (4,))
    close(
        mx.scan(lambda c, x: (c + x, c * x), init, xs),
        unrolled(lambda c, x: (c + x, c * x), init, xs),
    )


def test_a_loop_without_steps():
    carry, ys = mx.scan(lambda c, x: (c + x, c * x), mx.array(2.0), mx.zeros((0,)))
    assert carry.item() == 2.0 and ys.shape == (0,) and ys.dtype == mx.float32
    assert mx.scan(lambda c, x: (c, None), mx.array(1), None, length=0)[0].item() == 1


def test_inputs_stay_what_they_were():
    x = mx.zeros((100,)) + 1
    mx.eval(x)
    y = mx.fori_loop(0, 5, lambda i, c: c * 2, x)
    assert y[0].item() == 32 and mx.all(x == 1).item()


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.int8, mx.uint64, mx.complex64])
def test_every_dtype_may_be_carried(dtype):
    xs = mx.array([1, 2, 3]).astype(dtype)
    total, sums = mx.scan(lambda c, x: (c + x, c), mx.zeros((), dtype), xs)
    assert total.dtype == sums.dtype == dtype and total.astype(mx.float32).item() == 6
    assert sums.astype(mx.float32).tolist() == [0, 1, 3]


def test_numbers_among_the_leaves_become_arrays():
    n, x = mx.fori_loop(0, 3, lambda i, c: (c[0] + 1, 2.0), (0, 1.0))
    assert n.item() == 3 and n.dtype == mx.int32 and x.item() == 2.0


def test_fori_loop_counts_from_its_bounds():
    seen = mx.fori_loop(-2, 3, lambda i, c: c * 10 + i, mx.array(0))
    expected = 0
    for i in range(-2, 3):
        expected = expected * 10 + i
    assert seen.item() == expected
    big = 2**40
    assert (
        mx.fori_loop(big, big + 2, lambda i, c: c + i, mx.array(0, mx.int64)).item() == 2 * big + 1
    )


def test_bounds_may_be_arrays():
    lower, upper = mx.array(2), mx.array(6)
    assert mx.fori_loop(lower, upper, lambda i, c: c + i, mx.array(0)).item() == 14
    assert mx.vmap(lambda n: mx.fori_loop(0, n, lambda i, c: c + i, mx.array(0)))(
        mx.array([0, 1, 5])
    ).tolist() == [0, 0, 10]


def test_while_loop_stops_when_the_condition_fails():
    n, x = mx.while_loop(lambda c: c[1] < 1000, lambda c: (c[0] + 1, c[1] * 3), (0, mx.array(1)))
    assert (n.item(), x.item()) == (7, 2187)
    assert mx.while_loop(lambda x: x < 0, lambda x: x + 1, mx.array(5)).item() == 5
    assert mx.while_loop(lambda x: x < 100, lambda x: x + 1, mx.array(0), max_steps=7).item() == 7


def test_only_the_branch_taken_runs():
    """The other one would not end."""

    def forever(x):
        return mx.while_loop(lambda v: v == v, lambda v: v, x)

    assert mx.cond(mx.array(True), lambda x: x + 1, forever, mx.array(1)).item() == 2
    assert mx.switch(mx.array(2), [forever, forever, lambda x: x * 5], mx.array(1)).item() == 5


@pytest.mark.parametrize("index, expected", [(-5, 1), (0, 1), (1, 20), (2, 300), (99, 300)])
def test_switch_takes_the_nearest_branch(index, expected):
    branches = [lambda x: x, lambda x: x * 20, lambda x: x * 300]
    assert mx.switch(index, branches, mx.array(1)).item() == expected


def test_branches_give_trees_and_pass_operands_on():
    out = mx.cond(
        mx.array(0), lambda a, b: {"x": a, "y": b}, lambda a, b: {"y": a, "x": b}, 1.0, 2.0
    )
    assert out["x"].item() == 2.0 and out["y"].item() == 1.0


@pytest.mark.parametrize("batch_size", [None, 1, 2, 5, 6, 50])
def test_map_is_a_loop_over_slices(batch_size):
    out = mx.map(lambda x: (x[0] @ W, x[1] + 1), (XS, mx.arange(6)), batch_size=batch_size)
    close(out, (XS @ W, mx.arange(6) + 1))


def test_nested_control_flow():
    def collatz(n):
        def step(c):
            n, steps = c
            n = mx.cond(n % 2 == 0, lambda v: v // 2, lambda v: 3 * v + 1, n)
            return n, steps + 1

        return mx.while_loop(lambda c: c[0] != 1, step, (n, mx.array(0)))[1]

    assert mx.map(collatz, mx.array([1, 6, 7, 27])).tolist() == [0, 8, 16, 111]
    assert mx.vmap(collatz)(mx.array([1, 6, 7, 27])).tolist() == [0, 8, 16, 111]


# ---- Derivatives.


def loss(run, w, h, xs):
    def f(c, x):
        c = mx.tanh(c @ w + x)
        return c, mx.sum(c * x)

    h, ys = run(f, h, xs)
    return mx.sum(h**2) + mx.sum(mx.sin(ys))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [None, 1, 2, 4, True])
def test_gradients_are_those_of_the_unrolled_loop(reverse, checkpoint):
    def scan(f, init, xs):
        return mx.scan(f, init, xs, reverse=reverse, checkpoint=checkpoint)

    def plain(f, init, xs):
        return unrolled(f, init, xs, reverse)

    args = (W, H, XS)
    close(
        mx.grad(lambda *a: loss(scan, *a), argnums=(0, 1, 2))(*args),
        mx.grad(lambda *a: loss(plain, *a), argnums=(0, 1, 2))(*args),
    )


def test_forward_mode_is_that_of_the_unrolled_loop():
    tangents = [mx.sin(a * 3) for a in (W, H, XS)]
    close(
        mx.jvp(lambda *a: loss(mx.scan, *a), [W, H, XS], tangents)[1],
        mx.jvp(lambda *a: loss(unrolled, *a), [W, H, XS], tangents)[1],
    )


def test_second_derivatives():
    def f(run):
        def inner(h):
            return loss(run, W, h, XS)

        return mx.hessian(inner)(H), mx.grad(lambda h: mx.sum(mx.grad(inner)(h) ** 2))(H)

    close(f(mx.scan), f(unrolled), 1e-4)


def test_gradients_match_finite_differences():
    x = np.float64(0.7)

    def f(x):
        return mx.fori_loop(1, 6, lambda i, v: mx.sin(v) * i.astype(v.dtype) + x, x)

    e = 1e-6
    with_step = [f(mx.array(v, mx.float64)).item() for v in (x + e, x - e)]
    slope = (with_step[0] - with_step[1]) / (2 * e)
    assert mx.grad(f)(mx.array(x, mx.float64)).item() == pytest.approx(slope, rel=1e-6)


def test_a_loop_of_integers_beside_floats_is_differentiated():
    def f(x):
        n, v = mx.fori_loop(0, 4, lambda i, c: (c[0] + 2, c[1] * x + c[0]), (mx.array(1), x))
        return v

    def plain(x):
        n, v = 1, x
        for _ in range(4):
            n, v = n + 2, v * x + n
        return v

    assert mx.grad(f)(mx.array(1.5)).item() == pytest.approx(mx.grad(plain)(mx.array(1.5)).item())


def test_a_while_loop_has_a_forward_mode():
    def f(x):
        return mx.while_loop(lambda v: v < 10, lambda v: v * x, x)

    # 2 -> 16 by three products: x^4.
    out, tangent = mx.jvp(f, [mx.array(2.0)], [mx.array(1.0)])
    assert out[0].item() == 16 and tangent[0].item() == 32


def test_a_while_loop_with_a_bound_has_a_reverse_mode():
    def f(x):
        return mx.while_loop(lambda v: v < 10, lambda v: v * x, x, max_steps=20)

    assert mx.grad(f)(mx.array(2.0)).item() == 32
    assert mx.vmap(mx.grad(f))(mx.array([2.0, 4.0])).tolist() == [32, 8]
    with pytest.raises(ValueError, match=r"\[vjp\] expected a loop of a known length.*max_steps"):
        mx.grad(lambda x: mx.while_loop(lambda v: v < 10, lambda v: v * x, x))(mx.array(2.0))


@pytest.mark.parametrize("taken", [True, False])
def test_gradients_go_through_the_branch_taken(taken):
    w = mx.array(3.0)

    def f(x, w):
        return mx.cond(mx.array(taken), lambda v: v * v * w, lambda v: mx.exp(v), x)

    expected = (12.0, 4.0) if taken else (np.exp(2.0), 0.0)
    close(mx.grad(f, argnums=(0, 1))(mx.array(2.0), w), tree(lambda v: np.float32(v), expected))
    tangent = mx.jvp(f, [mx.array(2.0), w], [mx.array(1.0), mx.array(1.0)])[1][0].item()
    assert tangent == pytest.approx(16.0 if taken else np.exp(2.0))


def test_a_predicate_may_depend_on_what_is_differentiated():
    f = mx.grad(lambda x: mx.cond(x > 0, lambda v: v**3, lambda v: -v, x))
    assert f(mx.array(2.0)).item() == 12 and f(mx.array(-2.0)).item() == -1
    assert mx.vmap(f)(mx.array([2.0, -2.0])).tolist() == [12, -1]


def test_gradients_of_arrays_that_functions_capture():
    def f(w):
        inside = w * 2  # of the trace of grad
        return mx.fori_loop(0, 3, lambda i, c: c * inside, mx.array(1.0))  # 8 w^3

    assert mx.grad(f)(mx.array(1.5)).item() == pytest.approx(24 * 1.5**2)
    assert mx.grad(mx.grad(f))(mx.array(1.5)).item() == pytest.approx(48 * 1.5)
    assert mx.vmap(mx.grad(f))(mx.array([1.0, 2.0])).tolist() == [24, 96]
    assert mx.compile(mx.grad(f))(mx.array(1.0)).item() == 24


def test_a_module_inside_a_loop_is_trained():
    model = nn.Linear(4, 4)

    def of(run):
        def f(m):
            return mx.sum(run(lambda h, x: (mx.tanh(m(h) + x), None), H, XS)[0])

        return nn.value_and_grad(model, f)(model)

    def python(f, h, xs):
        for x in xs:
            h, _ = f(h, x)
        return h, None

    (a, ga), (b, gb) = of(mx.scan), of(python)
    close([a, ga["weight"], ga["bias"]], [b, gb["weight"], gb["bias"]])


def test_checkpointed_and_custom_functions_inside():
    @mx.custom_function
    def double(x):
        return x * 2

    @double.vjp
    def double_vjp(x, ct, out):
        return ct * 100

    def f(x):
        return mx.fori_loop(0, 2, lambda i, c: double(mx.checkpoint(mx.sin)(c)), x)

    def g(x):
        return double(mx.sin(double(mx.sin(x))))

    assert mx.grad(f)(mx.array(0.3)).item() == pytest.approx(
        mx.grad(g)(mx.array(0.3)).item(), rel=1e-5
    )


# ---- Batches.


@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (None, None, 1), (0, 0, 1)])
@pytest.mark.parametrize("differentiated", [False, True])
def test_vmap_over_anything(axes, differentiated):
    def f(run):
        def value(*args):
            return loss(run, *args)

        return mx.grad(value, argnums=1) if differentiated else value

    batches = (mx.stack([W, W * 2]), mx.stack([H, H - 1]), mx.stack([XS, XS + 1], axis=1))
    args = [
        one if axis is None else many
        for axis, many, one in zip(axes, batches, (W, H, XS), strict=True)
    ]

    def element(i):
        return [a if x is None else mx.take(a, i, x) for x, a in zip(axes, args, strict=True)]

    out = mx.vmap(f(mx.scan), in_axes=axes)(*args)
    close(out, mx.stack([f(unrolled)(*element(i)) for i in range(2)]), 1e-4)


def test_elements_that_are_finished_keep_their_values():
    def f(x, y):
        return mx.while_loop(lambda c: c[0] < 10, lambda c: (c[0] * 2, c[1] + 1), (x, y))

    x, n = mx.vmap(f)(mx.array([1, 3, 50]), mx.array([0, 0, 0]))
    assert x.tolist() == [16, 12, 50] and n.tolist() == [4, 2, 0]
    x, n = mx.vmap(f, in_axes=(None, 0))(mx.array(3), mx.array([0, 7]))
    assert x.tolist() == [12, 12] and n.tolist() == [2, 9]


def test_a_batch_of_predicates_selects():
    f = mx.vmap(lambda p, x: mx.cond(p, lambda v: v + 1, lambda v: v * 10, x))
    assert f(mx.array([True, False]), mx.array([1, 2])).tolist() == [2, 20]
    g = mx.vmap(lambda i: mx.switch(i, [lambda: 1, lambda: 2, lambda: 3]))
    assert g(mx.array([2, 0, 7, 1])).tolist() == [3, 1, 3, 2]


# ---- Compiled, exported, of other sizes.


def test_compiled_loops_are_those_of_eager():
    f = mx.compile(lambda *a: loss(mx.scan, *a))
    g = mx.compile(mx.grad(lambda *a: loss(mx.scan, *a), argnums=(0, 1, 2)))
    for _ in range(2):
        close(f(W, H, XS), loss(unrolled, W, H, XS))
        close(g(W, H, XS), mx.grad(lambda *a: loss(unrolled, *a), argnums=(0, 1, 2))(W, H, XS))


def test_shapeless_functions_with_loops_serve_other_sizes():
    f = mx.compile(
        lambda xs: mx.scan(lambda c, x: (c + x, c * 2), mx.array(0.0), xs), shapeless=True
    )
    for n in (3, 5, 4):
        xs = mx.arange(float(n))
        close(f(xs), unrolled(lambda c, x: (c + x, c * 2), mx.array(0.0), xs))


def test_exported_loops_are_what_they_were(tmp_path):
    def f(w, h, xs):
        def step(c, x):
            c = mx.cond(mx.sum(c) > 0, lambda v: mx.tanh(v @ w + x), lambda v: v - x, c)
            inner = mx.while_loop(lambda v: mx.sum(v) < 3, lambda v: v + 1, c)
            return c, mx.fori_loop(0, 3, lambda i, v: v * 0.5 + i, inner)

        return mx.scan(step, h, xs)

    def g(w, h, xs):
        return mx.grad(lambda w: mx.sum(mx.scan(lambda c, x: (mx.tanh(c @ w + x), c), h, xs)[1]))(w)

    for name, fn in (("f", f), ("g", g)):
        path = str(tmp_path / f"{name}.olv")
        mx.export_function(path, fn, W, H, XS)
        again = mx.import_function(path)
        expected = mx_leaves(fn(W, H, XS))
        close(again(W, H, XS), expected)
        close(mx.compile(again)(W, H, XS), expected)
    gradient = mx.grad(lambda w: mx.sum(mx.import_function(str(tmp_path / "g.olv"))(w, H, XS)[0]))
    plain = mx.grad(lambda w: mx.sum(g(w, H, XS)))
    close(gradient(W), plain(W), 1e-4)


def test_mutilated_files_of_loops_are_refused_or_run(tmp_path):
    path = tmp_path / "loop.olv"

    def f(x):
        def step(c, v):
            return c + mx.fori_loop(0, 2, lambda i, u: u + v, c), c

        return mx.scan(step, x[0], x)[0]

    mx.export_function(str(path), f, mx.arange(3.0))
    data = bytearray(path.read_bytes())
    assert mx.import_function(str(path))(mx.arange(3.0))[0].item() == f(mx.arange(3.0)).item()
    refused = 0
    for at in range(24, len(data)):
        for value in (0, 1, 0x7F, 0xFF):
            changed = bytes(data[:at]) + bytes([value]) + bytes(data[at + 1 :])
            path.write_bytes(changed)
            try:
                mx.import_function(str(path))
            except (ValueError, RuntimeError) as e:
                assert "[import_function]" in str(e)
                refused += 1
    assert refused > len(data)


# ---- Random numbers.


def test_random_numbers_differ_from_step_to_step():
    mx.random.seed(3)
    _, ys = mx.scan(lambda c, x: (c, mx.random.uniform()), mx.array(0.0), length=50)
    _, more = mx.scan(lambda c, x: (c, mx.random.uniform()), mx.array(0.0), length=50)
    both = np.concatenate([np.array(ys), np.array(more)])
    assert len(set(both.tolist())) == 100 and abs(both.mean() - 0.5) < 0.15
    mx.random.seed(3)
    again = mx.scan(lambda c, x: (c, mx.random.uniform()), mx.array(0.0), length=50, checkpoint=7)[
        1
    ]
    assert again.tolist() == ys.tolist()


def test_random_numbers_of_the_gradient_are_those_of_the_value():
    mask = {}

    def f(x):
        def step(c, _):
            keep = mx.random.bernoulli(0.5, (8,))
            return mx.where(keep, c * 2, c), keep

        c, mask["kept"] = mx.scan(step, x, length=3)
        return mx.sum(c), mask["kept"]

    for fn in (mx.value_and_grad(f), mx.compile(mx.value_and_grad(f))):
        (_, kept), g = fn(mx.ones((8,)))
        assert g.tolist() == (2.0 ** np.array(kept).sum(0)).tolist()


def test_keys_may_be_carried_or_given():
    keys = mx.random.split(mx.random.key(0), 4)
    ys = mx.map(lambda k: mx.random.normal((3,), key=k), keys)
    close(ys, mx.stack([mx.random.normal((3,), key=k) for k in keys]))


def test_dropout_under_checkpoint_inside_a_loop():
    drop = nn.Dropout(0.5)

    def f(x):
        step = mx.checkpoint(lambda c: drop(c))
        c = mx.fori_loop(0, 1, lambda i, c: step(c), x)
        return mx.sum(c), c

    (_, c), g = mx.value_and_grad(f)(mx.ones((64,)))
    assert c.tolist() == g.tolist() and 0 < sum(v == 0 for v in c.tolist()) < 64


def test_branches_draw_random_numbers():
    def draw(x):
        return mx.cond(mx.array(True), lambda v: v + mx.random.uniform(), lambda v: v, x)

    assert draw(mx.array(0.0)).item() != draw(mx.array(0.0)).item()


# ---- Errors.


@pytest.mark.parametrize(
    "call, error",
    [
        (
            lambda: mx.scan(lambda c, x: ({"h": c["h"][:1]}, x), {"h": H}, XS),
            r"the body to return carry\['h'\] as it was given, \(4,\) float32; got \(1,\)",
        ),
        (
            lambda: mx.fori_loop(0, 3, lambda i, c: (c[0], c[1] * 1.5), (H, mx.array(1))),
            r"the body to return carry\[1\] as it was given, \(\) int32; got \(\) float32",
        ),
        (
            lambda: mx.while_loop(lambda c: c[0] < 1, lambda c: [c[0]], (mx.array(0),)),
            r"\[while_loop\] expected carry to be a tuple of 1; got a list of 1",
        ),
        (
            lambda: mx.scan(lambda c, x: c, H, XS),
            r"\[scan\] expected the function to return a pair",
        ),
        (
            lambda: mx.scan(lambda c, x: (c, x), H, (XS, H)),
            r"\[scan\] expected xs of one length, 6; got shape \(4,\)",
        ),
        (lambda: mx.scan(lambda c, x: (c, x), H), r"\[scan\] expected xs or a length; got neither"),
        (lambda: mx.scan(lambda c, x: (c, x), H, XS, length=5), r"\[scan\] expected a length of 6"),
        (lambda: mx.map(lambda x: x, None), r"\[map\] expected at least one array"),
        (
            lambda: mx.cond(H, lambda: 1, lambda: 2),
            r"\[cond\] expected a predicate that is one bool",
        ),
        (
            lambda: mx.cond(True, lambda: {"a": mx.array(1)}, lambda: {"a": mx.array(1.5)}),
            r"\[cond\] expected branch 1 to return result\['a'\] as branch 0 does, \(\) ",
        ),
        (lambda: mx.switch(0, []), r"\[switch\] expected at least one branch; got none"),
        (lambda: mx.switch(0.5, [lambda: 1]), r"\[switch\] expected an index that is one integer"),
        (
            lambda: mx.while_loop(lambda c: c < 1, lambda c: c, H),
            r"\[while_loop\] expected a condition that is one bool; got shape \(4,\)",
        ),
        (lambda: mx.scan(lambda c, x: (c, x), H, XS, checkpoint=0), "expected a checkpoint >= 1"),
    ],
)
def test_errors_say_what_was_expected(call, error):
    with pytest.raises((ValueError, TypeError), match=error):
        call()


def test_an_error_of_a_step_is_raised_and_the_inputs_are_usable():
    x = mx.arange(3)
    with pytest.raises(IndexError):
        mx.eval(mx.fori_loop(0, 5, lambda i, c: c + mx.take(x, i), mx.array(0)))
    assert x.tolist() == [0, 1, 2]


def test_a_loop_that_failed_may_be_evaluated_again():
    """Its first carry had to be copied, and nobody but the loop refers to it."""
    x = mx.arange(3.0)
    starts = [
        lambda: mx.ones((3, 3)),
        lambda: mx.array([[1.0, 2, 3]] * 3).T,
        lambda: mx.sin(x)[::-1],
    ]
    for start in starts:
        y = mx.fori_loop(0, 5, lambda i, c: c + mx.take(x, i), start())
        for _ in range(3):
            with pytest.raises(IndexError):
                mx.eval(y)


def test_an_error_of_the_function_is_its_own():
    with pytest.raises(ZeroDivisionError):
        mx.scan(lambda c, x: (c, 1 / 0), H, XS)


# ---- Steps that find what earlier ones kept.


def same(a, b):
    for x, y in zip(mx_leaves(a), mx_leaves(b), strict=True):
        assert np.array_equal(np.array(x), np.array(y), equal_nan=True)


BODIES = {
    "arithmetic": lambda c, x: (c * 0.5 + x * c - 0.25, c),
    "functions": lambda c, x: (mx.where(c > x, mx.tanh(c), mx.clip(c + x, -1.0, 1.0)), mx.sum(c)),
    "views": lambda c, x: (mx.flip(c, -1) * 0.5 + x, mx.transpose(c)[1:]),
    "columns": lambda c, x: ((c + mx.sum(c, axis=1, keepdims=True) * 0.1) * 0.5, c[:, :1] * x),
    "products": lambda c, x: (mx.tanh(mx.transpose(c) @ c)[:1] + c * 0.1 + x, c[0]),
    "halves": lambda c, x: ((c.astype(mx.bfloat16) * 0.5 + 0.3).astype(mx.float32), c),
    "a loop": lambda c, x: (mx.fori_loop(0, 3, lambda i, d: d * 0.5 + x * i, c), c),
    "a branch": lambda c, x: (mx.cond(mx.sum(c) > 0, lambda c: c * 0.5 - 1, mx.cos, c), c),
    "sorted": lambda c, x: (mx.sort(c * -0.9 + x, axis=-1), mx.argmax(c)),
}


@pytest.mark.parametrize("shape", [(4, 8), (3, 700)])
@pytest.mark.parametrize("body", BODIES)
def test_many_steps_give_the_bits_of_as_many_evaluations(body, shape):
    """Enough of them that programs are bound to their operands and machine code is written."""
    steps = 300
    start = mx.array(rng.normal(size=shape).astype(np.float32))
    xs = mx.array(rng.normal(size=(steps,)).astype(np.float32))
    carry, ys = start, []
    for k in range(steps):
        carry, y = BODIES[body](carry, xs[k])
        mx.eval(carry, y)
        ys.append(y)
    same(mx.scan(BODIES[body], start, xs), (carry, mx.stack(ys)))


def test_a_loop_inside_a_loop_starts_anew_in_each_step():
    def inner(i, c):
        def step(d, x):
            return mx.where(x > i, d + x, d * 0.5), mx.stack([d, d])

        d, ys = mx.scan(step, mx.full((3,), i.astype(mx.float32)), mx.arange(5.0))
        return c + mx.sum(ys) + d[0]

    def in_numpy():
        c = np.float32(0)
        for i in range(20):
            d, total = np.float32(i), np.float32(0)
            for x in range(5):
                total += 6 * d
                d = d + x if x > i else d * np.float32(0.5)
            c += total + d
        return c

    assert mx.fori_loop(0, 20, inner, mx.array(0.0)).item() == pytest.approx(in_numpy(), rel=1e-5)


# ---- Memory, interrupts, threads.


LOOPS = {
    "fori_loop": lambda n, x: mx.fori_loop(0, n, lambda i, c: mx.abs(c) + i, x),
    "while_loop": lambda n, x: mx.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, mx.abs(c[1]) + 1), (mx.array(0), x)
    )[1],
    "scan": lambda n, x: mx.scan(
        lambda c, y: (mx.abs(c) + y, None), x, mx.broadcast_to(mx.array(1.0), (n,))
    )[0],
    "map": lambda n, x: mx.map(
        lambda y: mx.sum(mx.abs(x) + y) * mx.zeros((0,)), mx.broadcast_to(mx.array(1.0), (n,))
    ),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile], ids=["eager", "compiled"])
def test_memory_does_not_grow_over_a_million_steps(name, wrap):
    def peak(n):
        x = mx.zeros((100,))
        mx.eval(x)
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        out = wrap(lambda x: LOOPS[name](n, x))(x)
        mx.eval(out)
        assert name in ("fori_loop", "map") or out[0].item() == n
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident
        return mx.get_peak_memory() - before, resident

    few, _ = peak(10)
    many, resident = peak(1_000_000)
    assert many <= few + 8192 and resident < 4000  # KiB


def test_a_checkpointed_gradient_takes_the_memory_of_a_square_root():
    def peak(checkpoint):
        def f(x):
            return mx.sum(mx.fori_loop(0, 900, lambda i, c: mx.sin(c), x, checkpoint=checkpoint))

        x = mx.ones((1000,))
        mx.eval(x)
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(mx.grad(f)(x))
        return mx.get_peak_memory() - before

    all_carries = 900 * 4000
    assert peak(None) > all_carries
    assert peak(True) < all_carries / 8


def test_loops_run_on_several_threads_at_once():
    f = mx.compile(lambda x: mx.fori_loop(0, 200, lambda i, c: c * 0.5 + x, x))
    results = [None] * 4

    def work(k):
        for _ in range(10):
            results[k] = f(mx.array(float(k))).item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == pytest.approx([0.0, 2.0, 4.0, 6.0])
