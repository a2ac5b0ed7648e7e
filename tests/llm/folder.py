"""Folders of Hugging Face and MLX: whole, in shards, packed; what is wrong with them is named."""

import json

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.folder import read_folder
from olivine.llm.loading import assemble
from olivine.llm.models import build
from olivine.utils import tree_flatten
from tests.support import to_np

CONFIG = {
    "model_type": "llama",
    "vocab_size": 48,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "tie_word_embeddings": False,
}
TOKENS = mx.array([[3, 1, 40, 2]])


def make(folder, dtype=mx.float32, quantization=None, shards=1, **changes):
    """A folder with a small random model; returns the model."""
    mx.random.seed(0)
    config = {**CONFIG, **changes}
    model = build(config)
    model.update({k: v for k, v in model.parameters().items()})
    model.set_dtype(dtype)
    if quantization:
        own = {k: v for k, v in quantization.items() if isinstance(v, (dict, bool))}
        common = {k: v for k, v in quantization.items() if k not in own}

        def choose(path, module):
            return own.get(path, True) if hasattr(module, "to_quantized") else False

        nn.quantize(model, **common, class_predicate=choose)
        config["quantization"] = quantization
    (folder / "config.json").write_text(json.dumps(config))
    weights = tree_flatten(model.parameters(), destination={})
    if shards == 1:
        mx.save_safetensors(folder / "model.safetensors", weights, {"format": "pt"})
        return model
    index = {}
    for i in range(shards):
        name = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {k: weights[k] for k in sorted(weights)[i::shards]}
        mx.save_safetensors(folder / name, part)
        index.update(dict.fromkeys(part, name))
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    return model


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_weights_keep_their_dtype(dtype, tmp_path):
    want = make(tmp_path, dtype)
    model = assemble(read_folder(tmp_path))
    assert {v.dtype for _, v in tree_flatten(model.parameters())} == {dtype}
    np.testing.assert_array_equal(
        to_np(model(TOKENS).astype(mx.float32)), to_np(want(TOKENS).astype(mx.float32))
    )


def test_weights_become_the_dtype_that_is_asked_for(tmp_path):
    make(tmp_path, mx.float32, {"group_size": 32, "bits": 4})
    model = assemble(read_folder(tmp_path), mx.bfloat16)
    kinds = {v.dtype for _, v in tree_flatten(model.parameters())}
    assert kinds == {mx.bfloat16, mx.uint32}


def test_shards_are_one_model(tmp_path):
    want = make(tmp_path, shards=3)
    np.testing.assert_array_equal(
        to_np(assemble(read_folder(tmp_path))(TOKENS)), to_np(want(TOKENS))
    )


QUANTIZED = {
    "affine": {"group_size": 32, "bits": 4},
    "mode": {"group_size": 32, "bits": 8, "mode": "affine"},
    "mxfp4": {"group_size": 32, "bits": 4, "mode": "mxfp4"},
    "mixed": {
        "group_size": 64,
        "bits": 4,
        "model.embed_tokens": {"group_size": 32, "bits": 8},
        "model.layers.1.mlp.down_proj": {"group_size": 32, "bits": 3},
        "lm_head": False,
    },
}


@pytest.mark.parametrize("kind", QUANTIZED)
def test_packed_folders_of_mlx(kind, tmp_path):
    changes = {"intermediate_size": 128} if kind == "mixed" else {}
    want = make(tmp_path, mx.float32, QUANTIZED[kind], **changes)
    model = assemble(read_folder(tmp_path))
    np.testing.assert_array_equal(to_np(model(TOKENS)), to_np(want(TOKENS)))
    assert ("scales" in model.lm_head) == (kind != "mixed")


def test_the_other_name_of_the_settings(tmp_path):
    want = make(tmp_path, mx.float32, {"group_size": 32, "bits": 4})
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = config.pop("quantization")
    (tmp_path / "config.json").write_text(json.dumps(config))
    np.testing.assert_array_equal(
        to_np(assemble(read_folder(tmp_path))(TOKENS)), to_np(want(TOKENS))
    )


def change(folder, change_weights=None, **changes):
    config = json.loads((folder / "config.json").read_text())
    config |= changes
    (folder / "config.json").write_text(
        json.dumps({k: v for k, v in config.items() if v is not None})
    )
    if change_weights:
        weights = dict(mx.load(str(folder / "model.safetensors")))
        change_weights(weights)
        mx.save_safetensors(folder / "model.safetensors", weights)


