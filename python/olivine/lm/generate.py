"""Text generation: one token at a time, with keys and values of earlier tokens kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import olivine.core as mx
from olivine.lm import checkpoint
from olivine.lm.data import CharTokenizer
from olivine.lm.model import GPT
from olivine.lm.settings import GPTConfig
from olivine.utils import tree_flatten


def sample(
    logits: mx.array, temperature: float, top_k: int | None, key: mx.array | None
) -> mx.array:
    """Draw one token from each row of `logits`.

    Temperature 0 (or next to it) takes the most likely; `top_k` leaves that many candidates.
    """
    if temperature < 1e-6:  # its inverse could overflow
        return mx.argmax(logits, axis=-1)
    if top_k is not None and top_k < logits.shape[-1]:
        # topk is unordered: the smallest of the k largest is the bar.
        bar = mx.min(mx.topk(logits, top_k, axis=-1), axis=-1, keepdims=True)
        logits = mx.where(logits < bar, -float("inf"), logits)
    return mx.random.categorical(logits * (1 / temperature), key=key)


def generate(
    model: GPT,
    prompt: list[int],
    count: int,
    temperature: float = 0.8,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Continue `prompt` (not empty) by `count` tokens, yielding each as it is drawn.

    Positions are learned up to the context's length. When that is full, the later half of it is
    read again as if it were the start of a text.
    """
    if not prompt:
        raise ValueError("[generate] expected a prompt of at least one token; got none")
    context = model.config.context
    model.eval()
    key = mx.random.key(seed)
    tokens = list(prompt[-context:])
    cache = model.make_cache()
    fresh = tokens
    for _ in range(count):
        if len(cache[0]) + len(fresh) > context:
            cache = model.make_cache()
            fresh = tokens = tokens[-max(context // 2, 1) :]
        logits = model(mx.array([fresh]), cache)[:, -1]
        key, own = mx.random.split(key)
        token = sample(logits, temperature, top_k, own).item()
        tokens.append(token)
        fresh = [token]
        yield token


def load_model(path: Path) -> tuple[GPT, CharTokenizer]:
    """The model and alphabet of a checkpoint."""
    arrays, settings = checkpoint.load(path)
    try:
        model = GPT(GPTConfig(**settings["model"]))
        model.load_weights(tree_flatten(arrays["model"]))
        return model, CharTokenizer(settings["alphabet"])
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointError(f"{path} has damaged contents: {error}") from None
