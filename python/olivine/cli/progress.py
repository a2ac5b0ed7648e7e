"""How `train-lm` shows its progress: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time

import olivine.core as mx


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


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


class PlainProgress:
    """A line every ten seconds, and one for each evaluation."""

    EVERY = 10.0

    def __init__(self):
        self._mean = _RecentMean()
        self._next = time.monotonic() + 2.0

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *exception) -> None:
        pass

    def message(self, text: str) -> None:
        print(text, flush=True)

    def step(self, step: int, total: int, loss: float, seconds_per_step: float, tokens: int):
        loss = self._mean(loss)
        if time.monotonic() < self._next or math.isnan(seconds_per_step):
            return
        self._next = time.monotonic() + self.EVERY
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


class LiveProgress:
    """A bar with loss, speed, time left and peak memory; evaluations scroll by above it."""

    def __init__(self):
        from rich.progress import BarColumn, Progress, TextColumn

        self._mean = _RecentMean()
        self._progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.fields[steps]}"),
            TextColumn("loss [bold cyan]{task.fields[loss]}"),
            TextColumn("[green]{task.fields[speed]} tokens/s"),
            TextColumn("ETA [bold]{task.fields[eta]}"),
            TextColumn("[dim]peak {task.fields[peak]}"),
            expand=True,
            refresh_per_second=4,
        )
        names = ("steps", "loss", "speed", "eta", "peak")
        self._task = self._progress.add_task("", total=None, **dict.fromkeys(names, "-"))

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(self, step: int, total: int, loss: float, seconds_per_step: float, tokens: int):
        fields = _fields(step, total, self._mean(loss), seconds_per_step, tokens)
        self._progress.update(self._task, completed=step, total=total, **fields)

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
