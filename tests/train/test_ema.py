"""EMA: the recurrence, warm-up, swapping, compiled steps, dtypes."""

from functools import partial

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.train import EMA, Checkpointer
from olivine.utils import tree_flatten


def follow(decay, warmup, values):
    """The averages of a parameter that takes `values`, after every update, in float64."""
    average, out = values[0], []
    for n, value in enumerate(values[1:]):
        d = min(decay, (1 + n) / (10 + n)) if warmup else decay
        average = d * average + (1 - d) * value
        out.append(average)
    return out


@pytest.mark.parametrize("warmup", [False, True])
def test_averages_follow_the_recurrence(warmup):
    values = np.random.default_rng(0).normal(size=40)
    model = nn.Linear(1, 1, bias=False)
    model.weight = mx.array([[values[0]]])
    ema = EMA(model, 0.9, warmup)
    got = []
    for value in values[1:]:
        model.weight = mx.array([[value]])
        ema.update(model)
        got.append(ema.average["weight"].item())
    np.testing.assert_allclose(got, follow(0.9, warmup, values), rtol=1e-5, atol=1e-6)


def test_swapping_lends_the_averages():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm(2))
    ema = EMA(model, 0.5, warmup=False)
    own = model.layers[0].weight
    model.layers[0].weight = own + 2
    ema.update(model)
    held = model.state
    with pytest.raises(KeyError), ema.swapped(model) as lent:
        assert lent is model
        np.testing.assert_allclose(np.array(model.layers[0].weight), np.array(own + 1), rtol=1e-6)
        raise KeyError
    np.testing.assert_array_equal(np.array(model.layers[0].weight), np.array(own + 2))
    assert model.state is held
    ema.copy_to(model)
    np.testing.assert_allclose(np.array(model.layers[0].weight), np.array(own + 1), rtol=1e-6)


def test_a_compiled_step_averages_as_a_plain_one():
    def train(compiled):
        mx.random.seed(3)
        model = nn.Linear(3, 2)
        optimizer, ema = optim.Adam(0.1), EMA(model, 0.9)
        optimizer.init(model.trainable_parameters())
        loss_and_grad = nn.value_and_grad(model, lambda x: (model(x) ** 2).mean())
        state = [model.state, optimizer.state, ema.state]

        def step(x):
            _, grads = loss_and_grad(x)
            optimizer.update(model, grads)
            ema.update(model)

        if compiled:
            step = partial(mx.compile, inputs=state, outputs=state)(step)
        for i in range(8):
            step(mx.full((4, 3), float(i % 3)))
        assert ema.state["updates"].item() == 8
        return [np.array(a) for _, a in tree_flatten(ema.average)]

    for a, b in zip(train(True), train(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_narrow_parameters_have_float32_averages():
    model = nn.Linear(1, 1, bias=False)
    model.weight = mx.ones((1, 1), dtype=mx.bfloat16)
    ema = EMA(model, 0.999, warmup=False)
    model.weight = mx.full((1, 1), 2.0, dtype=mx.bfloat16)
    for _ in range(3):
        ema.update(model)
    np.testing.assert_allclose(ema.average["weight"].item(), 2 - 0.999**3, rtol=1e-6)
    with ema.swapped(model):
        assert model.weight.dtype == mx.bfloat16


def test_numbers_that_are_no_floats_are_copied():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = mx.array([0])

    model = Counter()
    ema = EMA(model)
    model.count = mx.array([5])
    ema.update(model)
    assert ema.average["count"].tolist() == [5]


def test_a_checkpoint_keeps_the_averages_in_place(tmp_path):
    model = nn.Linear(2, 1)
    ema = EMA(model, 0.5)
    ema.update(model)
    held, want = ema.state["average"], np.array(ema.average["weight"])
    with Checkpointer(tmp_path, {"ema": ema}) as checkpointer:
        checkpointer.save(1)
        model.weight = model.weight + 1
        ema.update(model)
        checkpointer.restore()
    assert ema.state["average"] is held and ema.state["updates"].item() == 1
    np.testing.assert_array_equal(np.array(ema.average["weight"]), want)


def test_a_wrong_decay_is_named():
    for decay in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="a decay from 0 to below 1"):
            EMA(nn.Linear(1, 1), decay)
