"""SigLIP's tokenizer beside that of transformers, on ten thousand texts.

fixtures/make_siglip_tokenizer.py made the SentencePiece models and the expected values.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from olivine.image.siglip_tokenizer import SiglipTokenizer, canonical
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.sentence_piece import SentencePiece
from tests.image.fixtures.siglip_texts import texts

MADE = np.load(Path(__file__).parent / "fixtures/siglip_tokenizer.npz")
MODELS = ("siglip", "multilingual")


def content(name):
    return MADE[f"{name}.model"].tobytes()


def tokenizer(name="siglip", **options):
    return SiglipTokenizer(SentencePiece(content(name)), **options)


def fast(folder):
    """A tokenizer.json like that of SigLIP 2: bytes, an end, padding."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: i for i, text in enumerate(alphabet)}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<eos>", "<pad>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 256)]
    )
    made.save(str(folder / "tokenizer.json"))
    return vocabulary


@pytest.mark.parametrize("name", MODELS)
def test_ids_of_ten_thousand_texts_equal_those_of_transformers(name):
    rows = np.array(tokenizer(name)(texts()), np.int32)
    assert rows.shape == (10_000, 64)
    np.testing.assert_array_equal(rows[:30], MADE[f"{name}.first"])
    sums = [zlib.crc32(rows[i : i + 100].tobytes()) for i in range(0, len(rows), 100)]
    assert sums == MADE[f"{name}.sums"].tolist()


def test_texts_lose_case_punctuation_and_double_spaces():
    assert canonical(" A  Photo,\nof (a) CAT! ") == "a photo of a cat"
    assert canonical("A_B", lower=False) == "AB"


def test_rows_have_the_encoders_length():
    made = tokenizer(length=8)
    short, long = made(["cat", "a cat and a dog " * 9])
    assert short == made.encode("cat") + [made.end] * (8 - len(made.encode("cat")))
    assert long == made.encode("a cat and a dog " * 9)[:7] + [made.end]
    assert made("cat") == [short]


def test_decoding_gives_the_words_back():
    made = tokenizer()
    assert made.decode(made("A photo of a CAT, in style.")[0]) == "a photo of a cat in style"
    with pytest.raises(ValueError, match="ids from 0 to 499; got 500"):
        made.decode([500])


def test_a_folder_says_how_long_texts_are_and_what_fills_them(tmp_path):
    (tmp_path / "spiece.model").write_bytes(content("siglip"))
    assert SiglipTokenizer.from_folder(tmp_path).length == 64
    settings = {"model_max_length": 9, "pad_token": {"content": "<pad>"}, "do_lower_case": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    made = SiglipTokenizer.from_folder(tmp_path)
    assert made.pad == 0 and len(made("")[0]) == 9 and not made.lower
    settings["model_max_length"] = 1e30
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert SiglipTokenizer.from_folder(tmp_path).length == 64


def test_a_tokenizer_json_is_used_where_there_is_no_model(tmp_path):
    vocabulary = fast(tmp_path)
    settings = {"tokenizer_class": "Siglip2Tokenizer", "model_max_length": 6, "pad_token": "<pad>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    made = SiglipTokenizer.from_folder(tmp_path)
    cat = [vocabulary[c] for c in "cat"]
    assert made(["CAT", "catcatcat"]) == [[*cat, 256, 257, 257], [*cat, *cat[:2], 256]]
    assert made.encode("Cat") == cat and made.decode(made("cat")[0]) == "cat" and len(made) == 258
    settings |= {"tokenizer_class": "GemmaTokenizer", "padding_side": "left"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert SiglipTokenizer.from_folder(tmp_path)("c") == [[257] * 4 + [cat[0], 256]]


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(
        ModelError, match="expected spiece.model or tokenizer.json in .*; got neither"
    ):
        SiglipTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="expected a tokenizer in"):
        SiglipTokenizer.from_folder(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"\xff" * 9)
    with pytest.raises(ModelError, match="expected a SentencePiece model in"):
        SiglipTokenizer.from_folder(tmp_path)
    (tmp_path / "spiece.model").write_bytes(content("siglip"))
    for settings, message in (
        ({"eos_token": "<end>"}, "expected the token '<end>'"),
        ({"model_max_length": 1}, "a length of texts from 2"),
        ({"model_max_length": "long"}, "a length of texts from 2"),
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        with pytest.raises(ModelError, match=message):
            SiglipTokenizer.from_folder(tmp_path)


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="expected a text; got int"):
        tokenizer().encode(3)
    assert tokenizer().encode("\ud800") == tokenizer().encode("?")
