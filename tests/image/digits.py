"""The model of digits in examples/models: what it makes is read as what was asked for."""

from pathlib import Path

import numpy as np
import pytest

from olivine.image import load, read_images

FOLDER = Path(__file__).parents[2] / "examples" / "models" / "digits"


@pytest.fixture(scope="module")
def pipeline():
    return load(FOLDER)


@pytest.fixture(scope="module")
def made(pipeline):
    """Ten of each digit, as shades from 0 to 1 `(100, 64)`."""
    prompts = [str(i % 10) for i in range(100)]
    return shades(pipeline(prompts, seed=0, steps=25).pixels)


def shades(pixels):
    return np.array(pixels)[..., 0].reshape(len(pixels), 64) / 255


def distances(one, other):
    return np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=-1))


def test_real_neighbours_read_them_as_what_was_asked_for(made):
    data = read_images("digits")
    real = shades(data.images)
    near = np.argsort(distances(made, real), axis=1)[:, :5]
    read = [np.bincount(data.labels[row], minlength=10).argmax() for row in near]
    assert (np.array(read) == np.arange(100) % 10).sum() >= 95


def test_they_are_no_copies(made):
    real = shades(read_images("digits").images)
    nearest = distances(made, real).min(axis=1)
    between = distances(real[::18], real)
    between[between == 0] = np.inf
    # A copy in 17 shades would be within a sixteenth of a shade in every pixel: 0.25.
    assert nearest.min() > 0.25
    assert 0.6 < np.median(nearest) / np.median(between.min(axis=1)) < 1.4


def test_they_differ_from_each_other(made):
    for digit in range(10):
        own = distances(made[digit::10], made[digit::10])
        assert own[~np.eye(10, dtype=bool)].min() > 0.3, digit


def test_the_same_seed_makes_the_same_digit(pipeline):
    first = pipeline("seven", seed=5, steps=5)
    np.testing.assert_array_equal(pipeline("7", seed=5, steps=5).pixels, first.pixels)
    several = pipeline(["three", "seven"], seed=4, steps=5).pixels
    np.testing.assert_array_equal(several[1], first.pixels[0])
    assert not np.array_equal(pipeline("seven", seed=6, steps=5).pixels, first.pixels)


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 5e6
