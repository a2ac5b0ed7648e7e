"""The heap beside the arrays: what is in use of it, and what glibc does with what is freed."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_ARENA_MAX = -8  # malloc.h


# struct mallinfo2 of malloc.h.
_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]


def malloc_bytes() -> int:
    """Bytes in use of what malloc has given; 0 where it does not tell (glibc 2.33 tells)."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    ask.restype = _Mallinfo2
    told = ask()
    return told.uordblks + told.hblkhd


def python_objects() -> int:
    """Blocks in use of Python's own allocator, roughly one per object."""
    return sys.getallocatedblocks()


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
