"""Folders of examples, one folder per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from olivine.data import audio, images
from olivine.data.errors import DataError


class ClassFolders:
    """A dataset of `(read(path), label)` over the files of a folder's folders, ordered by name.

    Label i stands for `classes[i]`, the i-th folder by name.
    """

    def __init__(self, root: str | Path, read: Callable | None = None, suffixes=None):
        """`read` makes an item of a path; by default images and sounds are read by their suffix.
        `suffixes`: the ones of the files to take, such as `(".png",)`; with `read`, all by default.
        """
        root = Path(root)
        if not root.is_dir():
            raise DataError(f"[ClassFolders] a folder was expected; got {root}")
        self.classes = sorted(
            p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")
        )
        if suffixes is None and read is None:
            suffixes = images.SUFFIXES + audio.SUFFIXES
        self._read = read or _read
        self.paths: list[Path] = []
        self.labels: list[int] = []
        for label, name in enumerate(self.classes):
            found = images.files_of(root / name, suffixes)
            self.paths += found
            self.labels += [label] * len(found)
        if not self.paths:
            raise DataError(
                f"[ClassFolders] a folder with a folder per class was expected; got {root}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return self._read(self.paths[index]), self.labels[index]


def _read(path: Path):
    if path.suffix.lower() in images.SUFFIXES:
        return images.read_image(path)
    return audio.read_audio(path, mono=True)[0]
