"""Sends hostile requests to a server and reports any that it does not answer as it should.

    .venv/bin/python tools/server_fuzz.py --requests 100000 --seed 1
    .venv/bin/python tools/server_fuzz.py --replay 1:4711            one request, shown

The server runs a tiny random model, in a process of its own. Request number I of a seed is drawn
from (seed, I) alone: random bytes, bodies that are nearly right (wrong types, huge and not-a-number
numbers, half characters, schemas, tools and grammars that are none), deep nesting, giant lists,
wrong headers, bodies that stop halfway, connections that are reset, and what is no HTTP at all.
A finding is

    a status   of 500 or above, but 503 with a reason; or an error that has not OpenAI's shape
    a hang     an answer that takes longer than 30 s
    a crash    the server ends, or its log has a traceback
    a leak     memory grows by more than --growth MiB from the fourth fifth of the requests to the
               last (medians), or files or threads do
    a change   a well-behaved request in between is answered otherwise than at the beginning

Exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from server_bodies import Sent, hostile  # noqa: E402
from server_client import CHAT, Answer, Connection, Server, ask  # noqa: E402

CONTROL = {
    "messages": [{"role": "user", "content": "a well-behaved request"}],
    "max_tokens": 8,
    "temperature": 1,
    "seed": 3,
}


class Run:
    def __init__(self, server: Server, options: argparse.Namespace):
        self.server, self.options = server, options
        self.numbers = iter(range(options.requests))
        self.statuses: collections.Counter = collections.Counter()
        self.findings: list[str] = []
        self.done = 0
        self.readings: list[dict] = []
        self.slowest = 0.0

    def found(self, number: int, what: str) -> None:
        self.findings.append(f"{self.options.seed}:{number} {what}")
        print(f"\nFINDING {self.findings[-1]}", flush=True)

    async def send(self, number: int, connection: Connection) -> None:
        sent = hostile(random.Random(f"{self.options.seed}:{number}"))
        start = time.monotonic()
        try:
            answer = await asyncio.wait_for(deliver(sent, connection), 30)
        except asyncio.TimeoutError:
            connection.close(reset=True)
            self.found(number, f"no answer in 30 s to {describe(sent)}")
            return
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.statuses[answer.status or sent.manner] += 1
        problem = judge(sent, answer)
        if problem:
            self.found(number, f"{problem} to {describe(sent)}")

    async def client(self) -> None:
        connection = Connection(self.server.port)
        for number in self.numbers:
            if not self.server.alive or len(self.findings) >= 20:
                break
            await self.send(number, connection)
            self.done += 1
        connection.close()

    async def watch(self) -> None:
        """Memory over time, and whether a well-behaved client is disturbed."""
        connection = Connection(self.server.port)
        expected = (await ask(connection, CHAT, CONTROL)).text
        start = time.monotonic()
        while self.done < self.options.requests and len(self.findings) < 20:
            await asyncio.sleep(0.5)
            if not self.server.alive:
                self.found(self.done, "the server has ended")
                return
            answer = await ask(connection, CHAT, CONTROL)
            if answer.text != expected:
                self.found(self.done, f"a change: {answer} instead of {expected!r}")
            self.readings.append({"done": self.done, **self.server.readings()})
            now = self.readings[-1]
            print(
                f"\r{self.done} of {self.options.requests}, "
                f"{self.done / (time.monotonic() - start):.0f}/s, {now['rss']:.1f} MiB, "
                f"{now['fds']} files, {now['threads']} threads, {len(self.findings)} findings ",
                end="",
                flush=True,
            )
        connection.close()

    async def all(self) -> None:
        watching = asyncio.create_task(self.watch())
        await asyncio.sleep(0.2)
        await asyncio.gather(*(self.client() for _ in range(self.options.clients)))
        await watching


async def deliver(sent: Sent, connection: Connection) -> Answer:
    if sent.manner == "whole":
        headers = dict(sent.headers)
        if any("\xff" < c for v in headers.values() for c in v):
            headers = {}
        answer = await ask(connection, sent.path, sent.body, headers=headers, method=sent.method)
        if headers or sent.method != "POST" or answer.status in (400, 413, 415):
            connection.close()  # the server may be waiting for more of a body
        return answer
    connection.close()
    try:
        await connection.open()
        if sent.manner == "raw":
            connection.writer.write(sent.body)
        else:
            head = f"POST {sent.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            connection.writer.write(head.encode())
            if sent.manner == "chunked":
                half = len(sent.body) // 2
                parts = [p for p in (sent.body[:half], sent.body[half:]) if p]
                connection.writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
                for part in parts:
                    connection.writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                connection.writer.write(b"0\r\n\r\n")
                answer = Answer()
                answer.status, headers = await connection.head()
                async for piece in connection.pieces(headers):
                    answer.body += piece
                return answer
            length = b"Content-Length: %d\r\n\r\n" % (len(sent.body) + 10)
            connection.writer.write(length + sent.body)
        await connection.writer.drain()
        await asyncio.sleep(0.01)
        return Answer()
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        return Answer(error=str(error))
    finally:
        connection.close(reset=sent.manner in ("reset", "raw"))


def judge(sent: Sent, answer: Answer) -> str | None:
    """What is wrong with the answer."""
    if answer.status >= 500:
        return f"status {answer.status} {answer.body[:300]!r}"
    if answer.status >= 400 and sent.method != "HEAD" and answer.body[:1] == b"{":
        error = json.loads(answer.body).get("error", {})
        if not (isinstance(error.get("message"), str) and error["message"] and "type" in error):
            return f"an error without OpenAI's shape, {answer.body[:300]!r}"
    if answer.status == 200 and answer.error and answer.finished is False:
        return f"a stream that failed: {answer.error}"
    return None


def describe(sent: Sent) -> str:
    return f"{sent.method} {sent.path} {sent.manner} {sent.headers} {sent.body[:400]!r}"


def leaks(readings: list[dict], growth: float) -> list[str]:
    """What grew from the fourth fifth to the last: caches are full by then."""
    if len(readings) < 10:
        return []
    at = len(readings) * 3 // 5, len(readings) * 4 // 5
    found = []
    for name, allowed in (("rss", growth), ("fds", 40), ("threads", 8)):
        values = [reading[name] for reading in readings]
        early, late = statistics.median(values[at[0] : at[1]]), statistics.median(values[at[1] :])
        if late - early > allowed:
            found.append(f"{name} grew from {early:.1f} to {late:.1f}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--growth", type=float, default=4, help="MiB")
    parser.add_argument("--replay", metavar="SEED:NUMBER")
    options = parser.parse_args()
    if options.replay:
        print(describe(hostile(random.Random(options.replay))))
    from tests.llm.tiny_folder import write_model

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny"
        write_model(model)
        log = Path(folder) / "log"
        arguments = [str(model), "--embedding-model", str(model), "--max-tokens", "16"]
        arguments += ["--max-body", "1", "--prefix-cache", "4"]
        with Server(arguments, log) as server:
            run = Run(server, options)
            if options.replay:
                sent = hostile(random.Random(options.replay))
                print(asyncio.run(deliver(sent, Connection(server.port))))
                print(log.read_text())
                return 0
            asyncio.run(run.all())
            print()
            if server.alive and not server.idle(30):
                run.findings.append("sequences are still running")
            counters = server.metrics() if server.alive else {}
            run.findings += leaks(run.readings, options.growth)
            if server.alive and server.stop(30) is None:
                run.findings.append("the server did not end")
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            run.findings.append("a traceback: " + said[said.index("Traceback") :][-1500:])
    statuses = ", ".join(f"{k}: {v}" for k, v in sorted(run.statuses.items(), key=str))
    print(f"{run.done} requests; answers {statuses}; slowest {run.slowest:.2f} s")
    print("sequences:", {k[8:-6]: int(v) for k, v in counters.items() if k.endswith("_total")})
    first, last = run.readings[0], run.readings[-1]
    for name in ("rss", "fds", "threads"):
        print(f"{name}: {first[name]:.1f} at first, {last[name]:.1f} at the end")
    print(f"{len(run.findings)} findings")
    for finding in run.findings[:20]:
        print("  " + finding[:2000])
    return bool(run.findings)


if __name__ == "__main__":
    sys.exit(main())
