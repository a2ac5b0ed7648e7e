"""What the recorder hands over, read: events of threads, descriptions of steps, places."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

# As in src/runtime/profile.h.
PHASES = (
    "Python",
    "graph building",
    "tracing",
    "transforming",
    "planning",
    "running",
    "steps",
    "publishing",
    "waiting",
)
STEP = PHASES.index("steps")
ALLOCATED, RELEASED, RESIDENT = len(PHASES), len(PHASES) + 1, len(PHASES) + 2
EVENT = np.dtype(
    {
        "names": ["begin", "end", "what", "location", "kind", "stream", "bytes", "address"],
        "formats": ["u8", "u8", "u4", "u4", "u1", "u2", "i8", "u8"],
        "offsets": [0, 8, 16, 20, 24, 26, 32, 40],
        "itemsize": 48,
    }
)


@dataclass(frozen=True)
class Place:
    """Where a program made an op."""

    file: str = ""
    line: int = 0
    function: str = ""
    layer: str = ""

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}" if self.file else "elsewhere"


NOWHERE = Place()


@dataclass(frozen=True)
class Operand:
    """An operand of a step; `bytes` counts an axis that is broadcast once."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def size(self) -> int:
        size = 1
        for d in self.shape:
            size *= d
        return size


@dataclass(frozen=True)
class Step:
    """What all steps of one number are."""

    kind: str  # kernel, elementwise, fused, copy, plan, loop, branch; arena: memory
    op: str
    label: str
    dtype: str
    inputs: tuple[Operand, ...] = ()
    outputs: tuple[Operand, ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()  # op, place, bytes

    @property
    def name(self) -> str:
        """The op; of a fused region, its ops in order."""
        if self.kind == "fused" and self.parts:
            ops = [op for op, _, _ in self.parts]
            shown = [op for i, op in enumerate(ops) if op not in ops[:i]]
            more = "" if len(shown) <= 4 else f" and {len(shown) - 4} more"
            return f"fused {' '.join(shown[:4])}{more} ({len(ops)})"
        if self.kind == "copy":
            return f"copy for {self.label or self.op}"
        return {"compiled": "compiled function"}.get(self.op, self.label or self.op)


@dataclass
class Thread:
    """One thread's time and events."""

    id: int
    name: str
    phases: dict[str, float]  # seconds
    events: np.ndarray  # sorted by their end; times in nanoseconds since the profile began
    own: np.ndarray = field(repr=False, default=None)  # nanoseconds, without events inside


def own_times(events: np.ndarray) -> np.ndarray:
    """How long each event took without those inside it; events are sorted by their end."""
    begin, end = events["begin"].tolist(), events["end"].tolist()
    own = [e - b for b, e in zip(begin, end, strict=True)]
    open_events: list[int] = []  # ended, and no event around them seen yet
    for i, b in enumerate(begin):
        while open_events and begin[open_events[-1]] >= b:
            inner = open_events.pop()
            own[i] -= end[inner] - begin[inner]
        open_events.append(i)
    return np.array(own, np.int64)


def read_thread(raw: tuple, begin: int, scale: float) -> Thread:
    """A thread of the recorder's; `scale` is nanoseconds in a tick."""
    number, name, phases, data = raw
    events = np.frombuffer(data, EVENT).copy()
    events = events[events["begin"] >= begin]
    for key in ("begin", "end"):
        events[key] = ((events[key] - np.uint64(begin)) * scale).astype(np.uint64)
    seconds = dict(zip(PHASES, (ns / 1e9 for ns in phases), strict=True))
    spans = events["kind"] < ALLOCATED
    own = np.zeros(len(events), np.int64)
    own[spans] = own_times(events[spans])
    return Thread(number, name, seconds, events, own)


def read_step(raw: tuple) -> Step:
    kind, op, label, dtype, inputs, outputs, parts = raw
    operands = [tuple(Operand(*o) for o in group) for group in (inputs, outputs)]
    return Step(kind, op, label, dtype, *operands, tuple(parts))
