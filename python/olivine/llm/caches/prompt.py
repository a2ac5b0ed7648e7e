"""Caches of all layers with the tokens they have seen: chats, saved prompts, shared prefixes."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path

import olivine.core as mx
from olivine.llm.caches.growing import KVCache
from olivine.llm.caches.quantized import QuantizedKVCache
from olivine.llm.caches.rotating import RotatingKVCache
from olivine.utils import tree_flatten

KINDS = {kind.kind: kind for kind in (KVCache, RotatingKVCache, QuantizedKVCache)}
FORMAT = "olivine prompt cache 1"


def common_prefix(a: list[int], b: list[int]) -> int:
    """How many tokens `a` and `b` begin with together."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    low, high = 0, limit  # a[:low] agrees, a[:high] does not
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


class PromptCache:
    """`layers`, one cache each, and `tokens`, the ids whose keys and values they hold."""

    def __init__(self, layers: list, tokens: list[int] = ()):
        self.layers = layers
        self.tokens = list(tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def state(self) -> list[mx.array]:
        """The arrays of all layers, to evaluate."""
        return [array for layer in self.layers for array in layer.state]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, room for more positions included."""
        return sum(array.nbytes for array in self.state)

    def copy(self) -> PromptCache:
        """Another one that goes on by itself; arrays are shared until one of the two grows."""
        return PromptCache([layer.copy() for layer in self.layers], self.tokens)

    def clear(self) -> None:
        """Forget everything."""
        self.layers[:] = [layer.fresh() for layer in self.layers]
        self.tokens = []

    def rewind(self, length: int) -> bool:
        """Forget what follows the first `length` tokens. False, and unchanged: a layer cannot."""
        count = len(self.tokens) - length
        if count <= 0:
            return True
        if any(layer.trimmable < count for layer in self.layers):
            return False
        for layer in self.layers:
            layer.trim(count)
        del self.tokens[length:]
        return True

    def align(self, prompt: list[int]) -> int:
        """Keep what the cache and `prompt` begin with together; returns how many tokens that is.

        The last token of the prompt is never among them, since its logits are wanted. A cache that
        cannot forget (a rotating one, after long) starts anew.
        """
        shared = common_prefix(self.tokens, prompt[:-1])
        if not self.rewind(shared):
            self.clear()
            return 0
        return shared

    def settle(self) -> None:
        """Make layers and tokens agree after a step that was stopped in its middle."""
        held = [position(layer) for layer in self.layers]
        if any(count != len(self.tokens) for count in held):
            least = min(*held, len(self.tokens))
            for layer, count in zip(self.layers, held, strict=True):
                if layer.trim(count - least) != count - least:
                    self.clear()
                    return
            del self.tokens[least:]

    def save(self, path: str | Path, model, metadata: dict | None = None) -> None:
        """Write all to one safetensors file. One of that name is replaced at once, or not at all.

        The name gets the ending .safetensors if it has another, here and in `load`.
        `metadata`: whatever JSON can hold, given back by `load`.
        """
        layers, arrays = [], {"tokens": mx.array(self.tokens, mx.int32)}
        for index, layer in enumerate(self.layers):
            if layer.kind not in KINDS:
                raise ValueError(
                    f"[llm] expected a cache that can be saved; got a {layer.kind} one"
                )
            layers.append({"kind": layer.kind, **layer.settings()})
            arrays.update({f"{index}.{name}": a for name, a in layer.arrays().items()})
        header = {
            "format": FORMAT,
            "model": fingerprint(model),
            "layers": json.dumps(layers),
            "metadata": json.dumps(metadata or {}),
        }
        mx.save_safetensors(str(cache_file(path)), arrays, header)

    @classmethod
    def load(cls, path: str | Path, model) -> tuple[PromptCache, dict]:
        """What `save` wrote, and its metadata.

        ValueError: the file is no prompt cache, or one of another model.
        """
        path = cache_file(path)
        arrays, header = mx.load(str(path), format="safetensors", return_metadata=True)
        if header.get("format") != FORMAT:
            raise ValueError(
                f"[llm] expected {path} to be a prompt cache ({FORMAT!r}); "
                f"got {header.get('format')!r}"
            )
        if header.get("model") != fingerprint(model):
            raise ValueError(
                f"[llm] expected {path} to be made by this model; configuration or weights differ"
            )
        try:
            tokens = arrays["tokens"].tolist()
            layers = [
                restored(settings, index, arrays)
                for index, settings in enumerate(json.loads(header["layers"]))
            ]
            metadata = json.loads(header["metadata"])
            if len(layers) != len(model.layers) or any(position(x) != len(tokens) for x in layers):
                raise ValueError(f"{len(model.layers)} layers of {len(tokens)} positions")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"[llm] expected {path} to be a whole prompt cache: {error}") from None
        return cls(layers, tokens), metadata


def cache_file(path: str | Path) -> Path:
    """Where the cache of this name is kept."""
    path = Path(path)
    ending = ".safetensors"
    return path if path.suffix == ending else path.with_name(path.name + ending)


def position(layer) -> int:
    """How many tokens a layer's cache has seen."""
    return layer.offset if isinstance(layer.offset, int) else len(layer)


def restored(settings: dict, index: int, arrays: dict[str, mx.array]):
    """The cache of layer `index` from what `save` wrote of it."""
    kind = KINDS[settings["kind"]]
    layer = kind.__new__(kind)
    if kind is KVCache:
        layer.__init__()
    prefix = f"{index}."
    own = {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
    layer.restore(settings, own)
    return layer


def fingerprint(model) -> str:
    """Tells models apart: a digest of the shape of every parameter and some of its values."""
    digest = hashlib.sha256(repr(getattr(model, "config", None)).encode())
    parameters = tree_flatten(model.parameters())
    samples = [array.reshape(-1)[:8] for _, array in parameters if array.size]
    mx.eval(samples)
    for name, array in parameters:
        digest.update(f"{name} {array.shape} {array.dtype};".encode())
    for sample in samples:
        digest.update(repr(sample.tolist()).encode())
    return digest.hexdigest()


class PrefixCache:
    """Prompt caches by their tokens, so that prompts that begin alike are processed once.

    `max_bytes` bounds their memory; the one unused for longest goes first. Arrays that copies share
    count for each.
    """

    def __init__(self, max_bytes: int = 1 << 30):
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._entries: OrderedDict[tuple[int, ...], tuple[PromptCache, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, prompt: list[int]) -> PromptCache | None:
        """A cache, the caller's own, of the longest beginning of `prompt` that is known."""
        best, length = None, 0
        for key, (cache, _) in self._entries.items():
            shared = common_prefix(cache.tokens, prompt[:-1])
            can = all(x.trimmable >= len(key) - shared for x in cache.layers)
            if shared > length and (shared == len(key) or can):
                best, length = key, shared
        if best is None:
            return None
        self._entries.move_to_end(best)
        found = self._entries[best][0].copy()
        found.rewind(length)
        return found

    def put(self, cache: PromptCache) -> None:
        """Remember a copy of `cache`; what it continues is no longer needed."""
        key = tuple(cache.tokens)
        for other in [k for k in self._entries if key[: len(k)] == k]:
            self._drop(other)
        size = cache.nbytes
        if not key or size > self.max_bytes:
            return
        self._entries[key] = (cache.copy(), size)
        self.nbytes += size
        while self.nbytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: tuple[int, ...]) -> None:
        self.nbytes -= self._entries.pop(key)[1]
