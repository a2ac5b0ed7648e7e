"""The loss curve of a run as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from olivine.lm.checkpoint import write_atomically
from olivine.lm.train import History

INK, GRID = "#3c4043", "#e3e6e8"
TRAINING, VALIDATION = "#5b7f2b", "#c1440e"


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a fortieth of the run around each step, over what there is of it at the ends."""
    reach = max(1, len(values) // 80)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def loss_curve(history: History, path: Path, title: str) -> None:
    """Write a PNG of training and validation loss over the steps."""
    # The object interface: no window system and no global state, unlike pyplot's.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    losses = np.array(history.loss)
    steps = np.arange(1, len(losses) + 1)
    figure = Figure(figsize=(8, 4.5), dpi=160, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()

    axes.plot(steps, losses, color=TRAINING, alpha=0.18, linewidth=0.8)
    axes.plot(steps, _smooth(losses), color=TRAINING, linewidth=2, label="training")
    last = history.validation_loss[-1] if history.validation_loss else np.nan
    if not np.isnan(last):
        axes.plot(
            history.validation_steps,
            history.validation_loss,
            color=VALIDATION,
            linewidth=1.5,
            marker="o",
            markersize=4.5,
            label=f"validation ({last:.3f})",
        )

    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=12)
    axes.set_xlabel("step", color=INK)
    axes.set_ylabel("loss (nats per character)", color=INK)
    axes.tick_params(colors=INK, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK)
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
