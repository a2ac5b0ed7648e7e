"""Live memory over time, by the line that asked for it.

The recorder notes blocks above 64 KiB one by one and, at every step, the bytes of all live arrays:
what is not in a noted block is "small arrays". Temporaries of a plan lie in one block, which
belongs to the lines whose results fill it when it is fullest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from olivine.profiler.events import ALLOCATED, NOWHERE, RELEASED, RESIDENT

if TYPE_CHECKING:
    from olivine.profiler.recording import Profile

SMALL = "small arrays"
BEFORE = "made before the profile"


@dataclass
class Change:
    """Bytes that came to a line (or went, if negative) at a time in nanoseconds."""

    time: int
    line: str
    bytes: float


class Memory:
    """Live bytes of arrays and what the process holds, over time.

    Attributes:
        times: seconds since the profile began, where `live` was noted.
        live: bytes of live arrays.
        cached: bytes that the allocator keeps for the next arrays.
        resident_times, resident: bytes that the system counts as the process's, now and then.
    """

    def __init__(self, profile: Profile):
        self._profile = profile
        events = np.concatenate([t.events for t in profile.threads])
        events = events[np.argsort(events["end"], kind="stable")]
        noted = events[events["kind"] < ALLOCATED]
        self.times = noted["end"] / 1e9
        self.live = noted["bytes"].astype(np.int64)
        self.cached = noted["address"].astype(np.int64)
        held = events[events["kind"] == RESIDENT]
        self.resident_times, self.resident = held["end"] / 1e9, held["bytes"].astype(np.int64)
        self.changes = self._changes(events)

    @property
    def peak(self) -> int:
        """The most bytes of live arrays that were noted."""
        return int(self.live.max(initial=0))

    @property
    def live_growth(self) -> int:
        """Bytes of live arrays at the end less those at the first note."""
        return int(self.live[-1] - self.live[0]) if len(self.live) else 0

    @property
    def cached_growth(self) -> int:
        """The same of what the allocator keeps."""
        return int(self.cached[-1] - self.cached[0]) if len(self.cached) else 0

    @property
    def resident_growth(self) -> int:
        """The same of the process, as the system counts."""
        return int(self.resident[-1] - self.resident[0]) if len(self.resident) else 0

    def at_peak(self) -> dict[str, float]:
        """Bytes by line when most were live, the largest first."""
        at = self.times[int(self.live.argmax())] * 1e9 if len(self.live) else 0
        lines: dict[str, float] = defaultdict(float)
        for change in self.changes:
            if change.time > at:
                break
            lines[change.line] += change.bytes
        rest = self.peak - sum(lines.values())
        if rest > 0:
            lines[SMALL] += rest
        return dict(sorted(((k, v) for k, v in lines.items() if v > 0), key=lambda x: -x[1]))

    def by_line(self, points: int = 400) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Seconds, and for each line the bytes that were live then, at `points` times."""
        times = np.linspace(0, self._profile.wall, points)
        lines: dict[str, np.ndarray] = {}
        by_line: dict[str, list[Change]] = defaultdict(list)
        for change in self.changes:
            by_line[change.line].append(change)
        for line, changes in by_line.items():
            at = np.searchsorted(np.array([c.time for c in changes]) / 1e9, times, side="right")
            total = np.concatenate([[0.0], np.cumsum([c.bytes for c in changes])])
            lines[line] = total[at]
        return times, lines

    def _changes(self, events: np.ndarray) -> list[Change]:
        """Blocks that came and went, shared among lines."""
        chosen = events[(events["kind"] == ALLOCATED) | (events["kind"] == RELEASED)]
        owners: dict[int, list[tuple[str, float]]] = {}
        changes, before = [], 0.0
        for kind, what, location, size, address, time in zip(
            *(chosen[k].tolist() for k in ("kind", "what", "location", "bytes", "address", "end")),
            strict=True,
        ):
            if kind == ALLOCATED:
                owners[address] = self._owners(what, location, size)
                changes += [Change(time, line, part) for line, part in owners[address]]
            elif address in owners:
                changes += [Change(time, line, -part) for line, part in owners.pop(address)]
            else:
                before += size
                changes.append(Change(time, BEFORE, -size))
        # What was there and did not go is in the first note's figure.
        if len(self.live):
            changes.insert(0, Change(0, BEFORE, float(max(self.live[0], before))))
        return changes

    def _owners(self, what: int, location: int, size: int) -> list[tuple[str, float]]:
        profile = self._profile
        step = profile.steps.get(what)
        if step is None or step.kind != "arena" or not step.parts:
            return [(self._line(location), float(size))]
        used = sum(part for _, part in step.parts)
        lines: dict[str, float] = defaultdict(float)
        for place, part in step.parts:
            lines[self._line(place)] += part * size / used
        return list(lines.items())

    def _line(self, location: int) -> str:
        place = self._profile.places.get(location, NOWHERE)
        return f"{place} in {place.function}" if place.file else "elsewhere"
