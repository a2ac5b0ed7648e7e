"""Adapters on disk, in the layouts of PEFT and of MLX's tools.

PEFT: `adapter_config.json` and `adapter_model.safetensors`, whose `lora_A.weight` is
`(rank, inputs)` and `lora_B.weight` `(outputs, rank)`. MLX: `adapter_config.json` and
`adapters.safetensors`, whose `lora_a` is `(inputs, rank)` and `lora_b` `(rank, outputs)`.
"""

from __future__ import annotations

import json
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.adapters.layers import DoRALinear, LoRALinear
from olivine.llm.adapters.model import AdapterSettings, _replace, adapter_layers
from olivine.llm.atomic import write_json

CONFIG = "adapter_config.json"
PEFT_FILE, MLX_FILE = "adapter_model.safetensors", "adapters.safetensors"
_PEFT_PREFIX = "base_model.model."
# Our parameter -> PEFT's name, and whether it is transposed there.
_PEFT_NAMES = {
    "lora_a": ("lora_A.weight", True),
    "lora_b": ("lora_B.weight", True),
    "magnitude": ("lora_magnitude_vector", False),
}
_MLX_NAMES = {"lora_a": "lora_a", "lora_b": "lora_b", "magnitude": "m"}


class AdapterError(ValueError):
    """A folder that holds no adapter, or one that does not fit the model."""


def _parameters(layer: LoRALinear) -> dict[str, mx.array]:
    return {name: layer[name] for name in _PEFT_NAMES if name in layer}


def save_adapters(
    folder: str | Path, model: nn.Module, layout: str = "peft", base: str | None = None
) -> Path:
    """Write the model's adapters to `folder`; returns the file of their arrays.

    `base` names the model they belong to. Every file is written whole or not at all. Raises
    `ValueError` for a model without adapters.
    """
    layers = adapter_layers(model)
    if not layers:
        raise ValueError("[save_adapters] expected a model with adapters; got one without")
    if layout not in ("peft", "mlx"):
        raise ValueError(f"[save_adapters] expected layout 'peft' or 'mlx'; got {layout!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make = _peft if layout == "peft" else _mlx
    arrays, config = make(layers, len(getattr(model, "layers", ())))
    if base is not None:
        config["base_model_name_or_path" if layout == "peft" else "model"] = base
    path = folder / (PEFT_FILE if layout == "peft" else MLX_FILE)
    mx.save_safetensors(str(path), arrays, {"format": "pt"} if layout == "peft" else {})
    write_json(folder / CONFIG, config)
    return path


def _peft(layers: dict[str, LoRALinear], depth: int) -> tuple[dict[str, mx.array], dict]:
    arrays = {}
    for path, layer in layers.items():
        for name, value in _parameters(layer).items():
            theirs, turned = _PEFT_NAMES[name]
            arrays[f"{_PEFT_PREFIX}{path}.{theirs}"] = mx.contiguous(value.T) if turned else value
    first = next(iter(layers.values()))
    rank = first.lora_a.shape[1]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": first.scale * rank,
        "lora_dropout": first.rate,
        "use_dora": isinstance(first, DoRALinear),
        "target_modules": sorted({path.split(".")[-1] for path in layers}),
        "layers_to_transform": _layer_indices(layers, depth),
        "bias": "none",
        "inference_mode": True,
    }
    return arrays, config


def _layer_indices(layers: dict[str, LoRALinear], depth: int) -> list[int] | None:
    """The decoder layers that have adapters; None if all have."""
    parts = [path.split(".") for path in layers]
    found = sorted({int(p[p.index("layers") + 1]) for p in parts if "layers" in p})
    return None if len(found) == depth else found


