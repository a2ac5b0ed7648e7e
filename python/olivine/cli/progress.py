"""How `train-lm` shows its progress: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys

import olivine.core as mx
from olivine._duration import duration
from olivine.train.progress import LiveProgress as Live
from olivine.train.progress import PlainProgress as Plain


def shown(validation_loss: float) -> str:
    """The loss, or why there is none."""
    return "unknown (short text)" if math.isnan(validation_loss) else f"{validation_loss:.3f}"


def progress(plain: bool = False) -> PlainProgress | LiveProgress:
    """The kind that suits where standard output goes."""
    if plain or not sys.stdout.isatty():
        return PlainProgress()
    try:
        return LiveProgress()
    except ModuleNotFoundError:  # rich is an extra
        return PlainProgress()


class PlainProgress(Plain):
    """A line every ten seconds, and one for each evaluation."""

    def __init__(self):
        super().__init__()
        self._mean = _RecentMean()

    def step(self, step: int, total: int, loss: float, seconds_per_step: float, tokens: int):
        loss = self._mean(loss)
        if not self._is_due() or math.isnan(seconds_per_step):
            return
        self._wait()
        fields = _fields(step, total, loss, seconds_per_step, tokens)
        self.message(
            "step {steps}: loss {loss}, {speed} tokens/s, ETA {eta}, peak memory {peak}".format(
                **fields
            )
        )

    def evaluation(self, step: int, loss: float, validation_loss: float) -> None:
        self.message(
            f"step {step}: training loss {loss:.3f}, validation loss {validation_loss:.3f}"
        )


class LiveProgress(Live):
    """A bar with loss, speed, time left and peak memory; evaluations scroll by above it."""

    def __init__(self):
        columns = (
            "{task.fields[steps]}",
            "loss [bold cyan]{task.fields[loss]}",
            "[green]{task.fields[speed]} tokens/s",
            "ETA [bold]{task.fields[eta]}",
            "[dim]peak {task.fields[peak]}",
        )
        super().__init__(None, columns, ("steps", "loss", "speed", "eta", "peak"))
        self._mean = _RecentMean()

    def step(self, step: int, total: int, loss: float, seconds_per_step: float, tokens: int):
        fields = _fields(step, total, self._mean(loss), seconds_per_step, tokens)
        self._show(step, total, **fields)

    def evaluation(self, step: int, loss: float, validation_loss: float) -> None:
        self.message(
            f"step {step:>6}   training loss {loss:.3f}   validation loss {shown(validation_loss)}"
        )


class _RecentMean:
    """A running mean that forgets within about twenty values."""

    def __init__(self):
        self._value: float | None = None

    def __call__(self, value: float) -> float:
        old = value if self._value is None else self._value
        self._value = old + 0.05 * (value - old)
        return self._value


def _fields(step: int, total: int, loss: float, seconds_per_step: float, tokens: int) -> dict:
    """The texts both kinds show; the speed is unknown until a second step was taken."""
    known = not math.isnan(seconds_per_step)
    return {
        "steps": f"{step:,}/{total:,}",
        "loss": f"{loss:.3f}",
        "speed": f"{tokens / seconds_per_step:,.0f}" if known else "-",
        "eta": duration((total - step) * seconds_per_step) if known else "-",
        "peak": f"{mx.get_peak_memory() / 2**20:,.0f} MiB",
    }
