"""The cache of a batch whose rows differ in length, come and go (continuous batching)."""

from __future__ import annotations

import olivine.core as mx
from olivine.llm.caches.growing import KVCache, another, room_for
from olivine.llm.caches.masks import causal_mask, ragged_mask
from olivine.llm.caches.rotating import RotatingKVCache

# Empty positions of rows that attend together; with 9 heads of 64 these take 80 us, a call 20.
MOST_EMPTY = 1024


class Rows:
    """How many positions each row of a batch holds. Immutable, and shared by all layers.

    Layers go through the same steps one after another: what the first of them derives (the counts
    after a step, offsets, masks, indices) the others find in `_memo`.
    """

    def __init__(self, counts: tuple[int, ...]):
        self.counts = counts
        self.longest = max(counts, default=0)
        self.equal = len(set(counts)) <= 1
        self._memo: dict = {}

    def _remember(self, key, make):
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def with_counts(self, counts: tuple[int, ...]) -> Rows:
        return self._remember(counts, lambda: Rows(counts))

    def advance(self, length: int) -> Rows:
        return self._remember(
            ("advance", length), lambda: Rows(tuple(n + length for n in self.counts))
        )

    @property
    def offsets(self) -> mx.array:
        return self._remember("offsets", lambda: mx.array(self.counts, mx.int32))

    def mask(self, length: int, window: int | None):
        if self.equal:
            return causal_mask(length, self.longest, window)
        columns = self.longest + length
        return self._remember(
            ("mask", length, window), lambda: ragged_mask(length, self.offsets, columns, window)
        )

    def places(self, length: int) -> tuple[mx.array, mx.array]:
        """Row and position of every new key, shapes `(batch, 1)` and `(batch, length)`."""
        return self._remember(
            ("places", length),
            lambda: (
                mx.arange(len(self.counts))[:, None],
                self.offsets[:, None] + mx.arange(length),
            ),
        )

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Neighbouring rows that attend together: first, end, positions of the longest.

        A run's empty positions cost what another call would.
        """
        return self._remember("runs", self._find_runs)

    def _find_runs(self) -> list[tuple[int, int, int]]:
        found: list[list[int]] = []  # first, end, positions, empty positions
        for row, count in enumerate(self.counts):
            if found:
                first, end, longest, empty = found[-1]
                most = max(longest, count)
                empty += (most - longest) * (end - first) + most - count
                if empty <= MOST_EMPTY:
                    found[-1] = [first, row + 1, most, empty]
                    continue
            found.append([row, row + 1, count, 0])
        return [(first, end, longest) for first, end, longest, _ in found]


class BatchKVCache:
    """Keys and values of several sequences, each starting at the first position of its row.

    `join` appends rows, `remove` takes one out: the last row moves to its place, so that neither
    copies the other rows. Buffers have room for more rows and positions than are in use; they are
    `(rows, heads, positions, head_dim)`, as wide as the longest row needs.
    """

    kind = "batched"
    step = 64

    def __init__(self, rows: Rows | None = None, dtype: mx.Dtype | None = None):
        self.rows, self.dtype = rows or Rows(()), dtype
        self.keys: mx.array | None = None
        self.values: mx.array | None = None

    def __len__(self) -> int:
        return self.rows.longest

    @property
    def batch(self) -> int:
        return len(self.rows.counts)

    @property
    def offset(self) -> int | mx.array:
        """Positions held: one number if all rows agree, else an array with one for each row."""
        return self.rows.longest if self.rows.equal else self.rows.offsets

    def mask(self, length: int, window: int | None = None):
        return self.rows.mask(length, window)

    def _reserve(self, name: str, like: mx.array, batch: int, length: int) -> None:
        """Make the buffer hold `batch` rows of `length` positions."""
        old = getattr(self, name)
        rows, positions = (0, 0) if old is None else (old.shape[0], old.shape[2])
        if batch <= rows and length <= positions:
            return
        # Room for twice the rows in use, but none for what was once wider or taller: a long row
        # that has gone would be paid for by every row that comes.
        if batch > rows:
            rows = max(batch, 2 * self.batch)
        else:
            rows = max(batch, min(rows, 2 * self.batch))
        shape = (rows, like.shape[1], room_for(length, self.step), like.shape[3])
        buffer = mx.zeros(shape, self.dtype or like.dtype)
        if old is not None and self.batch:
            used = self.batch, self.rows.longest
            buffer[: used[0], :, : used[1]] = old[: used[0], :, : used[1]]
        setattr(self, name, buffer)

    def _write(self, buffer: mx.array, new: mx.array) -> None:
        rows, length = self.rows, new.shape[2]
        if rows.equal:
            buffer[: self.batch, :, rows.longest : rows.longest + length] = new
        else:
            row, position = rows.places(length)
            buffer[row, :, position] = new.transpose(0, 2, 1, 3)

    def extend(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append to every row; returns all, as wide as the longest row."""
        if keys.shape[0] != self.batch:
            if self.batch:
                raise ValueError(
                    f"[llm] expected tokens for the {self.batch} rows of the cache; "
                    f"got a batch of {keys.shape[0]}"
                )
            self.rows = self.rows.with_counts((0,) * keys.shape[0])
        batch, end = self.batch, self.rows.longest + keys.shape[2]
        self._reserve("keys", keys, batch, end)
        self._reserve("values", values, batch, end)
        self._write(self.keys, keys)
        self._write(self.values, values)
        self.rows = self.rows.advance(keys.shape[2])
        return self.keys[:batch, :, :end], self.values[:batch, :, :end]

    def attend(self, queries, keys, values, **options) -> mx.array:
        keys, values = self.extend(keys, values)
        attention = mx.fast.scaled_dot_product_attention
        mask = options.get("mask")
        if queries.shape[2] > 1 or not isinstance(mask, mx.array) or len(self.rows.runs) == 1:
            return attention(queries, keys, values, **options)
        # One long row must not make all others attend to as many positions.
        parts = []
        for first, end, longest in self.rows.runs:
            own = slice(first, end), slice(None), slice(longest)
            options["mask"] = mask[first:end, :, :, :longest]
            parts.append(attention(queries[first:end], keys[own], values[own], **options))
        return mx.concatenate(parts, axis=0)

    def join(self, cache: KVCache | RotatingKVCache) -> None:
        """Append the rows of a cache of one sequence, or of several equally long ones.

        Of a rotating cache the positions that it dropped stay empty, so the layer's window must
        hide them: kept first positions are refused.
        """
        skipped = 0
        if isinstance(cache, RotatingKVCache) and cache.keep == 0:
            skipped = cache.dropped
        elif not isinstance(cache, KVCache):
            raise ValueError(
                f"[llm] expected a growing cache to join a batch; got a {cache.kind} one"
            )
        if cache.keys is None:
            raise ValueError(
                "[llm] expected a cache with contents to join a batch; got an empty one"
            )
        batch, count, arrays = self.batch, cache.offset, cache.arrays()
        joined = arrays["keys"].shape[0]
        for name, array in arrays.items():
            self._reserve(name, array, batch + joined, max(count, self.rows.longest))
            getattr(self, name)[batch : batch + joined, :, skipped:count] = array
        self.rows = self.rows.with_counts(self.rows.counts + (count,) * joined)

    def remove(self, row: int) -> None:
        """Take a row out; the last row takes its place."""
        counts = list(self.rows.counts)
        if not 0 <= row < len(counts):
            raise IndexError(f"[llm] expected a row below {len(counts)}; got {row}")
        last = len(counts) - 1
        if row != last:
            count = counts[last]
            moved = [mx.contiguous(a[last : last + 1, :, :count]) for a in self.state]
            mx.eval(moved)  # with a view of itself pending, the buffer would be copied whole
            for buffer, array in zip(self.state, moved, strict=True):
                buffer[row : row + 1, :, :count] = array
            counts[row] = count
        counts.pop()
        self.rows = self.rows.with_counts(tuple(counts))

    def take(self, row: int) -> KVCache:
        """One row as a growing cache of its own."""
        count = self.rows.counts[row]
        cache = KVCache(self.dtype)
        cache.keys, cache.values = (mx.contiguous(a[row : row + 1, :, :count]) for a in self.state)
        cache.offset = count
        return cache

    @property
    def state(self) -> list[mx.array]:
        return [] if self.keys is None else [self.keys, self.values]

    @property
    def trimmable(self) -> int:
        return min(self.rows.counts, default=0)

    def trim(self, count: int | list[int]) -> int:
        """Forget the last `count` positions of every row, or of each row its own number."""
        counts = self.rows.counts
        if isinstance(count, int):
            count = [max(0, min(count, self.trimmable))] * len(counts)
        if len(count) != len(counts) or any(
            not 0 <= n <= held for n, held in zip(count, counts, strict=False)
        ):
            raise ValueError(
                f"[llm] expected for each row a number of positions to forget, up to {counts}; "
                f"got {count}"
            )
        self.rows = self.rows.with_counts(
            tuple(held - n for n, held in zip(count, counts, strict=True))
        )
        return max(count, default=0)

    def fresh(self) -> BatchKVCache:
        return type(self)(dtype=self.dtype)

    def copy(self) -> BatchKVCache:
        other = type(self)(self.rows, self.dtype)
        other.keys, other.values = another(self.keys), another(self.values)
        return other
