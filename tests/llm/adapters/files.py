"""Adapters on disk: both layouts, and folders that do not fit."""

import json

import pytest

import olivine.core as mx
from olivine.llm.adapters import load_adapters, save_adapters
from olivine.llm.adapters.files import AdapterError
from tests.llm.adapters.model import TOKENS, trained
from tests.llm.tiny_chat import tiny_llama


@pytest.mark.parametrize("layout", ["peft", "mlx"])
@pytest.mark.parametrize("dora", [False, True])
def test_saved_adapters_come_back(tmp_path, layout, dora):
    model = trained(tiny_llama(), dora=dora, rank=4, scale=3.0)
    save_adapters(tmp_path, model, layout, base="tiny")
    other = tiny_llama()
    assert len(load_adapters(tmp_path, other)) == 8
    assert mx.array_equal(other(TOKENS), model(TOKENS))
    assert not list(tmp_path.glob("*tmp*"))


def test_peft_finds_the_names_and_shapes_it_knows(tmp_path):
    save_adapters(tmp_path, trained(tiny_llama(), rank=4, layers=1, dora=True), base="tiny")
    arrays = mx.load(str(tmp_path / "adapter_model.safetensors"))
    path = "base_model.model.model.layers.1.self_attn.k_proj"
    assert arrays[f"{path}.lora_A.weight"].shape == (4, 32)
    assert arrays[f"{path}.lora_B.weight"].shape == (16, 4)
    assert arrays[f"{path}.lora_magnitude_vector"].shape == (16,)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["r"] == 4 and config["lora_alpha"] == 8 and config["use_dora"]
    assert config["target_modules"] == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert config["layers_to_transform"] == [1]
    assert config["base_model_name_or_path"] == "tiny"


def test_mlx_finds_the_names_and_shapes_it_knows(tmp_path):
    save_adapters(tmp_path, trained(tiny_llama(), rank=4), "mlx")
    arrays = mx.load(str(tmp_path / "adapters.safetensors"))
    assert arrays["model.layers.0.self_attn.q_proj.lora_a"].shape == (32, 4)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["num_layers"] == 2
    assert config["lora_parameters"]["keys"][0] == "self_attn.k_proj"


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(AdapterError, match="cannot be read"):
        load_adapters(tmp_path, tiny_llama())
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterError, match="expected JSON"):
        load_adapters(tmp_path, tiny_llama())
    save_adapters(tmp_path, trained(tiny_llama()))
    with pytest.raises(
        AdapterError, match=r"lora_a of .* with shape \(64, 8\); got shape \(32, 8\)"
    ):
        load_adapters(tmp_path, tiny_llama(hidden_size=64))
    with pytest.raises(AdapterError, match="layers.1.* which the model has not"):
        load_adapters(tmp_path, tiny_llama(num_hidden_layers=1))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match="lacks 'r'"):
        load_adapters(tmp_path, tiny_llama())
    with pytest.raises(ValueError, match="with adapters"):
        save_adapters(tmp_path, tiny_llama())
    with pytest.raises(ValueError, match="layout"):
        save_adapters(tmp_path, trained(tiny_llama()), "other")
