"""Every decoder over every kind of cache: still the logits of transformers."""

import numpy as np
import pytest

import olivine.core as mx
from tests.llm.architectures import FOLDER, LIMIT, STEADY, build, distance


@pytest.mark.parametrize("name", STEADY)
def test_layers_with_a_window_may_forget_what_is_behind_it(name):
    from olivine.llm.caches.growing import KVCache
    from olivine.llm.caches.rotating import RotatingKVCache

    model, inputs = build(name)
    ids = inputs["input_ids"]
    cache = [RotatingKVCache(w) if w else KVCache() for w in model.windows]
    pieces = [ids[:, :4], ids[:, 4:9], *(ids[:, i : i + 1] for i in range(9, ids.shape[1]))]
    got = mx.concatenate([model(piece, cache) for piece in pieces], axis=1)
    assert distance(got, np.load(FOLDER / f"{name}.npy")) < LIMIT


@pytest.mark.parametrize("name", STEADY)
def test_rows_of_a_batch_may_be_at_different_positions(name):
    from olivine.llm.caches.batched import BatchKVCache

    model, inputs = build(name)
    ids, expected = inputs["input_ids"], np.load(FOLDER / f"{name}.npy")
    starts = (5, 9)
    cache = [BatchKVCache() for _ in model.windows]
    for row, start in enumerate(starts):
        alone = model.make_cache()
        model(ids[row : row + 1, :start], alone)
        for together, layer in zip(cache, alone, strict=True):
            together.join(layer)

    def tokens(first, last):
        return mx.concatenate([ids[i : i + 1, s + first : s + last] for i, s in enumerate(starts)])

    got = mx.concatenate([model(tokens(0, 1), cache), model(tokens(1, 3), cache)], axis=1)
    wanted = np.stack([expected[i, s : s + 3] for i, s in enumerate(starts)])
    assert distance(got, wanted) < LIMIT
