"""Text readers: lines by number, bytes, characters, windows of tokens."""

import numpy as np
import pytest

from olivine import data
from olivine.lm.data import BUNDLED_TEXT


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n", "a\nb", "a\r\n\r\nb\n", "día\n\n🌿 x\n"])
def test_lines_are_those_of_the_file(tmp_path, text):
    path = tmp_path / "text"
    path.write_bytes(text.encode())
    lines = data.Lines(path)
    assert [lines[i] for i in range(len(lines))] == text.replace("\r\n", "\n").splitlines()
    if len(lines):
        assert lines[-1] == lines[len(lines) - 1]
    with pytest.raises(IndexError):
        lines[len(lines)]


def test_lines_of_a_long_text_in_pieces(monkeypatch):
    monkeypatch.setattr("olivine.data.text.CHUNK", 1000)
    lines = data.Lines(BUNDLED_TEXT)
    want = BUNDLED_TEXT.read_text().split("\n")[:-1]
    assert len(lines) == len(want) and all(lines[i] == want[i] for i in range(0, len(want), 7))


def test_lines_in_another_encoding(tmp_path):
    (tmp_path / "latin").write_bytes("día\nx".encode("latin-1"))
    assert data.Lines(tmp_path / "latin", "latin-1")[0] == "día"


def test_bytes_and_characters(tmp_path):
    (tmp_path / "text").write_bytes(b"abcab")
    assert data.read_bytes(tmp_path / "text").tolist() == [97, 98, 99, 97, 98]
    ids, tokenizer = data.read_characters(tmp_path / "text")
    assert ids.tolist() == [0, 1, 2, 0, 1] and tokenizer.decode(ids) == "abcab"
    (tmp_path / "none").touch()
    assert data.read_bytes(tmp_path / "none").size == 0
    for read in (data.read_bytes, data.read_characters, data.Lines):
        with pytest.raises(data.DataError, match="cannot read .*nowhere: No such file"):
            read(tmp_path / "nowhere")


def test_windows_pair_tokens_with_their_successors():
    dataset = data.windows(np.arange(10, dtype=np.uint8), 3)
    assert [[part.tolist() for part in dataset[i]] for i in range(len(dataset))] == [
        [[0, 1, 2], [1, 2, 3]],
        [[3, 4, 5], [4, 5, 6]],
        [[6, 7, 8], [7, 8, 9]],
    ]
    assert len(data.windows(range(9), 3)) == 2 and len(data.windows(range(3), 3)) == 0
    assert len(data.windows(range(10), 3, stride=1)) == 7
    inputs, targets = data.gather(data.windows(range(10), 3, stride=2), [3, 1])
    assert inputs.tolist() == [[6, 7, 8], [2, 3, 4]] and targets.tolist() == [[7, 8, 9], [3, 4, 5]]


def test_windows_check_their_arguments():
    with pytest.raises(TypeError, match="integers was expected; got float64"):
        data.windows([0.5], 1)
    with pytest.raises(ValueError, match="got 0, 1"):
        data.windows([1, 2], 0, stride=1)
    with pytest.raises(IndexError, match="5 windows"):
        data.windows(range(6), 1)[5]
