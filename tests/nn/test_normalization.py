"""Normalization layers against NumPy."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten

rng = np.random.default_rng(1)


def normal(*shape):
    return rng.normal(loc=0.5, scale=2, size=shape).astype(np.float32)


def close(actual, expected):
    np.testing.assert_allclose(np.array(actual), expected, rtol=2e-4, atol=2e-5)


def normalized(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def randomize(layer):
    """Weights other than one and zero, so that leaving them out shows."""
    layer.apply(lambda p: p + mx.array(normal(*p.shape)))
    return {name: np.array(p) for name, p in tree_flatten(layer.parameters())}


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_layer_norm_normalizes_the_last_axis(eps):
    x = normal(3, 4, 6)
    layer = nn.LayerNorm(6, eps=eps)
    p = randomize(layer)
    close(layer(mx.array(x)), normalized(x, -1, eps) * p["weight"] + p["bias"])


def test_layer_norm_works_without_bias_or_weight():
    x = normal(4, 6)
    layer = nn.LayerNorm(6, bias=False)
    p = randomize(layer)
    close(layer(mx.array(x)), normalized(x, -1) * p["weight"])
    layer = nn.LayerNorm(6, affine=False)
    assert layer.parameters() == {}
    close(layer(mx.array(x)), normalized(x, -1))


def test_rms_norm_divides_by_the_root_mean_square():
    x = normal(3, 4, 6)
    layer = nn.RMSNorm(6, eps=0.01)
    p = randomize(layer)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01) * p["weight"]
    close(layer(mx.array(x)), expected)


@pytest.mark.parametrize("shape", [(2, 6, 8), (2, 3, 4, 8)])
@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_normalizes_space(shape, affine):
    x = normal(*shape)
    layer = nn.InstanceNorm(8, affine=affine)
    p = randomize(layer)
    expected = normalized(x, tuple(range(1, len(shape) - 1)))
    close(layer(mx.array(x)), expected * p.get("weight", 1) + p.get("bias", 0))


@pytest.mark.parametrize("shape", [(3, 8), (2, 6, 8), (2, 3, 4, 8)])
@pytest.mark.parametrize("neighbours", [True, False])
def test_group_norm_normalizes_groups_of_channels(shape, neighbours):
    x = normal(*shape)
    layer = nn.GroupNorm(4, 8, pytorch_compatible=neighbours)
    p = randomize(layer)
    # (batch, space, group, member) or (batch, space, member, group)
    split = (4, 2) if neighbours else (2, 4)
    grouped = x.reshape(shape[0], -1, *split)
    expected = normalized(grouped, (1, 3) if neighbours else (1, 2)).reshape(shape)
    close(layer(mx.array(x)), expected * p["weight"] + p["bias"])


def test_group_norm_wants_groups_of_equal_size():
    with pytest.raises(ValueError, match=r"\[GroupNorm\] expected"):
        nn.GroupNorm(3, 8)


@pytest.mark.parametrize("shape", [(6, 8), (3, 5, 8), (2, 3, 4, 8)])
def test_batch_norm_uses_the_batch_in_training_and_running_statistics_after(shape):
    layer = nn.BatchNorm(8, momentum=0.3)
    p = randomize(layer)
    mean, variance = p["running_mean"], p["running_var"]
    axes = tuple(range(len(shape) - 1))
    for _ in range(2):
        x = normal(*shape)
        close(layer(mx.array(x)), normalized(x, axes) * p["weight"] + p["bias"])
        mean = 0.7 * mean + 0.3 * x.mean(axes)
        variance = 0.7 * variance + 0.3 * x.var(axes, ddof=1)
    close(layer.running_mean, mean)
    close(layer.running_var, variance)
    layer.eval()
    x = normal(*shape)
    variance = np.abs(variance)
    layer.running_var = mx.array(variance)
    close(layer(mx.array(x)), (x - mean) / np.sqrt(variance + 1e-5) * p["weight"] + p["bias"])
    close(layer.running_mean, mean)


def test_batch_norm_without_tracking_always_uses_the_batch():
    x = normal(6, 8)
    layer = nn.BatchNorm(8, affine=False, track_running_stats=False).eval()
    assert layer.parameters() == {}
    close(layer(mx.array(x)), normalized(x, 0))


def test_running_statistics_never_become_trainable():
    model = nn.Sequential(nn.BatchNorm(4))
    for _ in range(2):
        trainable = {name for name, _ in tree_flatten(model.trainable_parameters())}
        assert trainable == {"layers.0.weight", "layers.0.bias"}
        model.unfreeze()


def test_batch_norm_refuses_other_ranks():
    for shape in ((8,), (1, 1, 1, 1, 8)):
        with pytest.raises(ValueError, match=r"\[BatchNorm\] expected"):
            nn.BatchNorm(8)(mx.ones(shape))


def test_representations_name_the_settings():
    assert repr(nn.LayerNorm(4)) == "LayerNorm(4, eps=1e-05, affine=True)"
    assert repr(nn.RMSNorm(4)) == "RMSNorm(4, eps=1e-05)"
    assert repr(nn.InstanceNorm(4)) == "InstanceNorm(4, eps=1e-05, affine=False)"
    assert repr(nn.GroupNorm(2, 4)) == (
        "GroupNorm(2, 4, eps=1e-05, affine=True, pytorch_compatible=False)"
    )
    assert repr(nn.BatchNorm(4)) == (
        "BatchNorm(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )


def test_groups_must_be_some():
    with pytest.raises(ValueError, match="divisible by num_groups; got 8 and 0"):
        nn.GroupNorm(0, 8)
