"""Layers with an adapter: their sums, gradients, and the weights they stand for."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.adapters import DoRALinear, LoRALinear
from olivine.llm.adapters.layers import full_weight


def made(kind, quantized=False, bias=True, dtype=mx.float32):
    mx.random.seed(1)
    linear = nn.Linear(64, 24, bias=bias)
    linear.set_dtype(dtype)
    if quantized:
        linear = linear.to_quantized(group_size=32, bits=4)
    layer = kind(linear, rank=4, scale=0.5)
    layer.lora_b = mx.random.normal(layer.lora_b.shape) * 0.1
    return layer


@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
@pytest.mark.parametrize("quantized", [False, True])
def test_a_fresh_adapter_changes_nothing(kind, quantized):
    layer = made(kind, quantized)
    layer.lora_b = mx.zeros_like(layer.lora_b)
    x = mx.random.normal((3, 64))
    np.testing.assert_allclose(layer(x), layer.linear(x), atol=1e-5)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_lora_adds_the_product_of_its_matrices(quantized, bias):
    layer = made(LoRALinear, quantized, bias)
    x = mx.random.normal((3, 64))
    low = np.array(x, np.float64) @ np.array(layer.lora_a) @ np.array(layer.lora_b)
    np.testing.assert_allclose(layer(x), np.array(layer.linear(x)) + 0.5 * low, atol=1e-5)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_dora_gives_the_adapted_rows_its_own_lengths(quantized, bias):
    layer = made(DoRALinear, quantized, bias)
    layer.magnitude = layer.magnitude * 1.5
    weight = np.array(full_weight(layer.linear), np.float64)
    weight = weight + 0.5 * (np.array(layer.lora_a) @ np.array(layer.lora_b)).T
    rows = np.array(layer.magnitude) / np.linalg.norm(weight, axis=1)
    x = mx.random.normal((3, 64))
    expected = np.array(x) @ (weight * rows[:, None]).T
    if bias:
        expected = expected + np.array(layer.linear.bias)
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
def test_the_merged_weight_does_the_same(kind):
    layer = made(kind)
    x = mx.random.normal((5, 64))
    expected = x @ layer.merged_weight().T + layer.linear.bias
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
@pytest.mark.parametrize("quantized", [False, True])
def test_only_the_adapter_is_trained(kind, quantized):
    layer = made(kind, quantized)
    expected = {"lora_a", "lora_b"} | ({"magnitude"} if kind is DoRALinear else set())
    assert set(layer.trainable_parameters()) - {"linear", "dropout"} == expected
    assert not layer.linear.trainable_parameters()
    x = mx.random.normal((3, 64))
    grads = nn.value_and_grad(layer, lambda x: layer(x).square().sum())(x)[1]
    assert all(mx.any(grads[name] != 0) for name in expected)


def test_a_half_precision_base_keeps_its_dtype():
    layer = made(LoRALinear, dtype=mx.bfloat16)
    assert layer(mx.ones((2, 64), mx.bfloat16)).dtype == mx.bfloat16
    assert layer.lora_a.dtype == mx.float32


def test_a_rank_must_fit_the_layer():
    with pytest.raises(ValueError, match=r"rank from 1 to 24 .* got 25"):
        LoRALinear(nn.Linear(64, 24), rank=25)
    with pytest.raises(ValueError, match="got 0"):
        LoRALinear(nn.Linear(64, 24), rank=0)
