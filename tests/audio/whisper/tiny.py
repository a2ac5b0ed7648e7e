"""What the tests of Whisper share: a byte-level vocabulary, tiny models, if real ones are there."""

import functools
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.audio.whisper.formats.find import DEFAULT, in_package
from olivine.audio.whisper.model import Dims, Whisper
from olivine.audio.whisper.tokenizer import WhisperTokenizer
from olivine.llm.tokenizer import Tokenizer

FIXTURES = Path(__file__).parent.parent / "fixtures" / "whisper"
VOCABULARY = 51865

needs_real = pytest.mark.skipif(
    in_package(DEFAULT) is None, reason=f"needs {DEFAULT}-part1 and -part2 (extra demo)"
)


@functools.cache
def backend(size=50257):
    """256 bytes, some words, and what fills a vocabulary up to the special tokens at `size`."""
    tokenizers = pytest.importorskip("tokenizers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = ["he", "ll", "hell", "hello", "Ġw", "Ġwo", "Ġwor"]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "w"), ("Ġw", "o")]
    merges += [("Ġwo", "r")]
    vocabulary = {token: i for i, token in enumerate(alphabet + words)}
    for i in range(len(vocabulary), size):
        vocabulary[f"<fill{i}>"] = i
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>", "<|startoftranscript|>", "<|en|>"])
    return made


@functools.cache
def tokenizer(n_vocab=VOCABULARY) -> WhisperTokenizer:
    return WhisperTokenizer(Tokenizer(backend(50257 if n_vocab >= VOCABULARY else 50256)), n_vocab)


def dims(**changes) -> Dims:
    sizes = dict(n_mels=4, n_audio_ctx=6, n_audio_state=8, n_audio_head=2, n_audio_layer=1)
    sizes |= dict(n_vocab=VOCABULARY, n_text_ctx=32, n_text_state=8, n_text_head=2, n_text_layer=2)
    return Dims(**{**sizes, **changes})


def random_model(seed=0, **changes) -> Whisper:
    """A model with weights that NumPy's generator keeps."""
    from olivine.utils import tree_flatten

    model = Whisper(dims(**changes))
    random = np.random.RandomState(seed)
    weights = [
        (name, mx.array((random.randn(*value.shape) * 0.4).astype(np.float32)))
        for name, value in sorted(tree_flatten(model.parameters()))
    ]
    return model.load_weights(weights)


class Scripted:
    """A model whose next token depends on the last one by a table of probabilities.

    `rows` are the token ids of the table, in its order; all other tokens never come.
    """

    class Cache:
        def select(self, rows):
            pass

        def repeat(self, count):
            pass

        def keep(self, sounds, rows):
            pass

    def __init__(self, ids, table, n_vocab=VOCABULARY):
        self.ids, self.table, self.size = list(ids), np.array(table), n_vocab
        self.dims = dims(n_vocab=n_vocab)

    def logits_after(self, tokens) -> np.ndarray:
        out = np.full((len(tokens), self.size), -np.inf, np.float32)
        for i, token in enumerate(tokens):
            row = self.ids.index(token) if token in self.ids else 0
            with np.errstate(divide="ignore"):
                out[i, self.ids] = np.log(self.table[row])
        return out

    def decode(self, tokens, features=None, cache=None):
        return mx.array(self.logits_after(tokens[:, -1].tolist())[:, None])
