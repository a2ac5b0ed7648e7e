"""Pictures of a profile as SVG: a bar of phases, lanes of threads, memory, a roofline."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from olivine.profiler.quantities import amount, duration, percent

COLORS = (
    "#3f7d4e", "#4c78a8", "#f2a541", "#b65fa3", "#c8553d", "#72b7b2", "#9d755d", "#8a8f98",
    "#5b5ea6", "#a3a847", "#d98594", "#2f9e9e",
)  # fmt: skip
PHASE_COLORS = {
    "steps": "#3f7d4e",
    "Python": "#c9ccd1",
    "idle": "#eef0f2",
    "graph building": "#4c78a8",
    "tracing": "#b65fa3",
    "transforming": "#5b5ea6",
    "planning": "#f2a541",
    "running": "#c8553d",
    "publishing": "#9d755d",
    "waiting": "#e8c7c0",
}
WIDTH = 960


def _svg(height: float, parts: list[str], label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="100%" role="img" aria-label="{escape(label)}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="currentColor">'
        + "".join(parts)
        + "</svg>"
    )


def _rect(x: float, y: float, w: float, h: float, fill: str, title: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{w:.2f}" height="{h:.1f}" fill="{fill}">{tip}</rect>'
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" {more}/>'
    )


def _legend(entries: list[tuple[str, str]], y: float, columns: int = 4) -> tuple[list[str], float]:
    parts, step = [], WIDTH / columns
    room = int(step / 6.6)
    for i, (name, color) in enumerate(entries):
        x, at = (i % columns) * step, y + 20 * (i // columns)
        parts.append(_rect(x, at - 10, 11, 11, color))
        parts.append(_text(x + 17, at, name if len(name) <= room else name[: room - 1] + "…"))
    return parts, y + 20 * ((len(entries) + columns - 1) // columns)


def phases(seconds: dict[str, float], wall: float) -> str:
    """One bar: the phases of the thread that began."""
    parts, x, entries = [], 0.0, []
    for name, s in sorted(seconds.items(), key=lambda p: -p[1]):
        width = WIDTH * s / wall
        label = f"{name} {percent(s / wall)} ({duration(s)})"
        parts.append(_rect(x, 0, width, 34, PHASE_COLORS[name], label))
        x += width
        if s / wall >= 0.0005:
            entries.append((f"{name} {percent(s / wall)}", PHASE_COLORS[name]))
    legend, height = _legend(entries, 58)
    return _svg(height, parts + legend, "time by phase")


def lanes(profile) -> str:
    """A lane for each thread: which phase it was in, in a thousand slices of time."""
    from olivine.profiler.events import ALLOCATED, PHASES

    left, slices, parts = 120, WIDTH - 120, []
    seen: set[str] = set()
    for row, thread in enumerate(profile.threads[:24]):
        y = 24 * row
        parts.append(_text(0, y + 14, thread.name[:18]))
        busy = np.zeros((len(PHASES), slices))
        spans = thread.events["kind"] < ALLOCATED
        events, own = thread.events[spans], thread.own[spans]
        at = ((events["begin"] + events["end"]) / 2 / 1e9 / profile.wall * slices).astype(int)
        at = np.clip(at, 0, slices - 1)
        length = (events["end"] - events["begin"]) / 1e9 / profile.wall * slices
        np.add.at(busy, (events["kind"], at), own * (length < 1))
        colors = [""] * slices
        for s in range(slices):
            if busy[:, s].any():
                colors[s] = PHASES[int(busy[:, s].argmax())]
        long = np.nonzero(length >= 1)[0]
        for i in sorted(long.tolist(), key=lambda i: -length[i]):  # inner ones over outer ones
            first = int(events["begin"][i] / 1e9 / profile.wall * slices)
            last = int(events["end"][i] / 1e9 / profile.wall * slices)
            colors[first:last] = [PHASES[int(events["kind"][i])]] * (min(last, slices) - first)
        parts += _runs(colors, left, y, seen)
    height = 24 * min(len(profile.threads), 24) + 16
    parts.append(_text(left, height, "0"))
    parts.append(_text(WIDTH, height, duration(profile.wall), 'text-anchor="end"'))
    legend, height = _legend([(n, PHASE_COLORS[n]) for n in PHASES if n in seen], height + 26)
    return _svg(height, parts + legend, "threads over time")


def _runs(colors: list[str], left: float, y: float, seen: set[str]) -> list[str]:
    parts, start = [], 0
    for s in range(1, len(colors) + 1):
        if s < len(colors) and colors[s] == colors[start]:
            continue
        name = colors[start]
        if name:
            seen.add(name)
            parts.append(_rect(left + start, y, s - start, 18, PHASE_COLORS[name], name))
        start = s
    return parts


def memory(profile, lines: int = 8) -> str:
    """Live bytes over time as areas by line, with what the process holds as a curve."""
    left, top, height = 70, 10, 240
    times, by_line = profile.memory.by_line()
    largest = sorted(by_line, key=lambda n: -by_line[n].max(initial=0))
    shown, others = largest[:lines], largest[lines:]
    areas = {name: by_line[name] for name in shown}
    if others:
        areas["other lines"] = sum(by_line[name] for name in others)
    total = sum(areas.values()) if areas else np.zeros_like(times)
    most = max(profile.memory.peak, float(np.max(total, initial=0)), 1.0) * 1.08
    x = left + (WIDTH - left) * times / profile.wall

    def at(value: np.ndarray) -> np.ndarray:
        return top + height * (1 - np.clip(value / most, 0, 1))

    parts, base, entries = [], np.zeros_like(times), []
    for i, (name, values) in enumerate(areas.items()):
        upper = base + np.maximum(values, 0)
        outline = [f"{a:.1f},{b:.1f}" for a, b in zip(x, at(upper), strict=True)]
        outline += [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], at(base)[::-1], strict=True)]
        color = COLORS[i % len(COLORS)]
        parts.append(f'<polygon points="{" ".join(outline)}" fill="{color}" opacity="0.85">'
                     f"<title>{escape(name)}</title></polygon>")  # fmt: skip
        entries.append((f"{name}, at most {amount(values.max(initial=0), 'B')}", color))
        base = upper
    parts += _live_curve(profile, left, at)
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = top + height * (1 - part)
        parts.append(_line(left, y, WIDTH, y, 'opacity="0.15"'))
        parts.append(_text(left - 6, y + 4, amount(most * part, "B"), 'text-anchor="end"'))
    bottom = top + height + 16
    parts.append(_text(WIDTH, bottom, duration(profile.wall), 'text-anchor="end"'))
    legend, end = _legend(entries, bottom + 24, 2)
    return _svg(end, parts + legend, "live memory by source line over time")


def _live_curve(profile, left: float, at) -> list[str]:
    memory = profile.memory
    if not len(memory.times):
        return []
    chosen = np.unique(np.linspace(0, len(memory.times) - 1, 800).astype(int))
    x = left + (WIDTH - left) * memory.times[chosen] / profile.wall
    y = at(memory.live[chosen].astype(float))
    steps = " ".join(f"H{a:.1f} V{b:.1f}" for a, b in zip(x[1:], y[1:], strict=True))
    return [
        f'<path d="M{x[0]:.1f},{y[0]:.1f} {steps}" fill="none" stroke="currentColor" '
        'stroke-width="1.2"><title>live arrays</title></path>'
    ]


def roofline(profile, rows: list, count: int = 12) -> str:
    """Ops by operations per byte and operations per second, under what the machine can do."""
    limits = profile.limits
    shown = [r for r in rows if r.flops and r.bytes and r.seconds][:count]
    left, top, height, bottom = 70, 10, 260, 270
    ridge = limits.flops / limits.bandwidth
    x_values = [r.flops / r.bytes for r in shown] + [ridge]
    low, high = math.log10(min(x_values)) - 0.5, math.log10(max(x_values)) + 0.7
    rates = [r.flops_per_second for r in shown] + [limits.flops]
    floor, ceiling = math.log10(min(rates)) - 0.4, math.log10(max(rates)) + 0.3

    def x_of(v: float) -> float:
        return left + (WIDTH - left) * (math.log10(v) - low) / (high - low)

    def y_of(v: float) -> float:
        part = (math.log10(max(v, 1e-9)) - floor) / (ceiling - floor)
        return top + height * (1 - min(max(part, 0), 1))

    roof = [(10**low, 10**low * limits.bandwidth), (ridge, limits.flops), (10**high, limits.flops)]
    points = " ".join(f"{x_of(a):.1f},{y_of(b):.1f}" for a, b in roof)
    parts = [f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/>']
    for power in range(math.ceil(floor), math.floor(ceiling) + 1):
        parts.append(_line(left, y_of(10.0**power), WIDTH, y_of(10.0**power), 'opacity="0.15"'))
        parts.append(
            _text(left - 6, y_of(10.0**power) + 4, amount(10.0**power, ""), 'text-anchor="end"')
        )
    for power in range(math.ceil(low), math.floor(high) + 1):
        parts.append(_text(x_of(10.0**power), bottom + 16, f"{10.0**power:g}"))
    parts.append(_text(WIDTH, bottom + 34, "FLOP per byte", 'text-anchor="end"'))
    parts.append(_text(left + 4, top + 10, "FLOP/s"))
    longest = max((r.seconds for r in shown), default=1)
    entries = []
    for i, r in enumerate(shown):
        color = COLORS[i % len(COLORS)]
        tip = f"{r.name}: {amount(r.flops_per_second, 'FLOP/s')}, {duration(r.seconds)}"
        parts.append(
            f'<circle cx="{x_of(r.flops / r.bytes):.1f}" cy="{y_of(r.flops_per_second):.1f}" '
            f'r="{4 + 10 * math.sqrt(r.seconds / longest):.1f}" fill="{color}" opacity="0.8">'
            f"<title>{escape(tip)}</title></circle>"
        )
        entries.append((r.name, color))
    legend, end = _legend(entries, bottom + 58, 3)
    return _svg(end, parts + legend, "roofline of the longest ops")
