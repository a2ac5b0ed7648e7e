"""Training: learning, schedule, exact resumption, budgets, stopping."""

import math
import os
import signal

import numpy as np
import pytest

from olivine.lm import checkpoint
from olivine.lm.checkpoint import CheckpointError
from olivine.lm.settings import TrainConfig
from olivine.lm.train import Budget, History, TrainingError, learning_rate, train
from olivine.train import StopSignal
from olivine.utils import tree_flatten


class Silent:
    """A reporter that remembers the evaluations and may act after a step."""

    def __init__(self, after_step=lambda step: None):
        self.after_step = after_step
        self.evaluations = []

    def step(self, step, total, loss, seconds_per_step, tokens):
        self.after_step(step)

    def evaluation(self, step, loss, validation_loss):
        self.evaluations.append(step)


def parameters(trainer):
    return {name: np.array(p) for name, p in tree_flatten(trainer.model.parameters())}


def test_loss_falls_and_evaluations_are_recorded(make_trainer, tmp_path):
    trainer, reporter = make_trainer(learning_rate=1e-2), Silent()
    assert train(trainer, Budget(steps=40), tmp_path / "c.safetensors", reporter) is None
    history = trainer.history
    assert len(history.loss) == 40 and np.mean(history.loss[-5:]) < history.loss[0] - 0.5
    assert reporter.evaluations == history.validation_steps == [5, 10, 15, 20, 25, 30, 35, 40]
    assert history.validation_loss[-1] < history.validation_loss[0]
    _, settings = checkpoint.load(tmp_path / "c.safetensors")
    assert settings["finished"] and settings["step"] == settings["total_steps"] == 40


@pytest.mark.parametrize("stop_at", [1, 5, 7])
def test_resumed_run_repeats_the_uninterrupted_one_bit_for_bit(make_trainer, tmp_path, stop_at):
    whole, path = make_trainer(), tmp_path / "c.safetensors"
    train(whole, Budget(steps=12), tmp_path / "whole.safetensors", Silent())

    def stop(step):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = make_trainer()
    assert train(stopped, Budget(steps=12), path, Silent(stop)) == "SIGTERM"
    arrays, settings = checkpoint.load(path)
    assert settings["step"] == stop_at and not settings["finished"]

    resumed = make_trainer()
    resumed.restore(arrays, settings)
    budget = Budget.of_settings(settings, None, None)
    assert budget.total == 12 and budget.elapsed > 0
    train(resumed, budget, path, Silent())
    assert resumed.history == whole.history
    theirs = parameters(whole)
    for name, value in parameters(resumed).items():
        assert np.array_equal(value, theirs[name]), name


def test_runs_of_one_seed_are_equal_and_of_another_differ(make_trainer):
    def losses(seed):
        trainer = make_trainer(seed=seed)
        return [trainer.train_step(1e-3) for _ in range(3)]

    assert losses(1) == losses(1) != losses(2)


def test_bf16_computes_in_16_bits_from_float32_weights(make_trainer):
    plain, half = make_trainer(), make_trainer(bf16=True)
    first = [plain.train_step(1e-2) for _ in range(20)]
    second = [half.train_step(1e-2) for _ in range(20)]
    assert first != second and second[-1] < second[0] - 0.3
    np.testing.assert_allclose(second, first, rtol=0.02)
    assert {p.dtype for p in parameters(half).values()} == {np.dtype("float32")}


def test_evaluation_disturbs_nothing(make_trainer):
    plain, evaluated = make_trainer(), make_trainer()
    first = [plain.train_step(1e-3) for _ in range(4)]
    second = []
    for _ in range(4):
        second.append(evaluated.train_step(1e-3))
        assert evaluated.evaluate(1) == evaluated.evaluate(1)
    assert first == second


def test_schedule_warms_up_and_decays():
    config = TrainConfig(learning_rate=1.0, warmup=10)
    rate = learning_rate(config, 200)
    np.testing.assert_allclose([rate(0).item(), rate(4).item(), rate(9).item()], [0.1, 0.5, 1.0])
    halfway = 0.01 + 0.99 * 0.5
    np.testing.assert_allclose([rate(10).item(), rate(105).item()], [1.0, halfway], rtol=1e-5)
    assert rate(200).item() == pytest.approx(0.01)
    # A short run warms up for a tenth of it at most, and the shortest has a rate too.
    assert learning_rate(config, 20)(1).item() == pytest.approx(1.0)
    assert math.isfinite(learning_rate(config, 1)(0).item())
    assert math.isfinite(learning_rate(TrainConfig(warmup=0), 100)(0).item())


def test_minutes_end_a_run_on_time(make_trainer, tmp_path):
    trainer, budget = make_trainer(), Budget(minutes=0.02)
    train(trainer, budget, tmp_path / "c.safetensors", Silent())
    assert trainer.step > 0 and 1.2 <= budget.seconds() < 10
    _, settings = checkpoint.load(tmp_path / "c.safetensors")
    assert settings["minutes"] == 0.02 and settings["finished"]
    assert Budget.of_settings(settings, None, None).is_spent(trainer.step)
    assert not Budget.of_settings(settings, None, 5.0).is_spent(trainer.step)
    assert not Budget.of_settings(settings, trainer.step + 1, None).is_spent(trainer.step)


def test_budget_of_minutes_estimates_steps_from_the_speed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("olivine.lm.train.time.monotonic", lambda: now[0])
    budget = Budget(minutes=1.0)
    budget.start(0)
    now[0] += 10  # the first step compiles
    assert not budget.tick(1) and math.isnan(budget.seconds_per_step)
    for step in range(2, 21):
        now[0] += 0.5
        changed = budget.tick(step)
    assert changed and budget.seconds_per_step == 0.5
    assert budget.total == 20 + 81  # 40.5 of 60 seconds are left
    for step in range(21, 141):  # only recent steps count
        now[0] += 0.25
        budget.tick(step)
    assert budget.seconds_per_step == 0.25


def test_a_loss_that_is_not_finite_ends_the_run(make_trainer):
    trainer = make_trainer()
    with pytest.raises(TrainingError, match="the loss became"):
        for _ in range(30):
            trainer.train_step(1e30)


def test_restoring_what_does_not_fit_is_refused(make_trainer, tmp_path):
    trainer = make_trainer()
    trainer.save(tmp_path / "c.safetensors")
    arrays, settings = checkpoint.load(tmp_path / "c.safetensors")
    del arrays["model"]["norm"]
    with pytest.raises(CheckpointError, match="does not fit"):
        make_trainer().restore(arrays, settings)


def test_history_survives_arrays_exactly():
    history = History([0.1, 2.5], [5], [3.25])
    back = History.of_arrays(history.arrays())
    assert back.loss == [np.float32(0.1), 2.5] and back.validation_steps == [5]
    assert History.of_arrays(History().arrays()) == History()


def test_second_signal_acts_as_usual():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of a shell may start without
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.received == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
