"""Loads a server for minutes with streaming clients, some of which behave badly; tells what breaks.

    .venv/bin/python tools/server_soak.py --minutes 10 --clients 64       the default model
    .venv/bin/python tools/server_soak.py m.gguf --minutes 0.2 --clients 16

Of the clients most stream answers of random length; of these some reset the connection midway,
some read slowly, some do not stream. Others send the requests of server_bodies.py, bodies that are
too long, and prompts longer than the context. A few are controls: they ask again and again for the
same greedy and seeded answers, which must be, to the letter, those that each got when it was alone.
At the end the server is told to stop while clients stream. A finding is

    an answer  of a well-behaved client that fails, or of a control that differs from its own alone
    a status   of 500 or above, but 503 with a reason
    a leak     memory in use beside that of arrays, of malloc or Python's objects, that grows by
               more than --growth MiB (medians of the second and last third); what the process has
               beside arrays ("rest"), by more than 128 MiB, which a burst of requests may leave in
               pieces; the same with all clients gone; files or threads that do not go back
    a rest     sequences that run when all clients have gone, a server that does not end,
               a traceback

Exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from server_bodies import hostile  # noqa: E402
from server_client import CHAT, COMPLETIONS, Connection, Server, ask, percentiles  # noqa: E402
from server_fuzz import deliver, describe, judge  # noqa: E402

WORDS = "river bread clock owl map glass rain chess salt star bridge tea wool ship door".split()
# Eight clients each: which kind comes how often.
KINDS = ["stream", "stream", "stream", "reset", "stream", "slow", "whole", "hostile"]
CONTROLS = 4
PIECES = 128  # MiB of Python's arenas that may stay with few objects in each
OBJECT = 96  # bytes of a Python object, as an idle server's are on average


def chat(rng: random.Random, tokens: int, **more) -> dict:
    text = "Tell me about " + " and ".join(rng.choices(WORDS, k=rng.randrange(1, 12)))
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, "stream": True, **more}


class Soak:
    def __init__(self, server: Server, options: argparse.Namespace):
        self.server, self.options = server, options
        self.start = time.monotonic()
        self.end = self.start + 60 * options.minutes
        self.counts: collections.Counter = collections.Counter()
        self.findings: list[str] = []
        self.first: list[float] = []
        self.gaps: list[float] = []
        self.tokens = 0
        self.readings: list[dict] = []
        self.alone: list = []

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end or not self.server.alive or len(self.findings) > 20

    def found(self, what: str) -> None:
        self.findings.append(what)
        print(f"\nFINDING {what[:2000]}", flush=True)

    def check(self, kind: str, answer) -> bool:
        """Whether a well-behaved client got what it asked for."""
        self.counts[kind] += 1
        if answer.status == 503 and b"shutting down" not in answer.body:
            self.found(f"{kind}: {answer}")
        if answer.status != 200 or answer.error or not answer.finished:
            self.found(f"{kind}: {answer}"[:1000])
            return False
        return True

    # ---- Clients.

    async def client(self, number: int) -> None:
        rng = random.Random(f"{self.options.seed}:{number}")
        kind = "control" if number < CONTROLS else KINDS[number % len(KINDS)]
        await asyncio.sleep(rng.random())
        connection = Connection(self.server.port)
        while not self.over:
            await getattr(self, kind)(connection, rng, number)
        connection.close()

    async def stream(self, connection, rng, number) -> None:
        body = chat(rng, rng.randrange(8, 97), temperature=rng.choice([0, 0.7, 1.0]))
        if rng.random() < 0.2:
            body.update(stop=["."], top_p=0.9, presence_penalty=0.5)
        if rng.random() < 0.1:
            body.update(logprobs=True, top_logprobs=3)
        start = time.monotonic()
        answer = await ask(connection, CHAT, body)
        if self.check("stream", answer) and answer.times:
            self.first.append(answer.times[0] - start)
            self.gaps += [b - a for a, b in zip(answer.times, answer.times[1:], strict=False)]
            self.tokens += len(answer.times)

    async def reset(self, connection, rng, number) -> None:
        body = chat(rng, 96, temperature=1.0)
        await ask(connection, CHAT, body, leave_after=rng.randrange(0, 30))
        self.counts["reset"] += 1

    async def slow(self, connection, rng, number) -> None:
        body = chat(rng, 32, temperature=1.0)
        self.check("slow", await ask(connection, CHAT, body, pause=0.2))
        connection.close()  # by now the server may have

    async def whole(self, connection, rng, number) -> None:
        body = {"prompt": "Once upon a " + rng.choice(WORDS), "max_tokens": rng.randrange(1, 40)}
        self.check("whole", await ask(connection, COMPLETIONS, body))

    async def hostile(self, connection, rng, number) -> None:
        choice = rng.random()
        if choice < 0.02:
            answer = await ask(connection, CHAT, b" " * (5 << 20))
            if answer.status not in (0, 413):
                self.found(f"too long a body: {answer}"[:500])
            connection.close()
        elif choice < 0.04:
            body = chat(rng, 4)
            body["messages"][0]["content"] = "word " * rng.choice([9000, 400_000])
            answer = await ask(connection, CHAT, body)
            if answer.status != 400:
                self.found(f"too long a prompt: {answer}"[:500])
        else:
            sent = hostile(rng)
            answer = await asyncio.wait_for(deliver(sent, connection), 300)
            if problem := judge(sent, answer):
                self.found(f"{problem} to {describe(sent)}")
        self.counts["hostile"] += 1
        await asyncio.sleep(0.05)

    def control_body(self, number: int) -> dict:
        rng = random.Random(f"control {number}")
        settings = {"temperature": 0} if number % 2 else {"temperature": 0.8, "seed": number}
        return chat(rng, 32, **settings)

    async def control(self, connection, rng, number) -> None:
        answer = await ask(connection, CHAT, self.control_body(number))
        if self.check("control", answer) and answer.text != self.alone[number]:
            self.counts["controls that differ"] += 1
            self.found(f"control {number}: {answer.text!r} but alone {self.alone[number]!r}")

    # ---- The run.

    def read(self) -> dict[str, float]:
        """What the system counts for the server, and what the server says of its memory, in MiB."""
        now, found = self.server.readings(), self.server.metrics()
        arrays = found["olivine_memory_bytes"] + found["olivine_kept_bytes"]
        now["rest"] = now["rss"] - arrays / 2**20
        now["malloc"] = found["olivine_malloc_bytes"] / 2**20
        now["objects"] = found["olivine_python_objects"] * OBJECT / 2**20
        return now

    async def watch(self) -> None:
        while not self.over:
            await asyncio.sleep(1)
            if not self.server.alive:
                self.found("the server has ended")
                return
            now = await asyncio.to_thread(self.read)
            self.readings.append(now)
            done = sum(v for k, v in self.counts.items() if k != "hostile")
            print(
                f"\r{time.monotonic() - self.start:.0f} s: {done} requests, "
                f"{self.counts['hostile']} hostile ones, {self.counts['control']} controls, "
                f"{now['rss']:.1f} MiB, {now['fds']} files, {now['threads']} threads, "
                f"{len(self.findings)} findings ",
                end="",
                flush=True,
            )

    async def warm_up(self) -> dict:
        """What the controls get alone; returns the readings of the idle server after some load."""
        connection = Connection(self.server.port)
        for number in range(CONTROLS):
            answer = await ask(connection, CHAT, self.control_body(number))
            again = await ask(connection, CHAT, self.control_body(number))
            if not answer.finished or answer.text != again.text:
                self.found(f"control {number} alone: {answer}, then {again}")
            self.alone.append(answer.text)
        connection.close()
        self.end = time.monotonic() + 3
        await asyncio.gather(*(self.client(n) for n in range(min(8, self.options.clients))))
        await asyncio.to_thread(self.server.idle)
        return self.read()

    async def run(self) -> None:
        self.start = time.monotonic()
        self.end = self.start + 60 * self.options.minutes
        clients = (self.client(n) for n in range(self.options.clients))
        await asyncio.gather(self.watch(), *clients)
        print()

    async def stop_under_load(self) -> None:
        """The server is told to end amid streams: each ends whole or with a reason."""
        rng = random.Random(1)
        bodies = [chat(rng, 120, temperature=1.0) for _ in range(min(16, self.options.clients))]
        streams = [
            asyncio.create_task(ask(Connection(self.server.port), CHAT, body)) for body in bodies
        ]
        await asyncio.sleep(1)
        start = time.monotonic()
        self.server.process.terminate()
        for answer in await asyncio.gather(*streams):
            told = (answer.error or "") + answer.body.decode()
            if not answer.finished and "shutting down" not in told:
                self.found(f"a stream at the end: {answer}"[:500])
        if self.server.stop(60) is None:
            self.found("the server did not end")
        print(f"told to stop with {len(bodies)} streams: ended in {time.monotonic() - start:.1f} s")

    def report(self) -> None:
        seconds = time.monotonic() - self.start
        print(f"{seconds:.0f} s; " + ", ".join(f"{k}: {v}" for k, v in sorted(self.counts.items())))
        print(f"streams: {self.tokens / seconds:.0f} tokens/s counted by clients")
        print("median / 90 % / 99 % / most:")
        print(f"  first token     {percentiles(self.first)}")
        print(f"  between tokens  {percentiles(self.gaps)}")
        third = len(self.readings) // 3
        if not third:
            return
        parts = [
            self.readings[:third],
            self.readings[third : 2 * third],
            self.readings[2 * third :],
        ]
        growth = self.options.growth
        allowed = {"malloc": growth, "objects": growth, "rest": PIECES, "fds": 24, "threads": 6}
        for name in ("rss", "rest", "malloc", "objects", "fds", "threads"):
            medians = [statistics.median(r[name] for r in part) for part in parts]
            print(f"{name}: medians of the thirds " + ", ".join(f"{m:.1f}" for m in medians))
            if medians[2] - medians[1] > allowed.get(name, float("inf")):
                self.found(f"a leak: {name} {medians}")
        cpu = self.readings[-1]["cpu"] - self.readings[0]["cpu"]
        print(f"the server took {cpu:.0f} s of processor time")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth", type=float, default=8, help="MiB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        arguments = [options.model] if options.model else []
        arguments += [
            "--max-rows",
            "64",
            "--max-tokens",
            "128",
            "--prefix-cache",
            "32",
            "--cache",
            "1024",
        ]
        with Server(arguments, log) as server:
            soak = Soak(server, options)
            before = asyncio.run(soak.warm_up())
            asyncio.run(soak.run())
            soak.report()
            if server.alive:
                if not server.idle(60):
                    soak.found("sequences are still running")
                left = soak.read()
                print("idle before:", {k: round(v, 1) for k, v in before.items()})
                print("idle after: ", {k: round(v, 1) for k, v in left.items()})
                if left["fds"] > 16:
                    soak.found(f"{left['fds']} files are still open")
                if left["rest"] - before["rest"] > PIECES:
                    soak.found(f"a leak: {left['rest']} MiB when idle, {before['rest']} before")
                asyncio.run(soak.stop_under_load())
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            soak.found("a traceback: " + said[said.index("Traceback") :][-1500:])
    print(f"{len(soak.findings)} findings")
    return bool(soak.findings)


if __name__ == "__main__":
    sys.exit(main())
