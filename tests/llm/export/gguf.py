"""Models written as GGUF: the files that llama.cpp was run on come back tensor by tensor."""

import json

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm import models
from olivine.llm.convert import quantize
from olivine.llm.export.gguf import KINDS, export_gguf
from olivine.llm.export.gguf_blocks import exact_blocks, to_blocks
from olivine.llm.export.gguf_vocabulary import vocabulary_of
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.find import in_path
from olivine.llm.formats.gguf import read_gguf
from olivine.llm.formats.gguf_config import Metadata
from olivine.llm.layers import full_weight
from olivine.llm.loading import assemble, load
from olivine.llm.quantization import Format
from olivine.llm.tokenizer import tokenizer_from_gguf
from tests.llm import tiny_gguf, tiny_vocabularies
from tests.llm.tiny_chat import CONFIG, tiny_llama
from tests.llm.tiny_folder import byte_tokenizer

BIG = {**CONFIG, "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 512}
TOKENS = mx.array([[1, 2, 3, 4]])
# What readers take for granted where a file does not say it.
DEFAULTS = {
    "gemma3.rope.freq_base_swa": 10000.0,
    "deepseek2.expert_weights_norm": False,
    "gpt2.attention.head_count_kv": tiny_gguf.HEADS,
    "gpt2.attention.key_length": tiny_gguf.WIDTH,
    "gpt2.attention.value_length": tiny_gguf.WIDTH,
    "bert.attention.head_count_kv": tiny_gguf.HEADS,
    "bert.attention.key_length": tiny_gguf.WIDTH,
    "bert.attention.value_length": tiny_gguf.WIDTH,
}


def contents(path):
    tensors, metadata = mx.load(str(path), format="gguf", return_metadata=True)
    return tensors, {k: v.tolist() if isinstance(v, mx.array) else v for k, v in metadata.items()}


@pytest.mark.parametrize("name", tiny_gguf.FILES)
def test_a_file_that_llama_cpp_runs_is_written_as_it_was(name, tmp_path):
    tiny_gguf.write(tmp_path / "a.gguf", name)
    checkpoint, _ = read_gguf(in_path(tmp_path / "a.gguf"))
    export_gguf(tmp_path / "b.gguf", assemble(checkpoint), checkpoint.config)
    tensors, metadata = contents(tmp_path / "a.gguf")
    again, values = contents(tmp_path / "b.gguf")
    assert again.keys() == tensors.keys()
    for key, value in tensors.items():
        assert again[key].dtype == mx.float32
        np.testing.assert_allclose(again[key], value, rtol=1e-6, atol=1e-6, err_msg=key)
    for key in metadata.keys() | values.keys():
        if not key.startswith("general.") and key != "bert.pooling_type":
            got, want = (v.get(key, DEFAULTS.get(key)) for v in (values, metadata))
            assert got == pytest.approx(want) if isinstance(want, float) else got == want, key


@pytest.mark.parametrize("name", tiny_vocabularies.FILES)
def test_tokenizers_come_back(name):
    stored = np.load(tiny_vocabularies.FIXTURE)
    given = tiny_vocabularies.metadata(name, stored)
    arrays = tiny_vocabularies.metadata(name, stored)  # the reader changes lists
    arrays = {k: mx.array(v) if isinstance(v, int) else v for k, v in arrays.items()}
    tokenizer = tokenizer_from_gguf(Metadata(arrays, "x"))
    made = vocabulary_of(tokenizer, len(tokenizer) + 3)
    size = len(tokenizer)
    assert made["tokenizer.ggml.tokens"][:size] == given["tokenizer.ggml.tokens"]
    assert made["tokenizer.ggml.tokens"][size:] == [f"[PAD{i}]" for i in range(size, size + 3)]
    assert made["tokenizer.ggml.token_type"][size:].tolist() == [5, 5, 5]
    for key in ("model", "pre", "merges", "bos_token_id", "eos_token_id", "unknown_token_id",
                "cls_token_id", "seperator_token_id", "add_space_prefix"):  # fmt: skip
        key = f"tokenizer.ggml.{key}"
        if key in given:
            assert made[key] == given[key], key
    values = {k: v if isinstance(v, (str, list)) else mx.array(v) for k, v in made.items()}
    again = tokenizer_from_gguf(Metadata({"general.architecture": "llama", **values}, "x"))
    for text in tiny_vocabularies.texts():
        assert again.encode(text) == tokenizer.encode(text)


def test_a_tokenizer_that_splits_in_its_own_way_is_refused():
    tokenizer = byte_tokenizer()
    from tokenizers import pre_tokenizers

    splits = [pre_tokenizers.Split("e", "removed"), pre_tokenizers.ByteLevel(use_regex=False)]
    tokenizer.backend.pre_tokenizer = pre_tokenizers.Sequence(splits)
    with pytest.raises(ModelError, match="ways that files name"):
        vocabulary_of(tokenizer, 260)


def test_the_chat_goes_along(tmp_path):
    model = tiny_llama(**{k: v for k, v in BIG.items() if k not in CONFIG or CONFIG[k] != v})
    export_gguf(tmp_path / "m.gguf", model, BIG, byte_tokenizer(), "f32")
    again, tokenizer = load(tmp_path / "m.gguf")
    np.testing.assert_allclose(again(TOKENS), model(TOKENS), atol=1e-5)
    messages = [{"role": "user", "content": "é!"}]
    assert tokenizer.apply_chat_template(messages) == byte_tokenizer().apply_chat_template(messages)
    assert tokenizer.eos_token_ids == {256}


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
@pytest.mark.parametrize("group_size", [32, 64])
def test_packed_layers_have_the_same_values(bits, group_size, tmp_path):
    model = tiny_llama(hidden_size=64, intermediate_size=128)
    model.set_dtype(mx.float16)
    quantize(model, Format(bits, group_size))
    config = {**BIG, "intermediate_size": 128}
    report = export_gguf(tmp_path / "m.gguf", model, config, byte_tokenizer())
    # Where biases are whole steps, types without one hold them too.
    assert set(report.types) <= {"Q4_0", "Q4_1", "Q5_0", "Q5_1"} and not report.rounded
    again = load(tmp_path / "m.gguf", dtype=mx.float32)[0]
    layer, packed = again.layers[1].mlp.up_proj, model.layers[1].mlp.up_proj
    for one in (layer, packed):
        if one.mode == "affine":  # its own arithmetic rounds to float16
            one.scales, one.biases = one.scales.astype(mx.float32), one.biases.astype(mx.float32)
    np.testing.assert_array_equal(full_weight(layer), full_weight(packed))


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_near(kind, tmp_path):
    model = tiny_llama(hidden_size=64, intermediate_size=96)
    report = export_gguf(tmp_path / "m.gguf", model, BIG, byte_tokenizer(), kind)
    assert set(report.types) <= {"F32" if kind == "keep" else kind.upper(), "Q8_0"}
    weight = np.array(model.layers[0].mlp.down_proj.weight)
    again = load(tmp_path / "m.gguf")[0].layers[0].mlp.down_proj
    step = {"f16": 2**-11, "bf16": 2**-8, "q8_0": 1 / 127, "q5_0": 1 / 15, "q5_1": 1 / 15,
            "q4_0": 1 / 7, "q4_1": 1 / 7}  # fmt: skip
    error = np.abs(np.array(full_weight(again).astype(mx.float32)) - weight).max()
    assert error <= step.get(kind, 0) * np.abs(weight).max()


def test_what_has_no_equal_is_rounded_and_told(tmp_path):
    model = tiny_llama(hidden_size=64, intermediate_size=96)
    quantize(model, Format(6, 32))
    report = export_gguf(tmp_path / "m.gguf", model, BIG, byte_tokenizer())
    assert report.types == {"F16": 15} and len(report.rounded) == 15


def test_blocks_of_a_type_stay_as_they_are():
    random = np.random.default_rng(0)
    values = random.standard_normal((4, 64)).astype(np.float32)
    for kind, bits in (("Q4_0", 4), ("Q4_1", 4), ("Q5_0", 5), ("Q5_1", 5), ("Q8_0", 8)):
        blocks = to_blocks(values, kind)
        scales = np.frombuffer(blocks[:, :2].tobytes(), np.float16).astype(np.float32)
        middle = {"0": 2 ** (bits - 1) * -scales, "1": None}[kind[-1]]
        if middle is None:
            middle = np.frombuffer(blocks[:, 2:4].tobytes(), np.float16).astype(np.float32)
        codes = np.rint((values.reshape(-1, 32) - middle[:, None]) / scales[:, None])
        codes = np.clip(codes, 0, 2**bits - 1).astype(np.uint8).reshape(4, 64)
        found = exact_blocks(codes, scales.reshape(4, 2), middle.reshape(4, 2))
        assert found is not None and found[0] == kind
        np.testing.assert_array_equal(found[1], blocks)
    assert exact_blocks(codes, np.full((4, 2), 1 / 3), np.zeros((4, 2))) is None


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "t5"}, "a model_type among"),
        ({"hidden_act": "gelu"}, "the activation silu of llama"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "linear, llama3"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(changes, message, tmp_path):
    config = {**BIG, **changes}
    model = models.build({**config, "model_type": "llama"})
    with pytest.raises(ModelError, match=message):
        export_gguf(tmp_path / "m.gguf", model, config)
    assert not list(tmp_path.iterdir())


def test_texts_are_limited_to_a_window_that_files_lack(tmp_path):
    config = {**BIG, "model_type": "mistral", "sliding_window": 128}
    export_gguf(tmp_path / "m.gguf", models.build(config), config)
    _, metadata = contents(tmp_path / "m.gguf")
    assert metadata["general.architecture"] == "llama" and metadata["llama.context_length"] == 128
    assert json.dumps(metadata["tokenizer.ggml.model"]) == '"no_vocab"'
