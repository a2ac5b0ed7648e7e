"""Names that files of LoRAs have for the layers of image models.

diffusers and PEFT name layers by their paths, kohya's scripts by paths with `_` for `.`; both use
the names of a model's first release too: of an SDXL's U-Net `input_blocks.4.1.…`, of FLUX
`double_blocks.0.img_attn.qkv`, one layer there for what are three here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import olivine.nn as nn
from olivine.llm.adapters.layers import LoRALinear


@dataclass(frozen=True)
class Target:
    """The layers that a name means, one after another along their outputs.

    swapped: the two halves of the outputs are the other way round in files.
    """

    layers: tuple[str, ...]
    swapped: bool = False


def targets(part: str, modules: dict[str, nn.Module]) -> dict[str, Target]:
    """All names that files may have for a model's layers."""
    kinds = (nn.Linear, nn.QuantizedLinear, nn.Conv2d, LoRALinear)
    paths = [
        path
        for path, module in modules.items()
        if isinstance(module, kinds)
        and not isinstance(modules.get(path.removesuffix(".linear")), LoRALinear)
        or isinstance(module, LoRALinear)
    ]
    found = {path: Target((path,)) for path in paths}
    if part == "unet":
        firsts = {first_release(path, modules): Target((path,)) for path in paths}
        found |= {first: target for first, target in firsts.items() if first}
    elif part == "transformer":
        found |= flux_first_release(paths)
    return found | {name.replace(".", "_"): target for name, target in found.items()}


# ---- Stable Diffusion

_INNER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}


def first_release(path: str, modules: dict[str, nn.Module]) -> str | None:
    """A U-Net's layer under the name of Stable Diffusion's first release.

    There all layers of the way down are counted through, with what changes the size, and so are
    those of the way up.
    """
    for ours, theirs in _OUTER.items():
        if path == ours or path.startswith(ours + "."):
            return theirs + _inner(path[len(ours) :])
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)(.*)", path)
    if not found:
        return None
    way, level, kind, index = found[1], int(found[2]), found[3], int(found[4])
    count = sum(1 for name in modules if re.fullmatch(rf"{way}_blocks\.0\.resnets\.\d+", name))
    if kind == "downsamplers":
        return f"input_blocks.{1 + level * (count + 1) + count}.0.op"
    attends = f"{way}_blocks.{level}.attentions.0" in modules
    if kind == "upsamplers":
        return f"output_blocks.{level * count + count - 1}.{1 + attends}.conv"
    number = level * count + index if way == "up" else 1 + level * (count + 1) + index
    side = "output" if way == "up" else "input"
    return f"{side}_blocks.{number}.{int(kind == 'attentions')}{_inner(found[5])}"


def _inner(rest: str) -> str:
    name = rest.removeprefix(".")
    return f".{_INNER[name]}" if name in _INNER else rest


# ---- FLUX

# Of a block: its layers' first names -> the names here.
_DOUBLE = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "img_attn.proj": ("attn.to_out.0",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "img_mod.lin": ("norm1.linear",),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "txt_attn.proj": ("attn.to_add_out",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
    "txt_mod.lin": ("norm1_context.linear",),
}
_SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
}
_AROUND = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "final_layer.linear": "proj_out",
}


def flux_first_release(paths: list[str]) -> dict[str, Target]:
    """The names of FLUX's first release for a transformer's layers."""
    known = set(paths)
    found = {first: Target((path,)) for first, path in _AROUND.items()}
    # The first release has the offset before the factor.
    found["final_layer.adaLN_modulation.1"] = Target(("norm_out.linear",), swapped=True)
    blocks = (("double_blocks", "transformer_blocks", _DOUBLE),
              ("single_blocks", "single_transformer_blocks", _SINGLE))  # fmt: skip
    for first, here, layers in blocks:
        for number in sorted({p.split(".")[1] for p in paths if p.startswith(f"{here}.")}):
            for name, inner in layers.items():
                target = Target(tuple(f"{here}.{number}.{layer}" for layer in inner))
                found[f"{first}.{number}.{name}"] = target
    return {name: target for name, target in found.items() if known.issuperset(target.layers)}
