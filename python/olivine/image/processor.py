"""Images as the encoders of CLIP and SigLIP take them: scaled, cut and normalized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import olivine.core as mx
from olivine.data.errors import optional
from olivine.image.settings import Settings
from olivine.llm.formats.checkpoint import ModelError, read_json

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
_FILTERS = {0: "NEAREST", 1: "LANCZOS", 2: "BILINEAR", 3: "BICUBIC"}


@dataclass
class ProcessorSettings(Settings):
    """What preprocessor_config.json says; sizes are of the shorter side, or height and width."""

    size: dict | int = field(default_factory=lambda: {"shortest_edge": 224})
    crop_size: dict | int | None = None
    resample: float = 3  # Pillow's number of a filter
    rescale_factor: float = 1 / 255
    image_mean: list | None = None
    image_std: list | None = None
    do_resize: bool = True
    do_center_crop: bool | None = None
    do_normalize: bool = True
    image_processor_type: str | None = None

    def __post_init__(self):
        super().__post_init__()
        self.require("resample", tuple(_FILTERS))
        plain = (self.image_processor_type or "").lower().startswith("siglip")
        if self.do_center_crop is None:
            self.do_center_crop = not plain
        self.mean = self.image_mean or ([0.5] * 3 if plain else CLIP_MEAN)
        self.std = self.image_std or ([0.5] * 3 if plain else CLIP_STD)
        numbers = [*self.mean, *self.std]
        ok = len(numbers) == 6 and all(isinstance(x, (int, float)) for x in numbers)
        if not ok or not all(0 < x < math.inf for x in self.std):
            raise ModelError(f"[image] expected three means and deviations; got {numbers}")


def _sides(size: dict | int, name: str) -> tuple[int, int] | int:
    """A height and a width, or the length of the shorter side."""
    values = {"shortest_edge": size} if isinstance(size, int) else size
    found = values.get("shortest_edge")
    if found is None:
        found = (values.get("height"), values.get("width"))
    sides = found if isinstance(found, tuple) else (found,)
    if not all(type(one) is int and 0 < one < 2**14 for one in sides):
        raise ModelError(f"[image] expected {name} of whole numbers above 0; got {size}")
    return found


class ImageProcessor:
    """Pixels in uint8, of any sizes, to one array `(batch, height, width, 3)` of floats."""

    def __init__(self, settings: ProcessorSettings):
        self.settings = settings
        self.size = _sides(settings.size, "size")
        crop = settings.size if settings.crop_size is None else settings.crop_size
        crop = _sides(crop, "crop_size")
        self.crop = crop if isinstance(crop, tuple) else (crop, crop)

    @property
    def shape(self) -> tuple[int, int] | None:
        """The height and width of what is made; None if images keep their own."""
        if self.settings.do_center_crop:
            return self.crop
        return self.size if self.settings.do_resize and isinstance(self.size, tuple) else None

    @classmethod
    def from_folder(cls, folder: str | Path) -> ImageProcessor:
        """With the settings in a folder's preprocessor_config.json."""
        config = read_json(Path(folder) / "preprocessor_config.json")
        return cls(ProcessorSettings.from_dict(config))

    def __call__(self, images) -> mx.array:
        """Of one image `(height, width, 3)`, or several."""
        images = [images] if getattr(images, "ndim", 0) == 3 else images
        return mx.array(np.stack([self.one(image) for image in images]))

    @staticmethod
    def checked(pixels: np.ndarray) -> np.ndarray:
        """The pixels of an image; ValueError for what is none."""
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(
                f"[image] expected uint8 pixels (height, width, 3); got {pixels.dtype} "
                f"{pixels.shape}"
            )
        return pixels

    def one(self, pixels: np.ndarray) -> np.ndarray:
        """One image `(height, width, 3)`."""
        pixels = self.checked(pixels)
        if self.settings.do_resize:
            pixels = self._resized(pixels)
        if self.settings.do_center_crop:
            pixels = _centre(pixels, self.crop)
        return self.normalized(pixels)

    def normalized(self, pixels: np.ndarray) -> np.ndarray:
        """Floats whose mean and deviation are those that the encoder was trained with."""
        own = self.settings
        x = pixels.astype(np.float32) * np.float32(own.rescale_factor)
        if own.do_normalize:
            x = (x - np.array(own.mean, np.float32)) / np.array(own.std, np.float32)
        return x

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        new = self.size
        if not isinstance(new, tuple):
            short = min(height, width)
            new = (new * height // short, new * width // short)
        return self.scaled(pixels, new)

    def scaled(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The image in another height and width."""
        pillow = optional("PIL.Image", "images", "scaling images")
        kind = getattr(pillow.Resampling, _FILTERS[int(self.settings.resample)])
        return np.asarray(pillow.fromarray(pixels).resize((size[1], size[0]), kind))


def _centre(pixels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The middle of an image, with black around it where it is smaller."""
    for axis, wanted in enumerate(size):
        missing = max(0, wanted - pixels.shape[axis])
        around = [(0, 0)] * 3
        around[axis] = (missing - missing // 2, missing // 2)
        pixels = np.pad(pixels, around)
        first = (pixels.shape[axis] - wanted) // 2
        pixels = np.take(pixels, range(first, first + wanted), axis=axis)
    return pixels
