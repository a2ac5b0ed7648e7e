"""A listener that needs no weights: it hears loud bursts and writes one letter for each.

Its windows are as long as Whisper's, its tokens bytes: a letter per burst, between timestamps of
where the burst begins and ends. A burst that the window's end cuts is left unfinished, as Whisper
leaves what it has not heard to the end. Mel bands of noise are what it looks at, so that seeking,
clipping and stitching are tested on sound.
"""

from types import SimpleNamespace

import numpy as np

import olivine.core as mx
from olivine.audio.whisper.decoding import DecodingResult
from tests.audio.sounds import RATE, noise


class FakeTokenizer:
    eot, sot, no_timestamps, timestamp_begin = 256, 257, 299, 300
    languages = ("en", "de")

    def __init__(self, multilingual=True):
        self.multilingual = multilingual

    def encode(self, text):
        return list(text.encode())

    def decode(self, tokens):
        return bytes(t for t in tokens if t < self.eot).decode(errors="replace")

    def sot_sequence(self, language=None, task=None):
        if not self.multilingual and (language or "en") != "en":
            raise ValueError("[whisper] expected English")
        return [self.sot, 258, 259] if self.multilingual else [self.sot]

    def split_to_word_tokens(self, tokens, language=None):
        """Words begin with a space."""
        words = []
        for token in tokens:
            if token == 32 or not words:
                words.append([])
            words[-1].append(token)
        return [self.decode(word) for word in words], words


class FakeModel:
    def __init__(self, positions=1500):
        self.dims = SimpleNamespace(
            n_audio_ctx=positions, n_mels=80, n_text_ctx=448, n_text_state=80
        )
        self.alignment_heads = [(0, 0), (1, 1)]
        self.seen = []  # what each window was decoded with

    def encode(self, mel):
        assert mel.shape[1:] == (2 * self.dims.n_audio_ctx, 80)
        return mel

    def decode(self, tokens, features, cache=None, alignment=False):
        """Each token of text takes a twentieth of a second from second 1 on."""
        tokens = tokens.tolist()
        count = len(tokens[0])
        logits = np.zeros((1, count, 400), np.float32)
        for i in range(count - 1):
            logits[0, i, tokens[0][i + 1]] = 10
        at = 50 + 2.5 * np.maximum(np.arange(count) - 3, 0)
        distance = np.arange(self.dims.n_audio_ctx) - at[:, None]
        shares = np.exp(-np.square(distance) / 20)
        shares /= shares.sum(axis=1, keepdims=True)
        flat = np.full_like(shares, 1 / shares.shape[1])
        first = np.stack([shares, flat])[None].astype(np.float32)
        second = np.stack([flat, shares])[None].astype(np.float32)
        return mx.array(logits), [mx.array(first), mx.array(second)]


def bursts(length, times, seconds=0.5):
    """Half a second of loud noise at each of some times, over soft noise."""
    samples = noise(length, 0.0005)
    for k, time in enumerate(times):
        loud = noise(seconds, 0.3, seed=k + 1)
        place = round(time * RATE)
        samples[place : place + len(loud)] += loud[: len(samples) - place]
    return samples


def hear(model, tokenizer, features, options):
    """`decode` of windows of bursts, one letter for each."""
    results = []
    for window in np.array(features):
        loud = window[:, :20].mean(axis=1) > 0.1
        edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
        tokens = []
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            tokens += [tokenizer.timestamp_begin + round(start / 2), 32, ord("x")]
            if end < len(loud):  # cut ones are not finished
                tokens.append(tokenizer.timestamp_begin + round(end / 2))
        model.seen.append(options)
        results.append(result(tokens, temperature=options.temperature))
    return results


def result(tokens, **values):
    """A result with good figures, but for those given."""
    usual = {
        "text": bytes(t for t in tokens if t < 256).decode(errors="replace"),
        "language": "en",
        "avg_logprob": -0.2,
        "no_speech_prob": 0.01 if tokens else 0.99,
        "compression_ratio": 1.0,
    }
    return DecodingResult(tokens=tokens, **{**usual, **values})
