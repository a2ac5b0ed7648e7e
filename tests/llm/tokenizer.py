"""Tokenizers: ids beside llama.cpp's, text as tokens come, special tokens, what does not fit."""

import json
import random
import re
import time

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.chat_template import ChatTemplate
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.gguf_config import Metadata
from olivine.llm.tokenizer import Tokenizer, tokenizer_from_folder, tokenizer_from_gguf
from tests.llm import tiny_vocabularies

pytest.importorskip("tokenizers")

STORED = np.load(tiny_vocabularies.FIXTURE)
TEXTS = tiny_vocabularies.texts()


def make(name, **changes):
    values = tiny_vocabularies.metadata(name, STORED)
    values |= {f"tokenizer.ggml.{k}": v for k, v in changes.items()}
    values = {
        k: mx.array(v) if isinstance(v, (bool, int)) else v
        for k, v in values.items()
        if v is not None
    }
    return tokenizer_from_gguf(Metadata(values, "a.gguf"))


# Where llama.cpp leaves the models' own definitions: it composes no accents for Qwen 2, ends words at
# combining accents for GPT-4o and Tekken, and takes vowel signs for accents in BERT, Hangul's too.
DIFFERENT = {
    "gpt2 qwen2": "\u0301",
    "gpt2 gpt-4o": "\u0301",
    "gpt2 tekken": "\u0301",
    "bert": "[안\u0e00-\u1fff]",
}


@pytest.mark.parametrize("name", tiny_vocabularies.FILES)
def test_ids_are_llama_cpps(name):
    tokenizer = make(name)
    ends = np.cumsum(STORED[f"{name}.counts"])
    compared = 0
    for text, want in zip(TEXTS, np.split(STORED[f"{name}.ids"], ends[:-1]), strict=True):
        if not re.search(DIFFERENT.get(name, "\0"), text):
            assert tokenizer.encode(text) == want.tolist(), repr(text)
            compared += 1
    assert compared > 80
    assert tokenizer.encode_batch(TEXTS[:5]) == [tokenizer.encode(t) for t in TEXTS[:5]]


@pytest.mark.parametrize("name", tiny_vocabularies.FILES)
def test_text_comes_back(name):
    tokenizer = make(name)
    for text in TEXTS:
        if name not in ("bert", "gpt2 qwen2"):  # these change letters
            assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
        ids = tokenizer.encode(text)
        detokenizer = tokenizer.detokenizer()
        segments = [*map(detokenizer.add, ids), detokenizer.finish()]
        assert "".join(segments) == detokenizer.text == tokenizer.decode(ids)
        assert detokenizer.tokens == ids
        assert not any("\ufffd" in s for s in segments)


def test_random_ids_stream_as_valid_text():
    random_ids = random.Random(0)
    for name in ("gpt2 gpt-2", "llama", "llama no prefix"):
        tokenizer = make(name)
        for _ in range(50):
            ids = [random_ids.randrange(len(tokenizer)) for _ in range(30)]
            detokenizer = tokenizer.detokenizer()
            for i in ids:
                detokenizer.add(i).encode()  # no half of a character
            detokenizer.finish()
            if name.startswith("gpt2"):
                assert detokenizer.text == tokenizer.decode(ids)


def test_characters_in_pieces_are_held_back():
    tokenizer = make("llama no prefix")
    ids = [tokenizer.token_to_id(f"<0x{b:02X}>") for b in "é🙂".encode()]
    detokenizer = tokenizer.detokenizer()
    assert [*map(detokenizer.add, ids)] == ["", "é", "", "", "", "🙂"]
    detokenizer.reset()
    assert (detokenizer.add(ids[2]), detokenizer.finish()) == ("", "\ufffd")


def test_the_first_space_is_dropped_where_one_was_put():
    for name, text in (("llama", "the world"), ("llama no prefix", " the world")):
        tokenizer = make(name)
        ids = tokenizer.encode(text, add_special_tokens=False)
        detokenizer = tokenizer.detokenizer()
        assert "".join(map(detokenizer.add, ids)) == tokenizer.decode(ids) == text


