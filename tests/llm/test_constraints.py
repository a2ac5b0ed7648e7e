"""Constrained text matches, whatever the model would like to say."""

import json
import random
import re
import time

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.batch import Batch
from olivine.llm.constraints import choice, grammar, json_schema, regex
from olivine.llm.generation import generate, stream_generate
from olivine.llm.sampling import Sampling
from tests.llm.tiny import EOS, ByteTokenizer, tiny_llama

pytest.importorskip("llguidance", reason="the extra 'llm' is not installed")

EXTRA = [
    b'{"',
    b'":',
    b"true",
    b"false",
    b"null",
    b"12",
    b" the",
    "é".encode(),
    "漢字".encode(),
    b'"}',
]


@pytest.fixture(scope="module")
def tokenizer():
    return ByteTokenizer(EXTRA)


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_llama(vocab_size=tokenizer.vocab_size + 7)  # padded, as many models are


def walk(constraint, tokenizer, seed, limit=400, prefer_end=True):
    """A random text that the masks allow, or None if it does not end in time."""
    rng = random.Random(seed)
    mask, tokens = constraint.processor(tokenizer, None, 0), []
    logits = mx.zeros((1, tokenizer.vocab_size))
    for _ in range(limit):
        allowed = np.isfinite(np.array(mask(tokens, logits))[0])
        if allowed[EOS] and (prefer_end or allowed.sum() == 1 or rng.random() < 0.2):
            return tokenizer.decode(tokens)
        ids = np.flatnonzero(allowed)
        tokens.append(int(rng.choice(ids[ids != EOS])))
    return None


def accepts(constraint, tokenizer, text):
    """Whether the masks let a text pass byte by byte, and end."""
    mask, tokens = constraint.processor(tokenizer, None, 0), []
    logits = mx.zeros((1, tokenizer.vocab_size))
    for token in [*tokenizer.encode(text), EOS]:
        try:
            if not np.isfinite(np.array(mask(tokens, logits))[0, token]):
                return False
        except ValueError:
            return False
        tokens.append(token)
    return True


@pytest.mark.parametrize(
    "pattern",
    [
        r"[a-c]{2,5}",
        r"(foo|bar)+x?",
        r"\d{3}-\d{4}",
        r"[äöü漢]+é",
        r"[^a-z]{1,3}!",
        r"true|false|12*",
    ],
)
def test_texts_match_regular_expressions(tokenizer, pattern):
    constraint = regex(pattern)
    for seed in range(5):
        text = walk(constraint, tokenizer, seed)
        assert text is not None and re.fullmatch(pattern, text)


SCHEMAS = [
    ({"type": "integer"}, ["0", "-17"], ["1.5", "01", '"1"']),
    ({"type": "integer", "minimum": 3, "maximum": 117}, ["3", "99", "117"], ["2", "118", "-5"]),
    ({"type": "number"}, ["1.5", "-2e10", "3"], ["1.", "x", "NaN"]),
    ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ['"b"', "2"]),
    ({"const": {"x": [1]}}, ['{"x":[1]}'], ['{"x":[2]}']),
    ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, ["null", "true"], ["0"]),
    ({"oneOf": [{"type": "string", "maxLength": 2}, {"type": "null"}]}, ['"ab"'], ['"abc"']),
    ({"type": "string", "pattern": "^[a-z]+$", "minLength": 2}, ['"ab"'], ['"a"', '"A1"']),
    (
        {"type": "string", "minLength": 1},
        ['"\\n"', '"é"', '"漢"'],
        ['""', '"\n"', '"\\x"'],
    ),
    (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        ["[true]"],
        ["[]", "[true,true,true]"],
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        ['{"a":1}', '{"a":1,"b":"x"}', '{ "a" : 1 }'],
        ["{}", '{"b":"x"}', '{"a":1,"c":2}'],
    ),
    (
        {"type": "object", "additionalProperties": {"type": "null"}},
        ["{}", '{"x":null,"y":null}'],
        ['{"x":1}'],
    ),
    (
        {
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {
                        "v": {"type": "integer"},
                        "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
                    },
                    "required": ["v", "next"],
                    "additionalProperties": False,
                }
            },
            "$ref": "#/$defs/tree",
        },
        ['{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}'],
        ['{"v":1,"next":{"v":2}}'],
    ),
]


