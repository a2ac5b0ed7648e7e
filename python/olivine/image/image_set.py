"""Images of one size with their classes, as a diffusion model learns from them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from olivine.data.digits import digits
from olivine.data.errors import DataError, optional
from olivine.data.images import SUFFIXES, files_of, read_image

DIGITS = "digits"
_WORDS = "zero one two three four five six seven eight nine".split()


@dataclass
class ImageSet:
    """`images` `(count, height, width, 1 or 3)` in uint8; `labels` `(count,)` are numbers of the
    classes in `names`. Without names all images are of one kind."""

    images: np.ndarray
    labels: np.ndarray | None = None
    names: list[str] = field(default_factory=list)

    def __post_init__(self):
        shape, dtype = self.images.shape, self.images.dtype
        if dtype != np.uint8 or len(shape) != 4 or shape[-1] not in (1, 3) or not shape[0]:
            raise DataError(
                f"[image] expected uint8 images (count, height, width, 1 or 3); got {dtype} {shape}"
            )
        if (self.labels is None) != (not self.names):
            raise DataError("[image] expected labels and names of classes, or neither")
        if self.labels is None:
            return
        self.labels = np.asarray(self.labels)
        if self.labels.shape != shape[:1] or self.labels.dtype.kind not in "iu":
            raise DataError(
                f"[image] expected a label of each of {shape[0]} images, whole numbers; "
                f"got {self.labels.dtype} {self.labels.shape}"
            )
        self.labels = self.labels.astype(np.int32)
        if self.labels.min() < 0 or self.labels.max() >= len(self.names):
            raise DataError(
                f"[image] expected labels from 0 to {len(self.names) - 1}; "
                f"got {self.labels.min()} to {self.labels.max()}"
            )

    @property
    def sha256(self) -> str:
        """Of all that can be learned from."""
        found = hashlib.sha256(repr((self.images.shape, self.names)).encode())
        found.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            found.update(self.labels.data)
        return found.hexdigest()


def read_images(source: str | os.PathLike, size: int | None = None, grey: bool = False) -> ImageSet:
    """Images of `source`: "digits" for those that come with Olivine (8 x 8), a folder, or an .npz.

    A folder has a folder for each class, or images alone. They are cut to squares and scaled to
    `size` (32) with Pillow. An .npz has `images`, and may have `labels` and `names`. Raises
    DataError if there is nothing to learn from.
    """
    if str(source) == DIGITS:
        if size not in (None, 8):
            raise DataError(f"[image] expected size 8 of the digits; got {size}")
        pairs = list(digits())
        images = np.stack([np.rint(image * 255).astype(np.uint8) for image, _ in pairs])
        names = [f"{word}, {i}" for i, word in enumerate(_WORDS)]
        return ImageSet(images, np.array([label for _, label in pairs]), names)
    path = Path(source)
    if path.is_dir():
        return _of_folder(path, 32 if size is None else size, grey)
    if path.suffix == ".npz" and path.is_file():
        return _of_arrays(path, size)
    raise DataError(f"[image] expected {DIGITS!r}, a folder of images or an .npz; got {source}")


def _of_folder(root: Path, size: int, grey: bool) -> ImageSet:
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [files_of(one, SUFFIXES) for one in classes or [root]]
    empty = next((one for one, files in zip(classes or [root], found, strict=True) if not files), 0)
    if empty:
        raise DataError(f"[image] expected images in {empty}; got none")
    images = np.stack([_square(path, size, grey) for files in found for path in files])
    if not classes:
        return ImageSet(images)
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in found])
    return ImageSet(images, labels, [one.name for one in classes])


def _square(path: Path, size: int, grey: bool) -> np.ndarray:
    image_module = optional("PIL.Image", "images", "reading images")
    from PIL import ImageOps

    pixels = read_image(path, mode="L" if grey else "RGB")
    image = image_module.fromarray(pixels[..., 0] if grey else pixels)
    pixels = np.asarray(ImageOps.fit(image, (size, size), image_module.Resampling.LANCZOS))
    return pixels[..., None] if grey else pixels


def _of_arrays(path: Path, size: int | None) -> ImageSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("images", "labels", "names") if name in file}
    except Exception as error:  # NumPy and zipfile raise many kinds for what is no such file
        raise DataError(f"[image] expected an .npz of arrays; got {path} ({error})") from None
    if "images" not in arrays:
        raise DataError(f"[image] expected an array images in {path}; it is missing")
    images = arrays["images"]
    images = images[..., None] if images.ndim == 3 else images
    if size is not None and images.shape[1:3] != (size, size):
        raise DataError(
            f"[image] expected images of the size in {path}, {images.shape[1:3]}; got {size}"
        )
    labels = arrays.get("labels")
    if labels is None:
        return ImageSet(images)
    count = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 0
    names = arrays.get("names", np.arange(count))
    return ImageSet(images, labels, [str(name) for name in names])
