"""Adapters of a whole model: which layers, fusing, and the model without them."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.adapters import (
    LoRALinear,
    adapter_layers,
    add_adapters,
    fuse_adapters,
    without_adapters,
)
from olivine.utils import tree_flatten
from tests.llm.tiny_chat import tiny_llama

TOKENS = mx.array([[1, 2, 3, 4, 5]])


def trained(model, **options):
    """A model with adapters that do something."""
    add_adapters(model, **options)
    mx.random.seed(3)
    for layer in adapter_layers(model).values():
        layer.lora_b = mx.random.normal(layer.lora_b.shape) * 0.3
    return model


def test_attention_gets_adapters_by_default():
    model = tiny_llama()
    paths = add_adapters(model, rank=4)
    names = {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert paths == sorted(f"model.layers.{i}.self_attn.{n}" for i in range(2) for n in names)
    trainable = dict(tree_flatten(model.trainable_parameters()))
    assert len(trainable) == 16 and all(".lora_" in name for name in trainable)


def test_targets_and_layers_choose():
    model = tiny_llama()
    assert add_adapters(model, targets=["down_proj"], layers=1) == ["model.layers.1.mlp.down_proj"]
    assert len(add_adapters(tiny_llama(), targets="all")) == 14
    untied = tiny_llama(tie_word_embeddings=False)
    assert not any("lm_head" in path for path in add_adapters(untied, targets="all"))


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"targets among down_proj, .*; got \('w',\)"):
        add_adapters(tiny_llama(), targets=("w",))
    with pytest.raises(ValueError, match="layers from 1 to 2; got 3"):
        add_adapters(tiny_llama(), layers=3)
    model = tiny_llama()
    add_adapters(model)
    with pytest.raises(ValueError, match="without adapters"):
        add_adapters(model)


@pytest.mark.parametrize("dora", [False, True])
def test_a_fused_model_is_plain_and_gives_the_same(dora):
    model = trained(tiny_llama(), dora=dora)
    expected = model(TOKENS)
    fused = fuse_adapters(model)
    assert len(fused) == 8 and not adapter_layers(model)
    np.testing.assert_allclose(model(TOKENS), expected, atol=2e-5)
    names = dict(tree_flatten(model.parameters())).keys()
    assert names == dict(tree_flatten(tiny_llama().parameters())).keys()


def test_fusing_keeps_or_unpacks_quantized_layers():
    for dequantize, kind in ((False, nn.QuantizedLinear), (True, nn.Linear)):
        model = tiny_llama()
        nn.quantize(model, group_size=32, bits=8, class_predicate=lambda p, m: "q_proj" in p)
        trained(model, targets=["q_proj"])
        expected = model(TOKENS)
        fuse_adapters(model, dequantize)
        layer = model.layers[0].self_attn.q_proj
        assert type(layer) is kind
        np.testing.assert_allclose(
            model(TOKENS), expected, atol=0.02 * mx.abs(expected).max().item()
        )


def test_the_model_without_adapters_comes_and_goes():
    model = tiny_llama()
    before = model(TOKENS)
    trained(model)
    adapted = model(TOKENS)
    with without_adapters(model) as plain:
        assert mx.array_equal(plain(TOKENS), before)
    assert mx.array_equal(model(TOKENS), adapted)
    assert not mx.array_equal(adapted, before)
    with pytest.raises(RuntimeError), without_adapters(model):
        raise RuntimeError
    assert isinstance(model.layers[0].self_attn.q_proj, LoRALinear)
