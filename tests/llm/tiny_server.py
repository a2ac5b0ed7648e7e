"""A server over a tiny model, in a thread, for tests that talk to it over a socket."""

import contextlib
import json
import threading

from tests.llm.tiny import ByteTokenizer, tiny_llama


class ChatTokenizer(ByteTokenizer):
    """Chats are lines of role and content; tools come first, as JSON."""

    has_chat_template = True

    def apply_chat_template(self, messages, tools=None, add_generation_prompt=True, tokenize=True):
        if any(m["content"] == "break the template" for m in messages):
            raise ValueError("[llm] the chat template: no such message")
        text = f"tools: {json.dumps(tools)}\n" if tools else ""
        text += "".join(f"{m['role']}: {m['content']}\n" for m in messages)
        text += "assistant: " if add_generation_prompt else ""
        return self.encode(text) if tokenize else text


def tiny_model():
    return tiny_llama(vocab_size=257, max_position_embeddings=2048)


@contextlib.contextmanager
def running(keys=(), embed=None, body_bytes=1 << 20, slow=0.0, **options):
    """The base URL of a server, and its engine."""
    import uvicorn

    from olivine.llm.server.app import make_app
    from olivine.llm.server.engine import Engine
    from olivine.llm.server.guard import Limits

    model = tiny_model()
    if slow:
        model = Slow(model, slow)
    engine = Engine(model, ChatTokenizer(), **options).start()
    limits = Limits(body_bytes=body_bytes, max_tokens=512, default_tokens=16)
    app = make_app(engine, "tiny", keys=keys, limits=limits, embed=embed)
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", engine
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


class Slow:
    """A model whose every step takes a while, so that requests overlap."""

    def __init__(self, model, seconds):
        self._model, self._seconds = model, seconds

    def __getattr__(self, name):
        return getattr(self._model, name)

    def __call__(self, tokens, cache=None):
        import time

        time.sleep(self._seconds)
        return self._model(tokens, cache)
