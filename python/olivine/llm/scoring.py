"""How well a model predicts a text: perplexity, bits per byte and per character."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import olivine.core as mx
from olivine.llm.generation import as_ids


@dataclass(frozen=True)
class Perplexity:
    """What `perplexity` measured.

    loss: nats per predicted token, with its standard error over tokens.
    bits_per_byte, bits_per_character: of the text in UTF-8; None where only ids were given. They
        compare models of different vocabularies.
    tokens: how many were predicted: all but the first.
    tps: tokens per second that the model was given, those that windows share counted in each.
    """

    loss: float
    standard_error: float
    bits_per_byte: float | None
    bits_per_character: float | None
    tokens: int
    tps: float

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss) if self.loss < 700 else math.inf


def windows(length: int, size: int, stride: int) -> list[tuple[int, int, int]]:
    """`(begin, end, first)`: a window and the first position in it whose token is new.

    Windows of `size` tokens begin every `stride` tokens, so that every token is predicted once and
    from at least `size - stride` tokens before it, except in the first window.
    """
    found, done = [], 1  # nothing predicts the first token
    for begin in range(0, length, stride):
        end = min(begin + size, length)
        if end > done:
            found.append((begin, end, done))
            done = end
        if end == length:
            break
    return found


def losses(model, tokens: Sequence[int], first: int, step: int = 256) -> mx.array:
    """`-log p` of `tokens[first:]`, each given all before it. Logits are made `step` at a time."""
    inputs, targets = mx.array([tokens[:-1]]), mx.array(tokens[first:])
    count = len(tokens) - first
    features = model.features(inputs)[:, first - 1 :]
    parts = []
    for start in range(0, count, step):
        logits = model.head(features[:, start : start + step])[0]
        parts.append(mx.fast.cross_entropy(logits, targets[start : start + step]))
        mx.eval(parts[-1])  # a step's logits are freed before the next one's are made
    return mx.concatenate(parts)


def perplexity(
    model,
    tokenizer,
    text: str | Sequence[int],
    *,
    window: int | None = None,
    stride: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Perplexity:
    """Predict every token of `text`, or of ids, from those before it.

    Args:
        window: the most tokens the model sees at once; the model's context, up to 2048, by default.
        stride: how far a window is from the next; half a window by default. Shorter strides give
            each token more context and take longer.
        progress: called with the number of predicted tokens, and of all.
    """
    ids = as_ids(model, tokenizer, text)
    context = getattr(getattr(model, "config", None), "max_position_embeddings", None) or 2048
    window = min(context, 2048) if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if window < 2 or window > context or not 1 <= stride < window:
        raise ValueError(
            f"[llm] expected a window of 2 to {context} tokens, the model's context, and a stride "
            f"shorter than it; got window={window}, stride={stride}"
        )
    if len(ids) < 2:
        raise ValueError(f"[llm] expected a text of at least two tokens; got {len(ids)}")
    total = squares = 0.0
    seen, start = 0, time.perf_counter()
    for begin, end, first in windows(len(ids), window, stride):
        loss = losses(model, ids[begin:end], first - begin).astype(mx.float32)
        total += mx.sum(loss).item()
        squares += mx.sum(loss * loss).item()
        seen += end - begin
        if progress is not None:
            progress(end - 1, len(ids) - 1)
    seconds = max(time.perf_counter() - start, 1e-9)
    count = len(ids) - 1
    mean = total / count
    bits = total / math.log(2)
    is_text = isinstance(text, str)
    return Perplexity(
        mean,
        math.sqrt(max(squares / count - mean * mean, 0.0) / count),
        bits / len(text.encode()) if is_text else None,
        bits / len(text) if is_text else None,
        count,
        seen / seconds,
    )
