"""Factorizations by panels and products: orders around the panel, scales, views, threads."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import run_python, to_mx, to_np

L = mx.linalg
REAL = ("float32", "float64")
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
# Panels have 32 columns, and smaller matrices than 17 x 17 take another way; from 257 on, LU
# factorizes panels beside updates.
ORDERS = (16, 17, 31, 32, 33, 64, 65, 97, 130, 200, 333)


def draw(shape, name, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(name)


def wide(x):
    return to_np(x).astype(np.float64)


def error(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_lu_multiplies_back(n, name):
    for shape in ((n, n), (n + 9, n), (n, 2 * n + 1), (2, n, n)):
        a = draw(shape, name)
        order, lower, upper = L.lu(to_mx(a))
        assert np.abs(to_np(lower)).max() <= 1
        rows = np.take_along_axis(wide(lower), to_np(order).astype(int)[..., None], -2)
        # Pivots and so errors grow with the order, as LAPACK's do.
        limit = max(8, n / 16) * EPS[name]
        assert error(rows @ wide(upper), a.astype(np.float64)) < limit


def positive(n, name):
    a = draw((n, n), "float64")
    return (a @ a.T / n + np.eye(n)).astype(name)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_cholesky_factors_multiply_back_from_one_triangle(n, name):
    a = positive(n, name)
    nan_above = np.where(np.tri(n, dtype=bool), a, np.nan).astype(name)
    for lower in (to_mx(nan_above), to_mx(np.ascontiguousarray(nan_above.T)).T):
        factor = wide(L.cholesky(lower))
        assert np.array_equal(factor, np.tril(factor))
        assert error(factor @ factor.T, a.astype(np.float64)) < 8 * EPS[name]
    both = L.cholesky(to_mx(np.stack([a, 2 * a])), upper=True)
    assert np.array_equal(wide(both)[0], factor.T)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_cholesky_names_the_first_block_that_is_not_positive(n, name):
    for at in {0, n // 3, n - 2, n - 1}:
        a = positive(n, name)
        a[at, at] = -1
        with pytest.raises(ValueError, match=rf"leading {at + 1} x {at + 1} block is not"):
            mx.eval(L.cholesky(to_mx(a)))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_solutions_have_small_residuals(n, name):
    a = draw((n, n), name)
    for columns in (1, 3, n, 2 * n + 5):
        b = draw((n, columns), name, 1)
        for view in (to_mx(b), to_mx(np.ascontiguousarray(b.T)).T):
            x = wide(L.solve(to_mx(a), view))
            scale = np.linalg.norm(a) * np.linalg.norm(x)
            assert np.linalg.norm(a.astype(np.float64) @ x - b) < 2 * EPS[name] * scale


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_triangles_are_solved_through_any_strides(n, name):
    lower = (np.tril(draw((n, n), name)) / np.sqrt(n) + 2 * np.eye(n)).astype(name)
    b = draw((n, 7), name, 1)
    for upper, t in ((False, lower), (True, np.ascontiguousarray(lower.T))):
        for view in (to_mx(t), to_mx(np.ascontiguousarray(t.T)).T):
            want = np.linalg.solve(t.astype(np.float64), b)
            assert (
                error(wide(L.solve_triangular(view, to_mx(b), upper=upper)), want) < 9 * EPS[name]
            )
            got = wide(L.tri_inv(view, upper=upper))
            assert error(got, np.linalg.inv(t.astype(np.float64))) < 9 * EPS[name]
            assert not np.any(np.triu(got, 1) if not upper else np.tril(got, -1))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_inverses_of_permuted_matrices(n, name):
    # Exchanges of rows in the factors are exchanges of columns in the inverse.
    a = draw((n, n), name) / np.sqrt(n) / 4 + np.eye(n)[np.random.default_rng(2).permutation(n)]
    a = a.astype(name)
    assert error(wide(L.inv(to_mx(a))), np.linalg.inv(a.astype(np.float64))) < 5 * EPS[name]


def test_adjoint_systems_are_solved_by_the_same_factors():
    a, b = draw((70, 70), "float64"), draw((70, 3), "float64", 1)
    got = wide(mx.grad(lambda b: mx.sum(L.solve(to_mx(a), b)))(to_mx(b)))
    assert error(got, np.linalg.solve(a.T, np.ones_like(b))) < 1e-12


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_qr_multiplies_back_and_is_orthogonal(n, name):
    for shape in ((n, n), (n + 1, n), (3 * n, n), (2, n, n)):
        a = draw(shape, name)
        q, r = map(wide, L.qr(to_mx(a)))
        assert q.shape == shape and not np.any(np.tril(r, -1))
        assert error(q @ r, a.astype(np.float64)) < 6 * EPS[name]
        assert (
            error(np.swapaxes(q, -1, -2) @ q, np.broadcast_to(np.eye(n), r.shape)) < 6 * EPS[name]
        )


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 1e30])
def test_qr_of_badly_scaled_and_dependent_columns(scale):
    a = (draw((80, 40), "float64") * scale).astype("float32")
    a[:, 3] *= np.float32(1e-8)
    a[:, 33] *= np.float32(1e-8)
    a[:, 5] = 0
    a[:, 7] = a[:, 8]
    q, r = map(wide, L.qr(to_mx(a)))
    assert error(q.T @ q, np.eye(40)) < 6 * EPS["float32"]
    sizes = np.linalg.norm(a.astype(np.float64), axis=0)
    wrong = np.linalg.norm(q @ r - a.astype(np.float64), axis=0)
    assert np.all(wrong <= 40 * EPS["float32"] * sizes + 2.0**-145)


def test_broken_matrices_give_nan():
    a = draw((40, 40), "float32")
    a[20, 30] = np.inf
    q, r = map(to_np, L.qr(to_mx(a)))
    assert np.isnan(q).all() and np.isnan(r[np.triu_indices(40)]).all()
    assert not np.any(np.tril(r, -1))
    assert np.isnan(to_np(L.inv(to_mx(a)))).all()


@pytest.mark.parametrize("n", ORDERS)
def test_pivots_stay_in_the_matrix_when_elimination_overflows(n):
    """Sums of elements near the largest float become NaN, which no pivot search finds."""
    rng = np.random.default_rng(n)
    for _ in range(8):
        a = rng.choice([-3e38, 3e38], (n, n)) * rng.uniform(0.5, 1, (n, n))
        pivots = to_np(L.lu_factor(to_mx(a.astype(np.float32)))[1])
        assert pivots.max() < n


def test_singular_matrices_are_refused_by_their_first_zero_pivot():
    a = draw((50, 50), "float32")
    a[:, 40] = 0
    with pytest.raises(ValueError, match=r"\[inv\].*pivot 41 of 50"):
        mx.eval(L.inv(to_mx(a)))


HASHES = """
    import numpy as np
    import olivine.core as mx
    for dtype in ("float32", "float64"):
        a = np.random.default_rng(0).standard_normal((300, 260)).astype(dtype)
        square = mx.array(a[:260], dtype=getattr(mx, dtype))
        whole = mx.array(a, dtype=square.dtype)
        for x in (*mx.linalg.qr(whole), *mx.linalg.lu_factor(square), mx.linalg.inv(square),
                  mx.linalg.solve(square, square.T)):
            print(hash(np.array(x).tobytes()))
"""


def test_bits_do_not_depend_on_the_number_of_threads():
    fixed = {"PYTHONHASHSEED": "0"}
    one, two, five = (run_python(HASHES, {"OLIVINE_NUM_THREADS": n, **fixed}).stdout for n in "125")
    assert one and one == two == five
