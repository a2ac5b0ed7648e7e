"""LoRAs: every way of naming layers, and weights by the formula."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.image import load
from olivine.image.lora import add
from olivine.image.lora_names import first_release, targets
from olivine.image.models import unet
from tests.image.fixtures.cases import CASES
from tests.image.folders import write

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write("sd", tmp_path_factory.mktemp("sd"))


@pytest.fixture
def parts(folder):
    return load(folder).parts


def random(shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def save(path, arrays):
    mx.save_safetensors(str(path), {name: mx.array(value) for name, value in arrays.items()})
    return path


def layer(model, path):
    return dict(model.named_modules())[path]


def pair(shape, rank=2):
    """Matrices of a layer with a weight `(out, in)`."""
    return random((rank, shape[1]), 1), random((shape[0], rank), 2)


NAMES = [
    ("unet", f"{ATTENTION}.to_q", f"unet.{ATTENTION}.to_q", ("lora_A.weight", "lora_B.weight")),
    ("unet", f"{ATTENTION}.to_q", f"base_model.model.{ATTENTION}.to_q",
     ("lora_A.weight", "lora_B.weight")),
    ("unet", f"{ATTENTION}.to_q", f"unet.{ATTENTION}.to_q", ("lora.down.weight", "lora.up.weight")),
    ("unet", f"{ATTENTION}.to_q", f"unet.{ATTENTION}.processor.to_q_lora",
     ("down.weight", "up.weight")),
    ("unet", f"{ATTENTION}.to_out.0", f"unet.{ATTENTION}.processor.to_out_lora",
     ("down.weight", "up.weight")),
    ("unet", f"{ATTENTION}.to_out.0", "lora_unet_" + f"{ATTENTION}.to_out.0".replace(".", "_"),
     ("lora_down.weight", "lora_up.weight")),
    ("text_encoder", TEXT, "lora_te_" + TEXT.replace(".", "_"),
     ("lora_down.weight", "lora_up.weight")),
    ("text_encoder", TEXT, f"text_encoder.{TEXT}", ("lora_A.weight", "lora_B.weight")),
]  # fmt: skip


@pytest.mark.parametrize("part, path, name, ends", NAMES)
def test_a_layer_gets_the_product_added(parts, tmp_path, part, path, name, ends):
    before = np.array(layer(parts[part], path).weight)
    down, up = pair(before.shape)
    file = save(tmp_path / "a.safetensors", {f"{name}.{ends[0]}": down, f"{name}.{ends[1]}": up})
    assert add(parts, file, 0.5) == 1
    after = np.array(layer(parts[part], path).weight)
    np.testing.assert_allclose(after, before + 0.5 * up @ down, atol=1e-5)


def test_alpha_is_divided_by_the_rank(parts, tmp_path):
    name = f"{ATTENTION}.to_k"
    before = np.array(layer(parts["unet"], name).weight)
    down, up = pair(before.shape, rank=4)
    kohya = "lora_unet_" + name.replace(".", "_")
    arrays = {f"{kohya}.lora_down.weight": down, f"{kohya}.lora_up.weight": up,
              f"{kohya}.alpha": np.float32(2.0)}  # fmt: skip
    add(parts, save(tmp_path / "a.safetensors", arrays))
    after = np.array(layer(parts["unet"], name).weight)
    np.testing.assert_allclose(after, before + (2 / 4) * up @ down, atol=1e-5)


def test_convolutions_get_theirs_with_channels_last(parts, tmp_path):
    name = "down_blocks.0.resnets.0.conv1"
    before = np.array(layer(parts["unet"], name).weight)  # (out, height, width, in)
    down, up = random((3, before.shape[3], 3, 3), 1), random((before.shape[0], 3, 1, 1), 2)
    arrays = {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    add(parts, save(tmp_path / "a.safetensors", arrays))
    added = np.einsum("or,rihw->ohwi", up[:, :, 0, 0], down)
    after = np.array(layer(parts["unet"], name).weight)
    np.testing.assert_allclose(after, before + added, atol=1e-5)


def test_convolutions_of_single_pixels_are_matrices(parts, tmp_path):
    name = "down_blocks.0.attentions.0.proj_in"
    before = np.array(layer(parts["unet"], name).weight)
    down, up = pair(before.shape)
    arrays = {f"unet.{name}.lora_A.weight": down[..., None, None],
              f"unet.{name}.lora_B.weight": up[..., None, None]}  # fmt: skip
    add(parts, save(tmp_path / "a.safetensors", arrays))
    after = np.array(layer(parts["unet"], name).weight)
    np.testing.assert_allclose(after, before + up @ down, atol=1e-5)


def test_packed_layers_keep_their_weights(folder, tmp_path):
    pipeline = load(folder)
    name = "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
    pipeline.quantize(bits=8, group_size=32)
    packed = layer(pipeline.model, name)
    shape = (packed.weight.shape[0], packed.weight.shape[1] * 32 // packed.bits)
    down, up = pair(shape)
    arrays = {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    file = save(tmp_path / "a.safetensors", arrays)
    x = mx.array(random((1, shape[1]), 3))
    expected = np.array(packed(x)) + 2 * 0.5 * np.array(x) @ (up @ down).T
    assert [pipeline.add_lora(file, 0.5) for _ in range(2)] == [1, 1]  # one after another
    got = layer(pipeline.model, name)
    np.testing.assert_allclose(got(x), expected, atol=1e-3)
    np.testing.assert_array_equal(got.linear.weight, packed.weight)


# Names of an SDXL's U-Net as it was first released, from its published checkpoint.
FIRST = {
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.1.conv1": "input_blocks.2.0.in_layers.2",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "down_blocks.1.attentions.0.proj_in": "input_blocks.4.1.proj_in",
    "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.4.0.skip_connection",
    "down_blocks.2.attentions.1.transformer_blocks.2.attn2.to_k":
        "input_blocks.8.1.transformer_blocks.2.attn2.to_k",
    "mid_block.resnets.1.time_emb_proj": "middle_block.2.emb_layers.1",
    "mid_block.attentions.0.proj_out": "middle_block.1.proj_out",
    "up_blocks.0.attentions.2.proj_in": "output_blocks.2.1.proj_in",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    "up_blocks.1.resnets.0.conv2": "output_blocks.3.0.out_layers.3",
    "up_blocks.2.resnets.2.conv1": "output_blocks.8.0.in_layers.2",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
}  # fmt: skip


def test_sdxls_first_names_are_known():
    modules = dict(unet.Model.from_dict(CASES["unet_xl"][1]).named_modules())
    assert {path: first_release(path, modules) for path in FIRST} == FIRST
    known = targets("unet", modules)
    assert known["input_blocks_4_1_proj_in"].layers == ("down_blocks.1.attentions.0.proj_in",)


# Names of FLUX's first release -> layers here, in the order of their outputs.
FUSED = {
    "double_blocks.0.img_attn.qkv": [f"transformer_blocks.0.attn.to_{n}" for n in "qkv"],
    "double_blocks.0.txt_attn.qkv": [f"transformer_blocks.0.attn.add_{n}_proj" for n in "qkv"],
    "single_blocks.0.linear1": [
        *[f"single_transformer_blocks.0.attn.to_{n}" for n in "qkv"],
        "single_transformer_blocks.0.proj_mlp",
    ],
    "vector_in.in_layer": ["time_text_embed.text_embedder.linear_1"],
}  # fmt: skip


@pytest.fixture
def flux(tmp_path):
    return load(write("flux_dev", tmp_path / "flux"))


@pytest.mark.parametrize("name, paths", FUSED.items())
def test_one_layer_of_fluxs_first_release_is_several_here(flux, tmp_path, name, paths):
    before = np.concatenate([layer(flux.model, path).weight for path in paths])
    down, up = pair(before.shape)
    stem = f"diffusion_model.{name}"
    arrays = {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
    assert flux.add_lora(save(tmp_path / "a.safetensors", arrays), 0.5) == len(paths)
    after = np.concatenate([layer(flux.model, path).weight for path in paths])
    np.testing.assert_allclose(after, before + 0.5 * up @ down, atol=1e-5)


def test_fluxs_first_release_has_the_last_offset_before_the_factor(flux, tmp_path):
    before = np.array(layer(flux.model, "norm_out.linear").weight)
    down, up = pair(before.shape)
    stem = "lora_unet_final_layer_adaLN_modulation_1"
    arrays = {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
    flux.add_lora(save(tmp_path / "a.safetensors", arrays))
    offset, factor = np.split(up @ down, 2)
    after = np.array(layer(flux.model, "norm_out.linear").weight)
    np.testing.assert_allclose(after, before + np.concatenate([factor, offset]), atol=1e-5)


@pytest.mark.parametrize(
    "names, rows, message",
    [
        (["double_blocks.0.img_attn.qkv"], 50, "expected a LoRA with 144 outputs"),
        (["double_blocks.0.img_attn.qkv", "transformer_blocks.0.attn.to_q"], 144, "got two"),
    ],
)
def test_fused_layers_that_do_not_fit_are_refused(flux, tmp_path, names, rows, message):
    arrays = {}
    for name, outputs in zip(names, (rows, 48), strict=False):
        down, up = pair((outputs, 48))
        arrays |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    with pytest.raises(ValueError, match=message):
        flux.add_lora(save(tmp_path / "a.safetensors", arrays))


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"unet.nothing.lora_A.weight": random((2, 8))}, "got unet.nothing.lora_A.weight"),
        ({f"unet.{ATTENTION}.to_q.hada_w1_a": random((2, 8))}, "weights of a LoRA for this model"),
        ({f"unet.{ATTENTION}.to_q.lora_A.weight": random((2, 8))}, "two matrices of one rank"),
        (
            {f"unet.{ATTENTION}.to_q.lora_A.weight": random((2, 5)),
             f"unet.{ATTENTION}.to_q.lora_B.weight": random((8, 2))},
            "expected a LoRA of shape",
        ),
        ({}, "it is empty"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_change_nothing(parts, tmp_path, arrays, message):
    good = f"unet.{ATTENTION}.to_v"
    down, up = pair(layer(parts["unet"], f"{ATTENTION}.to_v").weight.shape)
    before = np.array(layer(parts["unet"], f"{ATTENTION}.to_v").weight)
    both = {f"{good}.lora_A.weight": down, f"{good}.lora_B.weight": up, **arrays} if arrays else {}
    with pytest.raises(ValueError, match=message):
        add(parts, save(tmp_path / "a.safetensors", both))
    np.testing.assert_array_equal(layer(parts["unet"], f"{ATTENTION}.to_v").weight, before)
