"""Text as data: the tokenizer, reading files, and sampling that depends on seed and step alone."""

import numpy as np
import pytest

from olivine.lm.data import (
    BUNDLED_TEXT,
    BatchSampler,
    CharTokenizer,
    DataError,
    load_corpus,
    validation_batches,
)


def arrays(batch):
    return [np.array(a) for a in batch]


def test_tokenizer_round_trips_any_characters():
    text = "día — 🌿 ab\n\0"
    tokenizer = CharTokenizer("".join(sorted(set(text), reverse=True)))
    ids = tokenizer.encode(text)
    assert ids.dtype == np.uint8 and len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert [tokenizer.characters[i] for i in ids] == list(text)


def test_tokenizer_takes_the_smallest_integers():
    many = "".join(chr(0x4E00 + i) for i in range(300))
    tokenizer = CharTokenizer(many)
    assert tokenizer.encode(many).dtype == np.uint16
    assert tokenizer.decode(tokenizer.encode(many[::-1])) == many[::-1]
    assert CharTokenizer("".join(map(chr, range(256)))).dtype == np.uint8


def test_tokenizer_names_a_character_it_lacks():
    with pytest.raises(DataError, match="no character 'z'"):
        CharTokenizer("abc").encode("abz")
    assert CharTokenizer("abc").encode("").size == 0


def test_corpus_is_split_at_nine_tenths(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("abcdefghij" * 10)
    corpus = load_corpus(file)
    assert corpus.tokenizer.characters == "abcdefghij"
    assert len(corpus.training) == 90 and len(corpus.validation) == 10
    assert corpus.tokenizer.decode(corpus.validation) == "abcdefghij"


def test_corpus_read_in_chunks_equals_the_whole(tmp_path, monkeypatch):
    file = tmp_path / "text.txt"
    file.write_text("añb🌿" * 100, encoding="utf-8")
    whole = load_corpus(file)
    monkeypatch.setattr("olivine.data.text.CHUNK", 7)
    chunked = load_corpus(file)
    assert np.array_equal(whole.training, chunked.training)
    assert whole.sha256 == chunked.sha256


def test_bundled_text_is_found_and_saved_without_a_path(text):
    corpus = load_corpus(BUNDLED_TEXT)
    assert corpus.tokenizer.vocab_size == 65 and corpus.saved_path is None
    assert len(corpus.training) + len(corpus.validation) == 1_115_394
    assert load_corpus(text).saved_path == str(text)


@pytest.mark.parametrize(
    "content, message",
    [(b"", "is empty"), (b"\xff\xfe\x00", "is not UTF-8"), (None, "cannot read")],
)
def test_unusable_files_are_named(tmp_path, content, message):
    file = tmp_path / "text.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_corpus(file)
    with pytest.raises(DataError, match="cannot read"):
        load_corpus(tmp_path)


def test_batches_are_windows_and_targets_are_one_on():
    tokens = np.arange(200, dtype=np.uint8)
    inputs, targets = arrays(BatchSampler(tokens, 8, 16, seed=3).next())
    assert inputs.shape == targets.shape == (8, 16) and inputs.dtype == np.int32
    assert np.array_equal(targets, inputs + 1)
    assert np.array_equal(inputs, inputs[:, :1] + np.arange(16))


def test_batches_depend_on_seed_and_step_alone():
    tokens = np.arange(250, dtype=np.uint8)
    sampler = BatchSampler(tokens, 4, 8, seed=1)
    batches = [arrays(sampler.next())[0] for _ in range(5)]
    assert sampler.step == 5
    later = BatchSampler(tokens, 4, 8, seed=1, step=3)
    assert np.array_equal(arrays(later.next())[0], batches[3])
    other = BatchSampler(tokens, 4, 8, seed=2)
    assert not np.array_equal(arrays(other.next())[0], batches[0])
    assert len({batch.tobytes() for batch in batches}) == 5


def test_starts_are_those_of_splitmix64():
    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    sampler = BatchSampler(np.arange(100), 3, 9, seed=7, step=2)
    inputs, _ = arrays(sampler.next())
    numbers = range(2 * 3 + 1, 3 * 3 + 1)
    expected = [mix((mix(7) + n * 0x9E3779B97F4A7C15) % 2**64) % 91 for n in numbers]
    assert inputs[:, 0].tolist() == expected


def test_every_window_is_drawn_about_equally_often():
    sampler = BatchSampler(np.arange(20), 64, 10, seed=0)  # starts 0 to 9
    counts = np.zeros(10)
    for _ in range(100):
        counts += np.bincount(arrays(sampler.next())[0][:, 0], minlength=10)
    assert counts.sum() == 6400 and abs(counts / 640 - 1).max() < 0.15


def test_a_text_as_long_as_one_window_is_enough_and_shorter_is_not():
    inputs, _ = arrays(BatchSampler(np.arange(11), 2, 10, seed=0).next())
    assert (inputs[:, 0] == 0).all()
    with pytest.raises(DataError, match="10 characters"):
        BatchSampler(np.arange(10), 2, 10, seed=0)


def test_validation_covers_the_text_side_by_side():
    batches = validation_batches(np.arange(100), batch_size=3, context=8)
    inputs = np.concatenate([arrays(b)[0] for b in batches])
    assert inputs.shape == (12, 8) and np.array_equal(inputs.reshape(-1), np.arange(96))
    assert np.array_equal(arrays(batches[0])[1], arrays(batches[0])[0] + 1)
    few = validation_batches(np.arange(100), batch_size=3, context=8, limit=2)
    assert [arrays(b)[0][0, 0] for b in few] == [0, 48]


def test_validation_shrinks_to_what_there_is():
    assert validation_batches(np.arange(8), 4, 8) == []
    (batch,) = validation_batches(np.arange(20), 4, 8)
    assert batch[0].shape == (2, 8)
