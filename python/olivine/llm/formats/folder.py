"""Reading folders of Hugging Face and MLX: config.json and safetensors, whole or in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.llm.formats.checkpoint import Checkpoint, ModelError, read_json

INDEX = "model.safetensors.index.json"
# Files of other formats, for a message that says what was found instead.
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.npz", "*.h5", "*.msgpack", "*.onnx")


def read_folder(path: Path) -> Checkpoint:
    """The checkpoint in a folder; weights are read when they are evaluated."""
    config = read_json(path / "config.json")
    generation = path / "generation_config.json"
    return Checkpoint(
        origin=str(path),
        config=config,
        weights=read_weights(path),
        quantization=quantization_of(config, path),
        generation=read_json(generation) if generation.is_file() else {},
    )


def quantization_of(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """MLX's settings of packed layers; empty if there are none."""
    found = config.get("quantization") or config.get("quantization_config") or {}
    if not isinstance(found, dict):
        raise ModelError(f"[llm] expected a dict as quantization in {path}/config.json")
    method = found.get("quant_method", "mlx")
    if method != "mlx" and "quantization" not in config:
        raise ModelError(
            f"[llm] expected weights in full or packed as MLX packs them in {path}; "
            f"got quantization method {method!r}"
        )
    return found


def read_weights(path: Path) -> dict[str, mx.array]:
    """The tensors of a folder by name."""
    if (path / INDEX).is_file():
        return _read_sharded(path)
    files = [path / "model.safetensors"]
    if not files[0].is_file():
        files = sorted(p for p in path.glob("*.safetensors") if "adapter" not in p.name)
    if not files:
        others = sorted(p.name for pattern in OTHER_WEIGHTS for p in path.glob(pattern))
        got = f"only {', '.join(others[:4])}" if others else "none"
        raise ModelError(f"[llm] expected weights in {path}/model.safetensors; got {got}")
    weights: dict[str, mx.array] = {}
    for file in files:
        for name, value in read_file(file).items():
            if name in weights:
                raise ModelError(f"[llm] expected tensor {name} in one file of {path}; got two")
            weights[name] = value
    return weights


def read_file(file: Path) -> dict[str, mx.array]:
    """The tensors of one safetensors file."""
    try:
        return mx.load(str(file), format="safetensors")
    except (RuntimeError, OSError) as error:
        raise ModelError(f"[llm] expected a safetensors file; got: {error}") from None


def _read_sharded(path: Path) -> dict[str, mx.array]:
    index = read_json(path / INDEX).get("weight_map")
    if not isinstance(index, dict) or not all(isinstance(v, str) for v in index.values()):
        raise ModelError(f"[llm] expected a weight_map from names to files in {path / INDEX}")
    shards: dict[str, dict[str, mx.array]] = {}
    for name in sorted(set(index.values())):
        if Path(name).name != name:
            raise ModelError(f"[llm] expected files beside {path / INDEX}; got {name!r}")
        if not (path / name).is_file():
            raise ModelError(
                f"[llm] expected shard {name} in {path}, as {INDEX} says; it is missing"
            )
        shards[name] = read_file(path / name)
    missing = sorted(tensor for tensor, shard in index.items() if tensor not in shards[shard])
    if missing:
        raise ModelError(
            f"[llm] expected tensor {missing[0]} in {path / index[missing[0]]}, as {INDEX} says; "
            f"it is missing ({len(missing)} in all)"
        )
    surplus = sorted(t for name, s in shards.items() for t in s if index.get(t) != name)
    if surplus:
        raise ModelError(
            f"[llm] expected the tensors that {path / INDEX} lists; "
            f"got also {', '.join(surplus[:4])}{', …' if len(surplus) > 4 else ''}"
        )
    return {tensor: shards[shard][tensor] for tensor, shard in index.items()}