WRONG = {
    "no config": (lambda f: (f / "config.json").unlink(), "expected JSON in .*config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "expected JSON in .*config.json"),
    "config of a list": (lambda f: (f / "config.json").write_text("[]"), "JSON dict in .*; got a list"),
    "deep config": (lambda f: (f / "config.json").write_text("[" * 10**5), "expected JSON in"),
    "no model_type": (lambda f: change(f, model_type=None), "to name its model_type"),
    "other model_type": (lambda f: change(f, model_type="rwkv"), "expected a model_type among .*got 'rwkv'"),
    "no field": (lambda f: change(f, hidden_size=None), "to have hidden_size"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors; got none"),
    "other weights": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "model.safetensors; got only pytorch_model.bin",
    ),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:5000]),
        "expected a safetensors file; got: .*model.safetensors",
    ),
    "missing tensor": (
        lambda f: change(f, lambda w: w.pop("model.layers.1.mlp.up_proj.weight")),
        "expected tensor model.layers.1.mlp.up_proj.weight in .*; it is missing",
    ),
    "missing tensors": (lambda f: change(f, num_hidden_layers=3), "and 5 more in .*; they are missing"),
    "surplus tensor": (
        lambda f: change(f, lambda w: w.update(foo=mx.zeros(1))),
        "only the tensors of a llama model in .*; got also foo",
    ),
    "other shape": (
        lambda f: change(f, vocab_size=50),
        r"shape \(50, 64\) for .* in .*; got \(48, 64\)",
    ),
    "other method": (
        lambda f: change(f, quantization_config={"quant_method": "gptq", "bits": 4}),
        "got quantization method 'gptq'",
    ),
    "settings that are none": (lambda f: change(f, quantization=7), "a dict as quantization"),
    "packed norms": (
        lambda f: change(f, lambda w: w.update({"model.norm.scales": mx.zeros(1)})),
        "weights in full for model.norm, a RMSNorm; got packed ones",
    ),
    "bits of nowhere": (
        lambda f: change(f, lambda w: w.update({"lm_head.scales": mx.zeros(1)}), quantization={"bits": 77}),
        "quantization: .*bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_folders_are_refused_with_one_clear_error(case, tmp_path):
    make(tmp_path)
    spoil, match = WRONG[case]
    spoil(tmp_path)
    with pytest.raises(ModelError, match=rf"^\[llm\] .*{match}"):
        assemble(read_folder(tmp_path))


def edit_index(folder, edit):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    edit(index["weight_map"])
    path.write_text(json.dumps(index))


SHARDS = {
    "missing shard": (
        lambda f: (f / "model-00002-of-00002.safetensors").unlink(),
        "shard model-00002-of-00002.safetensors in .*; it is missing",
    ),
    "missing tensor": (
        lambda f: edit_index(f, lambda w: w.update(foo="model-00001-of-00002.safetensors")),
        "tensor foo in .*model-00001-of-00002.safetensors, as .* says; it is missing",
    ),
    "surplus tensor": (
        lambda f: edit_index(f, lambda w: w.pop("lm_head.weight")),
        "got also lm_head.weight",
    ),
    "elsewhere": (
        lambda f: edit_index(f, lambda w: w.update({"lm_head.weight": "../model.safetensors"})),
        "expected files beside .*; got '../model.safetensors'",
    ),
    "no map": (
        lambda f: (f / "model.safetensors.index.json").write_text("{}"),
        "expected a weight_map",
    ),
    "numbers": (lambda f: edit_index(f, lambda w: w.update(foo=1)), "expected a weight_map"),
}


@pytest.mark.parametrize("case", SHARDS)
def test_wrong_shards_are_named(case, tmp_path):
    make(tmp_path, shards=2)
    spoil, match = SHARDS[case]
    spoil(tmp_path)
    with pytest.raises(ModelError, match=rf"^\[llm\] .*{match}"):
        read_folder(tmp_path)


HOSTILE = [None, "", "x", [], {}, {"a": 1}, 0, 1, 3, 2**31, 2**40, -1, 1e300, float("nan"), True]


def test_hostile_configs_give_models_or_clear_errors(tmp_path):
    make(tmp_path, mx.float32, {"group_size": 32, "bits": 4})
    config = json.loads((tmp_path / "config.json").read_text())
    for key in [*config, "rope_scaling", "rope_theta", "head_dim", "sliding_window", "hidden_act"]:
        for value in HOSTILE:
            (tmp_path / "config.json").write_text(json.dumps({**config, key: value}))
            try:
                assemble(read_folder(tmp_path))
            except ModelError as error:
                assert str(error).startswith("[llm] ")
