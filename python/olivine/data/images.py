"""Image files as arrays of bytes, read with Pillow."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from olivine.data.errors import DataError, optional

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read_image(
    path: str | Path,
    size: tuple[int, int] | Callable[[int, int], tuple[int, int]] | None = None,
    mode: str = "RGB",
) -> np.ndarray:
    """An image as uint8 of shape (height, width, channels), turned as its EXIF data says.

    `size` is the height and width to scale to, or a function that makes them of the image's own;
    an image of that size stays as it is. `mode` is Pillow's: "L" has one channel, "RGB"
    three, "RGBA" four.
    """
    image_module = optional("PIL.Image", "images", "reading images")
    from PIL import ImageOps

    try:
        with image_module.open(path) as file:
            image = ImageOps.exif_transpose(file).convert(mode)
    except FileNotFoundError:
        raise
    except OSError as error:  # what Pillow raises for a broken file and for one of another kind
        raise DataError(f"[read_image] an image was expected; got {path} ({error})") from None
    if callable(size):
        size = size(image.height, image.width)
    if size is not None:
        height, width = size
        image = image.resize((width, height), image_module.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


class Images:
    """A dataset of image files, each read when it is asked for; arguments as for `read_image`."""

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        size: tuple[int, int] | None = None,
        mode: str = "RGB",
    ):
        """`paths`: image files, or a folder whose image files are taken in the order of names."""
        self.paths = files_of(paths, SUFFIXES)
        self._size, self._mode = size, mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return read_image(self.paths[index], self._size, self._mode)


def files_of(
    paths: str | Path | Sequence[str | Path], suffixes: tuple[str, ...] | None
) -> list[Path]:
    """The files named, or the ones with these suffixes within a folder, by name at every level."""
    if not isinstance(paths, (str, os.PathLike)):
        return [Path(p) for p in paths]
    root = Path(paths)
    if not root.is_dir():
        raise DataError(f"a folder or a list of files was expected; got {paths}")
    return sorted(
        p
        for p in root.rglob("*")
        if p.is_file()
        and not p.name.startswith(".")
        and (suffixes is None or p.suffix.lower() in suffixes)
    )
