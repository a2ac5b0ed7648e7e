"""Images for the encoders, beside transformers; fixtures/make_processor.py made the values."""

import json
from pathlib import Path

import numpy as np
import pytest

from olivine.image.processor import ImageProcessor, ProcessorSettings

pytest.importorskip("PIL")
EXPECTED = np.load(Path(__file__).parent / "fixtures/processor.npz")
SHAPES = ((31, 22, 3), (15, 40, 3), (12, 12, 3))
CASES = {
    "clip": {"size": {"shortest_edge": 12}, "crop_size": 12},
    "clip_wide": {"size": {"shortest_edge": 9}, "crop_size": {"height": 12, "width": 8}},
    "siglip": {
        "size": {"height": 10, "width": 8},
        "image_processor_type": "SiglipImageProcessor",
    },
}


def image(shape):
    """As in the script of the fixture."""
    y, x, c = np.indices(shape)
    return ((13 * y + 7 * x * (c + 1) + 90 * ((x // 5 + y // 7) % 2)) % 256).astype(np.uint8)


@pytest.mark.parametrize("case", CASES)
def test_pixels_equal_those_of_transformers(case, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(CASES[case]))
    processor = ImageProcessor.from_folder(tmp_path)
    for i, shape in enumerate(SHAPES):
        got, expected = np.array(processor(image(shape)))[0], EXPECTED[f"{case}.{i}"]
        assert got.shape == expected.shape and got.dtype == np.float32
        # Filters of another version of Pillow may round a byte otherwise.
        assert np.abs(got - expected).max() < 0.02


def test_several_images_become_one_array():
    processor = ImageProcessor(ProcessorSettings.from_dict(CASES["clip"]))
    assert processor([image(shape) for shape in SHAPES]).shape == (3, 12, 12, 3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"size": {"edge": 3}}, "size of whole numbers"),
        ({"size": 0}, "size to be from 1"),
        ({"resample": 9}, "resample to be among"),
        ({"image_std": [0, 1, 1]}, "means and deviations"),
    ],
)
def test_settings_that_scale_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageProcessor(ProcessorSettings.from_dict(settings))


def test_what_is_no_image_is_refused():
    processor = ImageProcessor(ProcessorSettings.from_dict({}))
    with pytest.raises(ValueError, match="expected uint8 pixels"):
        processor([np.zeros((4, 4, 3), np.float32)])
