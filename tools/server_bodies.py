"""Hostile requests for a server of OpenAI's protocol, drawn from a random generator alone."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

ROUTES = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
OTHERS = ["/", "/health", "/metrics", "/v1/models", "/v1/models/x", "/v1/models/%00%ff", "/v1",
          "/v1/chat", "//", "/../etc/passwd", "/v1/chat/completions/",
          "/?" + "a" * 5000]  # fmt: skip

SCHEMAS = [
    {}, {"type": "what"}, {"$ref": "#"}, {"$ref": "http://127.0.0.1:1/"}, {"type": "object"},
    {"type": "array", "items": {"$ref": "#"}}, {"enum": []}, {"enum": [1, "a", None]},
    {"type": "string", "pattern": "("}, {"type": "string", "pattern": "(a{99}){99}"},
    {"type": "string", "minLength": 10**7}, {"type": "string", "maxLength": -1},
    {"type": "integer", "minimum": 5, "maximum": 1}, {"type": "number", "multipleOf": 0},
    {"type": "array", "minItems": 10**6}, {"anyOf": []}, {"not": {}}, {"const": "\ud800"},
    {"type": "object", "properties": {"a" * 3000: {"type": "null"}}, "required": ["b"]},
    {"type": "string", "format": "date-time"}, {"oneOf": [{"type": "string"}, {"type": "string"}]},
    {"type": ["string", "null", 3]}, {"properties": 3}, {"required": "x"}, {"allOf": [False]},
    {"type": "object", "patternProperties": {"(": {}}}, {"$defs": {"a": {"$ref": "#/$defs/a"}}},
]  # fmt: skip
VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 1e308, -1e308, 1e-320, 2**31, 2**63, 2**70, -(2**64), "",
    "x",
    "\ud800", "\udfff\ud800", "\0", "\u202e", "🜁" * 50, "a" * 3000, [], {}, [[]], [{}], {"": ""},
    [None], ["x"] * 40, [1, "a", None], [[1, 2], [3]], [-1], [2**40], [0.5], list(range(300)),
    {"0": 1e309}, {"-1": 1}, {"1": "x"}, {"999999": 1}, {"1": float("nan")}, {"\ud800": 1},
    {"type": "text"}, {"type": "json_object"}, {"type": "json_schema"}, "auto", "required", "none",
    float("nan"), float("inf"), -0.0, 0.5, 1.0, 100.0, 101, 10**400, "base64", "float",
]  # fmt: skip
CHAT = ["messages", "max_completion_tokens", "logprobs", "top_logprobs", "response_format", "tools",
        "tool_choice"]  # fmt: skip
BOTH = ["model", "max_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty",
        "presence_penalty", "frequency_penalty", "logit_bias", "seed", "stop", "n", "stream",
        "stream_options", "user", "\ud800"]  # fmt: skip
COMPLETION = ["prompt", "logprobs", "echo"]
EMBEDDING = ["input", "model", "encoding_format", "dimensions"]
TEXTS = ["hi", "", "\ud800", "<|end|>", "\0", "é" * 40, "x" * 600, "{{ 7 * 7 }}", "𝕏\u0301"]


@dataclass
class Sent:
    """One request; `manner` says how its body goes out."""

    method: str = "POST"
    path: str = ROUTES[0]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    manner: str = "whole"  # or "chunked", "halved", "reset", "raw"


def hostile(rng: random.Random) -> Sent:
    """A request that is nearly right, or not at all."""
    sent = Sent(path=rng.choice(ROUTES))
    kind = rng.random()
    if kind < 0.02:
        return Sent(body=_raw(rng), manner="raw")
    if kind < 0.05:
        sent.path, sent.method = rng.choice(OTHERS), rng.choice(["GET", "POST", "PUT", "HEAD", "X"])
    if kind < 0.12:
        sent.headers = _headers(rng)
    if kind < 0.2:
        sent.manner = rng.choice(["chunked", "chunked", "halved", "reset"])
    sent.body = body(rng, sent.path)
    return sent


def body(rng: random.Random, path: str) -> bytes:
    kind = rng.random()
    if kind < 0.06:
        return rng.randbytes(rng.randrange(300))
    if kind < 0.1:
        return _nested(rng)
    if kind < 0.12:
        return _giant(rng, path)
    found = valid(rng, path)
    names = {ROUTES[1]: COMPLETION + BOTH, ROUTES[2]: EMBEDDING}.get(path, CHAT + BOTH)
    for name in rng.sample(names, rng.choice([0, 1, 1, 1, 2, 3])):
        found[name] = _value(rng, name)
    text = json.dumps(found, ensure_ascii=rng.random() < 0.8)
    data = text.encode("utf-8", "surrogatepass")
    return _cut(rng, data) if rng.random() < 0.25 else data


def valid(rng: random.Random, path: str) -> dict:
    sampled = {"max_tokens": rng.randrange(1, 4), "temperature": rng.choice([0, 0.7, 2]),
               "stream": rng.random() < 0.5, "seed": rng.randrange(9)}  # fmt: skip
    if path == ROUTES[2]:
        return {"input": rng.choice(["a text", ["one", "two"], [1, 2, 3], [[1], [2, 3]]])}
    if path == ROUTES[1]:
        return {"prompt": rng.choice(["abc", ["a", "b"], [1, 2], [[3], [4]]]), **sampled}
    roles = ["user", "system", "assistant", "tool", "developer"]
    messages = [
        {"role": rng.choice(roles), "content": rng.choice(TEXTS)}
        for _ in range(rng.randrange(1, 4))
    ]
    return {"messages": messages, **sampled}


def _value(rng: random.Random, name: str):
    choice = rng.random()
    if name == "response_format" and choice < 0.8:
        return {"type": "json_schema", "json_schema": {"name": "x", "schema": rng.choice(SCHEMAS)}}
    if name == "tools" and choice < 0.8:
        function = {"name": rng.choice(["f", "", "\ud800", '"\n', "g" * 300])}
        if rng.random() < 0.8:
            function["parameters"] = rng.choice(SCHEMAS)
        return [{"type": "function", "function": function}] * rng.choice([1, 1, 2, 30])
    if name == "tool_choice" and choice < 0.5:
        return {"type": "function", "function": {"name": "f"}}
    if name == "messages" and choice < 0.6:
        content = rng.choice([*VALUES, [{"type": "text", "text": "a"}], [{"type": "image_url"}]])
        return [{"role": rng.choice(["user", "x", 3]), "content": content, "name": "\ud800"}]
    return rng.choice(VALUES)


def _cut(rng: random.Random, data: bytes) -> bytes:
    """The body with bytes taken out, put in, or changed."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(out) + 1)
        piece = rng.choice([b"", b"[", b"{", b"\\u", b"\\ud800", b"nul", b"NaN", b"1e999", b"\xff",
                            b'"', b"-", b",", b"\0", b"9" * 5000])  # fmt: skip
        out[at : at + rng.choice([0, 1, 5])] = piece
    return bytes(out)


