"""Images in tiles, as Idefics 3 and SmolVLM take them: squares of an image, then all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from olivine.image.processor import ImageProcessor, ProcessorSettings
from olivine.llm.formats.checkpoint import ModelError

LARGEST = 4096  # pixels of a side, whatever is asked for


@dataclass
class TileSettings(ProcessorSettings):
    """What preprocessor_config.json says; `size` is of the longer side before it is cut."""

    size: dict | int = field(default_factory=lambda: {"longest_edge": 4 * 364})
    max_image_size: dict = field(default_factory=lambda: {"longest_edge": 364})
    resample: float = 1
    do_image_splitting: bool = True

    def __post_init__(self):
        if self.image_mean is None:
            self.image_mean = [0.5] * 3
        if self.image_std is None:
            self.image_std = [0.5] * 3
        self.do_center_crop = False
        super().__post_init__()
        for name, most in (("size", LARGEST), ("max_image_size", 2**12)):
            value = getattr(self, name)
            edge = value.get("longest_edge") if isinstance(value, dict) else value
            if type(edge) is not int or not 0 < edge <= most:
                raise ModelError(
                    f"[image] expected {name} with a longest_edge from 1 to {most}; got {value}"
                )
            setattr(self, name, edge)


@dataclass
class Tiles:
    """The tiles of one image, `(count, side, side, 3)` in float32: `rows` times `columns` of them
    and then all of it; without rows, all of it alone."""

    pixels: np.ndarray
    rows: int
    columns: int


class TileProcessor(ImageProcessor):
    """Pixels in uint8, of any size, to `Tiles`."""

    def __init__(self, settings: TileSettings):
        self.settings = settings
        self.side: int = settings.max_image_size

    @property
    def shape(self) -> tuple[int, int]:
        """The height and width of a tile."""
        return self.side, self.side

    def tiles(self, pixels: np.ndarray) -> Tiles:
        """One image `(height, width, 3)` in tiles."""
        pixels = self.checked(pixels)
        own, side = self.settings, self.side
        if own.do_resize:
            pixels = self.scaled(pixels, self._longest(*pixels.shape[:2]))
        rows = columns = 0
        if own.do_image_splitting:
            pixels = self.scaled(pixels, self._whole_tiles(*pixels.shape[:2]))
            rows, columns = (length // side for length in pixels.shape[:2])
        if rows * columns <= 1:
            rows = columns = 0
        parts = [
            pixels[y * side : (y + 1) * side, x * side : (x + 1) * side]
            for y in range(rows)
            for x in range(columns)
        ]
        parts.append(self.scaled(pixels, (side, side)))
        return Tiles(np.stack([self.normalized(part) for part in parts]), rows, columns)

    def _longest(self, height: int, width: int) -> tuple[int, int]:
        """The size with the longer side as asked for, and the shorter one even."""
        longest = self.settings.size
        shape = width / height
        if width >= height:
            width, height = longest, int(longest / shape)
            height += height % 2
        else:
            height, width = longest, int(longest * shape)
            width += width % 2
        return max(height, 1), max(width, 1)

    def _whole_tiles(self, height: int, width: int) -> tuple[int, int]:
        """The size that tiles fill: the longer side rounded up, the other at its proportion."""
        side, shape = self.side, width / height
        if width >= height:
            width = math.ceil(width / side) * side
            height = math.ceil(int(width / shape) / side) * side
        else:
            height = math.ceil(height / side) * side
            width = math.ceil(int(height * shape) / side) * side
        return height, width
