"""When each word was spoken: where the decoder looked in the sound while it wrote the word.

Some heads of the cross-attention follow the sound as it is written down. Their weights are
standardised over the tokens, smoothed by a median over time and averaged; the path of most weight
through tokens and time, found by dynamic time warping, tells where each token begins.

Sources: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022); Sakoe
and Chiba, "Dynamic Programming Algorithm Optimization for Spoken Word Recognition" (1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

import olivine.core as mx

POSITIONS_PER_SECOND = 50  # of the encoder's features
_MEDIAN = 7  # positions, 0.14 s
_BEFORE = "\"'“¿([{-"  # what belongs to the next word
_AFTER = "\"'.。,，!！?？:：”)]}、"  # what belongs to the word before
_ENDS = ".。!！?？"
_USUAL = 0.7  # seconds of a word at most, where half of them are longer


@dataclass(frozen=True)
class Word:
    """A word with what is before it, such as a space; times in seconds."""

    word: str
    start: float
    end: float
    probability: float
    tokens: tuple[int, ...] = ()


def warp(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest path from the first to the last element of a matrix: its rows and columns.

    A step goes one down, one right, or both. All elements of an anti-diagonal depend on the two
    anti-diagonals before it alone, so each is computed at once.
    """
    rows, columns = costs.shape
    if not rows or not columns:
        raise ValueError(f"[warp] expected a matrix with elements; got shape {costs.shape}")
    diagonals = rows + columns - 1
    # Row i shifted right by i, so that a column holds an anti-diagonal; then one in each row.
    shifted = np.full((rows, columns + rows), np.inf)
    shifted[:, :columns] = costs
    shifted = shifted.ravel()[: rows * diagonals].reshape(rows, diagonals)
    # Element (i, j) of the totals is at [i + j + 2, i + 1], behind infinite ones at the edges.
    totals = np.full((diagonals + 2, rows + 1), np.inf)
    totals[0, 0] = 0
    totals[2:, 1:] = shifted.T
    best = np.empty(rows)
    for k in range(2, diagonals + 2):
        before = totals[k - 1]
        np.minimum(before[:-1], before[1:], out=best)
        np.minimum(best, totals[k - 2, :-1], out=best)
        totals[k, 1:] += best
    return _walk_back(totals, rows - 1, columns - 1)


def _walk_back(totals: np.ndarray, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    path = [(i, j)]
    while i or j:
        k = i + j + 2
        both, down, right = totals[k - 2, i], totals[k - 1, i], totals[k - 1, i + 1]
        if both <= down and both <= right:
            i, j = i - 1, j - 1
        elif down <= right:
            i -= 1
        else:
            j -= 1
        path.append((i, j))
    return tuple(np.array(path[::-1]).T)


def median_filter(values: np.ndarray, width: int = _MEDIAN) -> np.ndarray:
    """Medians of `width` values (odd) around each along the last axis, mirrored at the ends."""
    half = width // 2
    if values.shape[-1] <= half:
        return values
    pad = [(0, 0)] * (values.ndim - 1) + [(half, half)]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, pad, mode="reflect"), width, axis=-1
    )
    return np.partition(windows, half, axis=-1)[..., half]


def align(
    model,
    tokenizer,
    tokens: Sequence[int],
    features: mx.array,
    seconds: float,
    language: str | None = None,
    task: str = "transcribe",
) -> list[Word]:
    """The words of text `tokens` with their times in a window of sound.

    `features` are the encoder's, of shape (1, positions, width); `seconds` how much of the window
    is sound. Punctuation belongs to the word it is next to.
    """
    tokens = list(tokens)
    if not tokens:
        return []
    start = tokenizer.sot_sequence(language, task)
    known = [*start, tokenizer.no_timestamps, *tokens, tokenizer.eot]
    logits, attention = model.decode(mx.array([known]), features, alignment=True)
    said = mx.softmax(logits[0, len(start) : -2, : tokenizer.eot].astype(mx.float32), axis=-1)
    said = mx.take_along_axis(said, mx.array(tokens)[:, None], axis=-1)[:, 0]
    positions = min(max(1, round(seconds * POSITIONS_PER_SECOND)), features.shape[1])
    matrix = _attention(attention, model.alignment_heads, positions)
    # The rows of the token before each of `tokens`, and that before the end.
    rows, columns = warp(-matrix[len(start) : -1])
    first = np.concatenate([[True], np.diff(rows) > 0])
    times = columns[first] / POSITIONS_PER_SECOND
    texts, parts = tokenizer.split_to_word_tokens(tokens, language)
    probabilities = np.array(said)
    words, place = [], 0
    for text, part in zip(texts, parts, strict=True):
        end = place + len(part)
        likely = float(probabilities[place:end].mean())
        words.append(Word(text, float(times[place]), float(times[end]), likely, tuple(part)))
        place = end
    return join_punctuation(shorten(words))


def _attention(attention: list, heads: Sequence[tuple[int, int]], positions: int) -> np.ndarray:
    """The mean of the heads that follow the sound, of shape (tokens, positions)."""
    total, count = 0.0, 0
    layers = sorted({layer for layer, _ in heads})
    for layer in range(len(attention)):
        shares, attention[layer] = attention[layer], None  # one layer at a time is in memory
        if layer not in layers:
            continue
        chosen = mx.array([head for at, head in heads if at == layer])
        shares = shares[0, :, :, :positions][chosen]
        shares = shares / mx.maximum(shares.sum(axis=-1, keepdims=True), 1e-30)
        mean, deviation = shares.mean(axis=1, keepdims=True), mx.std(shares, axis=1, keepdims=True)
        shares = (shares - mean) / mx.maximum(deviation, 1e-30)
        smooth = median_filter(np.array(shares))
        total, count = total + smooth.sum(axis=0), count + len(smooth)
    return total / count


def shorten(words: list[Word]) -> list[Word]:
    """Takes the pauses around sentences off the words that got them.

    A word next to the end of a sentence, or the first, lasts at most twice as long as the median.
    """
    lengths = [w.end - w.start for w in words if w.end > w.start]
    if not lengths:
        return words
    longest = 2 * min(_USUAL, float(np.median(lengths)))
    result = []
    for i, word in enumerate(words):
        if word.end - word.start > longest:
            if word.word.strip() in _ENDS or i + 1 < len(words) and _ends(words[i + 1]):
                word = replace(word, end=word.start + longest)
            elif i == 0 or _ends(words[i - 1]):
                word = replace(word, start=word.end - longest)
        result.append(word)
    return result


def _ends(word: Word) -> bool:
    return word.word.strip()[-1:] in tuple(_ENDS)


def join_punctuation(words: list[Word]) -> list[Word]:
    """Marks that stand alone become part of the word before or behind them."""
    ahead: list[Word] = []
    for word in reversed(words):  # opening marks join what is behind them
        opens = word.word.startswith(" ") and word.word.strip() and word.word.strip() in _BEFORE
        if opens and ahead:
            ahead[-1] = _joined(word, ahead[-1], times_of=1)
        else:
            ahead.append(word)
    result: list[Word] = []
    for word in reversed(ahead):
        if result and word.word in _AFTER and not result[-1].word.endswith(" "):
            result[-1] = _joined(result[-1], word, times_of=0)
        else:
            result.append(word)
    return result


def _joined(first: Word, second: Word, times_of: int) -> Word:
    """Both as one word, with the times and the probability of one of them."""
    chosen = second if times_of else first
    return replace(chosen, word=first.word + second.word, tokens=first.tokens + second.tokens)
