"""What a language-model client does around its model: caches, masks, samplers, batches, files."""

import os
import tempfile
import threading
from functools import partial

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map, tree_reduce

mx.random.seed(0)
GROUP = mx.distributed.init()
STREAM = mx.new_thread_local_stream(mx.default_device())


class KVCache:
    """Keys and values in buffers that grow by steps and are written in place."""

    step = 16

    def __init__(self):
        self.keys = self.values = None
        self.offset = 0

    def update_and_fetch(self, keys, values):
        start, end = self.offset, self.offset + keys.shape[2]
        if self.keys is None or end > self.keys.shape[2]:
            more = (self.step + keys.shape[2] - 1) // self.step * self.step
            empty = mx.zeros((*keys.shape[:2], more, keys.shape[3]), keys.dtype)
            if self.keys is None:
                self.keys, self.values = empty, mx.zeros_like(empty)
            else:
                self.keys = mx.concatenate([self.keys[..., :start, :], empty], axis=2)
                self.values = mx.concatenate([self.values[..., :start, :], empty], axis=2)
        self.offset = end
        self.keys[..., start:end, :] = keys
        self.values[..., start:end, :] = values
        return self.keys[..., :end, :], self.values[..., :end, :]

    @property
    def state(self):
        return self.keys[..., : self.offset, :], self.values[..., : self.offset, :]


class QuantizedKVCache(KVCache):
    """The same with 8-bit groups; what is given out is dequantized."""

    def update_and_fetch(self, keys, values):
        pack = partial(mx.quantize, group_size=32, bits=8)
        unpack = partial(mx.dequantize, group_size=32, bits=8)
        return super().update_and_fetch(unpack(*pack(keys)), unpack(*pack(values)))


