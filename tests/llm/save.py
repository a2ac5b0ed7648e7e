"""Saved folders: they load again, appear whole, and leave nothing behind."""

import json

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.convert import Calibration, dequantize_model, quantize
from olivine.llm.loading import load
from olivine.llm.quantization import Format
from olivine.llm.save import save_folder
from olivine.utils import tree_flatten
from tests.llm.tiny_chat import CONFIG, tiny_llama
from tests.llm.tiny_folder import byte_tokenizer, write_model

TOKENS = mx.array([[1, 2, 3, 4]])


def test_a_saved_model_is_the_same_again(tmp_path):
    model = write_model(tmp_path / "m")
    again, tokenizer = load(tmp_path / "m")
    assert mx.array_equal(again(TOKENS), model(TOKENS))
    messages = [{"role": "user", "content": "é!"}]
    assert tokenizer.apply_chat_template(messages) == byte_tokenizer().apply_chat_template(messages)
    assert tokenizer.eos_token_ids == {256}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_big_models_are_written_in_shards(tmp_path):
    model = tiny_llama()
    save_folder(tmp_path / "m", model, CONFIG, byte_tokenizer(), max_shard=20_000)
    files = sorted(p.name for p in (tmp_path / "m").glob("*.safetensors"))
    assert len(files) > 2 and files[0] == f"model-00001-of-{len(files):05}.safetensors"
    index = json.loads((tmp_path / "m" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == dict(tree_flatten(model.parameters())).keys()
    assert mx.array_equal(load(tmp_path / "m")[0](TOKENS), model(TOKENS))


@pytest.mark.parametrize("form", [Format(4, 32), Format(8, 32), Format.of("mxfp4")])
def test_packed_models_are_the_same_again(tmp_path, form):
    model = tiny_llama(hidden_size=64, intermediate_size=96)
    config = {**CONFIG, "hidden_size": 64, "intermediate_size": 96}
    quantization = quantize(model, form)
    save_folder(tmp_path / "m", model, config, byte_tokenizer(), quantization)
    again = load(tmp_path / "m")[0]
    assert mx.array_equal(again(TOKENS), model(TOKENS))
    assert dequantize_model(again, mx.float32) > 10
    np.testing.assert_allclose(again(TOKENS), model(TOKENS), atol=2e-2)


def test_what_is_there_is_kept_unless_told_otherwise(tmp_path):
    write_model(tmp_path / "m", seed=1)
    before = load(tmp_path / "m")[0](TOKENS)
    with pytest.raises(FileExistsError):
        write_model(tmp_path / "m", seed=2)
    assert mx.array_equal(load(tmp_path / "m")[0](TOKENS), before)
    other = tiny_llama(2)
    save_folder(tmp_path / "m", other, CONFIG, byte_tokenizer(), overwrite=True)
    assert mx.array_equal(load(tmp_path / "m")[0](TOKENS), other(TOKENS))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mx, "save_safetensors", full)
    with pytest.raises(OSError, match="No space"):
        save_folder(tmp_path / "m", tiny_llama(), CONFIG)
    assert not list(tmp_path.iterdir())


def test_calibration_rows_come_from_the_text():
    text = "".join(chr(97 + i % 26) for i in range(1000))
    batches = Calibration(text, count=6, length=50, seed=1).batches(byte_tokenizer(), 260)
    assert [b.shape for b in batches] == [(4, 50), (2, 50)]
    assert byte_tokenizer().decode(batches[0][0].tolist()) in text
    with pytest.raises(ValueError, match="more than 50 tokens; got 3"):
        Calibration("abc", length=50).batches(byte_tokenizer(), 260)
