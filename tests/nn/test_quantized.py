"""Quantized layers against products with the dequantized weight, and what of them is trained."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten

SETTINGS = [
    {},
    {"group_size": 32, "bits": 8},
    {"mode": "mxfp4"},
    {"mode": "nvfp4"},
    {"mode": "mxfp8"},
]
rng = np.random.default_rng(0)


def normal(*shape):
    return mx.array(rng.standard_normal(shape).astype(np.float32))


def dequantized(layer):
    settings = {"group_size": layer.group_size, "bits": layer.bits, "mode": layer.mode}
    weight = mx.dequantize(layer.weight, layer.scales, layer.biases, **settings)
    return np.array(weight.astype(mx.float32))


def names(tree):
    return [name for name, _ in tree_flatten(tree)]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("bias", [True, False])
def test_linear_multiplies_by_the_dequantized_weight(settings, bias):
    source = nn.Linear(128, 32, bias=bias)
    layer = nn.QuantizedLinear.from_linear(source, **settings)
    x = normal(5, 128)
    expected = np.array(x) @ dequantized(layer).T + (np.array(source.bias) if bias else 0)
    np.testing.assert_allclose(np.array(layer(x)), expected, rtol=1e-4, atol=1e-4)


def test_what_a_quantized_layer_trains():
    """Quantized parameters never; the bias of a layer that was converted, as in MLX."""
    assert names(nn.QuantizedLinear(64, 32).trainable_parameters()) == []
    model = nn.Sequential(nn.Linear(64, 64), nn.Embedding(8, 64), nn.Linear(64, 8, bias=False))
    nn.quantize(model)
    assert names(model.trainable_parameters()) == ["layers.0.bias"]
    assert "layers.0.scales" in names(model.parameters())


@pytest.mark.parametrize("settings", SETTINGS)
def test_embedding_looks_up_dequantized_rows(settings):
    layer = nn.QuantizedEmbedding.from_embedding(nn.Embedding(24, 128), **settings)
    ids, x = np.array([3, 0, 23, 3]), normal(2, 128)
    found = np.array(layer(mx.array(ids)).astype(mx.float32))
    np.testing.assert_allclose(found, dequantized(layer)[ids], rtol=1e-2)
    expected = np.array(x) @ dequantized(layer).T
    np.testing.assert_allclose(np.array(layer.as_linear(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [nn.QuantizedAllToShardedLinear, nn.QuantizedShardedToAllLinear])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", ["affine", "mxfp4"])
def test_sharded_layers_keep_every_part_of_the_layer_they_come_from(kind, bias, mode):
    source = nn.QuantizedLinear.from_linear(nn.Linear(128, 32, bias=bias), mode=mode)
    layer = kind.from_quantized_linear(source)
    x = normal(5, 128)
    np.testing.assert_allclose(np.array(layer(x)), np.array(source(x)), rtol=1e-5, atol=1e-5)
    assert names(layer.parameters()) == names(source.parameters())


def test_fully_sharded_module_shows_how_many_parameters_it_shares_out():
    assert repr(nn.FullyShardedModule(nn.Linear(4, 4))).startswith(
        "FullyShardedModule(num_sharded_params=2"
    )
