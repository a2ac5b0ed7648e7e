"""Rows of functions of matrices, powers and least squares, and what they do at their edges."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import COMPLEX, OpTests, Row
from tests.support import to_mx, to_np

LAPACK = ("float32", "float64", *COMPLEX)
SQUARE = tuple(((shape,), {}) for shape in ((2, 4, 4), (3, 1, 1), (2, 0, 0), (0, 3, 3), (2, 9, 9)))
RULES = "values layouts dtypes jvp grad second vmap compile errors"


def by_series(a):
    """exp(a) by Taylor's series of a / 2^10, squared ten times."""
    x = a / 1024
    term = out = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    for k in range(1, 20):
        term = term @ x / k
        out = out + term
    for _ in range(10):
        out = out @ out
    return out


def by_eigenvectors(f):
    def of(a):
        if not a.size:
            return a
        w, v = np.linalg.eig(a.astype(np.complex128))
        out = (v * f(w)[..., None, :]) @ np.linalg.inv(v)
        return out if a.dtype.kind == "c" else out.real

    return of


def near_identity(rng, i, shape):
    x = rng.uniform(-0.3, 0.3, shape)
    return x + 2 * np.eye(shape[-1]) if len(shape) > 1 and shape[-1] == shape[-2] else x


def lstsq_ref(a, b):
    if not a.size:
        return np.zeros((*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype)
    return np.linalg.pinv(a) @ b


def row(name, ref, cases=SQUARE, **kwargs):
    settings = {"rules": RULES, "tol": 20, "span": 3, "sample": near_identity, "strict": True}
    return Row(f"linalg.{name}", ref, cases, LAPACK, **(settings | kwargs))


SYSTEMS = tuple(
    (shapes, {}) for shapes in (((2, 5, 3), (2, 5, 2)), ((3, 5), (3, 1)), ((4, 4), (4, 2)))
)
POWERS = tuple((s, {"n": n}) for s, _ in SQUARE[:2] for n in (0, 1, 3, -2))
FREE = RULES.removesuffix(" errors")


def solution(a, b):
    return mx.linalg.lstsq(a, b)[0]


ROWS = [
    row("expm", by_series, sample=None, low=-1, high=1),
    row("logm", by_eigenvectors(np.log)),
    row("sqrtm", by_eigenvectors(np.sqrt)),
    row("matrix_power", np.linalg.matrix_power, POWERS, span=30, tol=50, strict=False),
    row("lstsq", lstsq_ref, SYSTEMS, call=solution, rules=FREE, strict=False),
]


class TestMatrixFunctions(OpTests):
    rows = ROWS


def test_least_squares_of_any_rank_equal_numpy():
    rng = np.random.default_rng(0)
    for m, n, rank in ((6, 4, 4), (6, 4, 2), (3, 5, 3), (5, 5, 1), (4, 4, 0)):
        a = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
        b = rng.standard_normal((m, 3))
        x, residuals, found, values = (to_np(v) for v in mx.linalg.lstsq(to_mx(a), to_mx(b)))
        want = np.linalg.lstsq(a, b, rcond=1e-12)
        np.testing.assert_allclose(x, want[0], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(residuals, np.sum((a @ want[0] - b) ** 2, 0), atol=1e-9)
        assert found == want[2] == rank
        np.testing.assert_allclose(values, want[3], atol=1e-10)
        one = to_np(mx.linalg.lstsq(to_mx(a), to_mx(b[:, 0]))[0])
        np.testing.assert_allclose(one, want[0][:, 0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rcond", [None, -1, 0.0, 1e-9, 0.3, 0.99])
def test_small_singular_values_are_cut_off_as_in_numpy(rcond):
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.standard_normal(s))[0] for s in ((6, 4), (4, 4)))
    a = left * np.array([1.0, 0.5, 1e-6, 1e-11]) @ right.T
    b = rng.standard_normal((6, 2))
    got = mx.linalg.lstsq(to_mx(a), to_mx(b), rcond=rcond)
    want = np.linalg.lstsq(a, b, rcond=rcond)
    assert got[2].item() == want[2]
    size = np.abs(want[0]).max()
    np.testing.assert_allclose(to_np(got[0]) / size, want[0] / size, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(to_np(got[3]), want[3], rtol=1e-6, atol=1e-15)
    compiled = mx.compile(lambda a, b: mx.linalg.lstsq(a, b, rcond=rcond))(to_mx(a), to_mx(b))
    for x, y in zip(got, compiled, strict=True):
        np.testing.assert_array_equal(to_np(x), to_np(y))


def test_the_gradient_of_cut_off_least_squares_does_not_see_what_was_cut():
    a, b = np.diag([2.0, 1.0, 1e-3]), np.array([1.0, 2.0, 3.0])
    f = lambda a: mx.sum(mx.linalg.lstsq(a, to_mx(b), rcond=0.01)[0])  # noqa: E731
    g = to_np(mx.grad(f)(to_mx(a)))
    assert np.isfinite(g).all() and np.abs(g).max() < 10
    np.testing.assert_allclose(np.diag(g)[:2], [-1 / 4, -2], rtol=1e-9)


def test_least_squares_have_the_gradient_of_the_pseudoinverse():
    rng = np.random.default_rng(1)
    a, b, d = (rng.standard_normal(s) for s in ((6, 3), (6, 2), (6, 3)))

    def loss(m):
        return mx.sum(mx.square(mx.linalg.lstsq(m, to_mx(b))[0]))

    def at(s):
        return np.sum(np.linalg.lstsq(a + s * d, b, rcond=None)[0] ** 2)

    got = np.sum(to_np(mx.grad(loss)(to_mx(a))) * d)
    np.testing.assert_allclose(got, (at(1e-6) - at(-1e-6)) / 2e-6, rtol=1e-6)


def test_rank_and_condition_equal_numpy():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((4, 6, 5))
    a[0, :, 0] = a[0, :, 1]
    a[1] = 0
    assert to_np(mx.linalg.matrix_rank(to_mx(a))).tolist() == [4, 0, 5, 5]
    assert mx.linalg.matrix_rank(to_mx(a[2]), rtol=0.99).item() == 1
    got = mx.linalg.cond(to_mx(a[2:]))
    np.testing.assert_allclose(to_np(got), np.linalg.cond(a[2:]), rtol=1e-12)
    assert mx.linalg.cond(mx.array(np.diag([1.0, 0]))).item() == np.inf


def test_the_exponential_of_a_rotation_turns_and_its_logarithm_turns_back():
    turn = np.array([[0.0, -2.5], [2.5, 0.0]])
    got = to_np(mx.linalg.expm(to_mx(turn)))
    want = [[np.cos(2.5), -np.sin(2.5)], [np.sin(2.5), np.cos(2.5)]]
    np.testing.assert_allclose(got, want, rtol=1e-14)
    np.testing.assert_allclose(to_np(mx.linalg.logm(to_mx(got))), turn, atol=1e-13)


def test_large_exponentials_are_squared_without_loss():
    a = np.array([[1.0, 30.0], [0.0, -50.0]])
    off = 30 * (np.exp(1.0) - np.exp(-50.0)) / 51
    got = to_np(mx.linalg.expm(to_mx(a)))
    np.testing.assert_allclose(got, [[np.e, off], [0, np.exp(-50.0)]], rtol=1e-12)


def test_matrices_without_a_principal_root_give_nan():
    for a in (-np.eye(3), np.zeros((2, 2)), np.diag([1.0, -2.0]), np.array([[1, np.nan], [0, 1]])):
        assert np.isnan(to_np(mx.linalg.sqrtm(to_mx(a)))).all()
        assert np.isnan(to_np(mx.linalg.logm(to_mx(a)))).all()
    pair = mx.linalg.sqrtm(mx.array(np.stack([np.eye(2) * 4, -np.eye(2)])))
    np.testing.assert_allclose(to_np(pair)[0], 2 * np.eye(2), atol=1e-15)
    assert np.isnan(to_np(pair)[1]).all()


def test_wrong_shapes_are_refused_in_one_sentence():
    for name in ("expm", "logm", "sqrtm"):
        with pytest.raises(ValueError, match=rf"\[{name}\]"):
            getattr(mx.linalg, name)(mx.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"\[lstsq\] expected as many rows of b as of a"):
        mx.linalg.lstsq(mx.zeros((3, 2)), mx.zeros((4,)))
    with pytest.raises(ValueError, match=r"\[cond\] expected matrices with elements"):
        mx.linalg.cond(mx.zeros((0, 2)))