def test_special_tokens():
    tokenizer = make("gpt2 llama-bpe")
    end, user = tokenizer.token_to_id("<|end|>"), tokenizer.token_to_id("<|user|>")
    a, b = (tokenizer.encode(t, add_special_tokens=False) for t in "ab")
    ids = tokenizer.encode("a<|end|>b<|user|>")
    assert ids == [end, *a, end, *b, user]
    assert tokenizer.eos_token_ids == tokenizer.eos_ids == {end} and tokenizer.eos_token_id == end
    assert tokenizer.bos_token == tokenizer.eos_token == "<|end|>" and tokenizer.pad_token is None
    for skip, want in ((False, "<|end|>a<|end|>b<|user|>"), (True, "ab<|user|>")):
        assert tokenizer.decode(ids, skip_special_tokens=skip) == want
        detokenizer = tokenizer.detokenizer(skip_special_tokens=skip)
        assert "".join(map(detokenizer.add, ids)) == detokenizer.text == want
    assert tokenizer.decode(mx.array(ids)) == tokenizer.decode(ids)


def test_text_that_is_none():
    tokenizer = make("llama")
    assert tokenizer.encode("", add_special_tokens=False) == [] and tokenizer.decode([]) == ""
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a?b")
    with pytest.raises(TypeError, match="expected text; got int"):
        tokenizer.encode(3)
    with pytest.raises(ValueError, match="ids of 0 and above; got -1"):
        tokenizer.decode([-1])
    assert tokenizer.decode([10**6]) == ""  # no token


def test_tokens_with_one_text_or_with_bytes_that_are_no_text():
    tokens = ["a", "b", "a", "\udcff", "c"]
    types = mx.array([1] * 5, mx.int32)
    tokenizer = make(
        "gpt2 gpt-2", tokens=tokens, token_type=types, merges=[], bos_token_id=0, eos_token_id=4
    )
    assert len(tokenizer) == 5 and tokenizer.encode("abc") == [0, 1, 4]


WRONG = {
    "no model": ({"model": None}, "text as tokenizer.ggml.model; got nothing"),
    "other model": ({"model": "rwkv"}, "a tokenizer among gpt2, llama, bert; got 'rwkv'"),
    "other splitting": ({"pre": "klingon"}, "tokenizer.ggml.pre among .*; got 'klingon'"),
    "no tokens": ({"tokens": None}, "a list of texts as tokenizer.ggml.tokens"),
    "types missing": ({"token_type": mx.array([1, 1], mx.int32)}, "a type for each of .* tokens; got 2"),
    "half a merge": ({"merges": ["a"]}, "merges of two parts; got 'a'"),
    "merge of nowhere": ({"merges": ["zzz yyy"]}, "a vocabulary of kind 'gpt2'; got: "),
    "end elsewhere": ({"eos_token_id": 10**6}, "the eos token among .*; got 1000000"),
    "negative end": ({"eos_token_id": -1}, "a whole number as tokenizer.ggml.eos_token_id"),
    "start elsewhere": ({"bos_token_id": 10**6, "add_bos_token": True}, "vocabulary of kind|the bos token"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_vocabularies_are_refused_with_one_clear_error(case):
    changes, match = WRONG[case]
    with pytest.raises(
        ModelError, match=rf"^\[llm\] a.gguf: expected .*({match.split('expected ')[-1]})"
    ):
        make("gpt2 gpt-2", **changes)


def test_scores_are_needed_for_sentence_piece():
    with pytest.raises(ModelError, match="a score for each of .* tokens; got 0"):
        make("llama", scores=None)


def with_a_token(text):
    values = tiny_vocabularies.metadata("llama", STORED)
    own = {k: values[f"tokenizer.ggml.{k}"] for k in ("tokens", "token_type", "scores")}
    return make(
        "llama",
        tokens=[*own["tokens"], text],
        token_type=mx.concatenate([own["token_type"], mx.array([1], mx.int32)]),
        scores=mx.concatenate([own["scores"], mx.array([1.0])]),
    )


def test_tokens_so_long_that_their_splits_take_hours_are_refused():
    long = with_a_token("of" * 1000)
    assert long.encode("of", add_special_tokens=False) == make("llama").encode(
        "of", add_special_tokens=False
    )
    start = time.perf_counter()
    with pytest.raises(ModelError, match=r"^\[llm\] a.gguf: expected .* got one of 1000000 char"):
        with_a_token("of" * 500_000)
    assert time.perf_counter() - start < 10


def test_a_tokenizer_of_another_model_is_refused():
    tokenizer = make("llama")
    tokenizer.check_model(len(tokenizer))
    with pytest.raises(
        ModelError, match=r"at most 100 tokens for m.gguf; got one of \d+: it belongs"
    ):
        tokenizer.check_model(100, "m.gguf")


# ---- folders


def write_folder(folder, **files):
    make("gpt2 gpt-2").backend.save(str(folder / "tokenizer.json"))
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


def test_ends_of_folders_come_from_all_files(tmp_path):
    write_folder(
        tmp_path,
        tokenizer_config={"eos_token": {"content": "<|user|>"}, "bos_token": "<|end|>"},
        config={"eos_token_id": 5, "bos_token_id": 3},
        generation_config={"eos_token_id": [7, 9]},
    )
    tokenizer = tokenizer_from_folder(tmp_path)
    user = tokenizer.token_to_id("<|user|>")
    assert tokenizer.eos_token_ids == {user, 7, 9} and tokenizer.eos_token == "<|user|>"
    assert tokenizer.bos_token == "<|end|>"
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    tokenizer = tokenizer_from_folder(tmp_path)
    assert tokenizer.eos_token_ids == {5} and tokenizer.bos_token_id == 3
    assert not tokenizer.has_chat_template
    with pytest.raises(ModelError, match="with a chat template; this model has none"):
        tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}])


