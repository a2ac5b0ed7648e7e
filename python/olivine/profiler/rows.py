"""Steps added up by what they are: op, region, kernel, source line, layer, stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from olivine.profiler.events import NOWHERE, STEP, Place, Step, Thread
from olivine.profiler.flops import CONTAINERS, moved, operations


@dataclass
class Row:
    """Everything of one name. Times are seconds without the steps inside."""

    name: str
    count: float = 0
    seconds: float = 0.0
    bytes: float = 0.0
    flops: float = 0.0

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0

    def share(self, limits) -> float:
        """How near it comes to what the machine can do: the nearer of arithmetic and memory."""
        if not limits or not self.seconds:
            return 0.0
        return max(self.flops_per_second / limits.flops, self.bytes_per_second / limits.bandwidth)

    def add(self, other: Row, part: float = 1.0) -> None:
        self.count += other.count * part
        self.seconds += other.seconds * part
        self.bytes += other.bytes * part
        self.flops += other.flops * part


@dataclass
class Total:
    """All runs of one step made at one place, on one stream."""

    step: Step
    place: Place
    stream: int
    row: Row


def totals(threads: list[Thread], steps: dict[int, Step], places: dict[int, Place]) -> list[Total]:
    found = []
    for thread in threads:
        chosen = thread.events["kind"] == STEP
        events, own = thread.events[chosen], thread.own[chosen]
        if not len(events):
            continue
        keys = np.stack([events["what"], events["location"], events["stream"]]).astype(np.int64)
        kinds, which, counts = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
        nanoseconds = np.bincount(which.ravel(), weights=own, minlength=kinds.shape[1])
        for (what, location, stream), count, ns in zip(
            kinds.T.tolist(), counts.tolist(), nanoseconds.tolist(), strict=True
        ):
            step = steps.get(what, Step("kernel", "unknown", "", ""))
            row = Row(step.name, count, ns / 1e9, count * moved(step), count * operations(step))
            found.append(Total(step, places.get(location, NOWHERE), stream, row))
    return found


def _shares(total: Total, places: dict[int, Place]) -> Iterator[tuple[Place, float]]:
    """The places a step belongs to: those of a region's ops, in equal parts."""
    if total.step.kind == "fused" and total.step.parts:
        part = 1 / len(total.step.parts)
        for _, location, _ in total.step.parts:
            yield places.get(location, NOWHERE), part
    else:
        yield total.place, 1.0


def kernel_name(step: Step) -> str:
    if step.kind in CONTAINERS:
        return f"{step.name} (between its steps)"
    if step.kind == "fused":
        return f"fused {step.outputs[0].dtype if step.outputs else ''}".strip()
    return f"{'copy' if step.kind == 'copy' else step.label or step.op} {step.dtype}"


def shapes(step: Step) -> str:
    return ", ".join("x".join(map(str, o.shape)) or "scalar" for o in step.inputs)


NAMES: dict[str, Callable[[Total], str]] = {
    "op": lambda t: t.step.name,
    "kernel": lambda t: kernel_name(t.step),
    "shape": lambda t: f"{t.step.name} {shapes(t.step)}",
    "stream": lambda t: f"stream {t.stream}",
}
PLACES: dict[str, Callable[[Place], str]] = {
    "line": lambda p: f"{p} in {p.function}" if p.file else "elsewhere",
    "layer": lambda p: p.layer or "outside of layers",
}


def group(found: list[Total], places: dict[int, Place], by: str) -> list[Row]:
    """Rows by `by`, the longest first."""
    if by not in NAMES and by not in PLACES:
        known = ", ".join(sorted([*NAMES, *PLACES]))
        raise ValueError(f"[profiler] expected by to be one of {known}; got {by!r}")
    rows: dict[str, Row] = {}
    for total in found:
        if by in NAMES:
            name = NAMES[by](total)
            rows.setdefault(name, Row(name)).add(total.row)
            continue
        for place, part in _shares(total, places):
            name = PLACES[by](place)
            rows.setdefault(name, Row(name)).add(total.row, part)
    return sorted(rows.values(), key=lambda r: -r.seconds)
