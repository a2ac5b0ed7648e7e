"""Learning-rate schedules against their formulas, for steps given as integers and as arrays."""

import math

import numpy as np
import pytest

import olivine.core as mx
import olivine.optimizers as optim

CASES = {
    "exponential": (optim.exponential_decay(0.1, 0.9), lambda s: 0.1 * 0.9**s),
    "step": (optim.step_decay(0.1, 0.5, 10), lambda s: 0.1 * 0.5 ** (s // 10)),
    "cosine": (
        optim.cosine_decay(0.1, 40, end=0.02),
        lambda s: 0.02 + 0.08 * 0.5 * (1 + math.cos(math.pi * min(s, 40) / 40)),
    ),
    "linear": (optim.linear_schedule(0.0, 0.1, 20), lambda s: 0.1 * min(s, 20) / 20),
    "joined": (
        optim.join_schedules(
            [
                optim.linear_schedule(0.0, 0.1, 10),
                optim.cosine_decay(0.1, 30),
                optim.linear_schedule(0.5, 0.0, 10),
            ],
            [10, 40],
        ),
        lambda s: (
            0.01 * s
            if s < 10
            else 0.05 * (1 + math.cos(math.pi * (s - 10) / 30))
            if s < 40
            else 0.5 - 0.05 * min(s - 40, 10)
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("as_step", [int, mx.array, lambda s: mx.array(s, dtype=mx.uint64)])
def test_schedule_follows_its_formula(case, as_step):
    schedule, formula = CASES[case]
    for step in (0, 1, 9, 10, 11, 25, 39, 40, 41, 60, 1000):
        rate = np.array(schedule(as_step(step)), dtype=np.float64)
        np.testing.assert_allclose(rate, formula(step), rtol=1e-4, atol=1e-7)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"\[linear_schedule\] expected"):
        optim.linear_schedule(0.0, 1.0, 0)
    with pytest.raises(ValueError, match=r"\[join_schedules\] expected at least one"):
        optim.join_schedules([], [])
    with pytest.raises(ValueError, match=r"\[join_schedules\] expected 1 boundaries"):
        optim.join_schedules([optim.exponential_decay(1, 1)] * 2, [])