def _nested(rng: random.Random) -> bytes:
    depth = rng.choice([10, 100, 1000, 100000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}"), (b"[[1],", b"]")])
    inner = opening * depth + b"1" + (closing * depth if rng.random() < 0.7 else b"")
    name = rng.choice([b"messages", b"logit_bias", b"tools", b"input", b"prompt", b"x"])
    return inner if rng.random() < 0.3 else b'{"' + name + b'":' + inner + b"}"


def _giant(rng: random.Random, path: str) -> bytes:
    """Many small things in one body."""
    item = rng.choice([b"1", b'"x"', b"[]", b"{}", b'{"role":"user","content":"a"}', b"null"])
    many = b"[" + b",".join([item] * rng.choice([3000, 100_000])) + b"]"
    name = rng.choice([b"messages", b"prompt", b"input", b"stop", b"tools"])
    if rng.random() < 0.2:
        keys = b",".join(b'"%d":1' % i for i in range(rng.choice([300, 2000, 50_000])))
        name, many = b"logit_bias", b"{" + keys + b"}"
    return b'{"' + name + b'":' + many + b"}"


def _headers(rng: random.Random) -> dict[str, str]:
    return rng.choice([
        {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"}, {"Content-Length": "99999999999"},
        {"Content-Length": "-1"}, {"Content-Length": "1" * 40}, {"Content-Length": "5, 6"},
        {"Transfer-Encoding": "gzip"}, {"Content-Encoding": "gzip"}, {"Expect": "100-continue"},
        {"Authorization": "Bearer \xff\xfe"}, {"Authorization": "x" * 9000}, {"Host": ""},
        {"Accept": "nothing/at-all"}, {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"X-" + "y" * 300: "z" * 60000}, {f"X-{i}": "1" for i in range(500)}, {"Range": "bytes=9-"},
        {"Connection": "close"}, {"Origin": "http://elsewhere"}, {"Content-Length": "0"},
    ])  # fmt: skip


def _raw(rng: random.Random) -> bytes:
    """What is no HTTP request."""
    return rng.choice([
        rng.randbytes(rng.randrange(1, 500)), b"\r\n\r\n\r\n", b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"GET " + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000,
    ])  # fmt: skip
