"""Linear algebra: complex gradients, repeated values, singular and broken input, threads."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import olivine.core as mx
from tests.ops.linalg import eig, eigh, eigvals, h, qr, svd, symmetric
from tests.support import flat, run_python, to_mx, to_np

REAL, ALL = ("float32", "float64"), ("float32", "float64", "complex64", "complex128")
EPS = {"float32": 2.0**-23, "complex64": 2.0**-23, "float64": 2.0**-52, "complex128": 2.0**-52}


def draw(rng, shape, name="complex128"):
    x = rng.standard_normal(shape)
    if name.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(name)


def gram(a):
    return a @ h(a) + mx.eye(a.shape[-2], dtype=a.dtype)


def slogdet(a):
    return mx.linalg.slogdet(a)


# ---- Complex matrices: gradients against finite differences along complex directions.

COMPLEX_FUNCTIONS = {
    "cholesky": (lambda a: mx.linalg.cholesky(gram(a)), (4, 4)),
    "cholesky upper": (lambda a: mx.linalg.cholesky(gram(a), upper=True), (4, 4)),
    "cholesky_inv": (mx.linalg.cholesky_inv, (4, 4)),
    "inv": (mx.linalg.inv, (4, 4)),
    "tri_inv": (lambda a: mx.linalg.tri_inv(a, upper=True), (4, 4)),
    "solve": (lambda a: mx.linalg.solve(a, a[:, :2] * 1j), (4, 4)),
    "solve_triangular": (lambda a: mx.linalg.solve_triangular(a, a[:, :2]), (4, 4)),
    "det": (mx.linalg.det, (4, 4)),
    "slogdet": (slogdet, (4, 4)),
    "lu": (lambda a: mx.linalg.lu(a)[1:], (4, 4)),
    "lu tall": (lambda a: mx.linalg.lu(a)[1:], (5, 3)),
    "lu wide": (lambda a: mx.linalg.lu(a)[1:], (3, 5)),
    "qr": (mx.linalg.qr, (4, 4)),
    "qr tall": (mx.linalg.qr, (5, 3)),
    "qr wide": (mx.linalg.qr, (3, 5)),
    "qr normalized": (qr, (4, 3)),
    "pinv tall": (mx.linalg.pinv, (5, 3)),
    "pinv wide": (mx.linalg.pinv, (3, 5)),
    "svd": (svd, (4, 4)),
    "svd tall": (svd, (5, 3)),
    "svd wide": (svd, (3, 5)),
    "svd values": (lambda a: mx.linalg.svd(a, compute_uv=False), (5, 3)),
    "eigh": (eigh, (4, 4)),
    "eigh upper": (lambda a: eigh(a, "U"), (4, 4)),
    "eigvalsh": (lambda a: mx.linalg.eigvalsh(symmetric(a)), (4, 4)),
    "eig": (eig, (4, 4)),
    "eigvals": (eigvals, (4, 4)),
    "norm": (mx.linalg.norm, (3, 4)),
    "norm 3": (lambda a: mx.linalg.norm(a, 3, axis=0), (3, 4)),
    "nuc": (lambda a: mx.linalg.norm(a, "nuc"), (3, 4)),
    "cross": (lambda a: mx.linalg.cross(a, a[::-1] * 2j), (4, 3)),
}


def real_inner(xs, ys):
    """Re <x, y>, of NumPy or Olivine arrays."""
    if isinstance(xs[0], np.ndarray):
        return sum(float(np.sum((x.conj() * y).real)) for x, y in zip(xs, ys, strict=True))
    terms = (mx.sum(mx.real(mx.conjugate(x) * y)) for x, y in zip(xs, ys, strict=True))
    return sum(terms, mx.array(0.0, dtype=mx.float64))


def slope(f, x, d, step=1e-5):
    return (f(to_mx(x + step * d)).item() - f(to_mx(x - step * d)).item()) / (2 * step)


@pytest.mark.parametrize("name", COMPLEX_FUNCTIONS)
def test_complex_gradients_match_finite_differences(name):
    f, shape = COMPLEX_FUNCTIONS[name]
    rng = np.random.default_rng(len(name))
    x, d, e = (draw(rng, shape) for _ in range(3))
    outs = [to_np(o) for o in flat(f(to_mx(x)))]
    weights = [to_mx(draw(rng, o.shape, o.dtype.name)) for o in outs]

    def loss(a):
        return real_inner(weights, flat(f(a)))

    gradient = mx.grad(loss)
    got = to_np(gradient(to_mx(x)))
    assert got.shape == x.shape and got.dtype == x.dtype
    size = max(1.0, float(np.sum(np.abs(got))))
    assert abs(real_inner([got], [d]) - slope(loss, x, d)) <= 1e-6 * size

    tangents = mx.jvp(lambda a: flat(f(a)), [to_mx(x)], [to_mx(d)])[1]
    assert abs(real_inner(weights, tangents).item() - real_inner([got], [d])) <= 1e-9 * size

    def directional(a):
        return real_inner([to_mx(e)], [gradient(a)])

    second = to_np(mx.grad(directional)(to_mx(x)))
    size = max(1.0, float(np.sum(np.abs(second))))
    assert abs(real_inner([second], [d]) - slope(directional, x, d)) <= 1e-5 * size


def test_a_real_matrix_of_complex_eigenvalues_has_a_real_gradient():
    a = np.array([[1.0, -2.0, 0.3], [1.5, 0.5, 0.1], [0.2, 0.7, -1.0]])
    assert np.iscomplex(np.linalg.eigvals(a)).any()
    g = mx.grad(lambda x: mx.sum(mx.square(mx.abs(mx.linalg.eigvals(x)))))(to_mx(a))
    assert g.dtype == mx.float64
    d = np.random.default_rng(0).standard_normal(a.shape)

    def f(x):
        return float(np.sum(np.abs(np.linalg.eigvals(x)) ** 2))

    want = (f(a + 1e-6 * d) - f(a - 1e-6 * d)) / 2e-6
    assert abs(np.sum(to_np(g) * d) - want) < 1e-6


# ---- Repeated and vanishing values.


@pytest.mark.parametrize("f", [eigh, svd, eig], ids=["eigh", "svd", "eig"])
def test_gradients_are_finite_at_repeated_values(f):
    for a in (mx.eye(4), mx.zeros((4, 4)), mx.diag(mx.array([2.0, 2.0, 1.0, 1.0]))):
        g = mx.grad(lambda x: sum(mx.sum(o) for o in flat(f(x))))(a)
        assert np.isfinite(to_np(g)).all()


def test_projectors_on_spaces_of_repeated_values_have_right_derivatives():
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    a = (q * [1.0, 1.0, 1.0, 4.0, 4.0]) @ q.T
    d = symmetric(rng.standard_normal((5, 5)))
    w = rng.standard_normal((5, 5))

    def by_eigh(x):
        v = mx.linalg.eigh(x)[1][:, :3]
        return mx.sum(to_mx(w) * (v @ h(v)))

    def by_svd(x):
        u = mx.linalg.svd(x)[0][:, 2:]
        return mx.sum(to_mx(w) * (u @ h(u)))

    for f in (by_eigh, by_svd):
        got = float(np.sum(to_np(mx.grad(f)(to_mx(a))) * d))
        assert abs(got - slope(f, a, d)) < 1e-6


def test_values_have_gradients_where_they_repeat():
    a = to_mx(np.diag([3.0, 3.0, 3.0]))
    assert np.allclose(to_np(mx.grad(lambda x: mx.sum(mx.linalg.eigvalsh(x)))(a)), np.eye(3))
    assert np.allclose(to_np(mx.grad(lambda x: mx.linalg.norm(x, "nuc"))(a)), np.eye(3))


def test_gradients_of_hermitian_functions_are_symmetric():
    a = gram(to_mx(draw(np.random.default_rng(2), (4, 4))))
    for f in (mx.linalg.cholesky, mx.linalg.eigvalsh, lambda x: mx.linalg.cholesky(x, upper=True)):
        g = to_np(mx.grad(lambda x, f=f: mx.sum(mx.real(f(x))))(a))
        assert np.allclose(g, h(g))


def test_det_has_the_adjugate_as_gradient_at_singular_matrices():
    rng = np.random.default_rng(3)
    for name, rank in (("float64", 3), ("complex128", 3), ("float64", 2)):
        a = draw(rng, (4, rank), name) @ draw(rng, (rank, 4), name)
        minors = np.empty((4, 4), a.dtype)
        for i in range(4):
            for j in range(4):
                rest = np.delete(np.delete(a, i, 0), j, 1)
                minors[i, j] = (-1) ** (i + j) * np.linalg.det(rest)
        g = to_np(mx.grad(lambda x: mx.real(mx.linalg.det(x)))(to_mx(a)))
        assert np.allclose(g, minors.conj(), atol=1e-12 * np.abs(a).max() ** 3)


def test_norms_have_gradient_zero_at_zero():
    for ord in (None, 2, 3, 1.5):
        g = mx.grad(lambda x, ord=ord: mx.linalg.norm(x, ord))(mx.zeros((3,)))
        assert to_np(g).tolist() == [0, 0, 0]


def test_gradients_of_pinv_of_low_rank_do_not_see_vanishing_values():
    rng = np.random.default_rng(4)
    left, right, w = (rng.standard_normal(s) for s in ((5, 2), (2, 4), (4, 5)))

    def f(x):
        return mx.sum(to_mx(w) * mx.linalg.pinv(x @ to_mx(right)))

    d = rng.standard_normal(left.shape)
    got = float(np.sum(to_np(mx.grad(f)(to_mx(left))) * d))
    assert abs(got - slope(f, left, d)) < 1e-5 * max(1, abs(got))


# ---- Special input.


def evaluated(f, *args):
    out = flat(f(*args))
    mx.eval(out)
    return [to_np(o) for o in out]


SINGULAR = np.ones((3, 3))


@pytest.mark.parametrize(
    ("name", "f"),
    {
        "inv": mx.linalg.inv,
        "solve": lambda a: mx.linalg.solve(a, mx.ones((3,), dtype=a.dtype)),
        "tri_inv": lambda a: mx.linalg.tri_inv(a * 0),
        "solve_triangular": lambda a: mx.linalg.solve_triangular(
            a * 0, mx.ones((3,), dtype=a.dtype)
        ),
        "cholesky_inv": lambda a: mx.linalg.cholesky_inv(a * 0),
        "cholesky": lambda a: mx.linalg.cholesky(-a),
    }.items(),
)
def test_singular_matrices_are_refused_by_name(name, f):
    for dtype in ALL:
        a = to_mx(SINGULAR.astype(dtype))
        with pytest.raises(ValueError, match=rf"\[{name}\] expected"):
            mx.eval(f(a))
        batch = mx.stack(
            [mx.eye(3, dtype=a.dtype) * (-1 if name == "cholesky" else 1)] * 2 + [a, a]
        )
        if name in ("inv", "solve"):
            with pytest.raises(ValueError, match="in matrix 2 of the batch"):
                mx.eval(
                    f(batch)
                    if name == "inv"
                    else mx.linalg.solve(batch, mx.ones((3,), dtype=a.dtype))
                )


def test_singular_matrices_have_determinant_zero():
    for dtype in ALL:
        a = to_mx(SINGULAR.astype(dtype))
        assert mx.linalg.det(a).item() == 0
        sign, log = evaluated(mx.linalg.slogdet, a)
        assert sign == 0 and log == -np.inf
        p, lower, upper = evaluated(mx.linalg.lu, a)
        assert np.allclose(lower[p] @ upper, SINGULAR)
        assert np.allclose(to_np(mx.linalg.pinv(a)), SINGULAR / 9)


DECOMPOSITIONS = {
    "cholesky": mx.linalg.cholesky,
    "inv": mx.linalg.inv,
    "lu_factor": lambda a: mx.linalg.lu_factor(a)[0],
    "lu": lambda a: mx.linalg.lu(a)[2],
    "qr": mx.linalg.qr,
    "svd": mx.linalg.svd,
    "svd values": lambda a: mx.linalg.svd(a, compute_uv=False),
    "eigh": mx.linalg.eigh,
    "eigvalsh": mx.linalg.eigvalsh,
    "eig": mx.linalg.eig,
    "eigvals": mx.linalg.eigvals,
    "det": mx.linalg.det,
    "pinv": mx.linalg.pinv,
    "solve": lambda a: mx.linalg.solve(a, a),
    "norm": lambda a: mx.linalg.norm(a, "nuc", axis=[-2, -1]),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_gives_nan_and_leaves_its_batch_alone(name, bad):
    for dtype in ALL:
        x = np.stack([np.diag([1.0, 2.0, 3.0])] * 3).astype(dtype)
        x[1, 2, 0] = bad
        for out in evaluated(DECOMPOSITIONS[name], to_mx(x)):
            lower = np.tril_indices(3) if out.ndim == 3 and name == "cholesky" else ...
            assert np.isnan(out[1][lower] if name not in ("lu", "qr") else out[1][0]).all()
            assert np.isfinite(out[[0, 2]]).all()


def test_the_other_triangle_is_not_read():
    for dtype in ALL:
        a = np.diag([4.0, 9.0]).astype(dtype)
        a[0, 1] = np.nan
        assert to_np(mx.linalg.cholesky(to_mx(a))).real.tolist() == [[2, 0], [0, 3]]
        assert np.allclose(to_np(mx.linalg.eigvalsh(to_mx(a))), [4, 9])
        assert np.allclose(to_np(mx.linalg.eigvalsh(to_mx(a.T), UPLO="U")), [4, 9])
        assert np.allclose(to_np(mx.linalg.tri_inv(to_mx(a))), np.diag([1 / 4, 1 / 9]))


def test_empty_matrices():
    empty = mx.zeros((0, 0))
    assert mx.linalg.det(empty).item() == 1
    assert [x.item() for x in mx.linalg.slogdet(empty)] == [1, 0]
    for f in (
        mx.linalg.inv,
        mx.linalg.cholesky,
        mx.linalg.tri_inv,
        mx.linalg.pinv,
        mx.linalg.cholesky_inv,
    ):
        assert evaluated(f, empty)[0].shape == (0, 0)
    assert [x.shape for x in evaluated(mx.linalg.eigh, mx.zeros((2, 0, 0)))] == [(2, 0), (2, 0, 0)]
    assert [x.shape for x in evaluated(mx.linalg.eig, mx.zeros((0, 3, 3)))] == [(0, 3), (0, 3, 3)]
    assert [x.shape for x in evaluated(mx.linalg.qr, mx.zeros((3, 0)))] == [(3, 0), (0, 0)]
    assert [x.shape for x in evaluated(mx.linalg.lu, mx.zeros((3, 0)))] == [(3,), (3, 0), (0, 0)]
    u, s, vh = evaluated(mx.linalg.svd, mx.zeros((3, 0)))
    assert np.array_equal(u, np.eye(3)) and s.shape == (0,) and vh.shape == (0, 0)
    assert evaluated(mx.linalg.solve, empty, mx.zeros((0,)))[0].shape == (0,)
    for f in (mx.linalg.svd, mx.linalg.qr, mx.linalg.pinv, mx.linalg.lu_factor):
        g = mx.grad(lambda x, f=f: mx.sum(flat(f(x))[0]))(mx.zeros((2, 3, 0)))
        assert g.shape == (2, 3, 0)
    for name in (
        "svd",
        "qr",
        "eigh",
        "eigvalsh",
        "eig",
        "eigvals",
        "cholesky",
        "inv",
        "pinv",
        "det",
        "slogdet",
    ):
        f, x = getattr(mx.linalg, name), mx.zeros((2, 0, 0))
        outs, tangents = mx.jvp(lambda x, f=f: flat(f(x)), [x], [x])
        for out, tangent in zip(outs, tangents, strict=True):
            assert tangent.shape == out.shape and tangent.dtype == out.dtype, name
            assert not np.any(np.array(tangent)), name


def test_errors_name_the_function():
    square, wide, vector = mx.eye(3), mx.zeros((2, 3)), mx.zeros((3,))
    checks = [
        ("cholesky", lambda: mx.linalg.cholesky(wide)),
        ("cholesky", lambda: mx.linalg.cholesky(mx.eye(2, dtype=mx.int32))),
        ("eigh", lambda: mx.linalg.eigh(square, UPLO="X")),
        ("svd", lambda: mx.linalg.svd(vector)),
        ("qr", lambda: mx.linalg.qr(mx.array(1.0))),
        ("det", lambda: mx.linalg.det(wide)),
        ("eig", lambda: mx.linalg.eig(wide)),
        ("lu", lambda: mx.linalg.lu(vector)),
        ("lu", lambda: mx.linalg.lu(mx.ones((2, 2), dtype=mx.int32))),
        ("svd", lambda: mx.linalg.svd(mx.ones((2, 2), dtype=mx.float16))),
        ("pinv", lambda: mx.linalg.pinv(vector)),
        ("solve", lambda: mx.linalg.solve(square, mx.zeros((4,)))),
        ("solve", lambda: mx.linalg.solve(square, mx.array(1.0))),
        ("solve", lambda: mx.linalg.solve(wide, vector)),
        ("norm", lambda: mx.linalg.norm(wide, "bad")),
        ("norm", lambda: mx.linalg.norm(vector, "fro")),
        ("norm", lambda: mx.linalg.norm(wide, 3)),
        ("norm", lambda: mx.linalg.norm(mx.zeros((2, 2, 2)), 2)),
        ("norm", lambda: mx.linalg.norm(wide, axis=[0, 0])),
        ("norm", lambda: mx.linalg.norm(wide, axis=2)),
        ("norm", lambda: mx.linalg.norm(wide, axis=[0, 1, 1])),
        ("cross", lambda: mx.linalg.cross(mx.zeros((4,)), mx.zeros((4,)))),
        ("cross", lambda: mx.linalg.cross(vector, vector, axis=1)),
    ]
    for name, f in checks:
        with pytest.raises((ValueError, IndexError), match=rf"\[{name}\]"):
            mx.eval(f())


def test_determinants_take_integers_and_short_floats():
    a = np.array([[2, 1], [1, 3]])
    for dtype, out in (
        (mx.int32, mx.float32),
        (mx.float16, mx.float16),
        (mx.bfloat16, mx.bfloat16),
    ):
        x = mx.array(a).astype(dtype)
        assert mx.linalg.det(x).dtype == out and mx.linalg.det(x).item() == 5
        assert mx.linalg.slogdet(x)[1].dtype == out


def test_solvers_promote():
    a = mx.eye(2) * 2
    assert mx.linalg.solve(a, mx.array([2, 4])).dtype == mx.float32
    assert mx.linalg.solve(a, mx.array([2, 4], dtype=mx.complex64)).dtype == mx.complex64
    assert to_np(mx.linalg.solve(a, mx.array([2, 4]))).tolist() == [1, 2]


def test_matrices_of_any_layout():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((3, 10, 12))
    for view in (
        lambda a: a[::-1, 1:9:2, 2:10:2],
        lambda a: a[:, ::-2, :5].swapaxes(-1, -2),
        lambda a: a[1:, 2:6, 8:4:-1],
    ):
        a, b = view(to_mx(x)), np.ascontiguousarray(view(x))
        for f in (
            mx.linalg.inv,
            mx.linalg.qr,
            mx.linalg.svd,
            mx.linalg.lu,
            mx.linalg.eig,
            mx.linalg.det,
        ):
            if b.shape[-1] == b.shape[-2] or f not in (mx.linalg.inv, mx.linalg.eig, mx.linalg.det):
                for p, q in zip(evaluated(f, a), evaluated(f, to_mx(b)), strict=True):
                    assert np.array_equal(p, q)


# ---- Accuracy: backward errors, in units of the dtype, of ill-conditioned matrices too.


def matrices(rng, n, name):
    yield draw(rng, (n, n), name)
    q, r = (
        np.linalg.qr(draw(rng, (n, n), "complex128" if name.startswith("c") else "float64"))[0]
        for _ in range(2)
    )
    yield ((q * np.logspace(0, -12, n)) @ h(r)).astype(name)
    yield np.ones((n, n), name)


def backward(product, a):
    wide = np.complex128 if np.iscomplexobj(a) else np.float64
    return np.linalg.norm(product.astype(wide) - a) / np.linalg.norm(a)


@pytest.mark.parametrize("name", ALL)
def test_factors_multiply_to_the_matrix(name):
    rng = np.random.default_rng(6)
    wide = "complex128" if name.startswith("c") else "float64"
    for n in (2, 7, 33, 130):
        limit = 4 * n * EPS[name]
        for a in matrices(rng, n, name):
            x = to_mx(a)
            p, lower, upper = evaluated(mx.linalg.lu, x)
            assert backward(lower.astype(wide)[p] @ upper.astype(wide), a) < limit
            q, r = (o.astype(wide) for o in evaluated(mx.linalg.qr, x))
            assert backward(q @ r, a) < limit and np.linalg.norm(h(q) @ q - np.eye(n)) < limit
            u, s, vh = (o.astype(wide) for o in evaluated(mx.linalg.svd, x))
            assert backward((u * s) @ vh, a) < limit
            for basis in (u, vh):
                assert np.linalg.norm(h(basis) @ basis - np.eye(n)) < limit
            values = evaluated(lambda y: mx.linalg.svd(y, compute_uv=False), x)[0]
            assert np.abs(values - np.linalg.svd(a.astype(wide))[1]).max() < limit * s.real.max()
            b = symmetric(a)
            w, v = (o.astype(wide) for o in evaluated(mx.linalg.eigh, to_mx(b)))
            assert (
                backward((v * w) @ h(v), b) < limit and np.linalg.norm(h(v) @ v - np.eye(n)) < limit
            )
            w, v = (o.astype("complex128") for o in evaluated(mx.linalg.eig, x))
            assert np.linalg.norm(a @ v - v * w) < limit * np.linalg.norm(a)


@pytest.mark.parametrize("name", ALL)
def test_solutions_are_backward_stable(name):
    rng = np.random.default_rng(7)
    wide = "complex128" if name.startswith("c") else "float64"
    for n in (3, 20, 120):
        for a in list(matrices(rng, n, name))[:2]:
            b = draw(rng, (n, 3), name)
            x = to_np(mx.linalg.solve(to_mx(a), to_mx(b))).astype(wide)
            residual = np.linalg.norm(a.astype(wide) @ x - b)
            size = np.linalg.norm(a) * np.linalg.norm(x) + np.linalg.norm(b)
            assert residual < 4 * n * EPS[name] * size


# ---- Threads and processes.

HASHES = """
import hashlib
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(0)
a = mx.array(rng.standard_normal((70, 24, 24)).astype(np.float32))
s = a @ mx.swapaxes(a, -1, -2) + mx.eye(24)
big = mx.array(rng.standard_normal((150, 100)).astype(np.float32))
L = mx.linalg
outs = [L.inv(a), L.cholesky(s), L.det(a), L.pinv(big)]
for f, x in ((L.qr, a), (L.svd, a), (L.eigh, s), (L.eig, a), (L.lu, a), (L.svd, big)):
    outs += f(x)
