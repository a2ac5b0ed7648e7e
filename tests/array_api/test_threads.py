"""What users asked for in public threads about the array API and linear algebra, each as a test."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import to_mx, to_np

RNG = np.random.default_rng(3)
LAPACK = ("float32", "float64", "complex64", "complex128")


def matrix(dtype, n=5):
    x = RNG.standard_normal((n, n))
    if dtype.startswith("complex"):
        x = x + 1j * RNG.standard_normal((n, n))
    return (x + 4 * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("dtype", LAPACK)
def test_mlx_1392_linear_algebra_takes_float64_and_complex_numbers(dtype):
    x = matrix(dtype)
    a, tolerance = to_mx(x), 1e-4 if dtype in ("float32", "complex64") else 1e-12
    la = mx.linalg
    u, s, vh = la.svd(a)
    q, r = la.qr(a)
    w, v = la.eig(a)
    for got in ((u * s.astype(u.dtype)) @ vh, q @ r, (v * w) @ la.inv(v), la.inv(la.inv(a))):
        np.testing.assert_allclose(to_np(got), x, rtol=tolerance, atol=tolerance)
    x_again = la.logm(la.expm(a * 0.1)) * 10
    np.testing.assert_allclose(to_np(x_again), x, rtol=50 * tolerance, atol=50 * tolerance)


@pytest.mark.parametrize("device", [mx.cpu, mx.default_device()])
def test_mlx_2708_linear_algebra_needs_no_stream(device):
    """The functions run on the default device, and on one that is named."""
    a = to_mx(matrix("float32"))
    assert mx.allclose(mx.linalg.inv(a), mx.linalg.inv(a, stream=device))
    assert mx.linalg.lstsq(a, a, stream=device)[2].item() == 5


DECOMPOSITIONS = {
    "svd": lambda a: mx.sum(mx.square(mx.linalg.svd(a)[1]) ** 2),
    "eigh": lambda a: mx.sum(mx.exp(mx.linalg.eigh(a + a.T)[0] * 0.1)),
    "qr": lambda a: mx.sum(mx.abs(mx.linalg.qr(a)[1]) ** 3),
    "cholesky": lambda a: mx.sum(mx.linalg.cholesky(a @ a.T) ** 3),
    "expm": lambda a: mx.sum(mx.linalg.expm(a * 0.1) ** 2),
    "sqrtm": lambda a: mx.sum(mx.linalg.sqrtm(a @ a.T) ** 3),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_mlx_1927_decompositions_have_gradients(name):
    x, d, f = matrix("float64"), RNG.standard_normal((5, 5)), DECOMPOSITIONS[name]
    got = np.sum(to_np(mx.grad(f)(to_mx(x))) * d)
    want = (f(to_mx(x + 1e-6 * d)) - f(to_mx(x - 1e-6 * d))).item() / 2e-6
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_mlx_1771_jacobians_and_gradients_of_complex_functions():
    x = to_mx(np.array([0.3, -0.7, 1.1]))
    jacobian = mx.jacobian(lambda v: mx.special.gammaln(v) * v[0])(x)
    psi = to_np(mx.special.digamma(x))
    want = np.diag(psi * 0.3)
    want[:, 0] += to_np(mx.special.gammaln(x))
    np.testing.assert_allclose(to_np(jacobian), want, rtol=1e-10)
    hessian = mx.hessian(lambda v: mx.sum(mx.special.gammaln(v)))(x)
    np.testing.assert_allclose(
        to_np(hessian), np.diag(to_np(mx.special.polygamma(1, x))), rtol=1e-10
    )
    z = to_mx(np.array([1.0 + 2.0j]))
    slope = mx.grad(lambda v: mx.sum(mx.square(mx.abs(v))))(z)
    np.testing.assert_allclose(to_np(slope), 2 * to_np(z), rtol=1e-12)


def test_mlx_3484_arrays_come_in_by_dlpack_without_a_copy():
    memory = np.arange(4.0)
    a = mx.from_dlpack(memory)
    memory[0] = 9
    assert a.tolist() == [9, 1, 2, 3] and a.dtype == mx.float64
    assert np.shares_memory(np.from_dlpack(a), memory)


def test_pytorch_58743_programs_need_no_library_by_name():
    """One function of the standard alone, on arrays of two libraries."""

    def standardized(x):
        xp = x.__array_namespace__()
        spread = xp.std(x, axis=0, correction=1, keepdims=True)
        return (x - xp.mean(x, axis=0, keepdims=True)) / spread

    x = RNG.standard_normal((20, 3))
    np.testing.assert_allclose(to_np(standardized(to_mx(x))), standardized(x), rtol=1e-12)
