"""The server as OpenAI's own client sees it, and as a hostile one does."""

import base64
import concurrent.futures
import json
import random
import time

import numpy as np
import pytest

import olivine.core as mx
from tests.llm.tiny_server import ChatTokenizer, running, tiny_model

openai = pytest.importorskip("openai", reason="needs openai")
httpx = pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

from olivine.llm.generation import generate  # noqa: E402
from olivine.llm.sampling import Sampling  # noqa: E402

JSON = {"Content-Type": "application/json"}
MESSAGES = [{"role": "user", "content": "hello"}]
PROMPT = ChatTokenizer().apply_chat_template(MESSAGES)


def embed(texts):
    rows = [t if isinstance(t, list) else list(t.encode()) for t in texts]
    if any(200 in row for row in rows):
        raise ValueError("[llm] expected other ids")
    return mx.array([[3.0, 4.0, len(row)] for row in rows]), sum(map(len, rows))


@pytest.fixture(scope="module")
def server():
    with running(embed=embed, max_rows=8) as (url, engine):
        yield url, engine


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server[0]}/v1", api_key="none", max_retries=0)


def chat(client, **options):
    defaults = {"model": "tiny", "messages": MESSAGES, "temperature": 0, "max_tokens": 12}
    return client.chat.completions.create(**{**defaults, **options})


def alone(prompt=PROMPT, max_tokens=12, **options):
    """What the model says without a server."""
    sampler = Sampling(**options) if options else None
    return generate(tiny_model(), ChatTokenizer(), prompt, max_tokens=max_tokens, sampler=sampler)


def idle(engine, seconds=10):
    """Whether the engine comes to rest."""
    end = time.monotonic() + seconds
    while engine.load != (0, 0) and time.monotonic() < end:
        time.sleep(0.01)
    return engine.load == (0, 0)


# ---- Chat.


def test_an_answer_is_what_the_model_says(client):
    answer = chat(client)
    (choice,) = answer.choices
    assert choice.message.role == "assistant" and choice.message.content == alone()
    assert choice.finish_reason == "length" and answer.model == "tiny"
    assert answer.usage.prompt_tokens == len(PROMPT) and answer.usage.completion_tokens == 12


def test_a_stream_adds_up_to_the_answer(client):
    parts = list(chat(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
    assert text == alone() and parts[0].choices[0].delta.role == "assistant"
    reasons = [p.choices[0].finish_reason for p in parts if p.choices]
    assert reasons[-1] == "length" and not any(reasons[:-1])
    assert parts[-1].usage.completion_tokens == 12


def test_seeds_and_choices(client):
    options = {"temperature": 1, "seed": 7, "n": 3}
    texts = [c.message.content for c in chat(client, **options).choices]
    assert texts == [alone(temperature=1, seed=7 + i) for i in range(3)]
    assert len(set(texts)) == 3
    streamed = ["", "", ""]
    for part in chat(client, **options, stream=True):
        for choice in part.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


def test_a_stop_string_ends_the_text(client):
    text = alone()
    stop = text[3:5]
    answer = chat(client, stop=[stop, "never"])
    assert answer.choices[0].message.content == text[: text.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


def test_log_probabilities_are_given(client):
    content = chat(client, logprobs=True, top_logprobs=3, max_tokens=4).choices[0].logprobs.content
    assert len(content) == 4
    for entry in content:
        assert entry.logprob == pytest.approx(max(t.logprob for t in entry.top_logprobs))
        assert len(entry.top_logprobs) == 3
    streamed = [
        entry
        for part in chat(client, logprobs=True, max_tokens=4, stream=True)
        if part.choices and part.choices[0].logprobs
        for entry in part.choices[0].logprobs.content
    ]
    np.testing.assert_allclose(
        [e.logprob for e in streamed], [e.logprob for e in content], rtol=1e-4
    )


def test_biased_tokens_win(client):
    assert chat(client, logit_bias={"98": 1000.0}).choices[0].message.content == "a" * 12


def test_an_answer_follows_a_schema(client):
    pytest.importorskip("llguidance", reason="the extra 'llm' is not installed")
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["n"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    # A random model likes blanks; a bias against them lets it come to an end.
    blanks = {str(b + 1): -1000.0 for b in b" \n\r\t"}
    answer = chat(client, response_format=wanted, max_tokens=64, logit_bias=blanks)
    assert set(json.loads(answer.choices[0].message.content)) == {"n"}
    with pytest.raises(openai.BadRequestError, match="schema"):
        bad = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "what"}}}
        chat(client, response_format=bad)


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {"x": {"enum": [1, 2]}},
                "required": ["x"],
                "additionalProperties": False,
            },
        },
    }
]