for out in outs:
    print(hashlib.sha1(np.array(out).tobytes()).hexdigest())
"""


def test_bits_do_not_depend_on_the_number_of_threads():
    one, two, five = (run_python(HASHES, {"OLIVINE_NUM_THREADS": n}).stdout for n in "125")
    assert one == two == five


def test_a_forked_child_computes():
    run_python("""
        import os
        import numpy as np
        import olivine.core as mx
        a = mx.random.normal((200, 16, 16), key=mx.random.key(0))
        want = np.array(mx.linalg.svd(a, compute_uv=False))
        pid = os.fork()
        if pid == 0:
            os._exit(0 if np.array_equal(np.array(mx.linalg.svd(a, compute_uv=False)), want) else 1)
        assert os.waitpid(pid, 0)[1] == 0
    """)


def test_interrupts_stop_between_matrices(ctrl_c):
    batch = mx.random.normal((4000, 60, 60), key=mx.random.key(0))
    mx.eval(batch)
    timer = threading.Timer(0.15, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        while time.monotonic() < start + 20:
            mx.eval(mx.linalg.svd(batch))
    timer.join()
    assert time.monotonic() - start < 2
    assert mx.linalg.det(mx.eye(3)).item() == 1


def test_python_threads_decompose_at_once():
    batches = [mx.random.normal((50, 20, 20), key=mx.random.key(i)) for i in range(4)]
    want = [to_np(mx.linalg.svd(b, compute_uv=False)) for b in batches]
    got = [None] * 4

    def work(i):
        got[i] = to_np(mx.linalg.svd(batches[i], compute_uv=False))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))
