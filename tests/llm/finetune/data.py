"""Fine-tuning data: the forms of a line, masks, batches."""

import json

import numpy as np
import pytest

from olivine.llm.finetune.data import (
    Batches,
    DataError,
    Dataset,
    Encoder,
    Example,
    learned_positions,
    load_data,
    pack,
)
from tests.llm.tiny_chat import ByteTokenizer

TOKENIZER = ByteTokenizer()


def learned(example):
    """The text that is learned; the end of a text is shown as |."""
    ids = [t for t, m in zip(example.tokens, example.mask, strict=True) if m]
    return "".join("|" if i == 256 else chr(i) for i in ids)


def write(path, *records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.mark.parametrize(
    "record, expected",
    [
        ({"text": "abc"}, "abc|"),
        ({"prompt": "2+2=", "completion": "4"}, "4|"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                    {"role": "assistant", "content": "d"},
                ]
            },
            "b|d|",
        ),
        ({"prompt": [{"role": "user", "content": "q"}], "completion": "yes"}, "yes|"),
    ],
)
def test_answers_are_learned(record, expected):
    assert learned(Encoder(TOKENIZER)(record)) == expected


def test_everything_is_learned_without_a_mask():
    record = {"prompt": "2+2=", "completion": "4"}
    assert learned(Encoder(TOKENIZER, mask_prompt=False)(record)) == "2+2=4|"


def test_preferences_have_two_answers():
    pair = Encoder(TOKENIZER)({"prompt": "p", "chosen": "good", "rejected": "bad"})
    assert (learned(pair.chosen), learned(pair.rejected)) == ("good|", "bad|")


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "line 2: expected one JSON object"),
        ("[1]", "line 2: expected an object"),
        ('{"other": 1}', "example 2: expected text, prompt and completion.*got other"),
        ('{"messages": []}', "example 2: expected messages"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "message of the assistant"),
        ('{"messages": [3]}', "role and content"),
        ('{"prompt": 1, "completion": 2}', "text or messages"),
        ('{"prompt": "a", "chosen": "b", "rejected": "c"}', "expected the form of those before"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        load_data(path, TOKENIZER, 64)


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_data(tmp_path / "none.jsonl", TOKENIZER, 64)
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no examples"):
        load_data(tmp_path / "empty.jsonl", TOKENIZER, 64)
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="no UTF-8"):
        load_data(tmp_path / "binary.jsonl", TOKENIZER, 64)


def test_long_examples_are_cut_and_counted(tmp_path):
    long = {"prompt": "x" * 100, "completion": "y"}
    path = write(tmp_path / "a.jsonl", {"text": "x" * 100}, {"text": "ab"}, long)
    data = load_data(path, TOKENIZER, 10)
    assert [len(e) for e in data.examples] == [10, 3] and data.cut_short == 2
    with pytest.raises(DataError, match="nothing is left to learn within 10 tokens"):
        load_data(write(tmp_path / "b.jsonl", long), TOKENIZER, 10)


def test_batches_hold_every_example_once_an_epoch():
    examples = [Example([i] * (i + 2), [True] * (i + 2)) for i in range(10)]
    batches = Batches(Dataset(examples), 3, seed=5, pad_id=99)
    epochs = [[i for s in range(4) for i in batches.indices(4 * e + s)] for e in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    tokens, mask = batches.batch([0, 9])
    assert tokens.shape == (2, 17)  # the model reads 16
    np.testing.assert_array_equal(np.array(tokens)[0, :3], [0, 0, 99])
    assert np.array(mask).sum(axis=1).tolist() == [2, 11]


def test_learned_positions_are_those_of_the_predictions():
    mask = np.zeros((3, 50), bool)
    mask[0, 0] = mask[0, 1] = mask[1, 49] = mask[2, 7] = True
    positions = learned_positions(mask)
    assert positions.shape == (64,) and positions.dtype == np.int32
    assert positions[:3].tolist() == [0, 49 + 48, 2 * 49 + 6]  # nothing predicts a first token
    assert (positions[3:] == -1).all()
    assert learned_positions(np.ones((3, 50), bool)).shape == (192,)


def test_a_limit_takes_batches_of_all_lengths():
    batches = Batches(Dataset([Example([1] * n, [True] * n) for n in range(2, 42)]), 1)
    assert [i for group, _ in batches.all(4) for i in group] == [0, 10, 20, 30]


def test_packed_rows_are_full_and_learn_no_first_token():
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 40, 200).tolist()
    examples = [Example([i] * n, [True] * n) for i, n in enumerate(lengths)]
    rows = pack(examples, 64)
    assert sum(map(len, rows)) == sum(lengths) and max(map(len, rows)) <= 64
    assert len(rows) <= 1.05 * sum(lengths) / 64 + 1
    for row in rows:
        for before, token, mask in zip(row.tokens, row.tokens[1:], row.mask[1:], strict=False):
            assert mask == (before == token)