def test_a_tool_is_called(client):
    pytest.importorskip("llguidance", reason="the extra 'llm' is not installed")
    blanks = {str(b + 1): -1000.0 for b in b" \r\t"}
    options = {"tools": TOOLS, "tool_choice": "required", "max_tokens": 200, "logit_bias": blanks}
    choice = chat(client, **options).choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert call.function.name == "f" and json.loads(call.function.arguments)["x"] in (1, 2)
    parts = [p.choices[0] for p in chat(client, **options, stream=True)]
    assert parts[-1].finish_reason == "tool_calls"
    assert not any(p.delta.content for p in parts)
    (streamed,) = [c for p in parts for c in p.delta.tool_calls or []]
    assert streamed.function.arguments == call.function.arguments


# ---- Completions, embeddings, the rest.


def test_completions_of_several_prompts(client):
    answer = client.completions.create(
        model="tiny", prompt=["ab", "xyz"], max_tokens=6, temperature=0, echo=True, logprobs=2
    )
    texts = [c.text for c in answer.choices]
    assert texts == [p + alone(p, 6) for p in ("ab", "xyz")]
    logprobs = answer.choices[1].logprobs
    assert len(logprobs.token_logprobs) == 6 and logprobs.text_offset[0] == 3
    by_ids = client.completions.create(model="tiny", prompt=[98, 99], max_tokens=6, temperature=0)
    assert by_ids.choices[0].text == alone("ab", 6)
    parts = client.completions.create(
        model="tiny", prompt="ab", max_tokens=6, temperature=0, stream=True
    )
    assert "".join(p.choices[0].text for p in parts) == alone("ab", 6)


