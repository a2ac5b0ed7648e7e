"""Reading the folders of Hugging Face and of MLX."""

from __future__ import annotations

from pathlib import Path

import olivine.core as mx
from olivine.audio.whisper.formats.names import from_hugging_face, hugging_face_dims
from olivine.llm.formats.checkpoint import Checkpoint, ModelError, read_json
from olivine.llm.formats.folder import quantization_of, read_file, read_weights


def _checked(config: dict, path: Path) -> dict:
    kind = config.get("model_type", "whisper")
    if kind != "whisper":
        raise ModelError(f"[audio] expected a Whisper model in {path}; got {kind!r:.60}")
    return config


def read_hugging_face(path: Path) -> Checkpoint:
    """The checkpoint of a folder as transformers writes it."""
    config = _checked(read_json(path / "config.json"), path)
    if "n_mels" in config:  # MLX's sizes and names, in a file called as Hugging Face's are
        return _mlx(path, config, read_weights(path))
    generation = path / "generation_config.json"
    return Checkpoint(
        origin=str(path),
        config=hugging_face_dims(config),
        weights=from_hugging_face(read_weights(path)),
        generation=read_json(generation) if generation.is_file() else {},
    )


def read_mlx(path: Path, file: Path) -> Checkpoint:
    """The checkpoint of a folder as MLX's tools write it, packed or in full."""
    config = _checked(read_json(path / "config.json"), path)
    if file.suffix == ".npz":
        try:
            weights = mx.load(str(file), format="npz")
        except (RuntimeError, OSError, ValueError) as error:
            raise ModelError(f"[audio] expected an npz file; got: {error}") from None
    else:
        weights = read_file(file)
    return _mlx(path, config, weights)


def _mlx(path: Path, config: dict, weights: dict[str, mx.array]) -> Checkpoint:
    generation = {}
    heads = weights.pop("alignment_heads", None)
    if heads is not None:
        generation["alignment_heads"] = heads.tolist()
    return Checkpoint(
        origin=str(path),
        config=config,
        weights=weights,
        quantization=quantization_of(config, path),
        generation=generation,
    )
