"""What attention remembers between calls.

A cache belongs to one layer. `attend` takes the keys and values of new tokens, remembers them and
attends over all; `offset` counts the positions seen, for rotary positions; `mask` is asked before.
Arrays have shapes `(batch, heads, length, head_dim)`. All kinds also have

- `state`, the arrays to evaluate;
- `trimmable` and `trim(count)`, to forget the last positions (speculation, another end of a chat);
- `copy()`, which costs nothing until one of the two grows, and `fresh()`, an empty one like it.

| kind | in `caches/` | holds |
|---|---|---|
| growing | `growing.py` | everything |
| rotating | `rotating.py` | a window, and the first positions if wanted |
| quantized | `quantized.py` | everything, packed to a few bits |
| batched | `batched.py` | rows of different lengths that come and go |

`caches/prompt.py` joins the caches of all layers and the tokens they have seen: it saves, reloads
and shares them.
"""

from __future__ import annotations

from olivine.llm.caches.batched import BatchKVCache, Rows
from olivine.llm.caches.growing import KVCache
from olivine.llm.caches.masks import causal_mask
from olivine.llm.caches.prompt import PrefixCache, PromptCache
from olivine.llm.caches.quantized import QuantizedKVCache
from olivine.llm.caches.rotating import RotatingKVCache

__all__ = [
    "BatchKVCache",
    "KVCache",
    "PrefixCache",
    "PromptCache",
    "QuantizedKVCache",
    "RotatingKVCache",
    "attention_mask",
    "causal_mask",
    "make_cache",
]


def attention_mask(length: int, cache=None, window: int | None = None):
    """The mask for `length` new tokens after what `cache` remembers."""
    if cache is None:
        return causal_mask(length, 0, window)
    return cache.mask(length, window)


def make_cache(model, kind: str = "growing", **options) -> list:
    """Fresh caches for the layers of `model`, a list.

    kind: `growing`; `rotating` (`max_size`, `keep=4`); `quantized` (`bits=8`, `group_size=64`);
    `batched`. Layers for which the architecture chose another cache than the growing one keep it,
    except in batches. All but the quantized ones keep keys and values in the model's `cache_dtype`.
    """
    layers = model.make_cache()
    if kind == "batched":
        rows = Rows(())  # one object, so that layers share what they derive from it
        return [BatchKVCache(rows, layer.dtype, **options) for layer in layers]
    makers = {"growing": _growing, "rotating": _rotating, "quantized": _quantized}
    if kind not in makers:
        raise ValueError(
            f"[llm] expected a cache kind among {', '.join(makers)}, batched; got {kind!r}"
        )
    make = makers[kind](**options)
    return [make(layer.dtype) if type(layer) is KVCache else layer for layer in layers]


def _growing():
    return KVCache


def _rotating(max_size: int, keep: int = 4):
    return lambda dtype: RotatingKVCache(max_size, keep, dtype)


def _quantized(bits: int = 8, group_size: int = 64):
    return lambda dtype: QuantizedKVCache(bits, group_size)
