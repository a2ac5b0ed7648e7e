"""Pictures of a run: losses, learning rates, and what the learning-rate finder found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivine.train.files import write_atomically
from olivine.train.lr_finder import LearningRates

INK, GRID = "#3c4043", "#e3e6e8"
COLORS = ("#5b7f2b", "#c1440e", "#1f6f8b", "#8a5a9e", "#b8860b", "#5c5c5c")

# The values of steps 1, 2, ..., or a pair of steps and values.
Curve = Sequence[float] | tuple[Sequence[float], Sequence[float]]


def smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a fortieth of the run around each step, over what there is of it at the ends."""
    reach = max(1, len(values) // 80)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values as float64."""
    if isinstance(curve, tuple) and len(curve) == 2 and np.ndim(curve[0]):
        steps, values = (np.asarray(part, dtype=np.float64) for part in curve)
    else:
        values = np.asarray(curve, dtype=np.float64)
        steps = np.arange(1, len(values) + 1)
    if steps.shape != values.shape or values.ndim != 1:
        raise ValueError(
            f"[plots] expected as many steps as values; got shapes {steps.shape} and {values.shape}"
        )
    return steps, values


def save_picture(path: str | Path, draw: Callable[[Any], None], title: str, **labels: str) -> None:
    """Let `draw` fill axes in the common style and write them as the PNG file `path`.

    labels: `xlabel` and `ylabel`. Raises `ModuleNotFoundError` without matplotlib.
    """
    try:
        # The object interface: no window system and no global state, unlike pyplot's.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"[plots] expected matplotlib to be installed (pip install matplotlib); got: {error}",
            name=error.name,
        ) from None

    figure = Figure(figsize=(8, 4.5), dpi=160, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=12)
    axes.set_xlabel(labels.get("xlabel", "step"), color=INK)
    axes.set_ylabel(labels.get("ylabel", ""), color=INK)
    axes.tick_params(colors=INK, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.spines[:].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, labelcolor=INK)
    write_atomically(Path(path), lambda file: figure.savefig(file, format="png"))


def plot_losses(
    path: str | Path, curves: Mapping[str, Curve], title: str = "Loss", ylabel: str = "loss"
) -> None:
    """Write a PNG of named curves over the steps.

    A curve is a sequence of values, of the steps from 1 on, or a pair of steps and values. Curves
    of many points are shown faint, with their running mean in full colour; ones of few points
    with a mark at each. Points that are not finite are left out.

    >>> plot_losses("loss.png", {"training": losses, "validation": (steps, validation_losses)})
    """

    def draw(axes) -> None:
        for i, (name, curve) in enumerate(curves.items()):
            steps, values = _points(curve)
            finite = np.isfinite(values)
            steps, values, color = steps[finite], values[finite], COLORS[i % len(COLORS)]
            if len(values) > 100:
                axes.plot(steps, values, color=color, alpha=0.18, linewidth=0.8)
                axes.plot(steps, smooth(values), color=color, linewidth=2, label=name)
            elif len(values):
                label = f"{name} ({values[-1]:.3f})"
                style = {"linewidth": 1.5, "marker": "o", "markersize": 4.5}
                axes.plot(steps, values, color=color, label=label, **style)

    save_picture(path, draw, title, ylabel=ylabel)


def plot_learning_rate(path: str | Path, rates: Curve, title: str = "Learning rate") -> None:
    """Write a PNG of learning rates over the steps; a curve is as in `plot_losses`."""
    points = _points(rates)
    save_picture(
        path,
        lambda axes: axes.plot(*points, color=COLORS[0], linewidth=2),
        title,
        ylabel="learning rate",
    )


def plot_found_rates(path: str | Path, found: LearningRates, title: str = "Learning rates") -> None:
    """Write a PNG of what `find_learning_rate` found, with its suggestion marked."""

    def draw(axes) -> None:
        axes.plot(found.lrs, found.losses, color=COLORS[0], linewidth=2)
        label = f"suggestion ({found.suggestion:.2g})"
        axes.axvline(found.suggestion, color=COLORS[1], linewidth=1.5, label=label)
        axes.set_xscale("log")

    save_picture(path, draw, title, xlabel="learning rate", ylabel="loss")