@pytest.mark.parametrize("schema, good, bad", SCHEMAS)
def test_json_schemas_let_pass_what_they_describe(tokenizer, schema, good, bad):
    constraint = json_schema(schema)
    for text in good:
        assert accepts(constraint, tokenizer, text), text
    for text in bad:
        assert not accepts(constraint, tokenizer, text), text
    text = walk(json_schema(json.dumps(schema), whitespace=False), tokenizer, 1)
    if text is not None:  # recursion may go on
        json.loads(text)


def test_choices_and_grammars(tokenizer):
    texts = ['a "b"', "a\nc", "é"]
    assert {walk(choice(texts), tokenizer, seed) for seed in range(20)} == set(texts)
    nested = grammar('start: "(" start ")" | "x"')
    assert accepts(nested, tokenizer, "(((x)))") and not accepts(nested, tokenizer, "((x)")


def test_special_tokens_are_no_text(tokenizer):
    """Their names could match, but they are not written with their letters."""

    class Named(ByteTokenizer):
        special_ids = {257}

    named = Named([b"abc", b"abd"])
    mask = regex("[a-z]+")
    allowed = mask.processor(named, None, 0).allowed()
    assert not allowed[257] and allowed[258] and not allowed[EOS]


def test_a_model_follows(model, tokenizer):
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "maximum": 99999, "minimum": 0},
            "s": {"type": "string", "maxLength": 5},
        },
        "required": ["n", "s"],
        "additionalProperties": False,
    }
    constraint = json_schema(schema, whitespace=False)
    for seed in range(3):
        settings = Sampling(temperature=1.0, seed=seed)
        records = list(
            stream_generate(model, tokenizer, "x", sampler=settings, constraint=constraint)
        )
        value = json.loads("".join(r.text for r in records))
        assert set(value) == {"n", "s"} and 0 <= value["n"] <= 99999 and len(value["s"]) <= 5
        assert records[-1].finish_reason == "stop" and records[-1].token == EOS


def test_rows_of_a_batch_follow_each_their_own(model, tokenizer):
    patterns = [r"[ab]{5}", r"\d{9}", None]
    batch, records = Batch(model, tokenizer), {}
    for pattern in patterns:
        batch.add("x", max_tokens=12, constraint=pattern and regex(pattern))
    while len(batch):
        for id, record in batch.step():
            records[id] = records.get(id, "") + record.text
    for id, pattern in enumerate(patterns):
        if pattern is not None:
            assert re.fullmatch(pattern, records[id])
            assert records[id] == generate(model, tokenizer, "x", constraint=regex(pattern))
    assert records[2] == generate(model, tokenizer, "x", max_tokens=12)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: regex("(ab"), "valid regular expression; .*unclosed group"),
        (lambda: json_schema({"type": "foo"}), "valid JSON schema"),
        (lambda: json_schema({"$ref": "#/nowhere"}), "valid JSON schema"),
        (lambda: json_schema("{"), "it is no JSON"),
        (lambda: json_schema(3), "a dict or a bool; got 3"),
        (lambda: grammar("start: foo"), "valid grammar"),
        (lambda: choice([]), "choices that are not empty"),
        (lambda: choice([""]), "choices that are not empty"),
    ],
)
def test_what_is_no_constraint_is_one_error(make, match):
    with pytest.raises(ValueError, match=match) as caught:
        make()
    assert len(str(caught.value)) < 500


def test_a_vocabulary_that_cannot_write_it_is_one_error():
    class Few(ByteTokenizer):
        def encode(self, text, add_special_tokens=True):
            return [self.tokens.index(c.encode()) for c in text if c in "ab"]

    tokenizer = Few()
    tokenizer.tokens = [b"", b"a", b"b"]
    mask = regex("a[xy]").processor(tokenizer, None, 0)
    mask([], mx.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"\[llm\] expected"):
        mask([1], mx.zeros((1, 3)))
    tokenizer = ByteTokenizer()
    tokenizer.eos_ids = set()
    with pytest.raises(ValueError, match="an end token"):
        regex("a").processor(tokenizer, None, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: regex("(((a{1,1000}){1,1000}){1,1000})"),
        lambda: regex("(a|b)*c" * 3000),
        lambda: json_schema(json.loads('{"items":' * 900 + "{}" + "}" * 900)),
        lambda: json_schema({"enum": [str(i) for i in range(20000)]}),
    ],
)
def test_hostile_constraints_are_quick(tokenizer, make):
    start = time.perf_counter()
    try:
        make().processor(tokenizer, None, 0)([], mx.zeros((1, tokenizer.vocab_size)))
    except ValueError as error:
        assert str(error).startswith("[llm] expected")
    assert time.perf_counter() - start < 5
