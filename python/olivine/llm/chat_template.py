"""Chat templates: Jinja programs that lay out a chat as the text a model was trained on.

They come with models and so from strangers. They run in Jinja's immutable sandbox, which keeps them
from attributes and functions of Python; their size, the text they make, and their time are limited.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from olivine.llm.formats.checkpoint import ModelError, optional, read_json

MAX_SOURCE = 256 << 10  # characters of a template
MAX_TEXT = 64 << 20  # characters of a chat laid out
MAX_SECONDS = 10.0


class ChatTemplate:
    """A template, compiled when it is first used. `origin` is what messages call it.

    `parts`: it is of a model that sees, whose messages have a list of parts as content; texts
    become such lists.
    """

    parts = False

    def __init__(self, source: str, origin: str = "the chat template"):
        if len(source) > MAX_SOURCE:
            raise ModelError(
                f"[llm] expected a chat template of at most {MAX_SOURCE} characters in {origin}; "
                f"got {len(source)}"
            )
        self.source, self.origin = source, origin

    @classmethod
    def from_folder(cls, path: Path, settings: dict[str, Any]) -> ChatTemplate | None:
        """From chat_template.jinja, chat_template.json or tokenizer_config.json (`settings`)."""
        file = path / "chat_template.jinja"
        if file.is_file():
            try:
                return cls(file.read_text("utf-8"), str(file))
            except (OSError, UnicodeDecodeError) as error:
                raise ModelError(f"[llm] expected text in {file}; got: {error}") from None
        found = settings.get("chat_template")
        if found is None and (path / "chat_template.json").is_file():
            found = read_json(path / "chat_template.json").get("chat_template")
        if isinstance(found, list):  # several, by name
            named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
            found = named.get("default", next(iter(named.values()), None))
        return cls(found, f"{path}/tokenizer_config.json") if isinstance(found, str) else None

    def render(self, messages: Sequence[dict[str, Any]], **variables: Any) -> str:
        """The text of a chat; ModelError says what of it or of the template is wrong."""
        _check_messages(messages)
        if self.parts:
            messages = [_in_parts(message) for message in messages]
        jinja2 = optional("jinja2", "laying out a chat")
        deadline = _Deadline(MAX_SECONDS)
        parts, size = [], 0
        try:
            # The expression of a block is one step: steps are watched, not only blocks.
            with deadline:
                for part in self._compiled.generate(messages=list(messages), **variables):
                    size += len(part)
                    if size > MAX_TEXT:
                        raise ModelError(
                            f"[llm] expected a chat of at most {MAX_TEXT} characters from "
                            f"{self.origin}"
                        )
                    parts.append(part)
        except jinja2.exceptions.TemplateError as error:
            raise ModelError(f"[llm] {self.origin}: {error}") from None
        except TimeoutError:
            raise ModelError(
                f"[llm] expected a chat to be laid out within {MAX_SECONDS:g} s by {self.origin}"
            ) from None
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"[llm] {self.origin} does not take this chat: {type(error).__name__}: {error}"
            ) from None
        except (RecursionError, MemoryError, OverflowError) as error:
            raise ModelError(
                f"[llm] {self.origin} runs without end: {type(error).__name__}"
            ) from None
        return "".join(parts)

    @functools.cached_property
    def _compiled(self):
        jinja2 = optional("jinja2", "laying out a chat")
        try:
            return _environment().from_string(self.source)
        except jinja2.exceptions.TemplateError as error:
            raise ModelError(f"[llm] expected a Jinja template in {self.origin}: {error}") from None
        except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
            raise ModelError(
                f"[llm] expected a Jinja template in {self.origin}; got {type(error).__name__}"
            ) from None


def _check_messages(messages: Any) -> None:
    if isinstance(messages, (str, bytes, dict)) or not isinstance(messages, Sequence):
        raise ModelError(f"[llm] expected a list of messages; got {type(messages).__name__}")
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ModelError(
                "[llm] expected messages as dicts with role and content; "
                f"got {message!r:.80} at {i}"
            )


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": [{"type": "text", "text": content}]}
    return message


class _Deadline:
    """Raises TimeoutError in this thread when a template's code is still running after a time.

    Uses the interpreter's trace hook of line events: loops of templates are Python loops.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds

    def _trace(self, frame, event, arg):
        if time.monotonic() > self._end:
            raise TimeoutError
        return self._trace

    def __enter__(self):
        self._end = time.monotonic() + self._seconds
        self._old = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *error):
        sys.settrace(self._old)


def _raise(message: Any):
    jinja2 = optional("jinja2", "laying out a chat")
    raise jinja2.exceptions.TemplateError(str(message))


def _to_json(value: Any, ensure_ascii=False, indent=None, separators=None, sort_keys=False) -> str:
    """JSON without the escapes that HTML needs."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


_WIDE = re.compile(r"[%{][^%{}]*(\d{5}|\*)")


def _check_width(text: str, arguments: tuple) -> None:
    """Refuse to fill texts up to a width of millions."""
    if any(isinstance(a, int) and a > 1 << 20 for a in arguments):
        sandbox = optional("jinja2.sandbox", "laying out a chat")
        raise sandbox.SecurityError("a text that is filled up to a large width")


def _check_format(text: str, arguments: tuple) -> None:
    _check_width(text, (1 << 30,) if _WIDE.search(text) else ())


@functools.cache
def _environment():
    sandbox = optional("jinja2.sandbox", "laying out a chat")
    nodes = optional("jinja2.nodes", "laying out a chat")
    ext = optional("jinja2.ext", "laying out a chat")

    class Generation(ext.Extension):
        """`{% generation %}` marks an assistant's words for training; here it is its content."""

        tags = {"generation"}

        def parse(self, parser):
            next(parser.stream)
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body)

    class Sandbox(sandbox.ImmutableSandboxedEnvironment):
        """Refuses what makes text or numbers of any size from a few characters."""

        intercepted_binops = frozenset(("*", "**", "%"))

        def call_binop(self, context, operator, left, right):
            if operator == "**" and (abs(left) > 2**20 or abs(right) > 64):
                raise sandbox.SecurityError("a power of large numbers")
            if operator == "*":
                for many, of in ((left, right), (right, left)):
                    if isinstance(of, (str, list, tuple)) and many * len(of) > MAX_TEXT:
                        raise sandbox.SecurityError("a repetition that is too long")
            if operator == "%" and isinstance(left, str):
                _check_format(left, right if isinstance(right, tuple) else (right,))
            return super().call_binop(context, operator, left, right)

        def call(self, context, obj, *args, **kwargs):
            method = getattr(obj, "__wrapped__", obj)
            text = getattr(method, "__self__", None)
            if isinstance(text, str):
                check = _check_format if "format" in method.__name__ else _check_width
                check(text, (*args, *kwargs.values()))
            return super().call(context, obj, *args, **kwargs)

    def checked(function, check):
        @functools.wraps(function)
        def call(value, *args, **kwargs):
            check(str(value), (*args, *kwargs.values()))
            return function(value, *args, **kwargs)

        return call

    environment = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
    )
    for name, check in (
        ("center", _check_width),
        ("indent", _check_width),
        ("format", _check_format),
    ):
        environment.filters[name] = checked(environment.filters[name], check)
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment
