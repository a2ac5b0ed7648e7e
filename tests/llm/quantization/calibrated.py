"""GPTQ, AWQ and mixed plans do better than plain rounding on the texts they saw."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization import Format, QuantizationPlan, bits_per_weight, quantize_model
from olivine.llm.quantization.awq import awq, output_error
from olivine.llm.quantization.calibration import Recorder, in_groups, record
from olivine.llm.quantization.gptq import correction, gptq, quantize_weight
from olivine.llm.quantization.sensitivity import mixed_plan
from tests.llm.tiny_chat import tiny_llama

PLAN = QuantizationPlan(Format(3, 32), {"model.embed_tokens": None})


def model():
    """Random, but with features of very different sizes, as trained models have."""
    m = tiny_llama(hidden_size=64, intermediate_size=96)
    rng = np.random.default_rng(1)
    for layer in m.layers:
        for norm in (layer.input_layernorm, layer.post_attention_layernorm):
            norm.weight = mx.array(np.exp(rng.standard_normal(64)), mx.float32)
    return m


def texts():
    rng = np.random.default_rng(0)
    return [mx.array(rng.integers(0, 256, (4, 32))) for _ in range(4)]


def error(m, reference):
    """Mean squared difference of logits over the texts."""
    return sum(mx.mean((m(t) - r) ** 2).item() for t, r in zip(texts(), reference, strict=True))


def references():
    m = model()
    return [m(t) for t in texts()]


def plain_error():
    m = model()
    quantize_model(m, PLAN)
    return error(m, references())


@pytest.mark.parametrize("method", [gptq, awq])
def test_the_logits_stay_nearer(method):
    m = model()
    config = method(m, texts(), PLAN)
    assert config == {"group_size": 32, "bits": 3, "model.embed_tokens": False}
    assert isinstance(m.layers[1].mlp.down_proj, nn.QuantizedLinear)
    assert error(m, references()) < 0.9 * plain_error()


def test_gptq_minimizes_the_output_error_of_a_layer():
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((512, 16)) @ rng.standard_normal((16, 96))).astype(np.float32)
    w = rng.standard_normal((8, 96)).astype(np.float32)
    products = mx.array(x.T @ x)
    values, scales, biases = quantize_weight(w.copy(), *correction(products), 4, 32)
    got = values * np.repeat(scales, 32, 1) + np.repeat(biases, 32, 1)
    packed = mx.quantize(mx.array(w), group_size=32, bits=4)
    plain = mx.dequantize(*packed, group_size=32, bits=4)
    ours = output_error(mx.array(w), mx.array(got), products).item()
    theirs = output_error(mx.array(w), plain, products).item()
    assert values.max() <= 15 and ours < 0.3 * theirs


def test_a_feature_that_never_occurs_is_no_trouble():
    products = np.zeros((64, 64), np.float32)
    products[:32, :32] = np.eye(32)
    factor, dead = correction(mx.array(products))
    assert dead.sum() == 32 and np.isfinite(factor).all()
    values, scales, biases = quantize_weight(np.ones((2, 64), np.float32), factor, dead, 4, 32)
    assert np.isfinite(scales).all() and np.isfinite(biases).all()


def test_recording_leaves_the_model_as_it_was():
    m = model()
    layer = m.layers[0].mlp.down_proj
    statistics = record(m, {"model.layers.0.mlp.down_proj": layer}, texts())
    assert m.layers[0].mlp.down_proj is layer
    (s,) = statistics.values()
    assert s.count == 4 * 4 * 32 and s.products.shape == (96, 96)
    np.testing.assert_allclose(np.diag(np.array(s.products)) >= 0, True)
    assert not any(isinstance(x, Recorder) for _, x in m.named_modules())


def test_layers_are_recorded_within_a_budget():
    layers = {str(i): nn.Linear(64, 8) for i in range(5)}
    parts = list(in_groups(layers, budget=2 * 4 * 64 * 64))
    assert [list(p) for p in parts] == [["0", "1"], ["2", "3"], ["4"]]


def test_a_mixed_plan_keeps_to_its_bits_and_beats_uniform_ones():
    m = model()
    formats = (Format(3, 32), Format(4, 32), Format(6, 32))
    plan = mixed_plan(m, texts(), 5.0, formats)
    sizes = {p: x.weight.size for p, x in m.named_modules() if isinstance(x, nn.Linear)}
    stored = sum((plan.exceptions[p].bits + 1) * n for p, n in sizes.items()) / sum(sizes.values())
    assert 4.9 < stored <= 5.0
    assert len(set(plan.exceptions.values())) > 1
    plan.exceptions["model.embed_tokens"] = None
    uniform = model()
    quantize_model(uniform, QuantizationPlan(Format(4, 32), {"model.embed_tokens": None}))
    quantize_model(m, plan)
    assert bits_per_weight(m) < bits_per_weight(uniform) + 0.01
    assert error(m, references()) < error(uniform, references())
    with pytest.raises(ValueError, match="bits from 4 to 7; got 9"):
        mixed_plan(model(), texts(), 9.0, formats)
