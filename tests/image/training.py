"""Training diffusion on pixels: the loss falls, runs go on where they stopped, folders load."""

import json

import numpy as np
import pytest

import olivine.core as mx
from olivine.data.errors import DataError
from olivine.image import DiffusionTrainer, ImageSet, grid, load, read_images, write_png
from olivine.image.training import unet_settings
from olivine.image.training_settings import Settings
from olivine.train import Checkpointer
from olivine.utils import tree_flatten

TINY = {"width": 16, "layers": 1, "batch_size": 16, "steps": 40, "learning_rate": 3e-3}


def halves(count=64):
    """Images that are bright above or below, which is their class."""
    labels = np.arange(count) % 2
    images = np.full((count, 8, 8, 1), 30, np.uint8)
    images[labels == 0, :4] = 220
    images[labels == 1, 4:] = 220
    return ImageSet(images, labels, ["above, top", "below"])


@pytest.fixture(scope="module")
def taught():
    trainer = DiffusionTrainer(
        halves(), Settings(**TINY | {"steps": 300, "average": 0.95, "dropout": 0.0})
    )
    return trainer, [trainer.step() for _ in range(150)]


def test_the_loss_falls_and_images_are_of_the_class(taught):
    trainer, losses = taught
    # What is learned varies about as much as noise, and the first outputs are constant.
    assert 0.5 < losses[0] < 1.2 and np.mean(losses[-20:]) < 0.4 * losses[0]
    made = trainer.pipeline()(["above", "BELOW", "top", "1"], seed=0, steps=20).pixels
    above, below = (
        np.array(made)[:, rows].mean(axis=(1, 2, 3)) for rows in (slice(4), slice(4, 8))
    )
    np.testing.assert_array_equal(above > below + 100, [True, False, True, False])
    np.testing.assert_array_equal(below > above + 100, [False, True, False, True])


def test_a_negative_leads_away(taught):
    pipeline = taught[0].pipeline()
    plain = pipeline("above", seed=1, steps=4, guidance=1.0).latents
    led = pipeline("above", seed=1, steps=4, guidance=2.0).latents
    away = pipeline("above", "below", seed=1, steps=4, guidance=2.0).latents
    assert not np.array_equal(plain, led) and not np.array_equal(led, away)


def test_an_image_is_begun_with(taught):
    image = np.repeat(halves().images[0], 3, axis=-1)
    made = taught[0].pipeline()("above", image=image, strength=0.3, seed=1, steps=20).pixels
    assert np.abs(np.array(made[0]).astype(float) - image).mean() < 30


def parameters(trainer):
    trees = (trainer.model.parameters(), trainer.ema.average, trainer.optimizer.state)
    return {f"{i}.{k}": np.array(v) for i, tree in enumerate(trees) for k, v in tree_flatten(tree)}


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = DiffusionTrainer(halves(), Settings(**TINY))
    losses = [whole.step() for _ in range(6)]
    first = DiffusionTrainer(halves(), Settings(**TINY))
    before = [first.step() for _ in range(3)]
    first.samples(2, seed=0, steps=2)  # must not change the run's random numbers
    with Checkpointer(tmp_path, first.state) as checkpoints:
        checkpoints.save(first.steps)
    mx.random.seed(99)
    again = DiffusionTrainer(halves(), Settings(**TINY))
    with Checkpointer(tmp_path, again.state) as checkpoints:
        assert checkpoints.restore() == again.steps == 3
    assert before + [again.step() for _ in range(3)] == losses
    expected, found = parameters(whole), parameters(again)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_the_folder_makes_the_same_images(taught, tmp_path):
    trainer, _ = taught
    trainer.save(tmp_path / "model", mx.float32)
    loaded = load(tmp_path / "model")
    expected = trainer.pipeline()(["above", "below"], seed=3, steps=5)
    found = loaded(["above", "below"], seed=3, steps=5)
    np.testing.assert_array_equal(found.latents, expected.latents)
    assert found.pixels.shape == (2, 8, 8, 3)
    trainer.save(tmp_path / "model")  # in half precision, in its place
    half = load(tmp_path / "model")
    assert half.model.conv_in.weight.dtype == mx.float16
    close = np.abs(np.array(half(["above", "below"], seed=3, steps=5).latents - expected.latents))
    assert close.max() < 0.05
    half.save(tmp_path / "again")
    np.testing.assert_array_equal(
        load(tmp_path / "again")("above", seed=1, steps=2).pixels,
        half("above", seed=1, steps=2).pixels,
    )


def test_images_without_classes_make_a_pipeline_that_diffusers_has(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (5, 8, 12, 3)).astype(np.uint8)
    trainer = DiffusionTrainer(ImageSet(images), Settings(**TINY))
    trainer.step()
    trainer.save(tmp_path / "model")
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert index["_class_name"] == "DDIMPipeline" and "id2label" not in index
    made = load(tmp_path / "model")("", seed=0, steps=2)
    assert made.pixels.shape == (1, 8, 12, 3)
    with pytest.raises(ValueError, match="has no classes; got 'a cat'"):
        load(tmp_path / "model")("a cat", steps=2)


