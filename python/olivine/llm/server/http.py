"""Runs the application on uvicorn: connections that stall are closed, and the end is orderly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import sys
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

import olivine.core as mx

HEAD_SECONDS = 20.0  # for a request's first line and headers, from the first byte or the opening
WRITE_SECONDS = 60.0  # for a client to take what was sent, once the socket's buffers are full
KEPT_BYTES = 256 << 20


class Connection(AutoHTTPProtocol):
    """A connection that ends when its client neither asks nor reads.

    uvicorn itself times connections between requests only: one that never sends a whole head, or
    that never reads an answer, would keep its file and its sequences for ever.
    """

    def connection_made(self, transport) -> None:
        self._head_timer = self._write_timer = None
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._between_requests:
            self._cancel("_head_timer")
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, error) -> None:
        self._cancel("_head_timer")
        self._cancel("_write_timer")
        super().connection_lost(error)

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP. If a request before it is still being answered, that ends."""
        if not self._between_requests:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.abort()
                return
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel("_write_timer")

    @property
    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._between_requests and not self.transport.is_closing():
            self.transport.abort()

    def _cancel(self, name: str) -> None:
        timer = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


class Server(uvicorn.Server):
    """uvicorn's server that tells where it listens, and ends the engine before the connections.

    At a signal it stops listening, sequences have `grace` seconds to finish, and the rest are told
    that the server is shutting down, as are requests on connections that are still open.
    """

    def __init__(self, config: uvicorn.Config, engine, grace: float, ready: Callable[[int], None]):
        super().__init__(config)
        self.engine, self.grace, self.ready = engine, grace, ready

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets=None) -> None:
        for server in self.servers:
            server.close()
        ending = asyncio.create_task(asyncio.to_thread(self.engine.close, self.grace))
        while not ending.done():
            if self.force_exit:  # a second Ctrl-C
                await asyncio.to_thread(self.engine.close, 0)
            await asyncio.wait([ending], timeout=0.1)
        await super().shutdown(sockets)


def configure(app, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=64 << 10,
    )


def serve(
    app,
    engine,
    host: str,
    port: int,
    *,
    grace: float = 30.0,
    ready: Callable[[int], None] = lambda port: None,
) -> bool:
    """Serve until a signal comes; returns whether it could start. `ready` gets the port."""
    _allow_files()
    # Threads hand the interpreter over at most this late: by default, a token would wait 5 ms.
    sys.setswitchinterval(0.0005)
    # A client that resets its connection is no event to report for every token under way to it.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    # What arrays leave is kept for the next ones; of batches of ever other shapes, gigabytes.
    mx.set_cache_limit(KEPT_BYTES)
    server = Server(configure(app, host, port), engine, grace, ready)
    server.run()
    engine.close(0)
    return server.started


def _allow_files() -> None:
    """As many open connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
