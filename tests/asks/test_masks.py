"""Arrays whose shapes depend on values: masks, nonzero and unique as NumPy has them, and compiled."""

import numpy as np
import pytest

import olivine.core as mx


def scores():
    return np.random.default_rng(246).standard_normal((6, 5)).astype(np.float32)


def test_a_boolean_mask_reads_as_in_numpy__mlx_246():
    """Masks of elements, rows and columns; the gradient goes where the elements were."""
    n = scores()
    x = mx.array(n)
    np.testing.assert_array_equal(np.array(x[x > 0]), n[n > 0])
    np.testing.assert_array_equal(np.array(x[x[:, 0] > 0]), n[n[:, 0] > 0])
    np.testing.assert_array_equal(np.array(x[:, x[0] > 0]), n[:, n[0] > 0])
    slope = mx.grad(lambda x: mx.sum(mx.square(x[x > 0])))(x)
    np.testing.assert_array_equal(np.array(slope), np.where(n > 0, 2 * n, 0))


def test_a_boolean_mask_writes_as_in_numpy__mlx_568():
    n = scores()
    x = mx.array(n)
    x[x < 0] = 0
    x[x > 1] = x[x > 1] * 2
    n[n < 0] = 0
    n[n > 1] *= 2
    np.testing.assert_array_equal(np.array(x), n)


def test_a_boolean_mask_reads_inside_compile_within_a_bound__mlx_2744():
    n = scores()
    read = mx.compile(lambda x: mx.extract(x > 0, x, size=30))
    hits = int((n > 0).sum())
    want = np.concatenate([n[n > 0], np.zeros(30 - hits)])
    np.testing.assert_array_equal(np.array(read(mx.array(n))), want)
    known = mx.array(n[:, 0] > 0)
    rows = mx.compile(lambda x: x[known] * 2)  # the mask is known while it is traced
    np.testing.assert_array_equal(np.array(rows(mx.array(n))), n[n[:, 0] > 0] * 2)


@pytest.mark.parametrize("transform", [mx.compile, mx.vmap])
def test_a_mask_of_unknown_size_is_an_error_that_says_what_to_do__mlx_2803(transform):
    with pytest.raises(ValueError, match=r"extract\(mask, x, size=n\)"):
        mx.eval(transform(lambda x: x[x > 0])(mx.array(scores())))
    with pytest.raises(ValueError, match="size=n"):
        mx.eval(transform(mx.unique)(mx.array(scores())))


def test_where_and_argwhere_find_positions__mlx_860():
    n = np.array([[3, 0, 0], [0, 4, 0], [5, 6, 0]])
    x = mx.array(n)
    for found in (mx.where(x), mx.where(x != 0)):
        assert isinstance(found, tuple)
        for got, want in zip(found, np.where(n), strict=True):
            assert got.tolist() == want.tolist()
    assert mx.argwhere(x).tolist() == np.argwhere(n).tolist()


def test_nonzero_finds_positions_that_read_and_write__mlx_865():
    n = np.array([[3, 0, 0], [0, 4, 0], [5, 6, 0]])
    x = mx.array(n)
    found = mx.nonzero(x)
    for got, want in zip(found, np.nonzero(n), strict=True):
        assert got.tolist() == want.tolist()
    assert x[found].tolist() == [3, 4, 5, 6]
    x[found] = -1
    assert x.tolist() == np.where(n != 0, -1, 0).tolist()


def test_unique_needs_no_size_and_counts__mlx_2710():
    labels = np.array([2, 7, 2, 2, 9])
    values, inverse, counts = mx.unique(mx.array(labels), return_inverse=True, return_counts=True)
    want = np.unique(labels, return_inverse=True, return_counts=True)
    for got, w in zip((values, inverse, counts), want, strict=True):
        assert got.tolist() == w.tolist()
    assert values[inverse].tolist() == labels.tolist()


def test_nonzero_and_unique_inside_jit_within_a_bound__jax_21994():
    n = scores()
    found = mx.compile(lambda x: mx.nonzero(x > 0, size=30, fill_value=-1))(mx.array(n))
    hits = int((n > 0).sum())
    for got, want in zip(found, np.nonzero(n > 0), strict=True):
        assert got.tolist() == [*want.tolist(), *[-1] * (30 - hits)]
    unique = mx.compile(lambda x: mx.unique(x, size=4, fill_value=0))
    assert unique(mx.array([5, 2, 5])).tolist() == [2, 5, 0, 0]


def test_rows_are_selected_by_a_mask_in_a_training_step__jax_10231():
    """Padding is left out of a loss, and its gradient is zero; compiled by weights of the rows."""
    n, k = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32), np.array([1, 0, 1])
    x, keep = mx.array(n), mx.array(k)
    want = np.where(k[:, None] == 1, 2 * n / 4, 0)
    eager = mx.grad(lambda x: mx.mean(mx.square(x[keep == 1])))(x)
    np.testing.assert_allclose(np.array(eager), want)

    def bounded(x, keep):
        rows = mx.compress(keep == 1, x, axis=0, size=3)
        return mx.sum(mx.square(rows)) / (mx.sum(keep) * x.shape[1])

    np.testing.assert_allclose(np.array(mx.compile(mx.grad(bounded))(x, keep)), want)
    # Under vmap, each example with a mask of its own.
    masks = mx.array([[1, 0, 1], [0, 1, 0]])
    both = mx.vmap(mx.grad(bounded), in_axes=(None, 0))(x, masks)
    np.testing.assert_allclose(np.array(both[0]), want)
    np.testing.assert_allclose(np.array(both[1]), np.where([[0], [1], [0]], n, 0))
