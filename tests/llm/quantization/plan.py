"""Plans: which layer gets which format, config entries, packing."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization import Format, QuantizationPlan, bits_per_weight, quantize_model
from olivine.llm.quantization.packing import pack_rows, quantized_linear
from tests.llm.tiny_chat import tiny_llama


def model():
    return tiny_llama(hidden_size=64, intermediate_size=96)


def test_every_layer_is_quantized():
    m = model()
    config = quantize_model(m, QuantizationPlan(Format(4, 32)))
    assert config == {"group_size": 32, "bits": 4}
    kinds = {type(x) for _, x in m.named_modules() if hasattr(x, "weight")}
    assert kinds == {nn.QuantizedLinear, nn.QuantizedEmbedding, nn.RMSNorm}
    # 4 bits and 2 x 32 per group of 32 in float32, and the norms
    assert 6 < bits_per_weight(m) < 6.3
    assert m(mx.array([[1, 2]])).shape == (1, 2, 260)


def test_exceptions_and_rows_of_no_whole_groups_are_told():
    m = model()
    plan = QuantizationPlan(
        Format(4, 64), {"model.embed_tokens": None, "model.layers.0.mlp.up_proj": Format(8, 32)}
    )
    config = quantize_model(m, plan)
    assert config.pop("group_size") == 64 and config.pop("bits") == 4
    assert config == {
        "model.embed_tokens": False,
        "model.layers.0.mlp.up_proj": {"group_size": 32, "bits": 8},
        "model.layers.0.mlp.down_proj": False,  # 96 inputs
        "model.layers.1.mlp.down_proj": False,
    }
    assert m.layers[0].mlp.up_proj.bits == 8


def test_modes_have_their_own_settings():
    assert Format.of("mxfp4") == Format(4, 32, "mxfp4")
    with pytest.raises(ValueError, match="nvfp4 has 4 bits in groups of 16"):
        Format.of("nvfp4", bits=8)
    with pytest.raises(ValueError, match="a mode among affine"):
        Format.of("int4")
    with pytest.raises(ValueError, match="no layer x"):
        quantize_model(model(), QuantizationPlan(exceptions={"x": None}))


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_packed_values_come_back(bits):
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (6, 64))
    scales, biases = rng.standard_normal((2, 6, 2)).astype(np.float32)
    layer = quantized_linear(nn.Linear(64, 6), values, scales, biases, bits)
    expected = values * np.repeat(scales, 32, 1) + np.repeat(biases, 32, 1)
    got = mx.dequantize(layer.weight, layer.scales, layer.biases, group_size=32, bits=bits)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    x = rng.standard_normal((3, 64)).astype(np.float32)
    expected = x @ expected.T + np.array(layer.bias)
    np.testing.assert_allclose(layer(mx.array(x)), expected, rtol=1e-3, atol=1e-2)


def test_rows_must_fill_words():
    with pytest.raises(ValueError, match="whole words; got 10 x 3"):
        pack_rows(np.zeros((1, 10), int), 3)