def test_chats_are_laid_out_and_encoded(tmp_path):
    template = "{{ bos_token }}{% for m in messages %}<|user|>{{ m.content }}{% endfor %}{{ 'A' if add_generation_prompt }}{{ x }}"
    write_folder(tmp_path, tokenizer_config={"chat_template": template, "bos_token": "<|end|>"})
    tokenizer = tokenizer_from_folder(tmp_path)
    messages = [{"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, x="!")
    assert text == "<|end|><|user|>HiA!"
    assert tokenizer.apply_chat_template(messages, x="!") == tokenizer.encode(text)
    assert not tokenizer.apply_chat_template(
        messages, add_generation_prompt=False, tokenize=False
    ).endswith("A")


def test_padding_and_cuts_that_a_file_keeps_are_left_out(tmp_path):
    backend = make("bert").backend
    backend.enable_padding(length=20)
    backend.enable_truncation(max_length=4)
    backend.save(str(tmp_path / "tokenizer.json"))
    text = "the world of the world"
    assert tokenizer_from_folder(tmp_path).encode(text) == make("bert").encode(text)


def test_older_files_of_vocabularies(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "wor", "##ld"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    assert tokenizer_from_folder(tmp_path).encode("The world!") == [2, 5, 6, 7, 1, 3]


def test_folders_without_a_tokenizer(tmp_path):
    with pytest.raises(ModelError, match="expected tokenizer.json in .*; got none"):
        tokenizer_from_folder(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(ModelError, match="got only tokenizer.model"):
        tokenizer_from_folder(tmp_path)
    for text in ("", "{}", "[" * 10**5, '{"model": {"type": "BPE", "vocab": 3}}'):
        (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(
            ModelError, match=r"^\[llm\] expected a tokenizer in .*tokenizer.json; got"
        ):
            tokenizer_from_folder(tmp_path)


def test_the_class_stands_alone():
    tokenizer = Tokenizer(
        make("llama").backend, eos_token_ids=[2, 5], chat_template=ChatTemplate("x")
    )
    assert tokenizer.eos_token_id == 2 and tokenizer.eos_token_ids == {2, 5}
    assert repr(tokenizer) == f"Tokenizer({len(tokenizer)} tokens, with chat template)"
    assert tokenizer.get_vocab()["<s>"] == 1 and tokenizer.vocab_size == len(tokenizer)