class Model(nn.Module):
    def __init__(self, vocab=61, dims=64, heads=2):
        super().__init__()
        self.embed = nn.Embedding(vocab, dims)
        self.qkv = nn.Linear(dims, 3 * dims, bias=False)
        self.out = nn.Linear(dims, dims, bias=False)
        self.norm = nn.RMSNorm(dims)
        self.rope = nn.RoPE(dims // heads)
        self.heads = heads

    def __call__(self, tokens, cache, mask=None):
        x = self.embed(tokens)
        B, L, D = x.shape
        q, k, v = (
            part.reshape(B, L, self.heads, -1).transpose(0, 2, 1, 3)
            for part in mx.split(self.qkv(self.norm(x)), 3, axis=-1)
        )
        q, k = self.rope(q, offset=cache.offset), self.rope(k, offset=cache.offset)
        k, v = cache.update_and_fetch(k, v)
        mask = "causal" if mask is None and L > 1 else mask
        y = mx.fast.scaled_dot_product_attention(
            q, k, v, scale=(D // self.heads) ** -0.5, mask=mask
        )
        return self.embed.as_linear(x + self.out(y.transpose(0, 2, 1, 3).reshape(B, L, D)))


def generate(model, tokens, count, cache):
    """Greedy tokens, the next one queued before the last one is read."""

    def step(y):
        with mx.stream(STREAM):
            return mx.argmax(model(y, cache)[:, -1], axis=-1)

    y = step(mx.array(tokens)[None])
    mx.async_eval(y)
    for i in range(count):
        if i + 1 < count:
            following = step(y[:, None])
            mx.async_eval(following)
        yield y.item()
        y = following


@partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
def sample_top_p(logits, p, temperature):
    probs = mx.softmax(logits / temperature, axis=-1)
    order = mx.argsort(probs, axis=-1)
    ordered = mx.take_along_axis(probs, order, axis=-1)
    total = mx.cumsum(ordered, axis=-1)
    kept = mx.where(total > 1 - p, mx.log(ordered), -float("inf"))
    chosen = mx.random.categorical(kept)[..., None]
    return mx.take_along_axis(order, chosen, axis=-1).squeeze(-1)


def top_k(logprobs, k):
    dropped = mx.argpartition(-logprobs, kth=k - 1, axis=-1)[..., k:]
    return mx.put_along_axis(logprobs, dropped, mx.array(-float("inf"), logprobs.dtype), axis=-1)


def check_caches(model):
    prompt = list(range(7, 27))
    tokens = list(generate(model, prompt, 24, KVCache()))
    whole = model(mx.array(prompt + tokens)[None], KVCache())[0, len(prompt) - 1 : -1]
    assert tokens == mx.argmax(whole, axis=-1).tolist()
    a, b = KVCache(), QuantizedKVCache()
    assert mx.allclose(
        model(mx.array(prompt)[None], a), model(mx.array(prompt)[None], b), atol=0.05
    )
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "cache.safetensors")
        flat = dict(tree_flatten([a.state]))
        mx.save_safetensors(file, flat, {"offset": str(a.offset)})
        arrays, metadata = mx.load(file, return_metadata=True)
        c = KVCache()
        c.keys, c.values, c.offset = arrays["0.0"], arrays["0.1"], int(metadata["offset"])
        y = mx.array([[3]])
        assert mx.allclose(model(y, a), model(y, c), atol=1e-5)


def check_left_padding(model):
    prompts = [[5, 6, 7, 8], [9, 10]]
    longest = max(map(len, prompts))
    padding = mx.array([longest - len(p) for p in prompts])
    batch = mx.array([[0] * (longest - len(p)) + p for p in prompts])
    where = mx.arange(longest)
    causal = where[:, None] >= where[None]
    mask = causal[None, None] & (where >= padding[:, None])[:, None, None]
    together = model(batch, KVCache(), mask)[:, -1]
    for row, p in zip(together, prompts, strict=True):
        assert mx.allclose(row, model(mx.array(p)[None], KVCache())[0, -1], atol=1e-4)
    window = mx.roll(mx.arange(8) < 3, shift=2, axis=-1)
    assert window.astype(dtype=mx.int32).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


def check_samplers():
    logits = mx.log(mx.array([[0.5, 0.3, 0.15, 0.05]]))
    mx.random.seed(1)
    drawn = [sample_top_p(logits, 0.7, 1.0).item() for _ in range(200)]
    assert set(drawn) == {0, 1} and 95 < drawn.count(0) < 155  # 125 +- 4.4 standard deviations
    mx.random.seed(1)
    assert drawn[:9] == [sample_top_p(logits, 0.7, 1.0).item() for _ in range(9)]
    assert mx.isinf(top_k(logits, 2)).tolist() == [[False, False, True, True]]


def check_surroundings(model):
    nn.quantize(
        model, group_size=32, bits=4, class_predicate=lambda path, m: isinstance(m, nn.Linear)
    )
    mx.eval(model.parameters())  # another thread uses them below
    assert isinstance(model.qkv, nn.QuantizedLinear) and isinstance(model.embed, nn.Embedding)
    size = tree_reduce(lambda n, a: n + a.nbytes, model.parameters(), 0)
    assert 0 < size < 61 * 64 * 4 + 4 * 64 * 64
    half = tree_map(lambda a: a.astype(mx.float16), model.norm.parameters())
    assert half["weight"].dtype == mx.float16
    assert GROUP.size() == 1 and GROUP.rank() == 0
    assert mx.distributed.all_sum(mx.array([2.0])).item() == 2.0
    if mx.metal.is_available():
        mx.set_wired_limit(mx.device_info()["max_recommended_working_set_size"])
    mx.clear_cache()
    assert mx.get_peak_memory() >= mx.get_active_memory() > 0
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(generate(model, [1, 2], 4, KVCache())))
    thread.start()
    thread.join()
    assert seen == list(generate(model, [1, 2], 4, KVCache()))


model = Model()
mx.eval(model.parameters())
check_caches(model)
check_left_padding(model)
check_samplers()
check_surroundings(model)
print("caches, masks, samplers and files behave")
