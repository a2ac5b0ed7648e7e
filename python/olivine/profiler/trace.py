"""A profile as a trace in the format of chrome://tracing, which Perfetto reads too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from olivine.profiler.events import ALLOCATED, NOWHERE, PHASES, RESIDENT, STEP, Thread
from olivine.profiler.flops import moved, operations
from olivine.profiler.rows import shapes

if TYPE_CHECKING:
    from olivine.profiler.recording import Profile


def _description(profile: Profile, what: int) -> tuple[str, dict]:
    step = profile.steps.get(what)
    if step is None:
        return "unknown step", {}
    args = {"kind": step.kind, "inputs": shapes(step), "dtype": step.dtype}
    flops, size = operations(step), moved(step)
    if flops:
        args["FLOP"] = flops
    if size:
        args["bytes"] = size
    if step.kind == "fused":
        args["ops"] = " ".join(op for op, _, _ in step.parts)
    return step.name, args


def _thread_events(profile: Profile, thread: Thread, pid: int, names: dict) -> Iterator[dict]:
    yield {
        "ph": "M",
        "pid": pid,
        "tid": thread.id,
        "name": "thread_name",
        "args": {"name": thread.name},
    }
    keys = ("kind", "what", "location", "stream", "begin", "end", "bytes")
    for kind, what, location, stream, begin, end, size in zip(
        *(thread.events[k].tolist() for k in keys), strict=True
    ):
        if kind == RESIDENT:
            yield _counter("process memory", pid, end, size)
            continue
        if kind >= ALLOCATED:
            continue
        name, args = (PHASES[kind], {})
        if kind == STEP:
            if what not in names:
                names[what] = _description(profile, what)
            name, args = names[what]
            place = profile.places.get(location, NOWHERE)
            args = args | {"stream": stream, "line": str(place), "function": place.function}
            if place.layer:
                args["layer"] = place.layer
        event = {"ph": "X", "pid": pid, "tid": thread.id, "cat": PHASES[kind], "name": name}
        yield event | {"ts": begin / 1e3, "dur": (end - begin) / 1e3, "args": args}


def _counter(name: str, pid: int, time: int, value: int) -> dict:
    args = {"bytes": value}
    return {"ph": "C", "pid": pid, "tid": 0, "name": name, "ts": time / 1e3, "args": args}


def trace_events(profile: Profile) -> Iterator[dict]:
    """The trace's events: spans of every thread, and memory as counters."""
    pid = os.getpid()
    title = profile.title or "olivine"
    yield {"ph": "M", "pid": pid, "tid": 0, "name": "process_name", "args": {"name": title}}
    names: dict = {}
    for thread in profile.threads:
        yield from _thread_events(profile, thread, pid, names)
    memory, last = profile.memory, None
    for time, live in zip((memory.times * 1e9).tolist(), memory.live.tolist(), strict=True):
        if live != last:
            yield _counter("live arrays", pid, time, live)
        last = live


def write_trace(profile: Profile, path: Path) -> None:
    """Write the events one by one, as long profiles have millions."""
    with path.open("w", encoding="utf-8") as f:
        f.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        for i, event in enumerate(trace_events(profile)):
            f.write((",\n" if i else "") + json.dumps(event))
        f.write("\n]}\n")
