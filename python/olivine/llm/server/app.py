"""The web application: OpenAI's routes over the engine, a chat page, metrics, and limits.

Every error has OpenAI's shape. A client that goes away takes its sequences with it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.resources
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.exceptions import HTTPException

import olivine.core as mx
from olivine.llm import constraints
from olivine.llm.generation import as_ids, vocabulary_size
from olivine.llm.server.answers import LAST_EVENT, Answer, Choice, Usage, event, tool_grammar
from olivine.llm.server.engine import Busy, Engine, Failure
from olivine.llm.server.guard import Guard, Limits, Reply
from olivine.llm.server.protocol import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Failed,
    Generating,
    read,
)

STATUS = {"timeout": 504, "shutdown": 503, "error": 500}


# Texts to vectors `(texts, dims)` and the number of tokens read.
Embedder = Callable[[Sequence[str | list[int]]], tuple[mx.array, int]]


def make_app(
    engine: Engine,
    name: str,
    *,
    keys: Sequence[str] = (),
    limits: Limits | None = None,
    embed: Embedder | None = None,
) -> FastAPI:
    """The application over a started engine. `name` is what the model is called."""
    limits = limits or Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI):
        yield
        await asyncio.to_thread(engine.close)

    app = FastAPI(
        title="Olivine", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.add_middleware(Guard, limits=limits, keys=keys)
    service = Service(engine, name, limits, embed)
    _add_errors(app)
    _add_routes(app, service)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Failed)
    async def failed(request: Request, error: Failed):
        return Reply.of_error(error)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException):
        text = f"there is no {request.method} {request.url.path[:200]} here"
        if error.status_code not in (404, 405):
            text = error.detail
        return Reply.of_error(Failed(error.status_code, text))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception):
        return Reply.of_error(Failed(500, "the server failed; its log says why"))


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.get("/", response_class=HTMLResponse)
    async def page():
        file = importlib.resources.files("olivine.llm.server") / "chat.html"
        return HTMLResponse(file.read_text("utf-8"), headers={"Cache-Control": "no-cache"})

    @app.get("/health")
    async def health():
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics():
        running, waiting = service.engine.load
        return service.engine.metrics.text(
            running, waiting, mx.get_active_memory(), mx.get_cache_memory()
        )

    @app.get("/v1/models")
    async def models():
        return {"object": "list", "data": [service.model_entry()]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str):
        service.check_model(name)
        return service.model_entry()

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        return await service.chat(read(ChatRequest, await request.body()), request)

    @app.post("/v1/completions")
    async def complete(request: Request):
        return await service.complete(read(CompletionRequest, await request.body()), request)

    @app.post("/v1/embeddings")
    async def embeddings(request: Request):
        return await service.embeddings(read(EmbeddingRequest, await request.body()))


class Mailbox:
    """Takes events from the engine's thread to the event loop, all of a step in one go."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._events: deque = deque()
        self._called = False

    def put(self, queue: asyncio.Queue, item) -> None:
        self._events.append((queue, item))
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._called = False  # first: what comes from now on calls again
        while self._events:
            queue, item = self._events.popleft()
            queue.put_nowait(item)


class Sequences:
    """The sequences of one request: their events in one queue, ended together."""

    def __init__(self, engine: Engine, mailbox: Mailbox):
        self.engine, self._mailbox = engine, mailbox
        self.requests: list = []
        self._queue: asyncio.Queue = asyncio.Queue()
        self._left = 0

    def add(self, index: int, prompt, **options) -> None:
        def send(found) -> None:
            self._mailbox.put(self._queue, (index, found))

        try:
            self.requests.append(self.engine.submit(prompt, send, **options))
        except Busy as error:
            self.close()
            raise Failed(503 if error.closing else 429, str(error)) from None
        except ValueError as error:
            self.close()
            raise Failed(400, str(error).removeprefix("[llm] ")) from None
        self._left += 1

    async def __aiter__(self) -> AsyncIterator:
        """Pairs of a sequence's index and a record; Failed if one could not be finished."""
        while self._left:
            index, found = await self._queue.get()
            if isinstance(found, Failure):
                raise Failed(STATUS[found.reason], found.message)
            self._left -= found.finish_reason is not None
            yield index, found

    def close(self) -> None:
        for request in self.requests:
            self.engine.cancel(request)


