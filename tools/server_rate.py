"""Tokens per second of a server with 1, 8, 16 and 64 streaming clients, beside one after another.

    .venv/bin/python tools/server_rate.py                         the default model
    .venv/bin/python tools/server_rate.py m.gguf --clients 1 8    others

Each client asks once, all at once, for the same number of tokens after different prompts of a chat.
"one after another" asks the same of one client at a time. Also: milliseconds to the first token and
between tokens, each median / 90 % / 99 % / most.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from server_client import CHAT, Connection, Server, ask, percentiles

TOPICS = "rivers bread clocks owls maps glass rain chess salt stars bridges tea wool ships".split()


def body(number: int, tokens: int, words: int, temperature: float) -> dict:
    topic = TOPICS[number % len(TOPICS)]
    filler = " ".join(TOPICS[(number + i) % len(TOPICS)] for i in range(words))
    text = f"Tell me a long story, number {number}, about {topic}. {filler}"
    return {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": temperature,
        "seed": number,
        "stream": True,
        "logit_bias": {"2": -1000.0, "0": -1000.0},  # SmolLM2's end tokens: all are equally long
    }


async def measure(port: int, clients: int, together: bool, options, offset: int) -> dict:
    async def one(number):
        connection, start = Connection(port), time.monotonic()
        request = body(number, options.tokens, options.words, options.temperature)
        answer = await ask(connection, CHAT, request)
        connection.close()
        assert answer.finished and answer.status == 200, answer
        return start, answer.times

    start = time.monotonic()
    numbers = range(offset, offset + clients)
    if together:
        found = await asyncio.gather(*(one(n) for n in numbers))
    else:
        found = [await one(n) for n in numbers]
    elapsed = time.monotonic() - start
    gaps = [b - a for _, times in found for a, b in zip(times, times[1:], strict=False)]
    last_first = max(times[0] for _, times in found)
    steady = sum(t > last_first for _, times in found for t in times)
    return {
        "rate": clients * options.tokens / elapsed,
        "steady": steady / (max(t[-1] for _, t in found) - last_first),
        "first": percentiles([times[0] - begun for begun, times in found]),
        "gaps": percentiles(gaps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 16, 64])
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--words", type=int, default=20, help="more words of every prompt")
    parser.add_argument("--temperature", type=float, default=0.0)
    options = parser.parse_args()
    arguments = [*([options.model] if options.model else []), "--max-rows", "64"]
    with tempfile.TemporaryDirectory() as folder, Server(arguments, Path(folder) / "log") as server:
        table(server.port, options)


def table(port: int, options) -> None:
    asyncio.run(measure(port, 1, True, options, 1000))
    alone = asyncio.run(measure(port, 4, False, options, 2000))
    rows = [("one after another", alone)]
    for count in options.clients:
        found = asyncio.run(measure(port, count, True, options, 100 * count))
        rows.append((f"{count} together", found))
    print("| clients | tokens/s | of alone | all running | first token | between tokens |")
    print("|---|---|---|---|---|---|")
    for name, found in rows:
        ratio = found["rate"] / alone["rate"]
        print(
            f"| {name} | {found['rate']:.0f} | {ratio:.2f} | {found['steady']:.0f} "
            f"| {found['first']} | {found['gaps']} |"
        )


if __name__ == "__main__":
    main()
