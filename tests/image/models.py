"""Every architecture beside transformers or diffusers: the same results from the same weights.

fixtures/make_models.py made the expected values; the weights follow from their names.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.image.models import autoencoder, clip, flux, pixel_unet, siglip, unet
from olivine.utils import tree_flatten
from tests.image.fixtures.cases import CASES, GUIDANCE, SIGMA, STEP, inputs
from tests.image.fixtures.weights import weights

LIMIT = 2e-5  # relative to the largest value, in float32
FOLDER = Path(__file__).parent / "fixtures"
SHAPES = json.loads(gzip.decompress((FOLDER / "models.json.gz").read_bytes()))
EXPECTED = np.load(FOLDER / "models.npz")
KINDS = {
    "CLIPTextModel": clip.TextEncoder,
    "CLIPTextModelWithProjection": clip.TextEncoder,
    "CLIPVisionModelWithProjection": clip.ImageEncoder,
    "CLIPModel": clip.Model,
    "SiglipModel": siglip.Model,
    "UNet2DConditionModel": unet.Model,
    "UNet2DModel": pixel_unet.Model,
    "AutoencoderKL": autoencoder.Model,
    "FluxTransformer2DModel": flux.Model,
}


def build(case):
    kind, settings = CASES[case]
    model = KINDS[kind].from_dict({**settings, "architectures": [kind]})
    checkpoint = {name: mx.array(value) for name, value in weights(SHAPES[case]).items()}
    model.load_weights(list(model.sanitize(checkpoint).items()))
    return model


def given(case):
    return {name: mx.array(np.asarray(value)) for name, value in inputs(case).items()}


def run(case, model, given):
    """What the fixture has the values of."""
    if case.startswith("clip_text"):
        out = model(given["tokens"])
        found = {"last": out.last, "before": out.states[-2], "pooled": out.pooled}
        return found | ({} if out.projected is None else {"projected": out.projected})
    if case == "clip_image":
        return {"vectors": model(given["pixels"])}
    if case in ("clip", "siglip"):
        texts, images = model.embed_texts(given["tokens"]), model.embed_images(given["pixels"])
        scores = model(given["tokens"], given["pixels"])
        return {"scores": scores, "texts": texts, "images": images}
    if case.startswith("unet"):
        added = unet.Added(given["text"], given["sizes"]) if "text" in given else None
        guidance = GUIDANCE if case == "unet_lcm" else None
        return {"out": model(given["x"], STEP, given["memory"], added, guidance)}
    if case.startswith("pixel_unet"):
        return {"out": model(given["x"], STEP, given.get("classes"))}
    if case.startswith("autoencoder"):
        mean, deviation = model.moments(given["images"])
        # Those who made the fixture scale latents themselves.
        config = model.config
        latents = (given["latents"] - (config.shift_factor or 0)) * config.scaling_factor
        out = {"mean": mean, "deviation": deviation, "decoded": model.decode(latents)}
        return out | ({"tiled": model.decode(latents, tile=8)} if case == "autoencoder" else {})
    return {"out": model(**given, sigma=SIGMA, guidance=GUIDANCE)}


def distance(got, expected) -> float:
    """The largest difference relative to the largest value."""
    got, expected = np.array(got), np.array(expected)
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_results_equal_those_of_the_reference(case):
    found = run(case, build(case), given(case))
    names = [name.split(".")[1] for name in EXPECTED.files if name.split(".")[0] == case]
    assert names
    for name in names:
        assert distance(found[name], EXPECTED[f"{case}.{name}"]) < LIMIT, name


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_has_a_gradient(case):
    model, arrays = build(case), given(case)

    def loss():
        return sum(out.square().mean() for out in run(case, model, arrays).values())

    _, gradients = nn.value_and_grad(model, loss)()
    for path, gradient in tree_flatten(gradients):
        assert np.isfinite(np.array(gradient)).all(), path


@pytest.mark.parametrize("case", CASES)
def test_half_precision_stays_half(case):
    model, arrays = build(case), given(case)
    model.set_dtype(mx.bfloat16)
    arrays = {k: v.astype(mx.bfloat16) if v.dtype == mx.float32 else v for k, v in arrays.items()}
    for name, out in run(case, model, arrays).items():
        assert out.dtype == mx.bfloat16, name


def test_latents_are_scaled_there_and_back():
    model = build("autoencoder_flux")
    images = given("autoencoder_flux")["images"]
    mean, deviation = model.moments(images)
    noise = mx.random.normal(mean.shape, key=mx.random.key(1))
    latents = model.encode(images, noise)
    expected = (np.array(mean + deviation * noise) - 0.1159) * 0.3611
    np.testing.assert_allclose(latents, expected, atol=1e-5)
    np.testing.assert_allclose(
        model.decode(latents), model._decode(mean + deviation * noise), atol=1e-4
    )


def test_the_autoencoder_knows_old_names():
    model = build("autoencoder")
    checkpoint = {name: mx.array(value) for name, value in weights(SHAPES["autoencoder"]).items()}
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def renamed(name):
        for new, before in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        return name

    checkpoint = {renamed(name): value for name, value in checkpoint.items()}
    assert any("proj_attn" in name for name in checkpoint)
    model.load_weights(list(model.sanitize(checkpoint).items()))


def test_flux_packs_latents_and_unpacks_them():
    x = mx.random.normal((2, 4, 6, 3))
    tokens, places = flux.pack(x)
    assert tokens.shape == (2, 6, 12) and places.tolist()[4] == [0, 1, 1]
    # The features of a token are those of a channel, row by row.
    np.testing.assert_array_equal(tokens[0, 0, :4], np.array(x[0, :2, :2, 0]).ravel())
    np.testing.assert_array_equal(flux.unpack(tokens, 4, 6), x)
    with pytest.raises(ValueError, match="even numbers of latents"):
        flux.pack(x[:, :3])


BAD = [
    (unet.Model, "unet_1", {"down_block_types": ["DownBlock3D"] * 3}, "down_block_types to be 3"),
    (unet.Model, "unet_1", {"attention_head_dim": [2, 3]}, "3 whole numbers"),
    (unet.Model, "unet_1", {"norm_num_groups": 3}, "multiples of norm_num_groups"),
    (unet.Model, "unet_1", {"block_out_channels": [8, 16, -1]}, "whole numbers above 0"),
    (unet.Model, "unet_1", {"class_embed_type": "timestep"}, "not implemented"),
    (unet.Model, "unet_1", {"addition_embed_type": "image"}, "addition_embed_type to be among"),
    (autoencoder.Model, "autoencoder", {"norm_num_groups": 5}, "multiples of 5"),
    (autoencoder.Model, "autoencoder", {"down_block_types": ["x"] * 3}, "to be 3 DownEncoder"),
    (flux.Model, "flux_dev", {"axes_dims_rope": [4, 6, 5]}, "3 even numbers"),
    (clip.TextEncoder, "clip_text_l", {"hidden_act": "tanh"}, "an activation among"),
    (clip.TextEncoder, "clip_text_l", {"num_attention_heads": 5}, "multiple of num_attention"),
]


@pytest.mark.parametrize("kind, case, change, message", BAD)
def test_settings_that_make_no_model_are_refused(kind, case, change, message):
    with pytest.raises(ValueError, match=message):
        kind.from_dict({**CASES[case][1], **change})


def test_inputs_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"latents \(batch, height, width, 4\); got shape"):
        build("unet_1")(mx.zeros((1, 4, 8, 8)), 1.0, mx.zeros((1, 5, 20)))
    with pytest.raises(ValueError, match=r"images \(batch, height, width, 3\); got shape"):
        build("autoencoder").encode(mx.zeros((1, 3, 8, 8)))
    with pytest.raises(ValueError, match="ids .* length of at most 11"):
        build("clip_text_l")(mx.zeros((1, 12), mx.int32))
    with pytest.raises(ValueError, match=r"images of shape \(batch, 21, 21, 3\)"):
        build("clip_image")(mx.zeros((1, 3, 21, 21)))
    with pytest.raises(ValueError, match="this is an SDXL"):
        build("unet_xl")(mx.zeros((1, 8, 8, 4)), 1.0, mx.zeros((1, 5, 20)))
