"""Exchange of memory by DLPack, and the array API standard's namespace, against NumPy."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import to_np


def address(x):
    return np.from_dlpack(x).__array_interface__["data"][0]


def test_import_by_dlpack_shares_memory__mlx_3484():
    n = np.arange(6, dtype=np.float32)
    a = mx.from_dlpack(n)
    assert address(a) == n.__array_interface__["data"][0]
    np.testing.assert_array_equal(to_np(a), n)


@pytest.mark.parametrize(
    "dtype", "int8 uint16 int64 float16 float32 float64 complex64 complex128 bool".split()
)
def test_every_dtype_is_imported__mlx_pr_3579(dtype):
    n = np.arange(5).astype(dtype)
    a = mx.from_dlpack(n)
    assert to_np(a).dtype == n.dtype and address(a) == n.__array_interface__["data"][0]
    np.testing.assert_array_equal(to_np(a), n)


def test_views_are_imported_with_their_strides__mlx_pr_3667():
    n = np.arange(24).reshape(4, 6)[1:, ::2].T
    a = mx.from_dlpack(n)
    np.testing.assert_array_equal(to_np(a), n)
    np.testing.assert_array_equal(to_np(a * 2), n * 2)


def test_a_copy_is_made_if_asked_for__mlx_pr_3671():
    n = np.arange(4.0)
    a = mx.from_dlpack(n, copy=True)
    n[0] = 9
    assert address(a) != n.__array_interface__["data"][0] and a.tolist() == [0, 1, 2, 3]


def test_the_owner_is_kept_while_an_array_reads_its_memory__mlx_pr_3680():
    n = np.arange(1000.0)
    a = mx.from_dlpack(n)
    want = n.copy()
    del n
    np.arange(5000.0)  # memory that had been freed would be reused
    np.testing.assert_array_equal(to_np(a + 0), want)


def test_import_is_a_step_before_gradients_and_compilation__mlx_pr_3726():
    n = np.linspace(-1, 1, 7)
    slope = mx.compile(mx.grad(lambda x: mx.sum(mx.sin(x))))(mx.from_dlpack(n))
    np.testing.assert_allclose(to_np(slope), np.cos(n), rtol=1e-14)


def test_what_is_no_producer_is_refused_in_one_sentence__mlx_pr_3747():
    with pytest.raises(TypeError, match="__dlpack__"):
        mx.from_dlpack([1, 2])


def test_arrays_name_a_namespace_with_the_standards_functions__pytorch_58743():
    """A function written for the standard runs on NumPy's arrays and on ours."""

    def standardize(x):
        xp = x.__array_namespace__()
        y = (x - xp.mean(x, axis=0)) / xp.std(x, axis=0)
        best = xp.argmax(xp.linalg.vector_norm(y, axis=1))
        return (
            xp.matmul(xp.matrix_transpose(y), y),
            best,
            xp.sort(xp.unique_values(xp.astype(y, xp.int64))),
        )

    n = np.random.default_rng(0).standard_normal((9, 3))
    for got, want in zip(standardize(mx.array(n, mx.float64)), standardize(n), strict=True):
        np.testing.assert_allclose(to_np(got), want, rtol=1e-12)
