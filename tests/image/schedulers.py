"""Schedulers beside diffusers: the same samples after every step.

fixtures/make_schedulers.py made the expected values.
"""

from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.image import schedulers
from tests.image.fixtures.scheduler_cases import CASES, LENGTH, model, noise

EXPECTED = np.load(Path(__file__).parent / "fixtures/schedulers.npz")


def laid_out(case):
    name, count, settings = CASES[case]
    scheduler = schedulers.make(name, settings)
    if case.startswith("flow"):
        scheduler.set_steps(count, LENGTH)
    else:
        scheduler.set_steps(count)
    return scheduler


@pytest.mark.parametrize("case", CASES)
def test_every_step_equals_that_of_diffusers(case):
    scheduler, expected = laid_out(case), EXPECTED[f"{case}.samples"]
    np.testing.assert_allclose(scheduler.timesteps, EXPECTED[f"{case}.times"], rtol=1e-5, atol=1e-3)
    x = scheduler.start(mx.array(noise(-1)))
    np.testing.assert_allclose(x, expected[0], rtol=1e-5)
    for i, t in enumerate(scheduler.timesteps):
        output = mx.array(model(np.array(scheduler.scaled(x, i)), t))
        x = scheduler.step(output, i, x, mx.array(noise(i)))
        scale = np.abs(expected[i + 1]).max()
        np.testing.assert_allclose(x, expected[i + 1], atol=2e-5 * scale, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_noise_is_added_as_in_diffusers(case):
    scheduler = laid_out(case)
    clean = mx.full(noise(0).shape, 0.5)
    got = scheduler.noised(clean, mx.array(noise(0)), CASES[case][1] // 2)
    expected = EXPECTED[f"{case}.noised"]
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_what_is_taught_has_the_image_and_the_noise_in_it(kind):
    scheduler = schedulers.make("ddim", {"prediction_type": kind})
    clean, mixed = mx.array(noise(1))[None], mx.array(noise(2))[None]
    clean, mixed = (
        mx.broadcast_to(x.reshape(1, -1, 1, 1), (2, x.size, 1, 1)) for x in (clean, mixed)
    )
    steps = [40, 700]
    x, target = scheduler.taught(clean, mixed, mx.array(steps))
    for i, step in enumerate(steps):
        share = float(np.prod(1 - np.linspace(1e-4, 0.02, 1000)[: step + 1]))
        expected = share**0.5 * np.array(clean[i]) + (1 - share) ** 0.5 * np.array(mixed[i])
        np.testing.assert_allclose(x[i], expected, atol=1e-5)
        parts = scheduler._split(target[i], x[i], share)
        for part, whole in zip(parts, (clean[i], mixed[i]), strict=True):
            np.testing.assert_allclose(part, whole, atol=1e-3)


@pytest.mark.parametrize("name", schedulers.SCHEDULERS)
def test_a_number_of_steps_out_of_bounds_is_refused(name):
    config = {"skip_prk_steps": True} if name == "pndm" else {}
    scheduler = schedulers.make(name, config)
    for count in (0, -3, 1001):
        with pytest.raises(ValueError, match=r"\[image\] expected from 1 to \d+ steps; got"):
            scheduler.set_steps(count)


def test_steps_can_be_laid_out_again():
    scheduler = laid_out("dpm")
    noise_ = mx.array(noise(0))

    def run():
        scheduler.set_steps(4)
        x = scheduler.start(noise_)
        for i in range(4):
            x = scheduler.step(mx.sin(x), i, x)
        return np.array(x)

    np.testing.assert_array_equal(run(), run())


@pytest.mark.parametrize(
    "config, message",
    [
        ({"prediction_type": "flow"}, "prediction_type to be among"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule to be among"),
        ({"thresholding": True}, "thresholding is not implemented"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps to be int"),
        ({"beta_start": -1.0}, "a number from 0"),
    ],
)
def test_settings_that_are_not_implemented_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        schedulers.make("DDIMScheduler", config)


def test_an_unknown_scheduler_is_refused():
    with pytest.raises(ValueError, match="expected a scheduler among ddim, .* got 'best'"):
        schedulers.make("best")


@pytest.mark.parametrize("name", ["euler-ancestral", "lcm"])
def test_a_step_that_needs_noise_says_so(name):
    scheduler = schedulers.make(name)
    scheduler.set_steps(3)
    with pytest.raises(ValueError, match="expected noise"):
        scheduler.step(mx.ones((2,)), 0, mx.ones((2,)))
