"""A profile as text for a terminal, and numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olivine.profiler.recording import Profile


def amount(value: float, unit: str, base: float = 1000.0) -> str:
    """Three digits with a prefix: 12.3 GFLOP, 1.21 MB."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(value) < base:
            break
        if prefix != "P":
            value /= base
    digits = 0 if abs(value) >= 100 or (not prefix and value == int(value)) else 1
    digits = 2 if abs(value) < 10 and prefix else digits
    return f"{value:.{digits}f} {prefix}{unit}"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def summary(profile: Profile) -> list[str]:
    """What holds for the whole: time by phase, arithmetic, memory."""
    wall = profile.wall
    phases = sorted(profile.phases.items(), key=lambda p: -p[1])
    shown = ", ".join(f"{name} {percent(s / wall)}" for name, s in phases if s / wall >= 0.0005)
    lines = [
        f"{duration(wall)}, {percent(profile.attributed)} attributed: {shown}",
        f"{amount(profile.flops, 'FLOP')} ({amount(profile.flops / wall, 'FLOP/s')}), "
        f"{amount(profile.bytes, 'B')} read and written, "
        f"peak of live arrays {amount(profile.memory.peak, 'B')}",
    ]
    if profile.dropped:
        lines.append(f"{profile.dropped:,} events beyond the limit were not recorded")
    return lines


def table(profile: Profile, by: str = "op", count: int = 15, limits: bool = True) -> str:
    """See `Profile.table`."""
    rows = profile.rows(by)
    wall = profile.wall
    bounds = profile.limits if limits else None
    lines = summary(profile)
    if bounds:
        lines.append(
            f"this machine, measured: {amount(bounds.flops, 'FLOP/s')} in products, "
            f"{amount(bounds.bandwidth, 'B/s')} in sweeps"
        )
    width = max(12, min(48, max((len(r.name) for r in rows[:count]), default=0)))
    lines.append("")
    lines.append(
        f"{by:<{width}} {'calls':>8} {'time':>9} {'share':>7} {'FLOP/s':>9} {'B/s':>9}"
        + (f" {'of limit':>9}" if bounds else "")
    )
    for row in rows[:count]:
        calls = f"{row.count:,.0f}" if row.count >= 10 or row.count == int(row.count) else (
            f"{row.count:.1f}"
        )  # fmt: skip
        rate = amount(row.flops_per_second, "") if row.flops else "–"
        sweep = amount(row.bytes_per_second, "") if row.bytes else "–"
        text = (
            f"{_cut(row.name, width):<{width}} {calls:>8} {duration(row.seconds):>9} "
            f"{percent(row.seconds / wall):>7} {rate:>9} {sweep:>9}"
        )
        if bounds:
            text += f" {percent(row.share(bounds)):>9}"
        lines.append(text.rstrip())
    rest = rows[count:]
    if rest:
        seconds = sum(r.seconds for r in rest)
        lines.append(f"and {len(rest)} more, {duration(seconds)}")
    return "\n".join(lines)
