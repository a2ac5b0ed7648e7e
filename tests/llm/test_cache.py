"""Caches of every kind against attention over everything at once."""

import time

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.cache import (
    BatchKVCache,
    KVCache,
    PrefixCache,
    PromptCache,
    QuantizedKVCache,
    RotatingKVCache,
    make_cache,
)
from tests.llm.tiny import tiny_llama

HEADS, KV_HEADS, DIMS = 4, 2, 32
SCALE = DIMS**-0.5


def random_qkv(length, seed=0, batch=1):
    random = np.random.default_rng(seed)
    shapes = [(batch, h, length, DIMS) for h in (HEADS, KV_HEADS, KV_HEADS)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def attention(q, k, v, sees):
    """softmax(q k') v where query i sees position j if sees(i, j)."""
    k, v = (np.repeat(a, HEADS // KV_HEADS, axis=1) for a in (k, v))
    scores = q @ k.swapaxes(-1, -2) * SCALE
    length = q.shape[2]
    mask = np.array([[sees(i, j) for j in range(length)] for i in range(length)])
    scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def feed(cache, q, k, v, pieces, window=None):
    """What attention gives when the positions come in pieces."""
    outputs, start = [], 0
    for size in pieces:
        piece = [mx.array(a[:, :, start : start + size]) for a in (q, k, v)]
        mask = cache.mask(size, window)
        outputs.append(np.array(cache.attend(*piece, scale=SCALE, mask=mask)))
        start += size
        assert cache.offset == start
    return np.concatenate(outputs, axis=2)


PIECES = [[1] * 40, [40], [7, 1, 1, 13, 1, 17], [1, 2, 3, 30, 1, 1, 2]]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("window", [None, 5])
def test_a_growing_cache_attends_to_everything(pieces, window):
    q, k, v = random_qkv(40)
    expected = attention(q, k, v, lambda i, j: j <= i and (window is None or j > i - window))
    cache = KVCache()
    cache.step = 16
    np.testing.assert_allclose(feed(cache, q, k, v, pieces, window), expected, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [KVCache, lambda dtype: RotatingKVCache(99, dtype=dtype), BatchKVCache]
)
@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_keys_and_values_are_kept_in_fewer_bits(kind, dtype):
    q, k, v = random_qkv(40)
    cache = kind(dtype=dtype)
    cache.step = 16
    rounded = [np.array(mx.array(a).astype(dtype).astype(mx.float32)) for a in (k, v)]
    expected = attention(q, *rounded, lambda i, j: j <= i)
    got = feed(cache, q, k, v, [7, 1, 1, 13, 1, 17])
    assert got.dtype == np.float32 and {a.dtype for a in cache.state} == {dtype}
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert cache.copy().dtype == cache.fresh().dtype == dtype


def test_all_kinds_of_caches_use_the_model_s_dtype():
    model = tiny_llama()
    assert all(cache.dtype is None for cache in make_cache(model))
    model.cache_dtype = mx.float16
    for kind, options in (("growing", {}), ("rotating", {"max_size": 8}), ("batched", {})):
        cache = make_cache(model, kind, **options)
        model(mx.array([[1, 2, 3]]), cache)
        assert {a.dtype for layer in cache for a in layer.state} == {mx.float16}
    batch, own = make_cache(model, "batched"), model.make_cache()
    model(mx.array([[1, 2, 3]]), own)
    for layer, one in zip(batch, own, strict=True):
        layer.join(one)
        assert layer.take(0).dtype == layer.keys.dtype == mx.float16


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize(
    "size, keep, window", [(8, 0, None), (8, 0, 8), (8, 0, 5), (8, 3, None), (9, 1, 4)]
)
def test_a_rotating_cache_sees_the_same_in_any_pieces(pieces, size, keep, window):
    q, k, v = random_qkv(40)
    span = min(size - keep, window or size)
    expected = attention(q, k, v, lambda i, j: j <= i and (j > i - span or j < keep))
    cache = RotatingKVCache(size, keep)
    cache.step, cache.slack = 4, 2
    np.testing.assert_allclose(feed(cache, q, k, v, pieces, window), expected, atol=1e-5)


def test_a_rotating_cache_takes_bounded_memory():
    q, k, v = random_qkv(40)
    cache = RotatingKVCache(8, 2)
    cache.step, cache.slack = 4, 2
    feed(cache, q, k, v, [1] * 40)
    assert cache.keys.shape[2] <= 8 + 2 + 4
    assert len(cache) < 16


@pytest.mark.parametrize("size, keep", [(0, 0), (4, 4), (4, -1)])
def test_a_rotating_cache_needs_a_window(size, keep):
    with pytest.raises(ValueError, match="rotating cache"):
        RotatingKVCache(size, keep)


@pytest.mark.parametrize(
    "make", [KVCache, lambda: RotatingKVCache(8, 2), lambda: RotatingKVCache(8)]
)
@pytest.mark.parametrize("before", [3, 30])
def test_positions_are_forgotten_and_come_anew(make, before):
    q, k, v = random_qkv(40)
    cache, other = make(), make()
    for c in (cache, other):
        c.step, c.slack = 8, 4
    wrong = [a[:, :, ::-1] for a in (q, k, v)]
    feed(cache, q, k, v, [1] * before)
    for piece in (1, 3):
        cache.attend(
            *[mx.array(a[:, :, :piece]) for a in wrong], scale=SCALE, mask=cache.mask(piece)
        )
    assert cache.trimmable >= 4
    assert cache.trim(4) == 4
    assert cache.offset == before
    feed(other, q, k, v, [1] * before)
    piece = [mx.array(a[:, :, before : before + 2]) for a in (q, k, v)]
    results = [np.array(c.attend(*piece, scale=SCALE, mask=c.mask(2))) for c in (cache, other)]
    np.testing.assert_allclose(*results, atol=1e-5)


def test_a_rotating_cache_forgets_no_more_than_it_can():
    q, k, v = random_qkv(40)
    cache = RotatingKVCache(8)
    cache.step, cache.slack = 4, 2
    feed(cache, q, k, v, [1] * 40)
    trimmable = cache.trimmable
    assert 2 <= trimmable < 8
    assert cache.trim(100) == trimmable
    assert cache.offset == 40 - trimmable


@pytest.mark.parametrize("bits, tolerance", [(8, 0.02), (4, 0.35)])
@pytest.mark.parametrize("pieces", PIECES)
def test_a_quantized_cache_is_near(pieces, bits, tolerance):
    q, k, v = random_qkv(40)
    cache = QuantizedKVCache(bits, 32)
    cache.step = 16
    y = feed(cache, q, k, v, pieces)
    expected = attention(q, k, v, lambda i, j: j <= i)
    assert np.abs(y - expected).max() < tolerance
    # Exactly attention over what was packed.
    pair = []
    for x in (k, v):
        packed = mx.quantize(mx.array(x), group_size=32, bits=bits)
        pair.append(np.array(mx.dequantize(*packed, group_size=32, bits=bits)))
    np.testing.assert_allclose(y, attention(q, *pair, lambda i, j: j <= i), atol=2e-4)


def test_a_quantized_cache_takes_masks_and_sinks():
    q, k, v = random_qkv(12)
    cache, plain = QuantizedKVCache(8, 32), KVCache()
    arrays = [mx.array(a) for a in (q, k, v)]
    sinks = mx.array([0.5, -1, 2, 0], mx.float32)
    added = mx.where(mx.arange(12) <= mx.arange(12)[:, None], 0.0, -1e9)
    for options in ({"mask": added}, {"mask": added, "sinks": sinks}):
        y = cache.fresh().attend(*arrays, scale=SCALE, **options)
        z = plain.fresh().attend(*arrays, scale=SCALE, **options)
        assert mx.abs(y - z).max() < 0.02
    with pytest.raises(ValueError, match="multiple of the quantized cache's group_size"):
        QuantizedKVCache(8, 64).attend(*arrays, scale=SCALE)


def test_rows_of_a_batch_do_not_see_each_other():
    """Rows join, leave and go on; each equals a cache of its own."""
    lengths = {"a": 5, "b": 9, "c": 3, "d": 1}
    data = {name: random_qkv(30, seed=i) for i, name in enumerate("abcd")}
    batch, order = BatchKVCache(), []
    batch.step = 4
    seen, results = {}, {name: [] for name in data}

    def join(name):
        cache, n = KVCache(), lengths[name]
        piece = [mx.array(a[:, :, :n]) for a in data[name]]
        y = cache.attend(*piece, scale=SCALE, mask=cache.mask(n))
        results[name].append(np.array(y))
        batch.join(cache)
        order.append(name)
        seen[name] = n

    def leave(name):
        row = order.index(name)
        batch.remove(row)
        order[row] = order[-1]
        order.pop()

    def step(size=1):
        piece = [
            mx.array(np.concatenate([data[n][i][:, :, seen[n] : seen[n] + size] for n in order]))
            for i in range(3)
        ]
        y = np.array(batch.attend(*piece, scale=SCALE, mask=batch.mask(size)))
        for row, name in enumerate(order):
            results[name].append(y[row : row + 1])
            seen[name] += size

    join("a")
    step()
    join("b")
    step(), step(3)
    join("c")
    step()
    leave("a")
    step(2), step()
    join("d")
    step(4)
    leave("c")
    leave("d")
    step(), step()
    assert order == ["b"] and batch.offset == seen["b"]
    for name, (q, k, v) in data.items():
        y = np.concatenate(results[name], axis=2)
        expected = attention(q, k, v, lambda i, j: j <= i)[:, :, : y.shape[2]]
        np.testing.assert_allclose(y, expected, atol=1e-5)


def test_rows_of_a_batch_are_trimmed_each_by_its_own():
    q, k, v = random_qkv(9, batch=2)
    batch = BatchKVCache()
    arrays = [mx.array(a) for a in (q, k, v)]
    batch.attend(*[a[:, :, :6] for a in arrays], scale=SCALE, mask=batch.mask(6))
    batch.trim([4, 1])  # the rows hold 2 and 5 positions
    np.testing.assert_array_equal(np.array(batch.offset), [2, 5])
    y = batch.attend(*[a[:, :, 6:8] for a in arrays], scale=SCALE, mask=batch.mask(2, window=4))
    for row, held in enumerate((2, 5)):
        picked = [*range(held), 6, 7]
        own = [a[row : row + 1][:, :, picked] for a in (q, k, v)]
        expected = attention(*own, lambda i, j: i - 4 < j <= i)[:, :, -2:]
        np.testing.assert_allclose(np.array(y)[row : row + 1], expected, atol=1e-5)
    taken = batch.take(1)
    assert taken.offset == 7
    np.testing.assert_array_equal(np.array(taken.keys)[0], k[1][:, [0, 1, 2, 3, 4, 6, 7]])
    with pytest.raises(ValueError, match="number of positions to forget"):
        batch.trim([5, 1])
    with pytest.raises(ValueError, match="2 rows"):
        batch.extend(arrays[1][:1], arrays[2][:1])
    with pytest.raises(IndexError):
        batch.remove(2)


def test_a_copy_goes_on_by_itself():
    q, k, v = (mx.array(a) for a in random_qkv(6))
    for make in (
        KVCache,
        lambda: RotatingKVCache(4, 1),
        lambda: QuantizedKVCache(8, 32),
        BatchKVCache,
    ):
        cache = make()
        cache.attend(q[:, :, :4], k[:, :, :4], v[:, :, :4], scale=SCALE, mask=cache.mask(4))
        before = [np.array(a) for a in cache.state]
        other = cache.copy()
        other.attend(q[:, :, 4:], k[:, :, 4:], v[:, :, 4:], scale=SCALE, mask=other.mask(2))
        mx.eval(other.state)
        assert (cache.offset, other.offset) == (4, 6)
        for a, b in zip(before, cache.state, strict=True):
            np.testing.assert_array_equal(a, np.array(b))


def test_decoding_writes_where_the_buffers_lie():
    """The time of one more position does not grow with the number of earlier ones."""

    def fastest(length):
        cache = KVCache()
        key = mx.zeros((1, 3, length - 100, 64))
        cache.extend(key, key)
        new = mx.zeros((1, 3, 1, 64))
        mx.eval(cache.state, new)
        times = []
        for _ in range(50):
            start = time.perf_counter()
            mx.eval(cache.extend(new, new))
            times.append(time.perf_counter() - start)
        return min(times)

    # A copy of 16 M numbers would take a thousand times as long as the shorter one.
    assert fastest(60000) < 20 * fastest(300)


def tokens_of(model, cache, prompt, count):
    tokens, y = [], mx.array([prompt])
    for _ in range(count):
        tokens.append(int(mx.argmax(model(y, cache)[0, -1]).item()))
        y = mx.array([tokens[-1:]])
    return tokens


KINDS = [
    ("growing", {}),
    ("rotating", {"max_size": 8, "keep": 2}),
    ("quantized", {"bits": 8, "group_size": 32}),
]


@pytest.mark.parametrize("kind, options", KINDS)
def test_a_saved_cache_goes_on_as_if_never_stopped(tmp_path, kind, options):
    model = tiny_llama(hidden_size=64, num_attention_heads=2, num_key_value_heads=1)
    prompt = list(range(1, 20))
    cache = PromptCache(make_cache(model, kind, **options), prompt)
    first = tokens_of(model, cache.layers, prompt, 3)
    cache.tokens += first[:-1]
    cache.save(tmp_path / "cache.safetensors", model, {"title": "käse"})
    loaded, metadata = PromptCache.load(tmp_path / "cache.safetensors", model)
    assert metadata == {"title": "käse"}
    assert loaded.tokens == cache.tokens
    assert [type(x) for x in loaded.layers] == [type(x) for x in cache.layers]
    assert tokens_of(model, loaded.layers, first[-1:], 9) == tokens_of(
        model, cache.layers, first[-1:], 9
    )


def test_a_cache_of_another_model_is_refused(tmp_path):
    path = tmp_path / "cache.safetensors"
    model = tiny_llama()
    cache = PromptCache(make_cache(model), [1, 2, 3])
    model(mx.array([[1, 2, 3]]), cache.layers)
    cache.save(path, model)
    PromptCache.load(path, model)
    for other in (tiny_llama(seed=1), tiny_llama(num_hidden_layers=3), tiny_llama(rope_theta=5.0)):
        with pytest.raises(ValueError, match="this model"):
            PromptCache.load(path, other)


def test_what_is_no_prompt_cache_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    model = tiny_llama()
    mx.save_safetensors(str(path), {"a": mx.zeros(3)})
    with pytest.raises(ValueError, match="to be a prompt cache"):
        PromptCache.load(path, model)
    cache = PromptCache(make_cache(model), [1, 2, 3])
    model(mx.array([[1, 2, 3]]), cache.layers)
    cache.save(path, model)
    arrays, header = mx.load(str(path), return_metadata=True)
    damaged = [
        ({k: v for k, v in arrays.items() if k != "1.keys"}, header),
        ({k: v for k, v in arrays.items() if k != "tokens"}, header),
        ({**arrays, "0.values": mx.zeros((1, 2, 5, 8))}, header),
        (arrays, {**header, "layers": "[]"}),
        (arrays, {**header, "layers": '[{"kind": "strange"}, 3]'}),
        (arrays, {**header, "layers": "no JSON"}),
    ]
    for case in damaged:
        mx.save_safetensors(str(path), *case)
        with pytest.raises(ValueError, match="a whole prompt cache"):
            PromptCache.load(path, model)
    with pytest.raises(ValueError, match="batched"):
        PromptCache(make_cache(model, "batched")).save(path, model)


def test_align_keeps_the_common_beginning():
    model = tiny_llama()
    cache = PromptCache(make_cache(model), [1, 2, 3, 4])
    model(mx.array([[1, 2, 3, 4]]), cache.layers)
    assert cache.align([1, 2, 5, 6]) == 2
    assert cache.tokens == [1, 2] and cache.layers[0].offset == 2
    assert cache.align([1, 2]) == 1  # the last token's logits are wanted
    assert cache.align([9]) == 0


def test_align_starts_anew_where_a_window_was_left():
    model = tiny_llama()
    prompt = list(range(1, 60))
    cache = PromptCache(make_cache(model, "rotating", max_size=8), prompt)
    for layer in cache.layers:
        layer.step = 4
    for token in prompt:
        model(mx.array([[token]]), cache.layers)
    assert cache.align([*prompt[:20], 5, 5]) == 0
    assert cache.tokens == [] and cache.layers[0].offset == 0


def test_prefixes_are_found_and_bounded():
    model = tiny_llama()

    def cached(tokens):
        cache = PromptCache(make_cache(model), tokens)
        model(mx.array([tokens]), cache.layers)
        return cache

    one = cached([1, 2, 3]).nbytes
    prefixes = PrefixCache(max_bytes=2 * one)
    prefixes.put(cached([1, 2, 3]))
    prefixes.put(cached([1, 2, 3, 4, 5]))  # takes the place of its own beginning
    assert len(prefixes) == 1
    prefixes.put(cached([7, 8]))
    found = prefixes.find([1, 2, 3, 4, 9])
    assert found.tokens == [1, 2, 3, 4] and found.layers[0].offset == 4
    assert prefixes.find([5, 1]) is None
    prefixes.put(cached([9]))  # [7, 8] was unused for longest
    assert prefixes.find([7, 8, 9]) is None and prefixes.nbytes == 2 * one
    # What was found is the caller's own.
    model(mx.array([[30, 31]]), found.layers)
    again = prefixes.find([1, 2, 3, 4, 9])
    expected = cached([1, 2, 3, 4])
    for a, b in zip(again.layers, expected.layers, strict=True):
        np.testing.assert_allclose(
            np.array(a.keys[:, :, :4]), np.array(b.keys[:, :, :4]), atol=1e-5
        )


def test_settle_makes_layers_agree():
    model = tiny_llama()
    cache = PromptCache(make_cache(model), [1, 2, 3])
    model(mx.array([[1, 2, 3]]), cache.layers)
    expected = PromptCache([layer.copy() for layer in cache.layers], cache.tokens)
    key = mx.zeros((1, 2, 1, 8))
    cache.layers[0].extend(key, key)  # stopped between the layers
    cache.settle()
    assert [layer.offset for layer in cache.layers] == [3, 3]
    assert tokens_of(model, cache.layers, [4], 5) == tokens_of(model, expected.layers, [4], 5)


def test_kinds_are_named():
    with pytest.raises(ValueError, match="growing, rotating, quantized, batched; got 'round'"):
        make_cache(tiny_llama(), "round")
