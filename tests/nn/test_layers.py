"""Linear, embedding, dropout, containers and positional encodings against NumPy."""

from fractions import Fraction

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.array(actual), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_linear_is_a_product_and_a_sum(leading, bias):
    layer = nn.Linear(5, 3, bias=bias)
    x = normal(*leading, 5)
    expected = x @ np.array(layer.weight).T + (np.array(layer.bias) if bias else 0)
    close(layer(mx.array(x)), expected)
    assert repr(layer) == f"Linear(input_dims=5, output_dims=3, bias={bias})"


def test_linear_starts_uniform_within_one_over_root_of_inputs():
    weight = np.abs(np.array(nn.Linear(100, 400).weight))
    assert 0.099 < weight.max() <= 0.1 and abs(weight.mean() - 0.05) < 0.001


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_is_a_form_in_both_inputs(bias):
    layer = nn.Bilinear(4, 5, 3, bias=bias)
    x1, x2 = normal(2, 6, 4), normal(2, 6, 5)
    expected = np.einsum("...i,kji,...j->...k", x1, np.array(layer.weight), x2)
    close(layer(mx.array(x1), mx.array(x2)), expected + (np.array(layer.bias) if bias else 0))


def test_identity_ignores_its_arguments():
    x = mx.array([1.0, 2.0])
    assert nn.Identity(3, anything="else")(x) is x


def test_embedding_looks_up_rows_and_projects_back():
    layer = nn.Embedding(10, 4)
    table = np.array(layer.weight)
    ids = np.array([[1, 9], [0, 1]])
    close(layer(mx.array(ids)), table[ids])
    x = normal(3, 4)
    close(layer.as_linear(mx.array(x)), x @ table.T)
    assert repr(layer) == "Embedding(10, 4)"


def test_embedding_gradient_adds_up_repeated_ids():
    layer = nn.Embedding(4, 2)
    _, grads = nn.value_and_grad(layer, lambda ids: layer(ids).sum())(mx.array([1, 3, 1]))
    close(grads["weight"], np.array([[0, 0], [2, 2], [0, 0], [1, 1]]))


@pytest.mark.parametrize(
    "layer, shape, kept_together",
    [
        (nn.Dropout(0.25), (200, 100), ()),
        (nn.Dropout2d(0.25), (200, 3, 5, 100), (1, 2)),
        (nn.Dropout3d(0.25), (200, 2, 2, 2, 100), (1, 2, 3)),
    ],
)
def test_dropout_zeroes_a_share_and_scales_the_rest(layer, shape, kept_together):
    mx.random.seed(1)
    y = np.array(layer(mx.ones(shape)))
    assert np.allclose(y[y != 0], 1 / 0.75)
    dropped = (y == 0).mean(axis=kept_together) if kept_together else (y == 0).astype(float)
    assert set(np.unique(dropped)) == {0.0, 1.0}  # whole channels or none
    assert abs(dropped.mean() - 0.25) < 0.02


def test_dropout_is_the_identity_in_evaluation_and_at_zero():
    x = mx.ones((10,))
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(0.5)(x.astype(mx.bfloat16)).dtype == mx.bfloat16


def test_dropout_refuses_impossible_shares_and_shapes():
    for p in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"\[Dropout\] expected"):
            nn.Dropout(p)
    with pytest.raises(ValueError, match=r"\[Dropout2d\] expected"):
        nn.Dropout2d(0.5)(mx.ones((2, 2)))
    with pytest.raises(ValueError, match=r"\[Dropout3d\] expected"):
        nn.Dropout3d(0.5)(mx.ones((2, 2)))


def test_sequential_calls_layers_and_functions_in_turn():
    model = nn.Sequential(nn.Linear(3, 4), nn.relu, lambda x: x + 1)
    x = normal(2, 3)
    first = x @ np.array(model.layers[0].weight).T + np.array(model.layers[0].bias)
    close(model(mx.array(x)), np.maximum(first, 0) + 1)


def rope(x, dims, traditional, base, scale, offset):
    """Rotation of pairs of features by position times frequency (RoFormer, section 3.2)."""
    half = dims // 2
    position = (np.arange(x.shape[-2]) + offset) * scale
    angle = position[:, None] * base ** (-np.arange(half) / half)
    y = x.copy()
    first = slice(0, dims, 2) if traditional else slice(0, half)
    second = slice(1, dims, 2) if traditional else slice(half, dims)
    a, b = x[..., first], x[..., second]
    y[..., first] = a * np.cos(angle) - b * np.sin(angle)
    y[..., second] = a * np.sin(angle) + b * np.cos(angle)
    return y