def test_embeddings(client, server):
    found = client.embeddings.create(model="tiny", input=["a", "bcd"])
    assert [d.embedding for d in found.data] == [[3, 4, 1], [3, 4, 3]]
    assert found.usage.prompt_tokens == 4
    short = client.embeddings.create(model="tiny", input="a", dimensions=2).data[0].embedding
    np.testing.assert_allclose(short, [0.6, 0.8], rtol=1e-6)
    body = {"input": "a", "encoding_format": "base64"}
    raw = httpx.post(f"{server[0]}/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(raw), "<f4").tolist() == [3, 4, 1]
    with pytest.raises(openai.BadRequestError, match="other ids"):
        client.embeddings.create(model="tiny", input=[200])


def test_models_page_health_and_metrics(client, server):
    assert [m.id for m in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "olivine"
    page = httpx.get(server[0])
    assert page.headers["content-type"].startswith("text/html") and "<form" in page.text
    assert httpx.get(f"{server[0]}/health").json() == {"status": "ok"}
    text = httpx.get(f"{server[0]}/metrics").text
    counts = dict(line.split() for line in text.splitlines() if line and line[0] != "#")
    assert float(counts["olivine_completed_total"]) >= 1
    assert float(counts["olivine_first_token_seconds_count"]) >= 1


# ---- Many clients.


def test_clients_get_what_they_would_get_alone(client, server):
    lengths = [3, 9, 17, 30, 5, 12] * 4

    def one(i):
        messages = [{"role": "user", "content": f"number {i} " * (i % 5 + 1)}]
        text = chat(client, messages=messages, max_tokens=lengths[i]).choices[0].message.content
        return text, alone(ChatTokenizer().apply_chat_template(messages), lengths[i])

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for got, expected in pool.map(one, range(24)):
            assert got == expected
    assert idle(server[1])


def test_a_client_that_goes_takes_its_sequence_with_it():
    with running(max_rows=4, slow=0.02) as (url, engine):
        body = {"messages": MESSAGES, "max_tokens": 500, "temperature": 0, "stream": True}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            while '"finish_reason":null' not in next(lines) or engine.load[0] == 0:
                pass
            assert engine.load == (1, 0)
        assert idle(engine)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/v1/chat/completions", json={**body, "stream": False}, timeout=0.3)
        assert idle(engine)
        assert engine.metrics["cancelled"] == 2


def test_too_many_are_told_to_come_later():
    with running(max_rows=1, max_queue=1, slow=0.05) as (url, _):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        streams = [chat(client, stream=True, max_tokens=400) for _ in range(2)]
        with pytest.raises(openai.RateLimitError, match="try again later"):
            chat(client)
        for stream in streams:
            stream.close()


def test_a_request_that_takes_too_long_is_ended():
    with running(max_seconds=0.3, slow=0.05) as (url, engine):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with pytest.raises(openai.InternalServerError, match="longer than 0.3 s"):
            chat(client, max_tokens=400)
        assert idle(engine)


def test_one_clients_failure_is_its_own():
    with running(slow=0.01) as (url, engine):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

        def broken(seen, logits):
            if len(seen) > len(PROMPT) + 2:
                raise RuntimeError("a broken grammar")
            return logits

        events = []
        engine.submit(PROMPT, events.append, max_tokens=50, processors=[broken])
        assert chat(client, max_tokens=40).choices[0].message.content == alone(max_tokens=40)
        assert idle(engine)
        assert events[-1].message == "a broken grammar" and len(events) >= 2


def test_keys_queue_and_time_hold_under_load():
    with running(max_rows=2, max_queue=4, max_seconds=1.5, keys=["k"], slow=0.01) as (url, engine):

        def one(i):
            headers = {"Authorization": f"Bearer {'k' if i % 4 else 'wrong'}"}
            tokens = 500 if i % 4 == 1 else 6
            body = {"messages": MESSAGES, "temperature": 0, "max_tokens": tokens}
            return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=20)

        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(one, range(24)))
        for i, answer in enumerate(answers):
            if i % 4 == 0:
                assert answer.status_code == 401
            elif answer.status_code == 200:
                text = answer.json()["choices"][0]["message"]["content"]
                assert i % 4 != 1 and text == alone(max_tokens=6)
            else:
                assert answer.status_code in (429, 504)
                assert answer.json()["error"]["message"]
        statuses = [a.status_code for a in answers]
        assert 429 in statuses and 504 in statuses
        assert idle(engine)
        late = httpx.post(
            f"{url}/v1/completions",
            json={"prompt": "ab", "max_tokens": 6, "temperature": 0},
            headers={"Authorization": "Bearer k"},
        )
        assert late.json()["choices"][0]["text"] == alone("ab", 6)


def test_a_long_sequence_leaves_room_for_fewer():
    """Of 2 MiB, at 256 bytes a position, two fifths: the rest is room to grow."""
    with running(cache_bytes=(2 << 20) + (1 << 19), slow=0.01) as (url, engine):
        assert engine.max_positions == 4096
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        streams = [
            client.completions.create(
                model="tiny", prompt="x" * size, max_tokens=300, stream=True, temperature=0
            )
            for size in (1500, 10, 10)
        ]
        end = time.monotonic() + 10
        while engine.load != (2, 1) and time.monotonic() < end:
            time.sleep(0.005)
        assert engine.load == (2, 1)
        for stream in streams:
            stream.close()
        assert idle(engine)


# ---- Bad requests.

BAD = [
    ({}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "alien", "content": "x"}]}, "role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "parts of type text"),
    ({"messages": MESSAGES, "temperature": -1}, "temperature"),
    ({"messages": MESSAGES, "top_p": 0}, "top_p"),
    ({"messages": MESSAGES, "max_tokens": 513}, "at most 512 tokens"),
    ({"messages": MESSAGES, "n": 1000}, "n"),
    ({"messages": MESSAGES, "stop": ["x"] * 17}, "stop strings"),
    ({"messages": MESSAGES, "logit_bias": {"99999": 1}}, "logit_bias of ids below 257"),
    ({"messages": [{"role": "user", "content": "x" * 5000}]}, "at most 2048 tokens"),
    ({"messages": [{"role": "user", "content": "break the template"}]}, "no such message"),
    (
        {
            "messages": MESSAGES,
            "tools": TOOLS,
            "tool_choice": {"type": "function", "function": {"name": "g"}},
        },
        "not among tools",
    ),
]


