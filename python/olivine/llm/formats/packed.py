"""The packed formats of GGUF's tensors in layers, and what folders hold of them.

`quantized_matmul` knows three modes that only files have: `symmetric` (Q4_0, Q5_0, Q8_0), `k`
(Q2_K, Q4_K, Q5_K) and `k_symmetric` (Q3_K, Q6_K). Nothing is lost in
them, and they take about the file's size; src/ops/quantized_params.h has their layout.
"""

from __future__ import annotations

from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.nn.layers.quantized import QuantizedBase
from olivine.utils import tree_flatten

STORED = ("symmetric", "k", "k_symmetric")
GROUP = 32  # of formats with floating scales
BLOCK = 256  # values that share a factor of scales
# (group_size, bits) of formats whose scales are bytes.
NESTED = ((16, 2), (16, 3), (16, 6), (32, 4), (32, 5))


def block_bytes(group_size: int) -> int:
    """Bytes of the scales of a block: a float16 factor and one for each group."""
    return 2 + BLOCK // group_size


def settings_of(weight: mx.array, scales: mx.array, biases: mx.array | None) -> dict[str, Any]:
    """The format of a tensor that `mx.load(…, keep_packed=True)` gave, told by its shapes."""
    words, columns = weight.shape[-1], scales.shape[-1]
    if scales.dtype == mx.uint8:
        mode = "k_symmetric" if biases is None else "k"
        for group, bits in NESTED:
            if words * block_bytes(group) == columns * BLOCK // 32 * bits:
                return {"group_size": group, "bits": bits, "mode": mode}
    mode = "symmetric" if biases is None else "affine"
    return {"group_size": GROUP, "bits": words // max(1, columns), "mode": mode}


def unpack(
    weight: mx.array, scales: mx.array, biases: mx.array | None, settings: dict[str, Any]
) -> mx.array:
    """The values in float32, without the roundings of arithmetic on float16 scales."""
    if settings.get("mode", "affine") == "affine":
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    return mx.dequantize(weight, scales=scales, biases=biases, dtype=mx.float32, **settings)


def make_room(layer: nn.Module, settings: dict[str, Any]) -> nn.Module:
    """The packed form of a layer for weights in a stored format, which are loaded afterwards."""
    width = layer.weight.shape[-1]
    group, bits, mode = settings["group_size"], settings["bits"], settings["mode"]
    whole = BLOCK if mode != "symmetric" else GROUP
    if width % whole:
        raise ValueError(f"expected rows of a multiple of {whole} for mode {mode}; got {width}")
    out = layer.to_quantized(GROUP, 4)
    rows = out.weight.shape[:-1]
    out.group_size, out.bits, out.mode = group, bits, mode
    out.weight = mx.zeros((*rows, width // 32 * bits), mx.uint32)
    if mode == "symmetric":
        scales = mx.zeros((*rows, width // GROUP), mx.float16)
    else:
        scales = mx.zeros((*rows, width // BLOCK * block_bytes(group)), mx.uint8)
    out.scales, out.biases = scales, scales if mode == "k" else None
    out.freeze()
    return out


def _nested_values(blocks: mx.array) -> mx.array:
    """Scales or biases of groups of 32, which float32 holds exactly."""
    parts = blocks.reshape(*blocks.shape[:-1], -1, block_bytes(GROUP))
    factors = mx.view(mx.contiguous(parts[..., :2]), mx.float16).astype(mx.float32)
    values = mx.view(mx.contiguous(parts[..., 2:]), mx.int8).astype(mx.float32) * factors
    return values.reshape(*blocks.shape[:-1], -1)


def as_folders_have_it(layer: nn.Module) -> tuple[dict[str, mx.array], dict[str, Any] | bool]:
    """The arrays of a layer in a stored format as MLX reads them, and their settings.

    Offsets become biases and scales floats, without loss; groups of 16 are unpacked.
    """
    settings = {"group_size": layer.group_size, "bits": layer.bits, "mode": layer.mode}
    weight, scales, biases = layer.weight, layer.scales, layer.get("biases")
    if layer.group_size != GROUP:
        return {"weight": unpack(weight, scales, biases, settings)}, False
    if layer.mode == "symmetric":
        biases = scales.astype(mx.float32) * -(2 ** (layer.bits - 1))
        if mx.all(biases.astype(scales.dtype).astype(mx.float32) == biases).item():
            biases = biases.astype(scales.dtype)
        else:
            scales = scales.astype(mx.float32)
    else:
        scales, biases = _nested_values(scales), _nested_values(biases)
    settings["mode"] = "affine"
    return {"weight": weight, "scales": scales, "biases": biases}, settings


def folder_weights(
    model: nn.Module, quantization: dict[str, Any] | None
) -> tuple[list[tuple[str, mx.array]], dict[str, Any] | None]:
    """The parameters of a model by name, and its `quantization`, in the layout that MLX reads."""
    weights = dict(tree_flatten(model.parameters()))
    settings = dict(quantization or {})
    for path, layer in model.named_modules():
        if not isinstance(layer, QuantizedBase):
            continue
        own = settings.get(path)
        if layer.mode in STORED:
            arrays, settings[path] = as_folders_have_it(layer)
            for part in ("weight", "scales", "biases"):
                weights.pop(f"{path}.{part}", None)
            weights |= {f"{path}.{part}": array for part, array in arrays.items()}
        elif isinstance(own, dict) and own.get("mode") in STORED:  # packed again by someone
            settings[path] = {
                "group_size": layer.group_size,
                "bits": layer.bits,
                "mode": layer.mode,
            }
    return list(weights.items()), settings or None
