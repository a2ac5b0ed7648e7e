"""Whether an exception is a clear error of the right type, or a finding."""

import decimal
import re

from .values import HostileError

# Types that say "your call was wrong" or "the machine has no more".
ALLOWED = (
    TypeError, ValueError, IndexError, OverflowError, MemoryError, KeyError, RuntimeError,
    AttributeError, NotImplementedError, BufferError, OSError, StopIteration, ZeroDivisionError,
    decimal.InvalidOperation,  # of the caller's own kind of number, in layers written in Python
)  # fmt: skip
# Words of the implementation that no user should read.
INTERNAL = re.compile(
    r"std::|vector::|basic_string|__cxx|bad_alloc|bad_cast|bad_optional|nanobind|nb::|St\d|_M_|"
    r"Assertion|assert|\.cpp|\.h:|unknown exception|not implemented yet|TODO|(?<! at )0x[0-9a-f]{6}"
)
# Python's own errors, raised before or instead of ours.
PYTHONS_OWN = re.compile(
    r"unsupported operand|unsupported format|object is not (callable|iterable)|has no attribute|not subscriptable|"
    r"positional argument|unexpected keyword argument|Could not convert|could not convert string|array is too big|sub-views are|"
    r"bytes-like object|argument expected|only 0-dimensional arrays|incompatible (function|constructor)|"
    r"maximum recursion depth|bad operand type|not supported between instances|unhashable|"
    r"Exception ignored|requires a|expected \d+ arguments|takes (no|exactly|at)|"
    r"cannot create '|object has no|__\w+__|attribute '\w+' of|is not writable|readonly|"
    r"doesn't apply to|Invalid format specifier|DLPack only supports|must be|can't|cannot|surrogates|embedded null|No such file|is a directory|File name too long"
)


def problem(error, prefixed):
    """What is wrong with an exception, or None."""
    if isinstance(error, HostileError):
        return None
    if isinstance(error, SystemError) or not isinstance(error, ALLOWED):
        return f"exception of type {type(error).__name__}"
    try:
        text = str(error)
    except Exception:
        return "exception without readable text"
    if not text.strip():  # Python's own, of its lists and its iterators
        return None if isinstance(error, StopIteration | MemoryError) else "empty message"
    if INTERNAL.search(text.split("\n  made at")[0]):
        return "words of the implementation"
    if prefixed and len(text) > 1500 and not PYTHONS_OWN.search(text):
        return "message of over 1,500 characters"
    if len(text.split()) < 3 and not isinstance(error, decimal.InvalidOperation):
        return "no sentence"
    if prefixed and not text.startswith("[") and not PYTHONS_OWN.search(text):
        return "no [op] prefix"
    return None


def pattern(text):
    """A message without its values, by which equal ones are counted together."""
    text = text.split("\n  made at")[0]
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", text)
    text = re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", text)
    text = re.sub(r"\((#,? ?)*\)", "(#)", text)
    return text[:200]
