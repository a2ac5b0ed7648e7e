"""What every request passes first: keys, the kind and size of its body, the time that takes.

A body is read here, whole, before anything else sees the request: one that is too long or too slow
is refused, and a client without a key makes the server read nothing.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

from olivine.llm.server.answers import as_json
from olivine.llm.server.protocol import Failed

PUBLIC = ("/", "/health")  # what needs no key


@dataclass
class Limits:
    """What a client may ask for."""

    body_bytes: int = 4 << 20
    max_tokens: int = 4096  # of an answer
    default_tokens: int = 1024
    body_seconds: float = 60.0


class Reply(Response):
    """A body of JSON."""

    media_type = "application/json"

    def render(self, content) -> bytes:
        return as_json(content)

    @classmethod
    def of_error(cls, error: Failed) -> Reply:
        headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
        if error.status in (408, 413):  # the rest of the body is not wanted
            headers["Connection"] = "close"
        return cls(error.body(), error.status, headers)


class Guard:
    """ASGI middleware."""

    def __init__(self, app, limits: Limits, keys: Sequence[str] = ()):
        self.app, self.limits = app, limits
        self.keys = [key.encode() for key in keys]

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            self._check_key(scope["path"], headers)
            self._check_kind(scope["method"], headers)
            messages = await self._read(headers, receive)
        except Failed as error:
            return await Reply.of_error(error)(scope, receive, send)
        if messages is None:
            return None

        async def replayed():
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replayed, send)

    def _check_key(self, path: str, headers: Headers) -> None:
        if not self.keys or path in PUBLIC:
            return
        given = headers.get("authorization", "").removeprefix("Bearer ").strip().encode()
        # All are compared, each in constant time: how long it takes tells nothing.
        if not any([hmac.compare_digest(given, key) for key in self.keys]):
            text = "expected a valid API key in the Authorization header"
            raise Failed(401, text, code="invalid_api_key")

    def _check_kind(self, method: str, headers: Headers) -> None:
        """Only JSON: what pages of other sites can make a browser send is never of that type."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and kind != "application/json":
            raise Failed(415, f"expected Content-Type: application/json; got {kind[:100]!r}")

    async def _read(self, headers: Headers, receive) -> list[dict] | None:
        """The messages of the body; None if the client has gone."""
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > self.limits.body_bytes:
            raise self._too_long()
        try:
            return await asyncio.wait_for(self._receive(receive), self.limits.body_seconds)
        except asyncio.TimeoutError:
            text = f"expected the whole body within {self.limits.body_seconds:g} s"
            raise Failed(408, text) from None

    async def _receive(self, receive) -> list[dict] | None:
        pieces, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self.limits.body_bytes:
                raise self._too_long()
            if not message.get("more_body"):
                return [{"type": "http.request", "body": b"".join(pieces), "more_body": False}]

    def _too_long(self) -> Failed:
        return Failed(413, f"expected a body of at most {self.limits.body_bytes} bytes")