@pytest.mark.parametrize("body, message", BAD)
def test_a_bad_request_says_what_is_wrong(server, body, message):
    answer = httpx.post(f"{server[0]}/v1/chat/completions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert message in error["message"] and error["type"] == "invalid_request_error"


def test_other_errors_have_the_same_shape(server):
    url = server[0]
    body = {"messages": MESSAGES, "model": "gpt-9"}
    found = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert found.status_code == 404 and found.json()["error"]["code"] == "model_not_found"
    assert httpx.get(f"{url}/nowhere").json()["error"]["type"] == "not_found_error"
    assert httpx.get(f"{url}/v1/chat/completions").status_code == 405
    long = httpx.post(f"{url}/v1/chat/completions", content=b"x" * (2 << 20), headers=JSON)
    assert long.status_code == 413
    form = httpx.post(f"{url}/v1/chat/completions", data={"messages": "x"})
    assert form.status_code == 415 and "application/json" in form.json()["error"]["message"]

    def pieces():
        for _ in range(40):
            yield b"x" * (1 << 16)

    assert (
        httpx.post(f"{url}/v1/chat/completions", content=pieces(), headers=JSON).status_code == 413
    )


def test_keys_are_wanted():
    with running(keys=["right", "other"]) as (url, _):
        for key, status in (("wrong", 401), ("right", 200), ("other", 200)):
            headers = {"Authorization": f"Bearer {key}"}
            assert httpx.get(f"{url}/v1/models", headers=headers).status_code == status
        assert httpx.get(f"{url}/v1/models").status_code == 401
        assert (
            httpx.post(f"{url}/v1/chat/completions", json={"messages": MESSAGES}).status_code == 401
        )
        assert httpx.get(f"{url}/health").status_code == 200


def mutated(rng):
    """A body that is nearly right, or not at all."""
    kind = rng.randrange(4)
    body = {"messages": MESSAGES, "max_tokens": 2, "temperature": 0}
    values = [
        None,
        -1,
        0,
        1e308,
        2**70,
        "",
        "x",
        [],
        {},
        [[]],
        True,
        "\ud800",
        "\0",
        [1, "a", None],
    ]
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        text = json.dumps(body)
        cut = rng.randrange(len(text))
        return (text[:cut] + rng.choice(["", "[", "{", "\\u", "nul"]) + text[cut + 1 :]).encode()
    fields = ["messages", "max_tokens", "temperature", "top_p", "n", "stop", "seed", "stream",
              "logprobs", "top_logprobs", "logit_bias", "tools", "tool_choice", "response_format",
              "stream_options", "model", "min_p", "presence_penalty"]  # fmt: skip
    for name in rng.sample(fields, rng.randrange(1, 4)):
        body[name] = rng.choice(values)
    if kind == 3:
        body["messages"] = [{"role": rng.choice(["user", "tool"]), "content": rng.choice(values)}]
    return json.dumps(body).encode()


def test_hostile_bodies_harm_nobody(server, client):
    rng = random.Random(5)
    with httpx.Client() as http:
        for _ in range(300):
            route = rng.choice(["chat/completions", "completions", "embeddings"])
            answer = http.post(f"{server[0]}/v1/{route}", content=mutated(rng), headers=JSON)
            assert answer.status_code in (200, 400, 404, 413)
            if answer.status_code != 200:
                assert answer.json()["error"]["message"]
    assert chat(client).choices[0].message.content == alone()
    assert idle(server[1])


def test_a_server_that_ends_lets_requests_finish():
    with running(slow=0.02) as (url, engine):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running_request = pool.submit(chat, client, max_tokens=40)
            while engine.load[0] == 0:
                time.sleep(0.01)
            engine.close(10)
            assert running_request.result().choices[0].message.content == alone(max_tokens=40)
        with pytest.raises(openai.InternalServerError, match="shutting down"):
            chat(client)
