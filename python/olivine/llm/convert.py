"""Converting models: from any format that loads to a folder, quantized or unpacked on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.layers import full_weight
from olivine.llm.quantization.awq import awq
from olivine.llm.quantization.gptq import gptq
from olivine.llm.quantization.plan import (
    Format,
    QuantizationPlan,
    put_layer,
    quantize_model,
    stays_in_full,
)
from olivine.llm.quantization.sensitivity import mixed_plan

METHODS = ("plain", "gptq", "awq", "mixed")
Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, name: str) -> None:
    """No progress."""


@dataclass
class Calibration:
    """Texts for the methods that look at how a model is used: `count` rows of `length` tokens."""

    text: str
    count: int = 32
    length: int = 256
    seed: int = 0

    def batches(self, tokenizer, vocab_size: int, size: int = 4) -> list[mx.array]:
        """Token ids `(size, length)`, cut from the text at random places."""
        ids = np.array(tokenizer.encode(self.text, add_special_tokens=False), np.int32)
        if len(ids) < self.length + 1:
            raise ValueError(
                f"[convert] expected a calibration text of more than {self.length} tokens; "
                f"got {len(ids)}"
            )
        if ids.max() >= vocab_size:
            raise ValueError("[convert] the tokenizer has more tokens than the model")
        starts = np.random.default_rng(self.seed).integers(0, len(ids) - self.length, self.count)
        rows = np.stack([ids[s : s + self.length] for s in starts])
        return [mx.array(rows[i : i + size]) for i in range(0, self.count, size)]


def dequantize_model(model: nn.Module, dtype: mx.Dtype = mx.float16) -> int:
    """Unpack every quantized layer; returns how many there were."""
    layers = [
        (path, layer)
        for path, layer in model.named_modules()
        if isinstance(layer, (nn.QuantizedLinear, nn.QuantizedEmbedding))
    ]
    for path, layer in layers:
        weight = full_weight(layer).astype(dtype)
        if isinstance(layer, nn.QuantizedEmbedding):
            plain = nn.Embedding(1, 1)
        else:
            plain = nn.Linear(1, 1, bias="bias" in layer)
            if "bias" in layer:
                plain.bias = layer.bias
        plain.weight = weight
        put_layer(model, path, plain)
    return len(layers)


def quantize(
    model: nn.Module,
    form: Format,
    method: str = "plain",
    texts: Sequence[mx.array] = (),
    bits: float | None = None,
    progress: Progress = silent,
) -> dict:
    """Quantize `model` in place by one of `METHODS`; returns the `quantization` of its config.

    `form` is the format of every layer. `mixed` chooses formats by sensitivity so that `bits` are
    stored per weight, scales included. All methods but `plain` need calibration `texts`.
    """
    if method not in METHODS:
        raise ValueError(f"[convert] expected a method among {', '.join(METHODS)}; got {method!r}")
    if any(isinstance(m, nn.QuantizedLinear) for _, m in model.named_modules()):
        raise ValueError("[convert] expected a model in full; it is quantized: dequantize it first")
    if method != "plain" and not texts:
        raise ValueError(f"[convert] {method} needs calibration texts")
    plan = QuantizationPlan(form, stays_in_full(model))
    if method == "mixed" and plan.exceptions:
        raise ValueError("[convert] expected a model of texts alone for mixed; got one that sees")
    if method == "gptq":
        return gptq(model, texts, plan, progress)
    if method == "awq":
        return awq(model, texts, plan, progress)
    if method == "mixed":
        bits = bits or form.bits + 32 / form.group_size
        # Two bits ruin a layer: only where the target leaves no choice.
        low = 3 if bits >= 3 + 32 / form.group_size else 2
        widths = [Format(b, form.group_size) for b in (2, 3, 4, 5, 6, 8) if b >= low]
        plan = mixed_plan(model, texts, bits, widths, progress)
    return quantize_model(model, plan, progress)


def bundled_text() -> str:
    """The text that is used for calibration when none is given: not what perplexity is taken of."""
    from olivine.lm.data import BUNDLED_TEXT

    return Path(BUNDLED_TEXT).read_text(encoding="utf-8")[200_000:]
