"""Packing chosen integers in the affine layout of `mx.quantize`.

Values lie in a row one after the other, `bits` each, the first in the lowest bits, in words of 32.
"""

from __future__ import annotations

import numpy as np

import olivine.core as mx
import olivine.nn as nn


def pack_rows(values: np.ndarray, bits: int) -> mx.array:
    """Integers below `2 ** bits`, `(rows, columns)`, as `(rows, columns * bits / 32)` words."""
    rows, columns = values.shape
    if columns * bits % 32:
        raise ValueError(f"[pack_rows] expected rows of whole words; got {columns} x {bits} bits")
    spread = (values[..., None].astype(np.uint8) >> np.arange(bits, dtype=np.uint8)) & 1
    stream = np.packbits(spread.reshape(rows, -1), axis=1, bitorder="little")
    return mx.array(stream.view("<u4"))


def quantized_linear(
    layer: nn.Module, values: np.ndarray, scales: np.ndarray, biases: np.ndarray, bits: int
) -> nn.QuantizedLinear:
    """The quantized form of a `Linear` whose weight is `scales * values + biases` by groups."""
    group_size = values.shape[1] // scales.shape[1]
    out = nn.QuantizedLinear(group_size, 1, bias=False, group_size=group_size, bits=bits)
    dtype = layer.weight.dtype
    out.weight = pack_rows(values, bits)
    out.scales = mx.array(scales.astype(np.float32)).astype(dtype)
    out.biases = mx.array(biases.astype(np.float32)).astype(dtype)
    if "bias" in layer:
        out.bias = layer.bias
    out.freeze()
    return out
