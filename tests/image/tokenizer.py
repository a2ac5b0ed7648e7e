"""CLIP's tokenizer beside that of transformers, on ten thousand texts.

fixtures/make_clip_tokenizer.py made the vocabulary and the expected values.
"""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from olivine.image.tokenizer import CLIPTokenizer
from tests.image.fixtures.clip_texts import texts

MADE = json.loads(
    gzip.decompress((Path(__file__).parent / "fixtures/clip_tokenizer.json.gz").read_bytes())
)
VOCABULARY = {token: i for i, token in enumerate(MADE["tokens"])}
MERGES = [tuple(pair) for pair in MADE["merges"]]


def tokenizer(**options):
    return CLIPTokenizer(VOCABULARY, MERGES, **options)


def write(folder, **settings):
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    merges = "\n".join(" ".join(pair) for pair in MERGES)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_ids_of_ten_thousand_texts_equal_those_of_transformers():
    made = tokenizer()
    ids = [made.encode(text) for text in texts()]
    assert ids[: len(MADE["first"])] == MADE["first"]
    sums = [
        zlib.crc32(np.concatenate([np.array(one, np.int32) for one in ids[i : i + 100]]).tobytes())
        for i in range(0, len(ids), 100)
    ]
    assert len(ids) == 10_000 and sums == MADE["sums"]


def test_rows_have_the_encoders_length():
    made = tokenizer(length=8, pad="!")
    short, long = made(["cat", "a cat and a dog " * 9])
    assert short == [made.start, *made.encode("cat"), made.end] + [made.pad] * (
        6 - len(made.encode("cat"))
    )
    assert len(long) == 8 and long[0] == made.start and long[-1] == made.end
    assert long[1:-1] == made.encode("a cat and a dog " * 9)[:6]
    assert made("cat") == [short]


def test_a_folder_says_how_long_texts_are_and_what_fills_them(tmp_path):
    made = CLIPTokenizer.from_folder(write(tmp_path, pad_token="!", model_max_length=9))
    assert made.pad == VOCABULARY["!"] and len(made("")[0]) == 9
    assert made.encode(texts(50)[7]) == tokenizer().encode(texts(50)[7])


def test_a_tokenizer_json_is_read_alike(tmp_path):
    merges = [list(pair) for pair in MERGES]
    model = {"model": {"type": "BPE", "vocab": VOCABULARY, "merges": merges}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(model))
    made = CLIPTokenizer.from_folder(tmp_path)
    assert made.encode("a photo of a cat") == tokenizer().encode("a photo of a cat")


def test_decoding_gives_the_words_back():
    made = tokenizer()
    assert made.decode(made("A photo of a café, 北京")[0]) == "a photo of a café , 北京"


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("vocab.json", "[1]", "expected a JSON dict"),
        ("vocab.json", '{"a": "b"}', "expected a vocabulary"),
        ("vocab.json", '{"a": 1}', "expected the token '<|startoftext|>'"),
        ("merges.txt", "a b c\n", "expected a vocabulary of CLIP and its pairs"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, message):
    (write(tmp_path) / name).write_text(content)
    with pytest.raises(ValueError) as caught:
        CLIPTokenizer.from_folder(tmp_path)
    assert message in str(caught.value)


def test_a_folder_without_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected vocab.json and merges.txt"):
        CLIPTokenizer.from_folder(tmp_path)


def test_only_texts_are_encoded():
    with pytest.raises(TypeError, match="expected a text; got int"):
        tokenizer().encode(3)
