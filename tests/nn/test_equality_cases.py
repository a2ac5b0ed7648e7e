"""The cases that tools/nn_equality.py compares with other libraries leave no public name out."""

import sys
from pathlib import Path

import olivine.nn as nn
import olivine.optimizers as optim

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import nn_cases  # noqa: E402


def test_every_layer_loss_initializer_and_optimizer_has_a_case():
    names = nn_cases.surface(nn, optim)
    assert len(names["layers"]) >= 71 and len(names["losses"]) >= 14
    _, forgotten = nn_cases.coverage(names, nn_cases.all_cases())
    assert not forgotten
