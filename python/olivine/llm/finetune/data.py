"""Fine-tuning data: JSON lines to token ids, with a mask of what is learned, in batches.

A line is an object of one of these forms, the same in the whole file:

    {"text": ...}                                       everything is learned
    {"prompt": ..., "completion": ...}                  the completion is learned
    {"messages": [{"role": ..., "content": ...}, ...]}  what the assistant says is learned
    {"prompt": ..., "chosen": ..., "rejected": ...}     preferences (DPO, ORPO)

A prompt may be text or a list of messages; so may the answers of preferences. Messages go through
the tokenizer's chat template; `tools` beside `messages` is given to it.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import olivine.core as mx

# Rows are padded to a multiple of this, so that few lengths, and compilations, arise.
PAD_TO = 16
# The same for the number of learned tokens of a batch.
PAD_LEARNED_TO = 64


class DataError(ValueError):
    """A file or line that cannot be used; the message says which and why."""


@dataclass
class Example:
    """Token ids, and for each whether it is learned."""

    tokens: list[int]
    mask: list[bool]

    def __len__(self) -> int:
        return len(self.tokens)

    def cut(self, length: int) -> Example:
        return Example(self.tokens[:length], self.mask[:length])


@dataclass
class Preference:
    """Two answers to one prompt, the first of which is better."""

    chosen: Example
    rejected: Example

    def __len__(self) -> int:
        return max(len(self.chosen), len(self.rejected))

    def cut(self, length: int) -> Preference:
        return Preference(self.chosen.cut(length), self.rejected.cut(length))


def read_lines(path: str | Path) -> list[dict]:
    """The objects of a JSON-lines file; empty lines are skipped."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is no UTF-8 text") from None
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"{path}, line {number}: expected one JSON object") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}, line {number}: expected an object; got {line[:40]}")
        records.append(record)
    if not records:
        raise DataError(f"{path} has no examples")
    return records


class Encoder:
    """Turns records into examples with `tokenizer`.

    mask_prompt: learn answers only; otherwise everything. The end-of-text token closes what is
    not made by the chat template.
    """

    def __init__(self, tokenizer, mask_prompt: bool = True):
        self.tokenizer = tokenizer
        self.mask_prompt = mask_prompt
        self.end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

    def __call__(self, record: dict) -> Example | Preference:
        if "chosen" in record and "rejected" in record:
            prompt = record.get("prompt", "")
            return Preference(
                self._answer(prompt, record["chosen"]), self._answer(prompt, record["rejected"])
            )
        if "messages" in record:
            return self._conversation(record["messages"], record.get("tools"))
        if "prompt" in record and "completion" in record:
            return self._answer(record["prompt"], record["completion"])
        if isinstance(record.get("text"), str):
            tokens = self.tokenizer.encode(record["text"]) + self.end
            return Example(tokens, [True] * len(tokens))
        raise DataError(
            "expected text, prompt and completion, messages, or prompt, chosen and rejected; "
            f"got {', '.join(map(str, list(record)[:5])) or 'nothing'}"
        )

    def _answer(self, prompt, answer) -> Example:
        """A prompt and what is learned as its answer, each text or messages."""
        if isinstance(prompt, list) or isinstance(answer, list):
            before = _as_messages(prompt, "user")
            return self._conversation(before + _as_messages(answer, "assistant"), None, len(before))
        if not (isinstance(prompt, str) and isinstance(answer, str)):
            raise DataError("expected prompt and answers as text or messages")
        start = self.tokenizer.encode(prompt)
        tokens = self.tokenizer.encode(prompt + answer) + self.end
        return self._masked(tokens, [(_common(start, tokens), len(tokens))])

    def _conversation(self, messages, tools, first: int = 0) -> Example:
        """What the assistant says from message `first` on is learned."""
        if not isinstance(messages, list) or not messages:
            raise DataError("expected messages as a list of objects with role and content")
        for message in messages:
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise DataError("expected every message to have a role and content")
        options = {"tools": tools} if tools else {}
        tokens = self._render(messages, False, options)
        learned = []
        for i, message in enumerate(messages):
            if message["role"] != "assistant" or i < first:
                continue
            before = self._render(messages[:i], True, options)
            upto = self._render(messages[: i + 1], False, options)
            learned.append((_common(before, tokens), _common(upto, tokens)))
        if not learned:
            raise DataError("expected a message of the assistant to learn from")
        return self._masked(tokens, learned)

    def _render(self, messages, answer_follows: bool, options: dict) -> list[int]:
        if not messages:
            return []
        return self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=answer_follows, **options
        )

    def _masked(self, tokens: list[int], learned: list[tuple[int, int]]) -> Example:
        if not self.mask_prompt:
            return Example(tokens, [True] * len(tokens))
        mask = [False] * len(tokens)
        for begin, end in learned:
            mask[begin:end] = [True] * (end - begin)
        return Example(tokens, mask)


