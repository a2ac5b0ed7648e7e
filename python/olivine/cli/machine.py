"""What the operating system grants this process: processors and memory."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def _read(*candidates: Path) -> str | None:
    for path in candidates:
        try:
            return path.read_text().strip()
        except OSError:
            continue
    return None


def cpu_quota() -> float | None:
    """How many processors' worth of time the control group may use; None without a limit."""
    text = _read(CGROUP / "cpu.max")
    if text is None:  # version 1 of control groups
        quota = _read(CGROUP / "cpu/cpu.cfs_quota_us")
        period = _read(CGROUP / "cpu/cpu.cfs_period_us")
        text = f"{quota} {period}" if quota and period else None
    try:
        quota, period = (float(word) for word in (text or "").split())
    except ValueError:  # "max 100000", or nothing there
        return None
    return quota / period if quota > 0 and period > 0 else None


def physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cgroup_memory() -> int | None:
    """The control group's memory limit in bytes; None without a limit."""
    text = _read(CGROUP / "memory.max", CGROUP / "memory/memory.limit_in_bytes")
    # Version 1 spells "no limit" as a number near 2 ** 63.
    return int(text) if text and text.isdecimal() and int(text) < 2**60 else None


def memory_limit() -> int:
    """The bytes this process may use at most."""
    return min(physical_memory(), cgroup_memory() or physical_memory())
