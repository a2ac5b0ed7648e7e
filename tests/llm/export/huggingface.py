"""Folders in Hugging Face's layout: the checkpoints that transformers writes come back."""

import json

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.convert import quantize
from olivine.llm.export.huggingface import config_of, weights_of
from olivine.llm.loading import load
from olivine.llm.quantization import Format
from olivine.llm.save import save_folder
from tests.llm.architectures import CASES, build, case
from tests.llm.fixtures.weights import weights
from tests.llm.tiny_chat import tiny_llama
from tests.llm.tiny_folder import byte_tokenizer


@pytest.mark.parametrize("name", CASES)
def test_names_and_arrays_are_those_of_transformers(name):
    model, _ = build(name)
    given = case(name)
    made = dict(weights_of(model, given["config"]["model_type"]))
    # Of encoders, the model has no use for the pooler.
    wanted = {k: v for k, v in weights(given["shapes"]).items() if not k.startswith("pooler.")}
    assert made.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(made[key], value, err_msg=key)


@pytest.mark.parametrize("name", ["mixtral", "gpt2"])
def test_a_folder_is_the_same_model_again(name, tmp_path):
    model, inputs = build(name)
    config = {**case(name)["config"], "vocab_size": 260}
    save_folder(tmp_path / "m", model, case(name)["config"], layout="hf", max_shard=20_000)
    assert len(list((tmp_path / "m").glob("model-*.safetensors"))) > 2
    stored = json.loads((tmp_path / "m" / "config.json").read_text())
    assert stored["architectures"] == case(name)["config"].get(
        "architectures", [f"{'Mixtral' if name == 'mixtral' else 'GPT2LMHead'}ForCausalLM"]
    )
    assert stored["dtype"] == "float32" and config["vocab_size"] == 260
    from olivine.llm.formats.folder import read_folder
    from olivine.llm.loading import assemble

    again = assemble(read_folder(tmp_path / "m"))
    assert mx.array_equal(again(inputs["input_ids"]), model(inputs["input_ids"]))


def test_packed_models_are_refused(tmp_path):
    model = tiny_llama(hidden_size=64, intermediate_size=96)
    quantize(model, Format(4, 32))
    config = {"model_type": "llama"}
    with pytest.raises(ValueError, match="dequantize the model first"):
        save_folder(tmp_path / "m", model, config, byte_tokenizer(), layout="hf")
    with pytest.raises(ValueError, match="'mlx' or 'hf'"):
        save_folder(tmp_path / "m", model, config, layout="onnx")
    assert not list(tmp_path.iterdir())


def test_of_a_model_that_sees_its_text_model_is_described():
    inner = {"model_type": "gemma3_text", "hidden_size": 8}
    made = config_of(
        {"model_type": "gemma3", "text_config": inner, "quantization": {}}, mx.bfloat16
    )
    assert made["model_type"] == "gemma3_text" and made["dtype"] == "bfloat16"
    assert made["architectures"] == ["Gemma3ForCausalLM"] and "quantization" not in made


def test_the_default_layout_loads(tmp_path):
    model = tiny_llama()
    config = {**case("llama")["config"]}
    assert config["model_type"] == "llama"
    from tests.llm.tiny_chat import CONFIG

    save_folder(tmp_path / "m", model, CONFIG, byte_tokenizer(), layout="hf")
    tokens = mx.array([[1, 2]])
    assert mx.array_equal(load(tmp_path / "m")[0](tokens), model(tokens))
