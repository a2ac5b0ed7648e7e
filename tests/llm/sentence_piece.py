"""SentencePiece's files: what is read of them, and that damaged ones give one clear error."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.sentence_piece import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    CharacterMap,
    SentencePiece,
)

MADE = np.load(Path(__file__).parents[1] / "image/fixtures/siglip_tokenizer.npz")


def field(number, value):
    """A field of a message, in the wire format of protobuf."""
    if isinstance(value, int):
        return bytes(
            [number << 3 & 127 | 128 * (number > 15), *[number >> 4] * (number > 15), value]
        )
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    return bytes([number << 3 | 2, len(value)]) + value


def piece(text, score=0.0, kind=NORMAL):
    return field(1, field(1, text.encode()) + field(2, float(score)) + field(3, kind))


def model(*pieces, trainer=b"", normalizer=b""):
    content = piece("<unk>", kind=UNKNOWN) + b"".join(pieces)
    return content + field(2, trainer) + field(3, normalizer)


PLAIN = field(3, 0) + field(4, 0)  # no space before texts, none removed


def pieces_of(content, text):
    made = SentencePiece(content)
    return [made.tokens[i] for i in made.pieces(text)]


def test_the_likeliest_pieces_are_found():
    content = model(piece("a", -1), piece("b", -1), piece("ab", -1.5), piece("ba", -3),
                    normalizer=PLAIN)  # fmt: skip
    assert pieces_of(content, "abab") == ["ab", "ab"]
    assert pieces_of(content, "aba") == ["ab", "a"]  # -2.5 against -4
    assert pieces_of(content, "") == []


def test_of_equal_paths_the_first_found_stays():
    content = model(piece("a", -1), piece("aa", -2), normalizer=PLAIN)
    assert pieces_of(content, "aa") == ["aa"]  # found from the first letter on


def test_neighbours_that_are_unknown_are_one():
    content = model(piece("a", -1), normalizer=PLAIN)
    assert pieces_of(content, "axyaz") == ["a", "<unk>", "a", "<unk>"]


def test_unknown_characters_become_bytes_where_there_are_some():
    rest = [piece(f"<0x{i:02X}>", kind=BYTE) for i in range(256)]
    content = model(piece("a", -1), *rest, trainer=b"\x98\x02\x01", normalizer=PLAIN)
    assert pieces_of(content, "aé") == ["a", "<0xC3>", "<0xA9>"]


def test_control_pieces_are_in_no_text():
    content = model(piece("</s>", kind=CONTROL), piece("a", -1), normalizer=PLAIN)
    assert pieces_of(content, "</s>a") == ["<unk>", "a"]


@pytest.mark.parametrize(
    "settings, text, expected",
    [
        (b"", "  a  b ", "▁a▁b"),
        (field(3, 0), " a b ", "a▁b"),
        (field(4, 0), " a  b ", "▁▁a▁▁b▁"),
        (field(5, 0), "a b", " a b"),
        (b"", "   ", ""),
        (b"", "▁", ""),
    ],
)
def test_spaces_are_joined_and_marked_as_the_file_says(settings, text, expected):
    assert SentencePiece(model(piece("a"), normalizer=settings)).normalize(text) == expected


def test_rules_of_nfkc_are_read():
    made = SentencePiece(MADE["siglip.model"].tobytes())
    assert made.normalize("ﬁne Ａ½ ㎏\u200b①\tx") == "▁fine▁A1⁄2▁kg▁1▁x"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "0 unknown pieces instead of one"),
        (model(), "it has no pieces"),
        (model(piece("a"), piece("<x>", kind=UNKNOWN)), "2 unknown pieces"),
        (model(piece("a"), trainer=field(3, 2)), "a unigram model in the model; got kind 2"),
        (model(piece("a"), piece("b", kind=USER_DEFINED)), "pieces of a user's own"),
        (model(piece("a", float("nan"))), "kind 1 and score nan"),
        (model(piece("a", kind=9)), "kind 9"),
        (model(piece("a"), trainer=b"\x98\x02\x01"), "no piece for byte 0"),
        (model(piece("a"), normalizer=field(2, b"abc")), "have no size"),
        (model(piece("a"), normalizer=field(2, struct.pack("<I", 8))), "a trie of 8 bytes"),
        (model(piece("a"), normalizer=field(2, struct.pack("<II", 4, 0) + b"a")), "have no end"),
        (b"\x0a\x7f", "goes beyond the end"),
        (b"\x80" * 20, "a number has no end"),
        (b"\x0b", "a field has kind 3"),
        (b"\x08\x01", "a message was expected"),
        (field(1, field(1, b"\xff")), "expected a SentencePiece model"),
        (field(1, field(1, b"a") + field(2, 3)), "no text with a score"),
    ],
)
def test_what_is_no_model_is_refused(content, message):
    with pytest.raises(ModelError) as caught:
        SentencePiece(content)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_huge_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        SentencePiece.from_file(tmp_path / "a.model")
    with open(tmp_path / "a.model", "wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ModelError, match="of at most 67108864 bytes"):
        SentencePiece.from_file(tmp_path / "a.model")


def test_damaged_models_load_or_are_refused():
    content = MADE["siglip.model"].tobytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(
            content[: chance.choice([len(content), chance.randrange(len(content))])]
        )
        for _ in range(chance.randrange(1, 6)):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            SentencePiece(bytes(damaged)).pieces("A photo of ﬁne cafés, 北京")
        except ModelError:
            refused += 1
    assert 0 < refused < 60


def test_rules_that_lead_nowhere_end():
    rules = CharacterMap(struct.pack("<II", 4, 0xFFFFFFFF) + b"\0")
    assert rules.longest(b"abc", 0) == (0, b"")
