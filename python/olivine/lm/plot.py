"""The loss curve of a run as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from olivine.lm.train import History
from olivine.train.plots import COLORS, save_picture, smooth


def loss_curve(history: History, path: Path, title: str) -> None:
    """Write a PNG of training and validation loss over the steps."""
    losses = np.array(history.loss)
    steps = np.arange(1, len(losses) + 1)
    training, validation = COLORS[:2]
    last = history.validation_loss[-1] if history.validation_loss else np.nan

    def draw(axes) -> None:
        axes.plot(steps, losses, color=training, alpha=0.18, linewidth=0.8)
        axes.plot(steps, smooth(losses), color=training, linewidth=2, label="training")
        if not np.isnan(last):
            axes.plot(
                history.validation_steps,
                history.validation_loss,
                color=validation,
                linewidth=1.5,
                marker="o",
                markersize=4.5,
                label=f"validation ({last:.3f})",
            )

    save_picture(path, draw, title, ylabel="loss (nats per character)")
