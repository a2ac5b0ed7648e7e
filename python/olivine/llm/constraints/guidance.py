"""Constraints on top of llguidance: grammars, their state in a text, masks of tokens."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence

import numpy as np

import olivine.core as mx


def _library():
    try:
        import llguidance
    except ImportError:
        raise ImportError(
            "[llm] constraints need llguidance; install it with: pip install 'olivine[llm]'"
        ) from None
    return llguidance


class Constraint:
    """A grammar that a text must match. One constraint serves any number of texts.

    ValueError: the grammar is not one, with the reason.
    """

    def __init__(self, grammar: str, what: str):
        error = _library().LLMatcher.validate_grammar(grammar, None)
        if error:
            raise ValueError(f"[llm] expected a valid {what}; {_first_lines(error)}")
        self.grammar, self.what = grammar, what

    def processor(self, tokenizer, vocab_size: int | None, prompt_length: int) -> TokenMask:
        """What leaves only tokens that match, for one text after `prompt_length` tokens."""
        return TokenMask(self, tokenizer, vocab_size, prompt_length)


def regex(pattern: str) -> Constraint:
    """Texts that match as a whole. The syntax is that of Rust's regex crate, without anchors."""
    return Constraint(_library().LLMatcher.grammar_from_regex(pattern), "regular expression")


def json_schema(schema: dict | bool | str, whitespace: bool = True) -> Constraint:
    """JSON that a schema describes; `{}` or True for any JSON.

    whitespace: whether blanks and line breaks may stand between its parts. Small models may prefer
    them for ever.
    """
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise ValueError(f"[llm] expected a JSON schema; it is no JSON: {error}") from None
    if not isinstance(schema, (dict, bool)):
        raise ValueError(f"[llm] expected a JSON schema, a dict or a bool; got {schema!r}")
    options = {"whitespace_flexible": whitespace}
    try:
        text = _library().LLMatcher.grammar_from_json_schema(json.dumps(schema), options)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"[llm] expected a valid JSON schema; {_first_lines(error)}") from None
    return Constraint(text, "JSON schema")


def grammar(lark: str) -> Constraint:
    """Texts of a context-free grammar in llguidance's variant of Lark's syntax."""
    return Constraint(_library().LLMatcher.grammar_from_lark(lark), "grammar")


def choice(texts: Sequence[str]) -> Constraint:
    """One of several texts."""
    texts = list(texts)
    if not texts or not all(isinstance(t, str) and t for t in texts):
        raise ValueError(f"[llm] expected choices that are not empty; got {texts!r}")
    start = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    return Constraint(_library().LLMatcher.grammar_from_lark(f"start: {start}"), "choice")


class TokenMask:
    """A processor for `stream_generate`: logits of tokens that do not match become `-inf`."""

    def __init__(self, constraint: Constraint, tokenizer, vocab_size: int | None, start: int):
        self._constraint = constraint
        library_tokenizer, self._size = _tokenizer(tokenizer)
        self._eos = sorted(tokenizer.eos_ids)
        self._seen = start
        self._matcher = _library().LLMatcher(library_tokenizer, constraint.grammar, log_level=0)
        self._check()
        self._bits = np.zeros((self._size + 31) // 32, np.uint32)
        self._shifts = mx.arange(32, dtype=mx.uint32)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ValueError(
                f"[llm] expected a {self._constraint.what} that can be followed; "
                f"{_first_lines(self._matcher.get_error())}"
            )

    def allowed(self) -> np.ndarray:
        """The next tokens that match, as a bool for each id of the tokenizer."""
        self._fill()
        return np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._size] > 0

    def _fill(self) -> None:
        if self._matcher.is_stopped():
            self._bits[:] = 0
        else:
            self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
            self._check()
        if self._matcher.is_accepting():
            for token in self._eos:
                self._bits[token // 32] |= np.uint32(1 << token % 32)
        if not self._bits.any():
            raise ValueError(
                f"[llm] expected a vocabulary that can write what the {self._constraint.what} "
                "asks for; no token fits"
            )

    def __call__(self, tokens: Sequence[int], logits: mx.array) -> mx.array:
        new = tokens[self._seen :]
        self._seen = len(tokens)
        if new:
            self._matcher.consume_tokens(list(new))
            self._check()
        self._fill()
        seen = (mx.array(self._bits)[:, None] >> self._shifts) & 1
        seen = seen.reshape(-1)
        width = logits.shape[-1]
        if width > seen.size:  # ids that the model has and the tokenizer has not
            seen = mx.concatenate([seen, mx.zeros(width - seen.size, seen.dtype)])
        return mx.where(seen[:width] > 0, logits, -float("inf"))


class _Vocabulary:
    """A tokenizer as llguidance asks for it."""

    def __init__(self, tokenizer):
        self._encode = tokenizer.encode
        special = set(getattr(tokenizer, "special_ids", ())) | set(tokenizer.eos_ids)
        self.tokens = [
            b"<|%d|>" % i if i in special or not token else token
            for i, token in enumerate(tokenizer.vocabulary())
        ]
        empty = {i for i, token in enumerate(tokenizer.vocabulary()) if not token}
        self.special_token_ids = sorted(special | empty)
        self.eos_token_id = min(tokenizer.eos_ids)
        self.bos_token_id = None

    def __call__(self, text) -> list[int]:
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        return self._encode(text, add_special_tokens=False)


_tokenizers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _tokenizer(tokenizer) -> tuple[object, int]:
    """llguidance's tokenizer for ours, made once, and how many tokens it has."""
    if tokenizer not in _tokenizers:
        if not tokenizer.eos_ids:
            raise ValueError("[llm] expected a tokenizer with an end token, for constrained text")
        library, vocabulary = _library(), _Vocabulary(tokenizer)
        wrapped = library.TokenizerWrapper(vocabulary)
        made = library.LLTokenizer(wrapped, eos_token=sorted(tokenizer.eos_ids))
        _tokenizers[tokenizer] = made, len(vocabulary.tokens)
    return _tokenizers[tokenizer]


def _first_lines(error) -> str:
    """The beginning of a message that may go on for pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:300] or repr(error)
