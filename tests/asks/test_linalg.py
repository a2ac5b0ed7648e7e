"""Linear algebra where it is called, in float64 and complex128, with gradients, against NumPy."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import to_mx, to_np

RNG = np.random.default_rng(1392)


def matrix(n=4, dtype=np.float64):
    x = RNG.standard_normal((n, n)) + 3 * np.eye(n)
    return (x + 1j * RNG.standard_normal((n, n))).astype(dtype) if dtype().dtype.kind == "c" else x


def close(got, want, tolerance=1e-10):
    np.testing.assert_allclose(to_np(got), want, rtol=tolerance, atol=tolerance)


def test_decompositions_need_no_stream_of_their_own__mlx_1392():
    """On the default device as any op, inside compile and beside other work."""
    a = matrix()
    f = mx.compile(lambda a: (mx.linalg.inv(a) @ a, mx.linalg.svd(a, compute_uv=False)))
    identity, values = f(to_mx(a))
    close(identity, np.eye(4))
    close(values, np.linalg.svd(a, compute_uv=False))


def test_least_squares_of_any_rank__mlx_2708():
    a, b = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))
    a[:, 2] = a[:, 0] + a[:, 1]
    want = np.linalg.lstsq(a, b, rcond=None)
    x, _, rank, values = mx.linalg.lstsq(to_mx(a), to_mx(b))
    close(x, want[0])
    assert rank.item() == want[2] == 2
    close(values, want[3])
    cut = np.linalg.lstsq(a, b, rcond=0.9)
    close(mx.linalg.lstsq(to_mx(a), to_mx(b), rcond=0.9)[0], cut[0])


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_matrices_are_factorized_and_solved__mlx_1893(dtype):
    a, b = matrix(dtype=dtype), RNG.standard_normal(4).astype(dtype)
    tolerance = 1e-4 if dtype == np.complex64 else 1e-10
    x = mx.linalg.solve(to_mx(a), to_mx(b))
    assert to_np(x).dtype == dtype
    close(x, np.linalg.solve(a, b), tolerance)
    q, r = mx.linalg.qr(to_mx(a))
    close(q @ r, a, tolerance)
    h = a @ a.conj().T
    close(mx.linalg.eigvalsh(to_mx(h)), np.linalg.eigvalsh(h), 20 * tolerance)


def test_float64_keeps_its_digits__mlx_799():
    """A matrix whose condition is beyond float32's digits."""
    n = 8
    hilbert = 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)
    x = mx.linalg.solve(to_mx(hilbert), to_mx(hilbert @ np.ones(n)))
    assert x.dtype == mx.float64
    np.testing.assert_allclose(to_np(x), np.ones(n), rtol=1e-5)


def test_general_eigenvalues_and_vectors__jax_1259():
    a = matrix()
    values, vectors = mx.linalg.eig(to_mx(a))
    close(to_mx(a).astype(mx.complex128) @ vectors, to_np(vectors) * to_np(values))
    np.testing.assert_allclose(
        np.sort_complex(to_np(values)), np.sort_complex(np.linalg.eigvals(a)), rtol=1e-10
    )


def slope_is_right(f, a, by_numpy):
    """The directional derivative against differences of NumPy's own function."""
    d, h = RNG.standard_normal(a.shape), 1e-6
    got = np.sum(to_np(mx.grad(f)(to_mx(a))) * d)
    want = (by_numpy(a + h * d) - by_numpy(a - h * d)) / (2 * h)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


DECOMPOSITIONS = {
    "svd": (
        lambda a: mx.sum(mx.sin(mx.linalg.svd(a, compute_uv=False))),
        lambda a: np.sum(np.sin(np.linalg.svd(a, compute_uv=False))),
    ),
    "cholesky": (
        lambda a: mx.sum(mx.sin(mx.linalg.cholesky(a @ a.T))),
        lambda a: np.sum(np.sin(np.linalg.cholesky(a @ a.T))),
    ),
    "solve": (
        lambda a: mx.sum(mx.sin(mx.linalg.solve(a, a[0]))),
        lambda a: np.sum(np.sin(np.linalg.solve(a, a[0]))),
    ),
    "slogdet": (
        lambda a: mx.linalg.slogdet(a)[1],
        lambda a: np.linalg.slogdet(a)[1],
    ),
    "eigvalsh": (
        lambda a: mx.sum(mx.sin(mx.linalg.eigvalsh(a + a.T))),
        lambda a: np.sum(np.sin(np.linalg.eigvalsh(a + a.T))),
    ),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_decompositions_have_gradients__mlx_1927(name):
    slope_is_right(DECOMPOSITIONS[name][0], matrix(), DECOMPOSITIONS[name][1])


def test_functions_of_complex_numbers_have_gradients__mlx_1771():
    """Steepest ascent of |sum of z^3| of complex z, from the pair of real derivatives."""
    z = RNG.standard_normal(3) + 1j * RNG.standard_normal(3)

    def by_parts(x, y):
        return mx.abs(mx.sum((x + mx.array(1j, mx.complex128) * y) ** 3))

    gx, gy = mx.grad(by_parts, argnums=(0, 1))(to_mx(z.real), to_mx(z.imag))
    total = np.sum(z**3)
    slope = np.conj(total) / abs(total) * 3 * z**2
    close(gx, slope.real)
    close(gy, -slope.imag)
    g = mx.grad(lambda z: mx.real(mx.abs(mx.sum(z**3))))(to_mx(z))
    assert g.dtype == mx.complex128
    close(g, slope.conj())  # the direction of steepest ascent


def test_jacobians_and_hessians_by_one_call__mlx_swift_147():
    x, w = RNG.standard_normal(3), RNG.standard_normal((2, 3))
    close(mx.jacobian(lambda v: mx.tanh(to_mx(w) @ v))(to_mx(x)),
          (1 - np.tanh(w @ x) ** 2)[:, None] * w)  # fmt: skip
    close(mx.hessian(lambda v: mx.sum(mx.sin(v)))(to_mx(x)), -np.diag(np.sin(x)))


def test_inverses_have_second_derivatives__mlx_pr_2178():
    a, d = matrix(), RNG.standard_normal((4, 4))
    first = mx.grad(lambda a: mx.sum(mx.linalg.inv(a) * to_mx(d)))
    inverse = np.linalg.inv(a)
    close(first(to_mx(a)), -(inverse.T @ d @ inverse.T))
    slope_is_right(
        lambda a: mx.sum(first(a) ** 2),
        a,
        lambda a: np.sum((np.linalg.inv(a).T @ d @ np.linalg.inv(a).T) ** 2),
    )
