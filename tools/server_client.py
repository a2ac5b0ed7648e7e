"""A server process under test, and a light HTTP client for many connections at once.

Used by server_soak.py, server_fuzz.py and server_rate.py. The client speaks HTTP/1.1 over asyncio's
sockets by itself, since it must also send what no client library would, break off, and take little
processor time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
JSON = {"Content-Type": "application/json"}
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """`olivine serve` in a process of its own; its output goes to `log`."""

    def __init__(self, arguments: list[str], log: Path):
        self.port, self.log = free_port(), log
        command = [sys.executable, "-m", "olivine", "serve", *arguments, "--port", str(self.port)]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise SystemExit(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.05)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        if self.alive:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        try:
            return "status" in self.get("/health")
        except OSError:
            return False

    def get(self, path: str, timeout: float = 30) -> str:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()

    def metrics(self) -> dict[str, float]:
        lines = self.get("/metrics").splitlines()
        return {k: float(v) for k, v in (x.rsplit(" ", 1) for x in lines if x and x[0] != "#")}

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def readings(self) -> dict[str, float]:
        """Resident memory in MiB, open files, threads, processor seconds."""
        proc = Path(f"/proc/{self.process.pid}")
        resident = int((proc / "statm").read_text().split()[1]) * PAGE
        stat = (proc / "stat").read_text().rsplit(") ", 1)[1].split()
        ticks = int(stat[11]) + int(stat[12])
        return {
            "rss": resident / 2**20,
            "fds": len(os.listdir(proc / "fd")),
            "threads": len(os.listdir(proc / "task")),
            "cpu": ticks / os.sysconf("SC_CLK_TCK"),
        }

    def idle(self, seconds: float = 60) -> bool:
        """Whether all sequences end within the time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.metrics()
            if found["olivine_running"] == found["olivine_waiting"] == 0:
                return True
            time.sleep(0.1)
        return False

    def stop(self, seconds: float = 60) -> float | None:
        """Ask it to end (SIGTERM); returns the seconds that took, None if it had to be killed."""
        start = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(seconds)
            return time.monotonic() - start
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


@dataclass
class Answer:
    """What came back: `status` 0 if the connection ended before there was one."""

    status: int = 0
    text: str = ""  # of a stream's events, or of the only choice
    body: bytes = b""
    events: int = 0
    finished: bool = False  # a stream that came to [DONE], or a body that is whole
    error: str | None = None
    times: list[float] = field(default_factory=list)  # when text came


class Connection:
    """One connection, for one request after another."""

    def __init__(self, port: int):
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    def close(self, reset: bool = False) -> None:
        if self.writer is None:
            return
        if reset:  # linger for no time: the peer gets a reset
            own = self.writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # the server has closed it
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()
        self.reader = self.writer = None

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        await self.open()
        fields = {"Host": "x", "Content-Length": str(len(body)), **JSON, **headers}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        self.writer.write(head.encode("latin-1") + b"\r\n" + body)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        line = await self.reader.readline()
        if not line:
            raise ConnectionResetError("no answer")
        status, headers = int(line.split()[1]), {}
        while (line := await self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    async def pieces(self, headers: dict[str, str]):
        """The body's parts as they come; the connection is closed afterwards if it must be."""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline() or b"0", 16):
                yield (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            yield await self.reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self.close()


async def ask(
    connection: Connection,
    path: str,
    body: bytes | dict,
    *,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    leave_after: int | None = None,
    pause: float = 0.0,
) -> Answer:
    """Send a request and read what comes.

    leave_after: reset the connection after so many events of a stream.
    pause: seconds between reads.
    """
    answer = Answer()
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    try:
        await connection.send(method, path, data, headers or {})
        answer.status, found = await connection.head()
        streamed = found.get("content-type", "").startswith("text/event-stream")
        rest = b""
        async for piece in connection.pieces(found):
            if not streamed:
                answer.body += piece
                continue
            *parts, rest = (rest + piece).split(b"\n\n")
            for part in parts:
                _take(answer, part.removeprefix(b"data: "))
            if leave_after is not None and answer.events >= leave_after:
                connection.close(reset=True)
                return answer
            if pause:
                await asyncio.sleep(pause)
        if not streamed:
            answer.finished = True
            _whole(answer)
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        answer.error = f"{type(error).__name__}: {error}"
        connection.close()
    return answer


def _take(answer: Answer, data: bytes) -> None:
    answer.events += 1
    if data == b"[DONE]":
        answer.finished = True
        return
    event = json.loads(data)
    if "error" in event:
        answer.error = event["error"]["message"]
        return
    for choice in event["choices"]:
        text = choice["delta"].get("content") if "delta" in choice else choice["text"]
        if text:
            answer.text += text
            answer.times.append(time.monotonic())


def _whole(answer: Answer) -> None:
    if answer.status != 200:
        return
    choices = json.loads(answer.body).get("choices")
    if choices:
        message = choices[0].get("message", choices[0])
        answer.text = message.get("content") or message.get("text") or ""


def percentiles(values: list[float]) -> str:
    """Median, 90 %, 99 % and the largest, in ms."""
    if not values:
        return "none"
    ordered = sorted(values)
    chosen = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.9, 0.99)]
    return " / ".join(f"{1000 * v:.0f}" for v in [*chosen, ordered[-1]]) + " ms"
