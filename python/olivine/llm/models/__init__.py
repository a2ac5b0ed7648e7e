"""Architectures, one file each; `ARCHITECTURES` finds one by the `model_type` of a config.json.

A file defines `Config` (a dataclass made by `Config.from_dict`) and `Model`, an `nn.Module`:

- `Model(config)(tokens, cache=None)` takes ids `(batch, length)` and returns logits
  `(batch, length, vocab_size)`. With a cache the tokens continue what it has seen.
  It is `head(features(tokens, cache))`; who needs the last logits alone calls the two.
- `make_cache()` returns a fresh list of caches, one per layer (see `olivine.llm.cache`);
  `windows` has how many positions each layer looks back on, None for all.
- `sanitize(weights)` turns a checkpoint's names and layouts into the model's, and leaves the
  model's own alone. Parameters carry the names that Hugging Face's checkpoints use, so that most
  need nothing here.

Encoders (`bert`), encoder-decoders (`t5`) and models that see (`llava`, `idefics3`) say in their
own files how they are called.
"""

from __future__ import annotations

import importlib
from types import ModuleType

# model_type -> the module of this package that implements it.
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "mistral",
    "mixtral": "mixtral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen2_moe": "qwen2_moe",
    "qwen3_moe": "qwen3_moe",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
    "gpt2": "gpt2",
    "gpt_neox": "gpt_neox",
    "olmo2": "olmo2",
    "starcoder2": "starcoder2",
    "deepseek_v2": "deepseek",
    "deepseek_v3": "deepseek",
    "cohere": "cohere",
    "cohere2": "cohere2",
    "bert": "bert",
    "roberta": "bert",
    "xlm-roberta": "bert",
    "t5": "t5",
    "llava": "llava",
    "idefics3": "idefics3",
    "smolvlm": "idefics3",
}


def architecture(model_type: str) -> ModuleType:
    """The module of `model_type`; ValueError lists the known ones."""
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"[llm] expected a model_type among {known}; got {model_type!r}")
    return importlib.import_module(f"{__name__}.{ARCHITECTURES[model_type]}")


def build(config: dict):
    """A model with fresh weights from the dict of a config.json."""
    if not isinstance(config, dict):
        raise ValueError(f"[llm] expected config.json to be an object; got {config!r:.60}")
    if "model_type" not in config:
        raise ValueError("[llm] expected config.json to name its model_type; it does not")
    module = architecture(config["model_type"])
    return module.Model(module.Config.from_dict(config))