def _as_messages(value, role: str) -> list[dict]:
    return value if isinstance(value, list) else [{"role": role, "content": value}]


def _common(a: list[int], b: list[int]) -> int:
    """How many tokens both begin with."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


@dataclass
class Dataset:
    """Encoded examples of one file; `cut_short` counts those that were longer than allowed."""

    examples: list
    cut_short: int = 0

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def is_preference(self) -> bool:
        return isinstance(self.examples[0], Preference)


def load_data(path: str | Path, tokenizer, max_length: int, mask_prompt: bool = True) -> Dataset:
    """Read and encode a file; examples are cut to `max_length` tokens.

    Raises `DataError` that names the file and line.
    """
    encode = Encoder(tokenizer, mask_prompt)
    examples, cut_short = [], 0
    for number, record in enumerate(read_lines(path), 1):
        try:
            example = encode(record)
        except DataError as error:
            raise DataError(f"{path}, example {number}: {error}") from None
        if examples and type(example) is not type(examples[0]):
            raise DataError(f"{path}, example {number}: expected the form of those before it")
        cut_short += len(example) > max_length
        example = example.cut(max_length)
        if _learns(example):
            examples.append(example)
    if not examples:
        raise DataError(
            f"{path}: nothing is left to learn within {max_length} tokens; raise the length"
        )
    return Dataset(examples, cut_short)


def _learns(example: Example | Preference) -> bool:
    parts = [example] if isinstance(example, Example) else [example.chosen, example.rejected]
    return all(any(part.mask[1:]) for part in parts)


def pack(examples: list[Example], length: int) -> list[Example]:
    """Join examples to rows of at most `length` tokens, the longest first, each where it fits best.

    An example sees those before it in its row, as in other trainers that pack without a mask; its
    first token is never learned from them.
    """
    rows: list[Example] = []
    by_length: list[tuple[int, int]] = []  # of the rows, sorted, with their index
    for example in sorted(examples, key=len, reverse=True):
        place = bisect.bisect_right(by_length, (length - len(example), len(rows))) - 1
        if place < 0:
            rows.append(Example(list(example.tokens), list(example.mask)))
            bisect.insort(by_length, (len(example), len(rows) - 1))
            continue
        _, index = by_length.pop(place)
        row = rows[index]
        row.tokens += example.tokens
        row.mask += [False, *example.mask[1:]]
        bisect.insort(by_length, (len(row), index))
    return rows


def learned_positions(mask: np.ndarray) -> np.ndarray:
    """Where in a flat `(batch, length - 1)` of predictions a token is learned, -1 as padding.

    `mask` is that of a batch, `(batch, length)`.
    """
    found = np.flatnonzero(np.asarray(mask)[:, 1:])
    out = np.full(-(-len(found) // PAD_LEARNED_TO) * PAD_LEARNED_TO, -1, np.int32)
    out[: len(found)] = found
    return out


class Batches:
    """Batches of a data set in an order that depends on `seed` and the step alone.

    Examples of similar lengths come together; `step(i)` is the batch of training step `i`.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int = 0, pad_id: int = 0):
        self.dataset, self.seed, self.pad_id = dataset, seed, pad_id
        order = sorted(range(len(dataset)), key=lambda i: (len(dataset.examples[i]), i))
        self.groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.groups)

    def indices(self, step: int) -> list[int]:
        epoch, place = divmod(step, len(self.groups))
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(len(self.groups))
        return self.groups[int(shuffled[place])]

    def step(self, step: int):
        return self.batch(self.indices(step))

    def batch(self, indices: list[int]):
        """`(tokens, mask)`, or for preferences those of the chosen, then of the rejected."""
        examples = [self.dataset.examples[i] for i in indices]
        if self.dataset.is_preference:
            chosen = [e.chosen for e in examples]
            rejected = [e.rejected for e in examples]
            return (*self._rows(chosen), *self._rows(rejected))
        return self._rows(examples)

    def all(self, limit: int | None = None) -> Iterator[tuple[list[int], tuple]]:
        """Every batch once, or `limit` spread over the lengths: `(indices, arrays)`."""
        groups = self.groups
        if limit is not None and limit < len(groups):
            groups = [groups[i * len(groups) // limit] for i in range(limit)]
        for group in groups:
            yield group, self.batch(group)

    def _rows(self, examples: list[Example]) -> tuple[mx.array, mx.array]:
        # One more than a multiple: the model reads all but the last token.
        length = -(-(max(map(len, examples)) - 1) // PAD_TO) * PAD_TO + 1
        tokens = np.full((len(examples), length), self.pad_id, np.int32)
        mask = np.zeros((len(examples), length), bool)
        for row, example in enumerate(examples):
            tokens[row, : len(example)] = example.tokens
            mask[row, : len(example)] = example.mask
        return mx.array(tokens), mx.array(mask)
