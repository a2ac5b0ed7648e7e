"""A tiny random llama and a tokenizer of bytes, for tests of what goes around a model."""

import numpy as np

import olivine.core as mx
from olivine.llm import models

EOS = 0


def tiny_llama(vocab_size=61, seed=0, **config):
    """Random weights large enough that the next token depends on all before it."""
    mx.random.seed(seed)
    model = models.build(
        {
            "model_type": "llama",
            "vocab_size": vocab_size,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 48,
            "max_position_embeddings": 512,
            **config,
        }
    )
    random = np.random.default_rng(seed)

    def filled(tree):
        if isinstance(tree, dict):
            return {name: filled(value) for name, value in tree.items()}
        if isinstance(tree, list):
            return [filled(value) for value in tree]
        scale = 1.0 if tree.ndim == 1 else 2.5 / np.sqrt(tree.shape[-1])
        return mx.array(random.normal(0, scale, tree.shape).astype(np.float32))

    model.update(filled(model.parameters()))
    mx.eval(model.parameters())
    return model


class ByteDetokenizer:
    """Holds back the bytes of a character until it is whole."""

    def __init__(self, tokens):
        self.tokens, self.held = tokens, b""

    def add(self, token):
        self.held += self.tokens[token]
        for end in range(len(self.held), max(len(self.held) - 4, -1), -1):
            try:
                text = self.held[:end].decode()
            except UnicodeDecodeError:
                continue
            self.held = self.held[end:]
            return text
        return ""

    def finish(self):
        text, self.held = self.held.decode(errors="replace"), b""
        return text


class ByteTokenizer:
    """Token 0 ends, tokens 1 to 256 are the bytes, further ones are given (`extra`)."""

    def __init__(self, extra=()):
        self.tokens = [b""] + [bytes([i]) for i in range(256)] + list(extra)
        self.eos_ids = {EOS}

    @property
    def vocab_size(self):
        return len(self.tokens)

    def encode(self, text, add_special_tokens=True):
        return [b + 1 for b in text.encode()]

    def decode(self, ids):
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")

    def detokenizer(self):
        return ByteDetokenizer(self.tokens)

    def vocabulary(self):
        return self.tokens


class LetterTokenizer(ByteTokenizer):
    """Tokens are single letters, so that every id of a tiny model is text; none ends."""

    def __init__(self, vocab_size=61):
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        self.tokens = [c.encode() for c in letters[:vocab_size]]
        self.eos_ids = set()

    def encode(self, text, add_special_tokens=True):
        return [self.tokens.index(c.encode()) for c in text]


def greedy(model, prompt, count):
    """Tokens that follow, each from a forward pass over everything: the slow, plain way."""
    tokens = list(prompt)
    for _ in range(count):
        logits = np.array(model(mx.array([tokens]))[0, -1])
        tokens.append(int(logits.argmax()))
    return tokens[len(prompt) :]
