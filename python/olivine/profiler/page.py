"""A profile as one HTML page: pictures and tables, without scripts or anything from a network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from olivine.profiler import svg
from olivine.profiler.quantities import amount, duration, percent

if TYPE_CHECKING:
    from olivine.profiler.recording import Profile

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 Helvetica, Arial, sans-serif; max-width: 1000px; margin: 2rem auto;
  padding: 0 1rem; color: #1d2430; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid #8883; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
details > summary { cursor: pointer; }
p.note { opacity: 0.7; font-size: 0.9em; }
@media (prefers-color-scheme: dark) { body { color: #e6e8eb; background: #16191d; } }
"""
TABLES = (
    ("op", "Ops and fused regions", 25),
    ("line", "Source lines", 25),
    ("layer", "Layers", 25),
    ("kernel", "Kernels", 25),
    ("shape", "Ops by shape", 40),
    ("stream", "Streams", 16),
)


def _cells(cells: list[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"


def _row(row, wall: float, limits) -> str:
    return _cells(
        [
            row.name,
            f"{row.count:,.6g}",
            duration(row.seconds),
            percent(row.seconds / wall),
            amount(row.flops_per_second, "FLOP/s") if row.flops else "–",
            amount(row.bytes_per_second, "B/s") if row.bytes else "–",
            percent(row.share(limits)),
        ]
    )


def _table(profile: Profile, by: str, title: str, count: int) -> str:
    rows = profile.rows(by)
    if by == "layer" and all(r.name == "outside of layers" for r in rows):
        return ""
    head = _cells([by, "calls", "time", "share", "FLOP/s", "bytes/s", "of limit"], "th")
    body = "".join(_row(r, profile.wall, profile.limits) for r in rows[:count])
    more = f"<p class='note'>and {len(rows) - count} more</p>" if len(rows) > count else ""
    return f"<h2>{escape(title)}</h2><table>{head}{body}</table>{more}"


def _threads(profile: Profile) -> str:
    head = _cells(["thread", "steps", "graph and planning", "waiting", "Python or idle"], "th")
    body = ""
    for t in profile.threads:
        p = t.phases
        own = sum(s for n, s in p.items() if n not in ("steps", "waiting", "Python", "idle"))
        rest = p.get("Python", 0) + p.get("idle", 0)
        body += _cells([t.name, *map(duration, (p["steps"], own, p["waiting"], rest))])
    return f"<h2>Threads</h2>{svg.lanes(profile)}<table>{head}{body}</table>"


def _memory(profile: Profile) -> str:
    at_peak = list(profile.memory.at_peak().items())[:15]
    rows = "".join(_cells([line, amount(size, "B")]) for line, size in at_peak)
    return (
        f"<h2>Live memory by source line</h2>{svg.memory(profile)}"
        f"<table>{_cells(['line', 'bytes at the peak'], 'th')}{rows}</table>"
        "<p class='note'>The curve is what all live arrays take. A plan's temporaries lie in one "
        "block, which belongs to the lines whose results fill it when it is fullest.</p>"
    )


def page(profile: Profile) -> str:
    """The page's text."""
    title = f"Profile of {profile.title}" if profile.title else "Profile"
    limits = profile.limits
    ops = profile.rows("op")
    facts = "".join(f"<p>{escape(line)}</p>" for line in profile.summary())
    parts = [
        f"<h1>{escape(title)}</h1>{facts}{svg.phases(profile.phases, profile.wall)}",
        f"<h2>Arithmetic and memory traffic</h2>{svg.roofline(profile, ops)}"
        f"<p class='note'>The line is what this machine did when measured: "
        f"{amount(limits.flops, 'FLOP/s')} in a product of matrices, "
        f"{amount(limits.bandwidth, 'B/s')} in a sweep over memory. Ops on data that stay in "
        "cache may lie above it.</p>",
        _threads(profile),
        _memory(profile),
        *(_table(profile, by, name, count) for by, name, count in TABLES),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
