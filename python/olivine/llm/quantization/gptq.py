"""GPTQ: columns are rounded one after the other, and the rest makes up for the error.

Source: Frantar et al., "GPTQ" (2022). With `H` the products of a layer's inputs, rounding column
`j` of the weight by an error `e` is best answered by subtracting `e * C[j, k] / C[j, j]` from each
later column `k`, where `C` is the upper Cholesky factor of `H`'s inverse. Columns go in blocks, so
that most of that is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization.calibration import in_groups, record
from olivine.llm.quantization.packing import quantized_linear
from olivine.llm.quantization.plan import QuantizationPlan, put_layer, quantizable, quantize_model

BLOCK = 128


def correction(products: mx.array, damping: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """The factor `C` above, and which features never occur."""
    h = np.array(products, np.float64)
    dead = np.diag(h) == 0
    h[dead, dead] = 1
    damp = damping * np.mean(np.diag(h))
    while True:
        try:
            inverse = np.linalg.inv(np.linalg.cholesky(h + damp * np.eye(len(h))))
            return np.linalg.cholesky(inverse.T @ inverse).T.astype(np.float32), dead
        except np.linalg.LinAlgError:  # far from positive definite: texts too few
            damp *= 10


def group_range(weight: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias of one group's columns, `(rows,)` each, so that 0 is met exactly."""
    low = np.minimum(weight.min(axis=1), 0)
    high = np.maximum(weight.max(axis=1), 0)
    scale = np.maximum((high - low) / (2**bits - 1), 1e-8)
    return scale, np.round(low / scale) * scale


def quantize_weight(
    weight: np.ndarray, factor: np.ndarray, dead: np.ndarray, bits: int, group_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, scales and biases for `weight` `(outputs, inputs)`, which is changed."""
    outputs, inputs = weight.shape
    weight[:, dead] = 0
    values = np.empty((outputs, inputs), np.uint8)
    scales = np.empty((outputs, inputs // group_size), np.float32)
    biases = np.empty_like(scales)
    for begin in range(0, inputs, BLOCK):
        end = min(begin + BLOCK, inputs)
        errors = np.empty((outputs, end - begin), np.float32)
        for j in range(begin, end):
            group, inside = divmod(j, group_size)
            if inside == 0:
                columns = weight[:, j : j + group_size]
                scales[:, group], biases[:, group] = group_range(columns, bits)
            scale, bias = scales[:, group], biases[:, group]
            q = np.clip(np.round((weight[:, j] - bias) / scale), 0, 2**bits - 1)
            values[:, j] = q
            error = (weight[:, j] - (q * scale + bias)) / factor[j, j]
            # A group's range is taken at its first column, when all of it must be up to date.
            ahead = max(end, (group + 1) * group_size)
            weight[:, j + 1 : ahead] -= np.outer(error, factor[j, j + 1 : ahead])
            errors[:, j - begin] = error
        ahead = -(-end // group_size) * group_size
        weight[:, ahead:] -= errors @ factor[begin:end, ahead:]
    return values, scales, biases


def gptq(
    model: nn.Module,
    texts: Sequence[mx.array],
    plan: QuantizationPlan,
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> dict:
    """Quantize the linear layers of `model` by GPTQ, others plainly; returns the config's entry.

    texts: calibration ids, `(batch, length)` each. Later layers are calibrated on the output of
    quantized earlier ones. Affine formats only.
    """
    chosen = {}
    for path, layer in quantizable(model).items():
        planned = plan.format_of(path, layer)
        if planned is not None and isinstance(layer, nn.Linear) and not path.endswith("lm_head"):
            if planned.mode != "affine":
                raise ValueError(f"[gptq] expected affine formats; got {planned.mode} at {path}")
            chosen[path] = layer
    done = 0
    for part in in_groups(chosen):
        for path, statistics in record(model, part, texts, progress).items():
            progress(done, len(chosen), path)
            layer, planned = part[path], plan.format_of(path, part[path])
            weight = np.array(layer.weight.astype(mx.float32))
            packed = quantize_weight(
                weight, *correction(statistics.products), planned.bits, planned.group_size
            )
            put_layer(model, path, quantized_linear(layer, *packed, planned.bits))
            done += 1
    return quantize_model(model, plan)