class Service:
    """What the routes do."""

    def __init__(self, engine, name, limits, embed):
        self.engine, self.name, self.limits, self.embed = engine, name, limits, embed
        self._mailbox: Mailbox | None = None
        self._embedding = asyncio.Lock()

    # ---- Checks.

    def check_model(self, name: str | None) -> None:
        if name not in (None, "", "default", self.name):
            raise Failed(
                404,
                f"there is no model {name[:200]!r}; this is {self.name!r}",
                "model",
                "model_not_found",
            )

    def model_entry(self) -> dict:
        return {
            "id": self.name,
            "object": "model",
            "created": int(self.engine.metrics.started),
            "owned_by": "olivine",
        }

    def token_limit(self, asked: int | None) -> int:
        asked = self.limits.default_tokens if asked is None else asked
        if asked > self.limits.max_tokens:
            raise Failed(
                400,
                f"expected at most {self.limits.max_tokens} tokens of an answer; got {asked}",
                "max_tokens",
            )
        return asked

    # ---- Chat.

    async def chat(self, body: ChatRequest, request: Request):
        self.check_model(body.model)
        tools = body.usable_tools
        messages = [message.plain() for message in body.messages]
        prompt = await asyncio.to_thread(self._chat_prompt, messages, tools)
        masks = await asyncio.to_thread(self._masks, body, tools, len(prompt))
        choices = [Choice(i, self.engine.tokenizer, bool(tools)) for i in range(body.n)]
        sequences = self._submit(body, [prompt] * body.n, body.limit, body.logprob_count, masks)
        answer = Answer("chat.completion", self.name)
        if body.stream:
            parts = self._chat_parts(body, answer, choices, sequences)
            return self._streamed(parts, sequences)
        usage = await self._collect(sequences, choices, request)
        out = []
        for choice in choices:
            entry = {"index": choice.index, "message": choice.message(), "logprobs": None}
            if body.logprobs:
                entry["logprobs"] = choice.chat_logprobs(choice.records)
            out.append({**entry, "finish_reason": choice.finish_reason})
        return Reply(answer.whole(out, usage))

    def _chat_prompt(self, messages, tools) -> list[int]:
        try:
            options = {"tools": tools} if tools else {}
            template = self.engine.tokenizer.apply_chat_template
            text = template(messages, tokenize=False, **options)
            self.engine.check_length(text)
            return self.engine.tokenizer.encode(text, add_special_tokens=False)
        except ValueError as error:
            raise Failed(400, str(error).removeprefix("[llm] "), "messages") from None

    def _masks(self, body: ChatRequest, tools, length: int) -> list[list]:
        """For each choice, the processors that its answer's form asks for.

        They are made and used once here, since a grammar's first mask may take long.
        """
        try:
            constraint = self._constraint(body, tools)
            if constraint is None:
                return [[] for _ in range(body.n)]
            tokenizer, size = self.engine.tokenizer, vocabulary_size(self.engine.model)
            masks = [constraint.processor(tokenizer, size, length) for _ in range(body.n)]
            for mask in masks:
                mask.allowed()
            return [[mask] for mask in masks]
        except ValueError as error:
            raise Failed(400, str(error).removeprefix("[llm] "), "response_format") from None
        except ImportError as error:
            raise Failed(400, str(error).removeprefix("[llm] "), "response_format") from None

    def _constraint(self, body: ChatRequest, tools):
        if tools and body.must_call:
            return constraints.grammar(tool_grammar(tools))
        wanted = body.response_format
        if wanted is None or wanted.type == "text":
            return None
        if wanted.type == "json_object":
            return constraints.json_schema({"type": "object"})
        if wanted.json_schema is None:
            raise Failed(400, "expected json_schema beside its type", "response_format")
        return constraints.json_schema(wanted.json_schema.definition)

    async def _chat_parts(self, body, answer, choices, sequences) -> AsyncIterator[dict]:
        for choice in choices:
            delta = {"role": "assistant", "content": ""}
            yield answer.part([_delta(choice.index, delta)])
        async for index, record in sequences:
            choice = choices[index]
            text = choice.add(record)
            if text or body.logprobs:
                entry = _delta(index, {"content": text})
                if body.logprobs:
                    entry["logprobs"] = choice.chat_logprobs([record])
                yield answer.part([entry])
            if record.finish_reason is not None:
                calls = [{"index": i, **call} for i, call in enumerate(choice.calls)]
                if calls:
                    yield answer.part([_delta(index, {"tool_calls": calls})])
                yield answer.part([_delta(index, {}, choice.finish_reason)])
        if body.stream_options and body.stream_options.include_usage:
            yield answer.part([], _usage(choices))

    # ---- Completions.

    async def complete(self, body: CompletionRequest, request: Request):
        self.check_model(body.model)
        # In a thread, and each once: a long text takes a while.
        found = await asyncio.to_thread(lambda: [self._prompt_ids(p) for p in body.prompts])
        prompts = [ids for ids in found for _ in range(body.n)]
        sequences = self._submit(body, prompts, body.max_tokens, body.logprobs)
        choices = [Choice(i, self.engine.tokenizer) for i in range(len(prompts))]
        echoes = [self._echo(body, p) for p in body.prompts for _ in range(body.n)]
        answer = Answer("text_completion", self.name)
        if body.stream:
            parts = self._parts(body, answer, choices, echoes, sequences)
            return self._streamed(parts, sequences)
        usage = await self._collect(sequences, choices, request)
        out = []
        for choice, echo in zip(choices, echoes, strict=True):
            entry = {"index": choice.index, "text": echo + choice.text, "logprobs": None}
            if body.logprobs is not None:
                entry["logprobs"] = choice.completion_logprobs(choice.records, len(echo))
            out.append({**entry, "finish_reason": choice.finish_reason})
        return Reply(answer.whole(out, usage))

    def _prompt_ids(self, prompt: str | list[int]) -> list[int]:
        try:
            self.engine.check_length(prompt)
            return as_ids(self.engine.model, self.engine.tokenizer, prompt)
        except ValueError as error:
            raise Failed(400, str(error).removeprefix("[llm] "), "prompt") from None

    def _echo(self, body: CompletionRequest, prompt) -> str:
        if not body.echo:
            return ""
        return prompt if isinstance(prompt, str) else self.engine.tokenizer.decode(prompt)

    async def _parts(self, body, answer, choices, echoes, sequences) -> AsyncIterator[dict]:
        for choice, echo in zip(choices, echoes, strict=True):
            if echo:
                yield answer.part([_text(choice.index, echo)])
        async for index, record in sequences:
            choice = choices[index]
            at = len(echoes[index]) + len(choice.text)
            entry = _text(index, choice.add(record), choice.finish_reason)
            if body.logprobs is not None:
                entry["logprobs"] = choice.completion_logprobs([record], at)
            if entry["text"] or entry["logprobs"] or entry["finish_reason"]:
                yield answer.part([entry])
        if body.stream_options and body.stream_options.include_usage:
            yield answer.part([], _usage(choices))

    # ---- Both.

    def _submit(
        self, body: Generating, prompts, limit, logprobs, masks: list[list] | None = None
    ) -> Sequences:
        limit = self.token_limit(limit)
        self._mailbox = self._mailbox or Mailbox()
        sequences = Sequences(self.engine, self._mailbox)
        for index, prompt in enumerate(prompts):
            try:
                sampler = body.sampling(index)
            except ValueError as error:
                sequences.close()
                raise Failed(400, str(error).removeprefix("[llm] ")) from None
            sequences.add(
                index,
                prompt,
                max_tokens=limit,
                sampler=sampler,
                stop=body.stops,
                logprobs=logprobs,
                processors=masks[index] if masks else (),
            )
        return sequences

    async def _collect(
        self, sequences: Sequences, choices: list[Choice], request: Request
    ) -> Usage:
        """Wait for all; sequences end when the client goes."""
        gone = asyncio.create_task(_disconnected(request))
        collecting = asyncio.create_task(_read(sequences, choices))
        try:
            await asyncio.wait({gone, collecting}, return_when=asyncio.FIRST_COMPLETED)
            if not collecting.done():
                raise Failed(499, "the client has gone")
            await collecting
        finally:
            gone.cancel()
            collecting.cancel()
            sequences.close()
        return _usage(choices)

    def _streamed(self, parts: AsyncIterator[dict], sequences: Sequences) -> StreamingResponse:
        async def events():
            try:
                async for part in parts:
                    yield event(part)
                yield LAST_EVENT
            except Failed as error:
                yield event(error.body())
            finally:
                sequences.close()

        return Stream(
            events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    # ---- Embeddings.

    async def embeddings(self, body: EmbeddingRequest) -> Reply:
        self.check_model(body.model)
        if self.embed is None:
            text = "this server has no model for embeddings; start it with --embedding-model"
            raise Failed(404, text, "model", "model_not_found")
        inputs = body.input
        if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
            inputs = [inputs]
        if not 1 <= len(inputs) <= 2048 or not all(inputs):
            raise Failed(400, "expected 1 to 2048 inputs that are not empty", "input")
        try:
            async with self._embedding:  # one request at a time: each takes all processors
                vectors, count = await asyncio.to_thread(self.embed, inputs)
        except ValueError as error:
            raise Failed(400, str(error).removeprefix("[llm] "), "input") from None
        vectors = np.nan_to_num(np.array(vectors, np.float32))
        if body.dimensions is not None:
            if body.dimensions > vectors.shape[1]:
                raise Failed(400, f"expected at most {vectors.shape[1]} dimensions", "dimensions")
            vectors = vectors[:, : body.dimensions]
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        data = [
            {"object": "embedding", "index": i, "embedding": _encoded(v, body.encoding_format)}
            for i, v in enumerate(vectors)
        ]
        usage = {"prompt_tokens": count, "total_tokens": count}
        return Reply({"object": "list", "data": data, "model": self.name, "usage": usage})


class Stream(StreamingResponse):
    """A stream whose source ends, and with it the sequences, when the client goes."""

    async def __call__(self, scope, receive, send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.body_iterator.aclose()


def _encoded(vector: np.ndarray, form: str):
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def _delta(index: int, delta: dict, reason: str | None = None) -> dict:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}


def _text(index: int, text: str, reason: str | None = None) -> dict:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _usage(choices: list[Choice]) -> Usage:
    usage = Usage()
    for choice in choices:
        usage.add(choice)
    return usage


async def _read(sequences: Sequences, choices: list[Choice]) -> None:
    async for index, record in sequences:
        choices[index].add(record)


async def _disconnected(request: Request) -> None:
    """Ends when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
