"""Images in tiles: how many there are, and settings that are refused.

tests/vision/models.py compares the pixels with those of transformers.
"""

import numpy as np
import pytest

from olivine.image.tiles import TileProcessor, TileSettings
from tests.vision.fixtures.cases import image

pytest.importorskip("PIL")


def processor(**settings):
    given = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 28}, **settings}
    return TileProcessor(TileSettings.from_dict(given))


@pytest.mark.parametrize(
    "shape, rows, columns",
    [
        ((40, 40, 3), 2, 2),
        ((20, 40, 3), 1, 2),  # 28 x 56
        ((21, 40, 3), 2, 2),  # 30 x 56, rounded up to whole tiles
        ((40, 10, 3), 2, 1),
        ((1, 500, 3), 1, 2),
    ],
)
def test_the_longer_side_decides_how_many_tiles_there_are(shape, rows, columns):
    made = processor().tiles(image(shape))
    assert (made.rows, made.columns) == (rows, columns)
    assert made.pixels.shape == (rows * columns + 1, 28, 28, 3)


def test_tiles_are_the_parts_of_the_image_and_then_all_of_it():
    made = processor(do_resize=False).tiles(pixels := image((28, 56, 3)))
    plain = pixels.astype(np.float32) / 255 * 2 - 1
    np.testing.assert_allclose(made.pixels[0], plain[:, :28], atol=1e-6)
    np.testing.assert_allclose(made.pixels[1], plain[:, 28:], atol=1e-6)
    assert np.abs(made.pixels[2] - made.pixels[0]).max() > 0.1


def test_an_image_of_one_tile_is_seen_once():
    made = processor(size={"longest_edge": 28}).tiles(image((20, 10, 3)))
    assert (made.rows, made.columns) == (0, 0) and made.pixels.shape == (1, 28, 28, 3)
    whole = processor(do_image_splitting=False).tiles(image((20, 50, 3)))
    assert (whole.rows, whole.columns) == (0, 0) and whole.pixels.shape == (1, 28, 28, 3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"size": {"longest_edge": 5000}}, "size with a longest_edge from 1 to 4096"),
        ({"size": {"height": 3, "width": 3}}, "size with a longest_edge"),
        ({"max_image_size": {"longest_edge": 0}}, "max_image_size with a longest_edge"),
        ({"max_image_size": {"longest_edge": True}}, "max_image_size with a longest_edge"),
        ({"image_std": [1, 1]}, "means and deviations"),
    ],
)
def test_settings_that_cut_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        processor(**settings)


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="expected uint8 pixels"):
        processor().tiles(np.zeros((4, 4, 3), np.float32))