@pytest.mark.parametrize(
    "shape, widths",
    [
        ((8, 8, 1), [16, 32]),
        ((28, 28, 1), [16, 32, 32]),
        ((32, 32, 3), [16, 32, 32, 32]),
        ((64, 64, 3), [16, 32, 32, 32]),
        ((9, 12, 3), [16]),
    ],
)
def test_sides_are_halved_while_they_can_be(shape, widths):
    data = ImageSet(np.zeros((2, *shape), np.uint8))
    config = unet_settings(data, Settings(width=16))
    assert config["block_out_channels"] == widths
    assert config["down_block_types"][-1] == "AttnDownBlock2D"


@pytest.mark.parametrize(
    "prompt, message",
    [("cat", "above, top; below; got 'cat'"), ("2", "got '2'"), ("-1", "got '-1'")],
)
def test_what_is_no_class_is_refused(taught, prompt, message):
    with pytest.raises(ValueError, match=message):
        taught[0].pipeline()(prompt, steps=1)


@pytest.mark.parametrize(
    "names", [{"0": "a", "2": "b"}, {str(i): "a" for i in range(4)}, {"0": 1}, ["a"]]
)
def test_names_that_are_not_those_of_the_classes_are_refused(taught, tmp_path, names):
    taught[0].save(tmp_path / "model")
    path = tmp_path / "model" / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": names}))
    with pytest.raises(ValueError, match="expected id2label"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"width": 20}, "multiples of 16; got 20"),
        ({"steps": 0}, "steps from 1"),
        ({"dropout": 1.0}, "dropout from 0 to below 1"),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**options)


def test_a_folder_has_a_folder_for_each_class(tmp_path):
    pytest.importorskip("PIL")
    for name, shade in (("day", 250), ("night", 5)):
        (tmp_path / name).mkdir()
        for i in range(2):
            write_png(tmp_path / name / f"{i}.png", np.full((12, 20, 3), shade + i, np.uint8))
    data = read_images(tmp_path, 8)
    assert data.names == ["day", "night"] and data.images.shape == (4, 8, 8, 3)
    np.testing.assert_array_equal(data.labels, [0, 0, 1, 1])
    np.testing.assert_array_equal(data.images[:, 0, 0, 0], [250, 251, 5, 6])
    assert read_images(tmp_path / "day", 8, grey=True).images.shape == (2, 8, 8, 1)
    assert read_images(tmp_path / "day").images.shape == (2, 32, 32, 3)


def test_arrays_are_read(tmp_path):
    images = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([0, 2, 1]))
    data = read_images(tmp_path / "a.npz")
    assert data.names == ["0", "1", "2"] and data.labels.tolist() == [0, 2, 1]
    np.testing.assert_array_equal(data.images[..., 0], images)
    assert data.sha256 != ImageSet(images[..., None]).sha256


def test_digits_come_with_the_package():
    data = read_images("digits")
    assert data.images.shape == (1797, 8, 8, 1) and data.names[7] == "seven, 7"
    assert data.images.max() == 255 and len(np.unique(data.images)) == 17


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: read_images(path / "none"), "a folder of images or an .npz; got"),
        (lambda path: read_images(path), "expected images in"),
        (lambda path: read_images("digits", 16), "size 8 of the digits; got 16"),
        (lambda path: read_images(path / "bad.npz"), "an .npz of arrays"),
        (lambda path: read_images(path / "empty.npz"), "an array images in"),
        (lambda path: ImageSet(np.zeros((2, 8, 8, 1))), "uint8 images"),
        (lambda path: ImageSet(np.zeros((0, 8, 8, 1), np.uint8)), "uint8 images"),
        (lambda path: ImageSet(halves(2).images, [0, 1]), "or neither"),
        (lambda path: ImageSet(halves(2).images, [0, 1], ["a"]), "labels from 0 to 0; got 0 to 1"),
        (lambda path: ImageSet(halves(2).images, [0.5, 1], ["a"]), "whole numbers"),
        (lambda path: ImageSet(halves(2).images, [0], ["a"]), "a label of each of 2 images"),
    ],
)
def test_data_that_can_not_be_learned_from_is_refused(make, message, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    np.savez(tmp_path / "empty.npz", pictures=np.zeros(3))
    with pytest.raises(DataError, match=message):
        make(tmp_path)


def test_a_grid_has_rows_and_white_between():
    pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 2, 2, 1), np.uint8)
    made = grid(pixels, columns=2, scale=3)
    assert made.shape == (2 * 8 + 2, 2 * 8 + 2, 1)
    assert made[2, 2] == 0 and made[2, 10] == 1 and made[10, 2] == 2 and made[10, 10] == 255
    assert (made == 255).sum() == 18 * 18 - 3 * 36
    with pytest.raises(ValueError, match="columns and a scale from 1"):
        grid(pixels, columns=0)
