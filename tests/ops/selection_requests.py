"""What users of other array packages ask for of masks, nonzero and unique, as programs that run.

MLX issues 246, 568, 860, 865, 2710, 2744, 2803 and JAX issues 10231, 21994 are about arrays whose
shapes depend on values: as NumPy has them, as a clear error instead of a crash, and under jit.
"""

import numpy as np
import pytest

import olivine.core as mx


def scores():
    return np.random.default_rng(246).standard_normal((6, 5)).astype(np.float32)


def test_a_boolean_mask_reads_elements_as_in_numpy():
    n = scores()
    x = mx.array(n)
    np.testing.assert_array_equal(np.array(x[x > 0]), n[n > 0])
    np.testing.assert_array_equal(np.array(x[x[:, 0] > 0]), n[n[:, 0] > 0])
    np.testing.assert_array_equal(np.array(x[:, x[0] > 0]), n[:, n[0] > 0])


def test_a_boolean_mask_writes_elements_as_in_numpy():
    n = scores()
    x = mx.array(n)
    x[x < 0] = 0
    x[x > 1] = x[x > 1] * 2
    n[n < 0] = 0
    n[n > 1] *= 2
    np.testing.assert_array_equal(np.array(x), n)


def test_nonzero_argwhere_and_where_find_positions():
    n = np.array([[3, 0, 0], [0, 4, 0], [5, 6, 0]])
    x = mx.array(n)
    for found in (mx.nonzero(x), mx.where(x), mx.where(x != 0)):
        assert isinstance(found, tuple)
        for got, want in zip(found, np.nonzero(n), strict=True):
            assert got.tolist() == want.tolist()
    assert mx.argwhere(x).tolist() == np.argwhere(n).tolist()
    assert x[mx.nonzero(x)].tolist() == [3, 4, 5, 6]


def test_unique_needs_no_size_and_counts():
    labels = mx.array([2, 7, 2, 2, 9])
    values, inverse, counts = mx.unique(labels, return_inverse=True, return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([2, 7, 9], [3, 1, 1])
    assert values[inverse].tolist() == labels.tolist()


def test_rows_are_filtered_in_a_training_step():
    """Padding is left out of a loss, and its gradient is zero."""
    x, keep = mx.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), mx.array([1, 0, 1])
    g = mx.grad(lambda x: (x[keep == 1] ** 2).mean())(x)
    np.testing.assert_allclose(np.array(g), [[0.5, 1], [0, 0], [2.5, 3]])


def test_repeating_by_counts_spreads_rows():
    x = mx.array([[1, 2], [3, 4]])
    assert mx.repeat(x, mx.array([1, 3]), axis=0).tolist() == [[1, 2]] + 3 * [[3, 4]]
    assert mx.repeat(x, mx.array([False, True]), axis=1).tolist() == [[2], [4]]


@pytest.mark.parametrize("transform", [mx.compile, mx.vmap])
def test_an_unknown_size_is_an_error_that_says_what_to_do(transform):
    with pytest.raises(ValueError, match=r"extract\(mask, x, size=n\)"):
        mx.eval(transform(lambda x: x[x > 0])(mx.array(scores())))
    with pytest.raises(ValueError, match="size=n"):
        mx.eval(transform(mx.unique)(mx.array(scores())))


def test_compiled_functions_select_and_find_unique_elements_within_a_bound():
    n = scores()
    found = mx.compile(lambda x: mx.nonzero(x > 0, size=30, fill_value=-1))(mx.array(n))
    hits = int((n > 0).sum())
    for got, want in zip(found, np.nonzero(n > 0), strict=True):
        assert got.tolist() == [*want.tolist(), *[-1] * (30 - hits)]
    unique = mx.compile(lambda x: mx.unique(x, size=4, fill_value=0))
    assert unique(mx.array([5, 2, 5])).tolist() == [2, 5, 0, 0]
