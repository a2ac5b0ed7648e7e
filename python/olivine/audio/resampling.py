"""Changes how many samples a second a sound has, by windowed-sinc filters.

Sample n of the result lies at input position n * down / up. It is a sum of the inputs around it,
weighted by a sinc of the lower rate's bandwidth under a Kaiser window (J. O. Smith, "Digital Audio
Resampling", https://ccrma.stanford.edu/~jos/resample/; J. F. Kaiser, 1974). There are `up` sets of
weights, one per phase of that position, so that a block of `up` results is one product of a matrix
with the inputs below it.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from olivine.audio.errors import AudioError

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # samples a second
_MATRIX = 1 << 21  # numbers in a matrix of weights at most; rates with odd ratios would need more
_BLOCK = 64  # results of a product at least
_AT_ONCE = 1 << 22  # numbers gathered at once


class Resampler:
    """Resamples a sound that comes in blocks.

    Called with a block (float32, one channel) it returns the results that are known by then;
    `finish()` returns the rest. All together they are ceil(samples * to / from) results, the same
    for any division into blocks.

    `zeros`: zero crossings of the sinc on each side. `beta`: of the Kaiser window; larger ones leak
    less and fall off more slowly. `width`: the passband's share of the lower rate's bandwidth.
    """

    def __init__(self, old: int, new: int, zeros: int = 24, beta: float = 9.0, width: float = 0.95):
        for rate in (old, new):
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AudioError(
                    f"[resample] expected a rate of {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a "
                    f"second; got {rate:,}"
                )
        ratio = Fraction(new, old)
        self.up, self.down = ratio.numerator, ratio.denominator
        widest = max(self.up, self.down)
        self._half = zeros * widest // self.up  # inputs on each side of a result
        self._weights = _phases(self.up, self.down, self._half, zeros, beta, width)
        taps = self._weights.shape[1]
        # A block of results that one product makes: all phases, some times over if they are few.
        times = -(-_BLOCK // self.up)
        self._block, self._step = times * self.up, times * self.down
        self._matrix = None
        if self._block * (self._step + taps) <= _MATRIX:
            self._matrix = _matrix(self._weights, self.down, self._block, self._step)
        # The results that are made lie behind the inputs kept; zeros stand before the first one.
        self._kept = np.zeros(self._half, np.float32)
        self._first = -self._half  # position of kept[0]
        self._read = self._made = 0

    def __call__(self, block: np.ndarray) -> np.ndarray:
        block = np.asarray(block, np.float32)
        if self.up == self.down:
            return block
        self._read += len(block)
        self._kept = np.concatenate([self._kept, block])
        # Results at positions before this one have all their inputs.
        known = self._first + len(self._kept) - self._half - 1
        return self._make(max(0, -(-known * self.up // self.down) - self._made))

    def finish(self) -> np.ndarray:
        """The last results: those whose weights reach behind the end."""
        if self.up == self.down:
            return np.zeros(0, np.float32)
        self._kept = np.concatenate([self._kept, np.zeros(2 * self._half + 2, np.float32)])
        return self._make(-(-self._read * self.up // self.down) - self._made)

    def _make(self, count: int) -> np.ndarray:
        """The next `count` results; forgets the inputs that are not needed any more."""
        made = np.empty(count, np.float32)
        done = 0
        if self._matrix is not None:
            done = min(count, -self._made % self.up)
            made[:done] = self._gather(self._made, done)
            blocks = (count - done) // self._block
            made[done : done + blocks * self._block] = self._multiply(self._made + done, blocks)
            done += blocks * self._block
        made[done:] = self._gather(self._made + done, count - done)
        self._made += count
        start = self._made * self.down // self.up - self._half - self._first
        self._kept = self._kept[max(0, start) :].copy()
        self._first += max(0, start)
        return made

    def _multiply(self, first: int, blocks: int) -> np.ndarray:
        """`blocks` blocks of results, from one of phase 0 on."""
        begin = first // self.up * self.down - self._half - self._first
        length = self._matrix.shape[0]
        results = np.empty((blocks, self._block), np.float32)
        rows = max(1, _AT_ONCE // length)
        for i in range(0, blocks, rows):
            n = min(rows, blocks - i)
            needed = (n - 1) * self._step + length
            part = self._kept[begin + i * self._step :][:needed]
            if len(part) < needed:  # weights of zero lie behind the end
                part = np.pad(part, (0, needed - len(part)))
            views = np.lib.stride_tricks.sliding_window_view(part, length)[:: self._step]
            np.matmul(np.ascontiguousarray(views), self._matrix, out=results[i : i + n])
        return results.ravel()

    def _gather(self, first: int, count: int) -> np.ndarray:
        """`count` results, each of the inputs and weights that are looked up for it."""
        results = np.empty(count, np.float32)
        taps = self._weights.shape[1]
        rows = _AT_ONCE // taps + 1
        for i in range(0, count, rows):
            numbers = np.arange(first + i, min(first + i + rows, first + count), dtype=np.int64)
            starts = numbers * self.down // self.up - self._half - self._first
            weights = self._weights[numbers * self.down % self.up]
            inputs = self._kept[starts[:, None] + np.arange(taps)]
            results[i : i + len(numbers)] = np.einsum("nk,nk->n", inputs, weights)
        return results


def resample(
    samples: np.ndarray,
    old: int,
    new: int,
    zeros: int = 24,
    beta: float = 9.0,
    width: float = 0.95,
) -> np.ndarray:
    """`samples` (float32, one channel) of `old` samples a second as `new` ones; see `Resampler`.

    With zeros=10, beta=5 and width=1 it is scipy.signal.resample_poly with its default filter.
    """
    resampler = Resampler(old, new, zeros, beta, width)
    return np.concatenate([resampler(samples), resampler.finish()])


def _phases(up: int, down: int, half: int, zeros: int, beta: float, width: float) -> np.ndarray:
    """Weights of shape (up, 2 * half + 2): those of a result at phase p / up behind an input."""
    widest = max(up, down)
    reach = zeros * widest  # of the filter, in steps of 1 / up inputs
    steps = np.arange(-reach, reach + 1)
    filter = np.sinc(steps * (width / widest)) * np.kaiser(2 * reach + 1, beta)
    filter *= up / math.fsum(filter)
    # The input k places right of the one at or before the result lies k * up - p steps from it.
    places = np.arange(-half, half + 2) * up - np.arange(up)[:, None]
    inside = np.abs(places) <= reach
    return np.where(inside, filter[np.where(inside, places + reach, 0)], 0).astype(np.float32)


def _matrix(weights: np.ndarray, down: int, block: int, step: int) -> np.ndarray:
    """The weights as one matrix that makes a block of results of the inputs they all need."""
    up, taps = weights.shape
    matrix = np.zeros((step + taps, block), np.float32)
    numbers = np.arange(block)
    rows = (numbers * down // up)[:, None] + np.arange(taps)
    matrix[rows, numbers[:, None]] = weights[numbers * down % up]
    return matrix
