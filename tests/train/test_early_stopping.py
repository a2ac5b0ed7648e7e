"""EarlyStopping: what counts as an improvement, and when patience ends."""

import math

import pytest

import olivine.core as mx
from olivine.train import EarlyStopping


def test_it_stops_after_evaluations_without_improvement():
    stopping = EarlyStopping(patience=3)
    answers = [stopping.update(loss, step) for step, loss in enumerate([3, 2, 2.5, 2, 1.9])]
    assert answers == [False] * 5 and stopping.best == 1.9 and stopping.best_step == 4
    assert [stopping.update(mx.array(2.0)) for _ in range(3)] == [False, False, True]
    assert stopping.stopped and stopping.best_step == 4


def test_an_improvement_is_more_than_min_delta_and_no_nan():
    stopping = EarlyStopping(patience=2, mode="max", min_delta=0.1)
    assert not stopping.update(math.nan) and stopping.best is None
    assert not stopping.update(0.5) and stopping.waited == 0
    assert not stopping.update(0.55) and stopping.best == 0.5
    assert stopping.update(math.nan)
    assert not stopping.update(0.7) and stopping.best == 0.7


def test_its_state_goes_on():
    first = EarlyStopping(patience=2)
    first.update(1.0, 10)
    first.update(2.0, 20)
    second = EarlyStopping(patience=2)
    second.load_state_dict(first.state_dict())
    assert second.best == 1.0 and second.best_step == 10 and second.update(2.0)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"mode": "low"}, {"min_delta": -1}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match="EarlyStopping"):
        EarlyStopping(**wrong)
