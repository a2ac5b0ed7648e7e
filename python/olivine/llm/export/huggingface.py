"""A model's weights and config as transformers writes them: the models' `sanitize`, backwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.formats.checkpoint import ModelError
from olivine.utils import tree_flatten

_STACKED = re.compile(r"(.*\.experts)\.(\w+_proj)\.weight")
_MIXTRAL = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
_GPT2_MATRICES = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
# model_type -> the class that loads such a folder with its head.
_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "gpt_neox": "GPTNeoXForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "bert": "BertModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
    "t5": "T5ForConditionalGeneration",
}


def weights_of(model: nn.Module, model_type: str) -> list[tuple[str, mx.array]]:
    """Names and arrays of a checkpoint, made when they are written.

    ModelError for a model with packed layers, which transformers does not read.
    """
    if hasattr(model, "in_full"):
        raise ModelError(
            "[llm] expected a model of texts alone for Hugging Face's layout; got one that sees"
        )
    packed = next((path for path, m in model.named_modules() if "scales" in m), None)
    if packed is not None:
        raise ModelError(
            f"[llm] expected weights in full for Hugging Face's layout; {packed} is packed: "
            "dequantize the model first"
        )
    out = []
    for name, value in tree_flatten(model.parameters()):
        out.extend(_as_stored(name, value, model_type))
    return out


def _as_stored(name: str, value: mx.array, model_type: str) -> Iterator[tuple[str, mx.array]]:
    if match := _STACKED.fullmatch(name):
        prefix, layer = match.groups()
        layer = _MIXTRAL[layer] if model_type == "mixtral" else layer
        for i in range(value.shape[0]):
            yield f"{prefix}.{i}.{layer}.weight", value[i]
    elif model_type == "gpt2" and name.endswith(_GPT2_MATRICES):
        yield name, value.T
    else:
        yield name, value


def config_of(config: dict[str, Any], dtype: mx.Dtype) -> dict[str, Any]:
    """The config.json, which names the class that loads the folder and the weights' dtype."""
    if config["model_type"] == "gemma3" or "text_config" in config:
        # What is here of a model that also sees is its text model.
        config = {**(config.get("text_config") or config), "model_type": "gemma3_text"}
        config.pop("architectures", None)
    packing = ("quantization", "quantization_config", "torch_dtype")
    config = {key: value for key, value in config.items() if key not in packing}
    own = _CLASSES.get(config["model_type"])
    if own is not None:
        config.setdefault("architectures", [own])
    config["dtype"] = config["torch_dtype"] = str(dtype).rpartition(".")[2]
    return config
