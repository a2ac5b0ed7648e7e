"""From the tokens of a request to responses in OpenAI's shapes, whole or streamed."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any

from olivine.llm.generation import Record

TOOL_OPEN, TOOL_CLOSE = "<tool_call>", "</tool_call>"
_CALL = re.compile(
    re.escape(TOOL_OPEN) + r"\s*(\{.*?\})\s*(?:" + re.escape(TOOL_CLOSE) + "|$)", re.S
)


def new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(12)}"


class Usage:
    """Tokens of all choices of a request."""

    def __init__(self):
        self.prompt = self.cached = self.completion = 0

    def add(self, choice: Choice) -> None:
        if choice.last is not None:
            self.prompt = max(self.prompt, choice.last.prompt_tokens)
            self.cached = max(self.cached, choice.last.cached_tokens)
            self.completion += choice.last.generated_tokens

    def body(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }


class Choice:
    """One generated text: collects its records; tool calls are taken out of the text."""

    def __init__(self, index: int, tokenizer, tools: bool = False):
        self.index, self.tokenizer, self.tools = index, tokenizer, tools
        self.text = ""
        self.shown = 0  # characters that were streamed
        self.records: list[Record] = []
        self.last: Record | None = None

    def add(self, record: Record) -> str:
        """Take a record; returns the text that may be streamed now."""
        self.text += record.text
        self.records.append(record)
        self.last = record
        end = len(self.text)
        if self.tools and record.finish_reason is None:
            end = _before_call(self.text)
        elif self.tools:
            end = len(self.content)
        new, self.shown = self.text[self.shown : end], max(end, self.shown)
        return new

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The tools that the text calls, in OpenAI's shape."""
        if not self.tools:
            return []
        found = [_call(match[1]) for match in _CALL.finditer(self.text)]
        return [call for call in found if call is not None]

    @property
    def content(self) -> str:
        """The text without its tool calls."""
        if not self.calls:
            return self.text
        return self.text[: self.text.find(TOOL_OPEN)].rstrip()

    @property
    def finish_reason(self) -> str | None:
        if self.last is None or self.last.finish_reason is None:
            return None
        return "tool_calls" if self.calls else self.last.finish_reason

    def message(self) -> dict[str, Any]:
        calls = self.calls
        out: dict[str, Any] = {"role": "assistant", "content": self.content or None}
        if calls:
            out["tool_calls"] = calls
        else:
            out["content"] = self.text
        return out

    # ---- Log probabilities.

    def chat_logprobs(self, records: list[Record]) -> dict[str, Any]:
        return {"content": [self._entry(r.token, r.logprob, r.top_logprobs or []) for r in records]}

    def _entry(self, token: int, logprob: float, top) -> dict[str, Any]:
        return {**self._named(token, logprob), "top_logprobs": [self._named(*pair) for pair in top]}

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.tokenizer.decode([token])
        return {"token": text, "logprob": _number(logprob), "bytes": list(text.encode())}

    def completion_logprobs(self, records: list[Record], start: int) -> dict[str, Any]:
        tokens = [self.tokenizer.decode([r.token]) for r in records]
        offsets, at = [], start
        for token in tokens:
            offsets.append(at)
            at += len(token)
        return {
            "tokens": tokens,
            "token_logprobs": [_number(r.logprob) for r in records],
            "top_logprobs": [
                {self.tokenizer.decode([t]): _number(p) for t, p in r.top_logprobs or []}
                for r in records
            ],
            "text_offset": offsets,
        }


def _number(logprob: float) -> float:
    """JSON has no infinity; OpenAI writes -9999 for what cannot be."""
    return logprob if logprob > -9999 else -9999.0


def _before_call(text: str) -> int:
    """How much of the text surely does not belong to a tool call."""
    start = text.find(TOOL_OPEN)
    if start >= 0:
        return start
    for size in range(len(TOOL_OPEN) - 1, 0, -1):
        if text.endswith(TOOL_OPEN[:size]):
            return len(text) - size
    return len(text)


def _call(source: str) -> dict[str, Any] | None:
    try:
        call = json.loads(source)
    except ValueError:
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {
        "id": new_id("call"),
        "type": "function",
        "function": {"name": call["name"], "arguments": text},
    }


def tool_grammar(tools: list[dict[str, Any]]) -> str:
    """A grammar of exactly one call of one of `tools`, in llguidance's variant of Lark."""
    rules, names = [], []
    for number, tool in enumerate(tools):
        function = tool["function"]
        schema = {
            "type": "object",
            "properties": {
                "name": {"const": function["name"]},
                "arguments": function.get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        names.append(f"call{number}")
        rules.append(f"call{number}: %json {json.dumps(schema)}")
    start = f'start: "{TOOL_OPEN}\\n" ({" | ".join(names)}) "\\n{TOOL_CLOSE}"'
    return "\n".join([start, *rules])


class Answer:
    """The response of one request, with the fields that its parts share."""

    def __init__(self, kind: str, model: str):
        self.kind = kind  # "chat.completion" or "text_completion"
        prefix = "chatcmpl" if kind == "chat.completion" else "cmpl"
        self.fields = {"id": new_id(prefix), "created": int(time.time()), "model": model}

    def whole(self, choices: list[dict], usage: Usage) -> dict[str, Any]:
        return {**self.fields, "object": self.kind, "choices": choices, "usage": usage.body()}

    def part(self, choices: list[dict], usage: Usage | None = None) -> dict[str, Any]:
        kind = f"{self.kind}.chunk" if self.kind == "chat.completion" else self.kind
        out = {**self.fields, "object": kind, "choices": choices}
        return out if usage is None else {**out, "usage": usage.body()}


def as_json(body: dict[str, Any]) -> bytes:
    """The body in UTF-8; half characters that a client sent go back as the escapes they came in."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def event(body: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + as_json(body) + b"\n\n"


LAST_EVENT = b"data: [DONE]\n\n"