def _mlx(layers: dict[str, LoRALinear], depth: int) -> tuple[dict[str, mx.array], dict]:
    arrays = {
        f"{path}.{_MLX_NAMES[name]}": value
        for path, layer in layers.items()
        for name, value in _parameters(layer).items()
    }
    first = next(iter(layers.values()))
    inside = {path.split("layers.")[-1].split(".", 1)[-1] for path in layers}
    config = {
        "fine_tune_type": "dora" if isinstance(first, DoRALinear) else "lora",
        "num_layers": len(_layer_indices(layers, depth) or range(depth)),
        "lora_parameters": {
            "rank": first.lora_a.shape[1],
            "scale": first.scale,
            "dropout": first.rate,
            "keys": sorted(inside),
        },
    }
    return arrays, config


def load_adapters(folder: str | Path, model: nn.Module) -> list[str]:
    """Put the adapters of `folder`, in either layout, into `model`; returns their paths.

    Raises `AdapterError` when the folder holds none or they do not fit the model.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError:
        raise AdapterError(
            f"[load_adapters] expected {folder / CONFIG}; it cannot be read"
        ) from None
    except ValueError:
        raise AdapterError(f"[load_adapters] expected JSON in {folder / CONFIG}") from None
    is_peft = (folder / PEFT_FILE).exists()
    path = folder / (PEFT_FILE if is_peft else MLX_FILE)
    try:
        arrays = mx.load(str(path))
    except (RuntimeError, OSError) as error:
        raise AdapterError(f"[load_adapters] {path} cannot be read: {error}") from None
    try:
        settings = _peft_settings(config) if is_peft else _mlx_settings(config)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise AdapterError(f"[load_adapters] {folder / CONFIG} lacks {error}") from None
    found = _sort_by_layer(arrays, is_peft)
    _put(model, found, settings, folder)
    return list(found)


def _peft_settings(config: dict) -> AdapterSettings:
    root = config["r"] ** 0.5 if config.get("use_rslora") else config["r"]
    return AdapterSettings(
        rank=config["r"],
        scale=config["lora_alpha"] / root,
        dropout=config.get("lora_dropout") or 0.0,
        dora=bool(config.get("use_dora")),
    )


def _mlx_settings(config: dict) -> AdapterSettings:
    lora = config["lora_parameters"]
    return AdapterSettings(
        rank=lora["rank"],
        scale=lora["scale"],
        dropout=lora.get("dropout") or 0.0,
        dora=config.get("fine_tune_type") == "dora",
    )


def _sort_by_layer(arrays: dict[str, mx.array], is_peft: bool) -> dict[str, dict[str, mx.array]]:
    """path -> our parameter names -> arrays in our layout."""
    out: dict[str, dict[str, mx.array]] = {}
    for key, value in arrays.items():
        for name in _PEFT_NAMES:
            theirs, turned = _PEFT_NAMES[name] if is_peft else (_MLX_NAMES[name], False)
            if key.endswith("." + theirs):
                path = key[: -len(theirs) - 1].removeprefix(_PEFT_PREFIX if is_peft else "")
                out.setdefault(path, {})[name] = value.T if turned else value
                break
        else:
            raise AdapterError(f"[load_adapters] expected arrays of adapters only; got {key}")
    return out


def _put(model, found: dict[str, dict[str, mx.array]], settings: AdapterSettings, folder) -> None:
    modules = dict(model.named_modules())
    kind = DoRALinear if settings.dora else LoRALinear
    made = {}
    for path, arrays in found.items():
        base = modules.get(path)
        base = base.linear if isinstance(base, LoRALinear) else base
        if not isinstance(base, (nn.Linear, nn.QuantizedLinear)):
            raise AdapterError(f"[load_adapters] {folder} adapts {path}, which the model has not")
        layer = kind(base, settings.rank, settings.scale, settings.dropout)
        expected = _parameters(layer)
        for name, like in expected.items():
            if name not in arrays or arrays[name].shape != like.shape:
                got = f"shape {arrays[name].shape}" if name in arrays else "nothing"
                raise AdapterError(
                    f"[load_adapters] expected {name} of {path} with shape {like.shape}; got {got}"
                )
            layer[name] = arrays[name].astype(mx.float32)
        made[path] = layer
    if not made:
        raise AdapterError(f"[load_adapters] expected adapters in {folder}; got none")
    model.freeze()
    _replace(model, made)
