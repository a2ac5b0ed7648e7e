"""What the C library does with memory that is freed: glibc's knobs; elsewhere there are none."""

from __future__ import annotations

import contextlib
import ctypes

M_ARENA_MAX = -8  # malloc.h


def trim() -> None:
    """Give freed memory back to the system, such as that of a vocabulary's making."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def limit_heaps(count: int) -> None:
    """Have threads share so many heaps.

    What one thread frees of its own heap, no other can use: under load, memory would grow for as
    long as ever other threads meet their largest request.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, count)
