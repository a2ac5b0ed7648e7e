"""Whisper's special tokens, languages, timestamps and words."""

import pytest

from olivine.audio.whisper.languages import LANGUAGES, language_code
from olivine.audio.whisper.tokenizer import WhisperTokenizer
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.tokenizer import Tokenizer
from tests.audio.whisper.tiny import backend, tokenizer


@pytest.mark.parametrize(
    "n_vocab, eot, languages, transcribe, timestamp",
    # From the vocabularies of whisper-base and of whisper-large-v3.
    [(51865, 50257, 99, 50359, 50364), (51866, 50257, 100, 50360, 50365)],
)
def test_special_tokens(n_vocab, eot, languages, transcribe, timestamp):
    own = tokenizer(n_vocab)
    assert (own.eot, own.sot, len(own.languages)) == (eot, eot + 1, languages)
    assert (own.transcribe, own.timestamp_begin) == (transcribe, timestamp)
    assert own.no_timestamps == timestamp - 1 and own.no_speech == timestamp - 2
    assert own.language_token("English") == 50259
    assert own.special(own.language_token("de")) == "<|de|>"


def test_sequences_begin_with_language_and_task():
    own = tokenizer()
    assert own.sot_sequence("german", "translate") == [50258, 50261, 50358]
    assert own.sot_sequence() == [50258, 50259, 50359]
    with pytest.raises(ValueError, match="expected a task among transcribe, translate; got 'x'"):
        own.sot_sequence("en", "x")
    with pytest.raises(ValueError, match="expected a language of this model; got 'yue'"):
        own.sot_sequence("yue")
    with pytest.raises(ValueError, match="expected a language such as en or english"):
        own.sot_sequence("klingon")


def test_english_models_have_one_sequence():
    """Places from the vocabulary of whisper-base.en."""
    own = tokenizer(51864)
    assert (own.eot, own.sot, own.transcribe, own.timestamp_begin) == (50256, 50257, 50358, 50363)
    assert not own.multilingual and own.sot_sequence("en") == [50257]
    with pytest.raises(ValueError, match="expected English to be transcribed"):
        own.sot_sequence("de")


def test_timestamps_are_read_and_left_out():
    own = tokenizer()
    tokens = [50364, *own.encode("hello wor"), 50364 + 54]
    assert own.decode(tokens) == "hello wor"
    assert own.decode_with_timestamps(tokens) == "<|0.00|>hello wor<|1.08|>"
    assert own.seconds(50364 + 1500) == 30


def test_words_keep_their_tokens():
    own = tokenizer()
    tokens = [50364, *own.encode("hello wor, ü\ufffd!"), 50365]
    words, runs = own.split_to_word_tokens(tokens, "en")
    assert words == ["<|0.00|>", "hello", " wor", ",", " ü\ufffd", "!", "<|0.02|>"]
    assert [t for run in runs for t in run] == tokens
    words, _ = own.split_to_word_tokens(own.encode("ab你好"), "chinese")
    assert words == ["a", "b", "你", "好"]


def test_an_unfinished_character_stays_the_last():
    own = tokenizer()
    words, runs = own.split_to_word_tokens(own.encode("hello 你")[:-1], "en")
    assert words[0] == "hello" and "\ufffd" in words[-1]
    assert sum(map(len, runs)) == len(own.encode("hello 你")) - 1


def test_a_tokenizer_of_another_model_is_refused():
    with pytest.raises(ModelError, match="belongs to another model"):
        WhisperTokenizer(Tokenizer(backend()), 51864)
    with pytest.raises(ModelError, match="expected Whisper's vocabulary; got one of 100 tokens"):
        WhisperTokenizer(Tokenizer(backend()), 100)


def test_languages():
    assert len(LANGUAGES) == 100 and language_code(" Burmese") == "my"
    assert list(LANGUAGES)[:3] == ["en", "zh", "de"] and list(LANGUAGES)[98:] == ["su", "yue"]
