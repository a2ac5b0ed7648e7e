"""Optimizers, learning-rate schedules and gradient clipping."""

from olivine.optimizers import optimizers, schedulers
from olivine.optimizers.optimizers import (
    SGD,
    Adam,
    AdamW,
    MultiOptimizer,
    Optimizer,
    clip_grad_norm,
)
from olivine.optimizers.schedulers import (
    cosine_decay,
    exponential_decay,
    join_schedules,
    linear_schedule,
    step_decay,
)

__all__ = [
    "Adam",
    "AdamW",
    "MultiOptimizer",
    "Optimizer",
    "SGD",
    "clip_grad_norm",
    "cosine_decay",
    "exponential_decay",
    "join_schedules",
    "linear_schedule",
    "optimizers",
    "schedulers",
    "step_decay",
]