@pytest.mark.parametrize("traditional", [True, False])
@pytest.mark.parametrize("dims, base, scale, offset", [(8, 10000, 1.0, 0), (4, 100, 0.5, 3)])
def test_rope_rotates_pairs_of_features(traditional, dims, base, scale, offset):
    layer = nn.RoPE(dims, traditional=traditional, base=base, scale=scale)
    x = normal(2, 3, 5, 8)
    close(layer(mx.array(x), offset=offset), rope(x, dims, traditional, base, scale, offset), 1e-4)
    assert repr(layer) == f"RoPE({dims}, traditional={traditional})"


@pytest.mark.parametrize(
    "options, turn, scale",
    [
        ({}, 1, np.sqrt(2 / 8)),
        ({"full_turns": True}, 2 * np.pi, np.sqrt(2 / 8)),
        ({"scale": 1}, 1, 1),
    ],
)
def test_sinusoidal_encoding_spaces_frequencies_in_the_logarithm(options, turn, scale):
    x = np.arange(5, dtype=np.float32)
    frequencies = np.geomspace(1, 1e-4, 4) * turn
    angle = x[:, None] * frequencies
    sines, cosines = np.sin(angle) * scale, np.cos(angle) * scale
    layer = nn.SinusoidalPositionalEncoding(8, **options)
    close(layer(mx.array(x)), np.concatenate([sines, cosines], axis=-1), 1e-4)
    layer = nn.SinusoidalPositionalEncoding(8, cos_first=True, **options)
    close(layer(mx.array(x)), np.concatenate([cosines, sines], axis=-1), 1e-4)
    assert layer.parameters() == {}


def test_sinusoidal_encoding_says_what_it_expects():
    with pytest.raises(TypeError, match="expected array or scalar"):
        nn.SinusoidalPositionalEncoding(8)({"k": 1})


@pytest.mark.parametrize("offset", [0, 3])
def test_alibi_penalizes_distance_by_head(offset):
    scores = normal(2, 4, 5, 8)
    slopes = 2.0 ** (-8 / 4 * np.arange(1, 5))
    distance = np.abs(np.arange(offset, 5 + offset)[:, None] - np.arange(8)[None])
    expected = scores - slopes[:, None, None] * distance
    close(nn.ALiBi()(mx.array(scores), offset=offset), expected)
    mask = normal(5, 8)
    close(nn.ALiBi()(mx.array(scores), offset=offset, mask=mx.array(mask)), expected + mask)


@pytest.mark.parametrize(
    "heads, exponents",
    [
        (1, [-8]),
        (6, [-2, -4, -6, -8, -1, -3]),
        (12, [-1, -2, -3, -4, -5, -6, -7, -8, -0.5, -1.5, -2.5, -3.5]),
    ],
)
def test_alibi_slopes_of_any_number_of_heads(heads, exponents):
    """Twice as many heads, every other one, fill up a number that is no power of two."""
    slopes = np.array(nn.ALiBi.create_alibi_slope(heads))
    assert slopes.shape == (heads, 1, 1)
    close(slopes.ravel(), 2.0 ** np.array(exponents))


@pytest.mark.parametrize("make", [nn.Conv1d, nn.Conv2d])
def test_convolutions_with_groups_start_within_one_over_root_of_a_group(make):
    layer = make(8, 600, 3, groups=4)
    fan_in = 2 * 3 ** (layer.weight.ndim - 2)
    bound = np.sqrt(1 / fan_in)
    assert 0.99 * bound < np.abs(np.array(layer.weight)).max() <= bound


@pytest.mark.parametrize("kernel_size", [2.5, 0, Fraction(1, 3), "3", (3, -1)])
def test_convolutions_refuse_sizes_that_are_no_counts(kernel_size):
    with pytest.raises(ValueError, match=r"\[convolution\] expected kernel_size"):
        nn.Conv2d(4, 4, kernel_size)
    with pytest.raises(ValueError, match=r"\[convolution\] expected in_channels"):
        nn.Conv2d(0, 4, 3)
