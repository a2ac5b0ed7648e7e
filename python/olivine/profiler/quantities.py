"""Numbers as people read them, in tables and pictures."""

from __future__ import annotations

import olivine.core as mx


def amount(value: float, unit: str) -> str:
    """Three digits with a prefix: 12.3 GFLOP, 1.21 MB."""
    return mx._profile_amount(value, unit)


def duration(seconds: float) -> str:
    """Three digits with a unit: 1.23 ms."""
    return mx._profile_duration(seconds)


def percent(part: float) -> str:
    """One digit after the point: 98.6 %."""
    return mx._profile_percent(part)
