"""All optimizers and gradient clipping, one family per file."""

from olivine.optimizers.adafactor import Adafactor
from olivine.optimizers.adam import Adam, Adamax, AdamW
from olivine.optimizers.adaptive import AdaDelta, Adagrad, RMSprop
from olivine.optimizers.base import MultiOptimizer, Optimizer, clip_grad_norm
from olivine.optimizers.gradient_descent import SGD, Lion
from olivine.optimizers.muon import Muon

__all__ = [
    "AdaDelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "MultiOptimizer",
    "Muon",
    "Optimizer",
    "RMSprop",
    "SGD",
    "clip_grad_norm",
]
