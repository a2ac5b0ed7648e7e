"""Initializers: ranges, moments and structure."""

import math

import numpy as np
import pytest

import olivine.core as mx
from olivine.nn import init

SHAPE = (300, 200)


@pytest.fixture(autouse=True)
def seed():
    mx.random.seed(0)


def drawn(initializer, shape=SHAPE, **options):
    return np.array(initializer(mx.zeros(shape), **options))


def test_constant_and_identity():
    assert (drawn(init.constant(2.5)) == 2.5).all()
    assert np.array_equal(drawn(init.identity(), (3, 3)), np.eye(3))
    for shape in ((3, 2), (3,)):
        with pytest.raises(ValueError, match=r"\[init.identity\] expected"):
            drawn(init.identity(), shape)


def test_normal_and_uniform():
    a = drawn(init.normal(mean=1.0, std=0.5))
    assert abs(a.mean() - 1) < 0.01 and abs(a.std() - 0.5) < 0.01
    a = drawn(init.uniform(low=-1.0, high=3.0))
    assert -1 <= a.min() < -0.99 and 2.99 < a.max() < 3 and abs(a.mean() - 1) < 0.02


@pytest.mark.parametrize(
    "initializer, options, variance",
    [
        (init.glorot_normal(), {}, 2 / 500),
        (init.glorot_uniform(), {"gain": 2.0}, 4 * 2 / 500),
        (init.he_normal(), {}, 1 / 200),
        (init.he_normal(), {"mode": "fan_out", "gain": 2.0}, 4 / 300),
        (init.he_uniform(), {"mode": "fan_out"}, 1 / 300),
    ],
)
def test_variance_follows_the_fans(initializer, options, variance):
    a = drawn(initializer, **options)
    assert abs(a.mean()) < 0.002 and abs(a.var() / variance - 1) < 0.03


def test_uniform_fans_are_bounded():
    bound = math.sqrt(6 / 500)
    assert 0.99 * bound < np.abs(drawn(init.glorot_uniform())).max() <= bound


def test_convolution_weights_count_their_window():
    a = drawn(init.he_normal(), (100, 3, 3, 50))
    assert abs(a.var() * 450 - 1) < 0.05


def test_fans_need_two_dimensions_and_a_known_mode():
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        drawn(init.glorot_normal(), (3,))
    with pytest.raises(ValueError, match="fan_in or fan_out"):
        drawn(init.he_uniform(), mode="other")


def test_sparse_zeroes_a_share_of_every_row():
    a = drawn(init.sparse(0.3, std=2.0), (50, 25))
    assert ((a == 0).sum(axis=1) == 8).all()  # 7.5 rounded up
    assert abs(a[a != 0].std() - 2) < 0.2
    assert len({tuple(row == 0) for row in a}) > 40
    with pytest.raises(ValueError, match="expected a matrix"):
        drawn(init.sparse(0.5), (3,))


@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (40, 20), (20, 40)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    a = drawn(init.orthogonal(gain=2.0), shape)
    product = a @ a.T if shape[0] <= shape[1] else a.T @ a
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-4)


def test_dtype_is_given_to_the_initializer():
    assert init.normal(dtype=mx.float16)(mx.zeros((2, 2))).dtype == mx.float16
    assert init.orthogonal(dtype=mx.float16)(mx.zeros((2, 2))).dtype == mx.float16


def test_orthogonal_is_the_factor_with_a_positive_diagonal():
    """Q of the QR decomposition of a square Gaussian matrix, with the signs that make it unique."""
    mx.random.seed(5)
    a = drawn(init.orthogonal(), (9, 6))
    mx.random.seed(5)
    q, r = np.linalg.qr(np.array(mx.random.normal((9, 9)), np.float64))
    np.testing.assert_allclose(a, (q * np.sign(np.diag(r)))[:, :6], atol=1e-5)
