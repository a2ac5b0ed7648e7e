"""What the commands raise, and the readers of option values that they share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


class UsageError(Exception):
    """A mistake in the command line or in a file it names; the message is one line."""


class RunError(Exception):
    """A run that failed for a reason the user can do something about; the message is one line."""


def whole(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`, for `add_argument(type=...)`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {low} to {high}; got {text!r}"
            )
        return value

    return parse


def real(low: float, high: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """A parser of finite numbers from `low` (or, with `above`, larger than it) to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low <= value <= high) or math.isinf(value) or (above and value == low):
            bounds = f"above {low:g}" if above else f"of at least {low:g}"
            limit = "" if math.isinf(high) else f" and at most {high:g}"
            raise argparse.ArgumentTypeError(f"expected a number {bounds}{limit}; got {text!r}")
        return value

    return parse


def encode_prompt(text: str | None, tokenizer) -> list[int]:
    """The ids of `--prompt`, or of the alphabet's usual opening if it was not given."""
    ids = tokenizer.encode(tokenizer.opening if text is None else text).tolist()
    if not ids:
        raise UsageError("argument --prompt: expected at least one character; got none")
    return ids
