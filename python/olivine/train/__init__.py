"""Pieces around a training loop, each of use alone: nothing here calls the user's loop.

Checkpoints, mixed precision, gradient accumulation, averaged weights, early stopping, logs,
progress, the learning-rate finder and plots. Gradient clipping and schedules are in
`olivine.optimizers`.
"""

from olivine.train.accumulate import Accumulator, accumulate
from olivine.train.checkpoint import Checkpointer
from olivine.train.early_stopping import EarlyStopping
from olivine.train.ema import EMA
from olivine.train.files import CheckpointError
from olivine.train.logs import CSVLogger
from olivine.train.lr_finder import LearningRates, find_learning_rate
from olivine.train.plots import plot_found_rates, plot_learning_rate, plot_losses
from olivine.train.precision import LossScaler, autocast
from olivine.train.progress import progress
from olivine.train.stop import StopSignal
from olivine.train.tensorboard import TensorBoardLogger

__all__ = [
    "EMA",
    "Accumulator",
    "CSVLogger",
    "CheckpointError",
    "Checkpointer",
    "EarlyStopping",
    "LearningRates",
    "LossScaler",
    "StopSignal",
    "TensorBoardLogger",
    "accumulate",
    "autocast",
    "find_learning_rate",
    "plot_found_rates",
    "plot_learning_rate",
    "plot_losses",
    "progress",
]
