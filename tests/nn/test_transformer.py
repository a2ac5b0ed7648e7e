"""Attention and transformer layers against NumPy."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten

rng = np.random.default_rng(3)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def close(actual, expected):
    np.testing.assert_allclose(np.array(actual), expected, rtol=1e-4, atol=1e-5)


def parameters(module):
    return {name: np.array(p) for name, p in tree_flatten(module.parameters())}


def linear(x, p, name):
    return x @ p[f"{name}.weight"].T + p.get(f"{name}.bias", 0)


def attention(p, queries, keys, values, heads, mask=0.0):
    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    q, k, v = (
        split(linear(x, p, f"{name}_proj"))
        for x, name in ((queries, "query"), (keys, "key"), (values, "value"))
    )
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    y = weights / weights.sum(-1, keepdims=True) @ v
    return linear(y.transpose(0, 2, 1, 3).reshape(*queries.shape[:2], -1), p, "out_proj")


def layer_norm(x, p, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * p[f"{name}.weight"] + p[f"{name}.bias"]


def below(p, name):
    start = f"{name}."
    return {key.removeprefix(start): value for key, value in p.items() if key.startswith(start)}


def mlp(x, p):
    return linear(np.maximum(linear(x, p, "linear1"), 0), p, "linear2")


@pytest.mark.parametrize("bias", [True, False])
def test_attention_of_other_sizes_follows_the_formula(bias):
    layer = nn.MultiHeadAttention(
        8, 2, query_input_dims=6, key_input_dims=4, value_input_dims=3,
        value_dims=10, value_output_dims=7, bias=bias,
    )  # fmt: skip
    q, k, v = normal(2, 5, 6), normal(2, 3, 4), normal(2, 3, 3)
    expected = attention(parameters(layer), q, k, v, 2)
    assert expected.shape == (2, 5, 7)
    close(layer(mx.array(q), mx.array(k), mx.array(v)), expected)


def test_causal_mask_hides_the_future():
    mask = nn.MultiHeadAttention.create_additive_causal_mask(5)
    lowest = np.finfo(np.float32).min
    assert np.array_equal(np.array(mask), np.triu(np.full((5, 5), lowest), 1))
    layer = nn.MultiHeadAttention(8, 2)
    x = normal(1, 5, 8)
    whole = layer(mx.array(x), mx.array(x), mx.array(x), mask=mask)
    close(whole, attention(parameters(layer), x, x, x, 2, np.triu(np.full((5, 5), -np.inf), 1)))
    start = mx.array(x[:, :3])
    close(whole[:, :3], np.array(layer(start, start, start, mask=mask[:3, :3])))


def test_heads_must_divide_dims():
    with pytest.raises(ValueError, match=r"\[MultiHeadAttention\] expected"):
        nn.MultiHeadAttention(8, 3)


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer_adds_attention_and_mlp(norm_first):
    layer = nn.TransformerEncoderLayer(8, 2, mlp_dims=12, norm_first=norm_first)
    p = parameters(layer)
    x = normal(2, 5, 8)
    if norm_first:
        y = layer_norm(x, p, "ln1")
        expected = x + attention(below(p, "attention"), y, y, y, 2)
        expected = expected + mlp(layer_norm(expected, p, "ln2"), p)
    else:
        expected = layer_norm(x + attention(below(p, "attention"), x, x, x, 2), p, "ln1")
        expected = layer_norm(expected + mlp(expected, p), p, "ln2")
    close(layer(mx.array(x), None), expected)


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layer_attends_to_itself_and_to_memory(norm_first):
    layer = nn.TransformerDecoderLayer(8, 2, norm_first=norm_first)
    p = parameters(layer)
    own, cross = below(p, "self_attention"), below(p, "cross_attention")
    x, m = normal(2, 5, 8), normal(2, 3, 8)
    if norm_first:
        y = layer_norm(x, p, "ln1")
        expected = x + attention(own, y, y, y, 2)
        y = layer_norm(expected, p, "ln2")
        expected = expected + attention(cross, y, m, m, 2)
        expected = expected + mlp(layer_norm(expected, p, "ln3"), p)
    else:
        expected = layer_norm(x + attention(own, x, x, x, 2), p, "ln1")
        expected = layer_norm(expected + attention(cross, expected, m, m, 2), p, "ln2")
        expected = layer_norm(expected + mlp(expected, p), p, "ln3")
    close(layer(mx.array(x), mx.array(m), None, None), expected)


def test_transformer_chains_encoder_and_decoder():
    model = nn.Transformer(8, 2, 2, 1, mlp_dims=16)
    source, target = mx.array(normal(2, 5, 8)), mx.array(normal(2, 3, 8))
    mask = nn.MultiHeadAttention.create_additive_causal_mask(3)
    memory = model.encoder(source, None)
    expected = model.decoder(target, memory, mask, None)
    close(model(source, target, None, mask, None), np.array(expected))
    by_hand = source
    for layer in model.encoder.layers:
        by_hand = layer(by_hand, None)
    close(memory, np.array(model.encoder.ln(by_hand)))


def test_checkpointing_changes_no_result():
    mx.random.seed(0)
    plain = nn.TransformerEncoder(2, 8, 2)
    lean = nn.TransformerEncoder(2, 8, 2, checkpoint=True)
    lean.load_weights(tree_flatten(plain.parameters()))
    x = mx.array(normal(2, 4, 8))
    values, grads = zip(
        *(
            nn.value_and_grad(model, lambda x, model=model: mx.square(model(x, None)).sum())(x)
            for model in (plain, lean)
        ),
        strict=True,
    )
    close(values[1], np.array(values[0]))
    for (_, a), (_, b) in zip(*map(tree_flatten, grads), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("heads", [0, -2, 3])
def test_attention_refuses_heads_that_do_not_share_the_dims(heads):
    with pytest.raises(ValueError, match="expected dims divisible by num_heads; got 8 and"):
        nn.MultiHeadAttention(8, heads)
