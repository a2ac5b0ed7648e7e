"""Whole pipelines beside diffusers: the same latents from the same folders and noise.

fixtures/make_pipelines.py made the expected values.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.image import load
from tests.image.fixtures.pipeline_cases import (
    CASES,
    LORA_SCALE,
    NEGATIVE,
    PROMPT,
    SIZE,
    WORDS,
    Noise,
    image,
    lora,
    mask,
)
from tests.image.folders import MADE, write

LIMIT = 1e-4  # relative to the largest value, after all steps
EXPECTED = np.load(Path(__file__).parent / "fixtures/pipelines.npz")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders by name, written when they are asked for."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = write(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture
def sd(folders):
    return load(folders("sd"))


def channels_last(source):
    """Noise of that kind for olivine."""

    def draw(shape):
        if source.case in ("sd_mask", "sdxl_mask_part") and source.calls == 2:
            source.calls += 1  # diffusers encodes what is kept once more, and doesn't use it
        batch, height, width, channels = shape
        return mx.array(source((batch, channels, height, width))).transpose(0, 2, 3, 1)

    return draw


def run(case, pipeline):
    name, scheduler, options = CASES[case]
    if not name.startswith("flux"):
        pipeline.scheduler.config = None
        pipeline.use(scheduler, **MADE["schedulers"][scheduler])
    given = {key: options[key] for key in ("steps", "guidance", "strength", "negative")
             if key in options}  # fmt: skip
    given |= {"image": image()} if "image" in options else {}
    given |= {"mask": mask()} if "mask" in options else {}
    return pipeline(PROMPT, size=SIZE, noise=channels_last(Noise(case)), **given)


@pytest.mark.parametrize("case", CASES)
def test_latents_equal_those_of_diffusers(case, folders, tmp_path):
    pipeline = load(folders(CASES[case][0]))
    if "lora" in CASES[case][2]:
        file = str(tmp_path / "lora.safetensors")
        arrays = lora(CASES[case][2]["lora"])
        mx.save_safetensors(file, {name: mx.array(value) for name, value in arrays.items()})
        pipeline.add_lora(file, LORA_SCALE)
    if case.startswith("flux"):
        pipeline.words = WORDS
    got, expected = run(case, pipeline), EXPECTED[f"{case}.latents"]
    difference = np.abs(np.array(got.latents) - expected).max() / np.abs(expected).max()
    assert got.latents.shape == expected.shape and difference < LIMIT
    assert got.pixels.shape == (1, *SIZE, 3) and got.pixels.dtype == mx.uint8
    if f"{case}.pixels" in EXPECTED.files:
        # A value between two bytes may go either way.
        away = np.abs(np.array(got.pixels).astype(int) - EXPECTED[f"{case}.pixels"])
        assert away.max() <= 1 and away.mean() < 0.01


def pixels(pipeline, **options):
    return np.array(pipeline("a cat", steps=2, size=SIZE, **options).pixels)


def test_a_seed_makes_the_same_images(sd):
    first = pixels(sd, seed=5)
    np.testing.assert_array_equal(pixels(sd, seed=5), first)
    assert (pixels(sd, seed=6) != first).any()
    assert (pixels(sd) != pixels(sd)).any()


def test_an_image_of_several_is_the_same_alone(sd):
    sd.use("euler-ancestral")
    made = sd("a cat", steps=2, size=SIZE, seed=5, count=3)
    assert made.seeds == [5, 6, 7]
    alone = sd("a cat", steps=2, size=SIZE, seed=6)
    np.testing.assert_allclose(alone.latents[0], made.latents[1], atol=1e-4)


def test_several_prompts_give_an_image_each(sd):
    made = sd(["a cat", "the castle"], [NEGATIVE, ""], steps=2, size=SIZE, seed=1)
    alone = sd("the castle", "", steps=2, size=SIZE, seed=2)
    assert made.pixels.shape[0] == 2
    np.testing.assert_allclose(alone.latents[0], made.latents[1], atol=1e-4)


def test_steps_are_told_as_they_are_taken(sd):
    seen = []
    sd("a cat", steps=4, size=SIZE, image=image(), strength=0.5, seed=0,
       on_step=lambda done, total, x: seen.append((done, total, x.shape)))  # fmt: skip
    assert [one[:2] for one in seen] == [(i + 1, len(seen)) for i in range(len(seen))]
    assert seen[-1][2] == (1, 8, 12, 4)


def test_what_a_mask_keeps_stays(sd):
    made = sd("a cat", steps=3, size=SIZE, image=image(), mask=mask(), seed=1)
    clean = sd.vae.encode(mx.array(image())[None].astype(mx.float32) / 127.5 - 1)
    kept = mask()[::2, ::2] == 0
    near = np.abs(np.array(made.latents[0] - clean[0]))[kept]
    assert near.mean() < np.abs(np.array(made.latents[0] - clean[0]))[~kept].mean()


def test_tiles_give_about_the_same_image(sd):
    whole = sd("a cat", steps=1, size=(48, 48), seed=1)
    tiled = sd("a cat", steps=1, size=(48, 48), seed=1, tile=16)
    assert whole.pixels.shape == tiled.pixels.shape
    np.testing.assert_array_equal(whole.latents, tiled.latents)


def test_packed_weights_give_about_the_same_latents(folders):
    full = load(folders("sdxl"))
    expected = full("a cat", steps=2, size=SIZE, seed=1).latents
    full.quantize(bits=8, group_size=32)
    packed = [m for _, m in full.model.named_modules() if hasattr(m, "bits")]
    assert packed
    got = full("a cat", steps=2, size=SIZE, seed=1).latents
    assert np.abs(np.array(got - expected)).max() < 0.1 * np.abs(np.array(expected)).max()


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_saved_pipeline_makes_the_same_images(folders, tmp_path, name, bits):
    pipeline = load(folders(name))
    if bits:
        pipeline.quantize(bits, group_size=32, parts=["unet"])
        pipeline.quantize(8, group_size=32)  # what is packed already stays
    expected = pipeline("a cat", steps=2, size=SIZE, seed=1).latents
    pipeline.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved/unet/config.json").read_text())
    assert config.get("quantization", {}).get("bits") == bits
    got = load(tmp_path / "saved")("a cat", steps=2, size=SIZE, seed=1).latents
    np.testing.assert_array_equal(got, expected)
    with pytest.raises(FileExistsError):
        pipeline.save(tmp_path / "saved")


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_half_precision_gives_about_the_same_latents(folders, dtype):
    expected = load(folders("sd"))("a cat", steps=2, size=SIZE, seed=1).latents
    pipeline = load(folders("sd"), dtype=dtype)
    assert pipeline.model.conv_in.weight.dtype == dtype
    got = pipeline("a cat", steps=2, size=SIZE, seed=1).latents
    assert got.dtype == mx.float32
    assert np.abs(np.array(got - expected)).max() < 0.1 * np.abs(np.array(expected)).max()


BAD = [
    ({"size": (15, 24)}, r"multiples of 2; got 15 x 24"),
    ({"size": (0, 24)}, r"multiples of 2"),
    ({"count": 0}, "a count of at least 1"),
    ({"guidance": -1.0}, "guidance from 0"),
    ({"strength": 0.0, "image": image()}, "a strength above 0"),
    ({"mask": mask()}, "an image with the mask"),
    ({"image": image()[:8]}, r"uint8 pixels \(16, 24, 3\)"),
    ({"image": image().astype(np.float32)}, "expected uint8 pixels"),
    ({"image": image(), "mask": mask()[:4]}, r"a mask \(16, 24\)"),
    ({"steps": 0}, "from 1 to 1000 steps"),
    ({"seed": -1}, "seeds from 0"),
    ({"negative": ["a", "b"]}, "one negative prompt, or one for each"),
]


@pytest.mark.parametrize("options, message", BAD)
def test_what_can_not_be_made_is_refused(sd, options, message):
    with pytest.raises(ValueError, match=message):
        sd("a cat", **{"size": SIZE, "steps": 1, **options})


def test_flux_refuses_negative_prompts(folders):
    with pytest.raises(ValueError, match="FLUX knows none"):
        load(folders("flux_schnell"))("a cat", "blurry", steps=1, size=SIZE)


def test_an_inpainting_model_wants_a_mask(folders):
    with pytest.raises(ValueError, match="this model fills in parts"):
        load(folders("inpaint"))("a cat", steps=1, size=SIZE)


def damage(folder, how):
    path = folder / "unet/diffusion_pytorch_model.safetensors"
    index = json.loads((folder / "model_index.json").read_text())
    if how == "no weights":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "other weights":
        mx.save_safetensors(str(path), {"a.weight": mx.zeros((2,))})
    elif how == "other shapes":
        arrays = mx.load(str(path))
        arrays["conv_in.bias"] = mx.zeros((3,))
        mx.save_safetensors(str(path), arrays)
    elif how == "no json":
        (folder / "unet/config.json").write_text("{")
    elif how == "other pipeline":
        index["_class_name"] = "KandinskyPipeline"
    elif how == "no vae":
        del index["vae"]
    elif how == "other scheduler":
        index["scheduler"] = ["diffusers", "HeunScheduler"]
    elif how == "other model":
        index["unet"] = ["diffusers", "UNet3D"]
    (folder / "model_index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "how, message",
    [
        ("no weights", "expected safetensors with weights in .*unet"),
        ("truncated", "safetensors"),
        ("other weights", "expected tensor .* missing"),
        ("other shapes", "expected shape .* for conv_in.bias"),
        ("no json", "expected JSON in .*config.json"),
        ("other pipeline", "a pipeline of StableDiffusion, .* got 'KandinskyPipeline'"),
        ("no vae", "expected vae in .*model_index.json"),
        ("other scheduler", "a scheduler among"),
        ("other model", "a model among"),
    ],
)
def test_folders_that_hold_no_pipeline_are_refused(tmp_path, how, message):
    damage(write("sd", tmp_path), how)
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_a_name_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with model_index.json"):
        load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="has none"):
        load(tmp_path)
