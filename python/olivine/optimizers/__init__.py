"""Optimizers, learning-rate schedules and gradient clipping."""

from olivine.optimizers import optimizers, schedulers
from olivine.optimizers.optimizers import *  # noqa: F403
from olivine.optimizers.optimizers import __all__ as _optimizer_names
from olivine.optimizers.schedulers import (
    cosine_decay,
    exponential_decay,
    join_schedules,
    linear_schedule,
    step_decay,
)

__all__ = [
    *_optimizer_names,
    "cosine_decay",
    "exponential_decay",
    "join_schedules",
    "linear_schedule",
    "optimizers",
    "schedulers",
    "step_decay",
]
