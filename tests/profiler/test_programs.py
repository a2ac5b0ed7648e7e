"""Whole programs are attributed: threads, streams, a language model, a server, Whisper."""

import threading

import pytest

import olivine.core as mx
from olivine.profiler import profile


def check(p):
    assert p.attributed >= 0.98, p.table(limits=False)
    assert p.rows()


def test_threads_that_evaluate_at_once():
    x = mx.random.normal((128, 128), key=mx.random.key(0)) / 11
    f = mx.compile(lambda x: mx.tanh(x @ x) + x)
    mx.eval(f(x))

    def work():
        y = x
        for _ in range(50):
            y = f(y)
            mx.eval(y)

    with profile() as p:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    check(p)
    assert next(r for r in p.rows() if r.name == "matmul").count == 200
    busy = [t for t in p.threads if t.phases["steps"] > 0]
    assert len(busy) == 4


def test_streams_that_compute_in_the_background():
    x = mx.random.normal((200, 200), key=mx.random.key(0)) / 14
    streams = [mx.new_stream(mx.cpu) for _ in range(2)]
    mx.eval(x)
    with profile() as p:
        for _ in range(20):
            ys = [mx.matmul(x, x, stream=s) for s in streams]
            mx.async_eval(*ys[:1])
            mx.async_eval(*ys[1:])
            mx.eval(ys)
        for s in streams:
            mx.synchronize(s)
    check(p)
    by_stream = {r.name: r.count for r in p.rows("stream")}
    assert {f"stream {s.index}" for s in streams} <= set(by_stream)


def test_a_language_model_that_generates():
    from olivine.llm.generation import stream_generate
    from tests.llm.tiny import LetterTokenizer, tiny_llama

    model = tiny_llama(hidden_size=256, intermediate_size=512)
    run = lambda: list(stream_generate(model, LetterTokenizer(), [5, 17, 3, 9], max_tokens=40))  # noqa: E731
    run()
    with profile() as p:
        run()
    check(p)
    layers = {r.name for r in p.rows("layer")}
    assert any("layers.1" in name for name in layers), layers


@pytest.mark.slow
def test_a_server_that_answers():
    import httpx

    from tests.llm.tiny_server import running

    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 24, "temperature": 0}
    with running(max_rows=4) as (url, _):
        ask = lambda: httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)  # noqa: E731
        assert ask().status_code == 200
        with profile() as p:
            threads = [threading.Thread(target=ask) for _ in range(3)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
    check(p)
    assert sum(t.phases["steps"] > 0 for t in p.threads) >= 1


def test_whisper_that_transcribes():
    from olivine.audio.transcription import transcribe
    from tests.audio.sounds import RATE, noise
    from tests.audio.whisper.tiny import random_model, tokenizer

    sizes = {"n_mels": 80, "n_audio_ctx": 1500, "n_text_ctx": 64}
    model = random_model(**sizes, n_audio_state=64, n_text_state=64)
    sound = noise(2, level=0.3)
    assert len(sound) == 2 * RATE
    run = lambda: transcribe(model, tokenizer(), sound, temperatures=(0.0,), language="en")  # noqa: E731
    run()
    with profile() as p:
        run()
    check(p)
    assert next(r for r in p.rows() if r.name == "conv").flops > 0
