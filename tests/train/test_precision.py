"""Mixed precision: dtypes inside and outside, master weights, loss scaling and skipped steps."""

from functools import partial

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.train import Checkpointer, LossScaler, autocast
from olivine.utils import tree_flatten
from tests.support import to_np


class Spy(nn.Module):
    """A linear layer and a batch norm that note the dtypes they see."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.norm = nn.BatchNorm(3)
        self._table = mx.ones((3,))

    def __call__(self, x, ids=None, **more):
        y = self.norm(self.linear(x))
        arrays = {"x": x, "w": self.linear.weight, "mean": self.norm.running_mean, "y": y, **more}
        self.seen = None  # a plain attribute
        object.__setattr__(self, "dtypes", {name: a.dtype for name, a in arrays.items()})
        return {"y": y, "ids": ids}


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_inside_is_the_narrow_dtype_and_outside_float32(dtype):
    model = Spy()
    before = dict(tree_flatten(model.parameters()))
    out = autocast(model, dtype=dtype)(mx.ones((5, 4)), mx.array([1]), z=mx.zeros((2,)))
    assert model.dtypes == {
        "x": dtype, "w": dtype, "mean": mx.float32, "y": dtype, "z": dtype
    }  # fmt: skip
    assert out["y"].dtype == mx.float32 and out["ids"].dtype == mx.int32
    for name, value in tree_flatten(model.parameters()):
        running = name.startswith("norm.running")
        assert value.dtype == mx.float32 and (value is before[name]) != running, name
    model.eval()
    autocast(model, dtype=dtype)(mx.ones((5, 4)))
    assert model.dtypes["mean"] == dtype and model.norm.running_mean.dtype == mx.float32


def test_an_error_inside_leaves_the_model_as_it_was():
    model = nn.Linear(4, 3)
    with pytest.raises(ValueError):
        autocast(model)(mx.ones((5, 7)))
    assert model.weight.dtype == mx.float32
    with pytest.raises(ValueError, match="expected bfloat16 or float16"):
        autocast(model, dtype=mx.float32)


def test_a_module_that_is_in_the_model_twice_keeps_its_weights():
    shared = nn.Linear(3, 3)
    shared.weight = shared.weight + 1e-5
    before = shared.weight
    model = nn.Sequential(shared, nn.Tanh(), shared)
    out = autocast(model)(mx.ones((2, 3)))
    assert shared.weight is before
    want = np.tanh(np.ones((2, 3)) @ np.array(before).T + np.array(shared.bias))
    want = want @ np.array(before).T + np.array(shared.bias)
    np.testing.assert_allclose(np.array(out), want, atol=2e-2)


def test_another_function_of_the_model_and_plain_arguments():
    model = nn.Linear(4, 3)
    scaled = autocast(model, lambda x, factor: (model(x) * factor, factor))
    y, factor = scaled(mx.ones((2, 4)), 2.0)
    assert y.dtype == mx.float32 and factor == 2.0
    want = np.array(model(mx.ones((2, 4)))) * 2
    np.testing.assert_allclose(np.array(y), want, rtol=3e-2, atol=3e-2)


def regression(dtype=None, compiled=True, steps=60, scaler=None, rate=1e-2):
    """Losses and final weights of a small regression."""
    mx.random.seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.LayerNorm(32), nn.Linear(32, 1))
    optimizer = optim.Adam(rate)
    optimizer.init(model.trainable_parameters())
    forward = model if dtype is None else autocast(model, dtype=dtype)

    def loss_fn(x, y):
        out = forward(x)
        assert out.dtype == mx.float32
        return nn.losses.mse_loss(out, y)

    value_and_grad = scaler.value_and_grad if scaler else nn.value_and_grad
    loss_and_grad = value_and_grad(model, loss_fn)
    state = [model.state, optimizer.state] + ([scaler.state] if scaler else [])

    def step(x, y):
        loss, grads = loss_and_grad(x, y)
        assert all(g.dtype == mx.float32 for _, g in tree_flatten(grads))
        if scaler:
            scaler.update(optimizer, model, grads)
        else:
            optimizer.update(model, grads)
        return loss

    if compiled:
        step = partial(mx.compile, inputs=state, outputs=state)(step)
    numbers = np.random.default_rng(0)
    x = mx.array(numbers.normal(size=(64, 8)).astype(np.float32))
    y = mx.sin(x.sum(axis=1, keepdims=True))
    losses = []
    for _ in range(steps):
        losses.append(step(x, y).item())
        mx.eval(state)
    return losses, model, optimizer


@pytest.mark.parametrize("compiled", [False, True])
def test_training_in_16_bits_follows_float32(compiled):
    want, _, _ = regression()
    for dtype, scaler in [(mx.bfloat16, None), (mx.float16, LossScaler(2.0**10, interval=5))]:
        losses, model, optimizer = regression(dtype, compiled, scaler=scaler)
        assert losses[-1] < 0.5 * losses[0]
        np.testing.assert_allclose(losses, want, atol=0.01 * want[0])
        leaves = tree_flatten(model.parameters()) + tree_flatten(optimizer.state)
        assert all(x.dtype in (mx.float32, mx.uint64) for _, x in leaves)


def test_weights_learn_what_bfloat16_would_lose():
    # 1 + 2**-10 rounds to 1 in bfloat16, so that 16-bit weights would stay where they are.
    model = nn.Linear(1, 1, bias=False)
    model.weight = mx.ones((1, 1))
    forward = autocast(model)
    optimizer = optim.SGD(2.0**-10)
    for _ in range(8):
        _, grads = nn.value_and_grad(model, lambda x: -forward(x).sum())(mx.ones((1, 1)))
        optimizer.update(model, grads)
    assert model.weight.item() == 1 + 8 * 2.0**-10


def test_scaling_saves_gradients_that_float16_would_lose():
    model = nn.Linear(1, 1, bias=False)
    forward = autocast(model, dtype=mx.float16)
    tiny = 1e-6  # times 1e-3 is below the smallest float16

    def loss_fn(x):
        return (forward(x) * tiny).sum()

    x = mx.full((1, 1), 1e-3)
    _, plain = nn.value_and_grad(model, loss_fn)(x)
    assert plain["weight"].item() == 0
    loss, grads = LossScaler().value_and_grad(model, loss_fn)(x)
    np.testing.assert_allclose(grads["weight"].item(), 1e-9, rtol=1e-2)
    np.testing.assert_allclose(loss.item(), 1e-9 * model.weight.item(), rtol=1e-2)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_step_with_bad_gradients_is_skipped(compiled, bad):
    model = nn.Linear(2, 1)
    optimizer = optim.AdamW(optim.step_decay(0.1, 0.5, 1))
    scaler = LossScaler(initial=8.0, interval=2)
    loss_and_grad = scaler.value_and_grad(model, lambda x: model(x).sum())
    state = [model.state, optimizer.state, scaler.state]

    def step(x):
        loss, grads = loss_and_grad(x)
        return loss, scaler.update(optimizer, model, grads)

    if compiled:
        step = partial(mx.compile, inputs=state, outputs=state)(step)

    def snapshot():
        return [to_np(x).tobytes() for _, x in tree_flatten([model.state, optimizer.state])]

    weight = to_np(model.weight)
    _, taken = step(mx.array([[bad, 1.0]]))
    assert not taken.item() and scaler.scale.item() == 4 and scaler.state["skipped"].item() == 1
    assert to_np(model.weight).tobytes() == weight.tobytes() and optimizer.step.item() == 0
    _, taken = step(mx.ones((1, 2)))
    assert taken.item() and optimizer.step.item() == 1 and scaler.state["good_steps"].item() == 1
    assert not np.array_equal(to_np(model.weight), weight)
    before = snapshot()
    step(mx.array([[1.0, bad]]))
    assert snapshot() == before and scaler.state["good_steps"].item() == 0
    scales = []
    for _ in range(4):
        step(mx.ones((1, 2)))
        scales.append(scaler.scale.item())
    assert scales == [2, 4, 4, 8] and scaler.state["skipped"].item() == 2
    assert optimizer.step.item() == 5


def test_several_optimizers_are_skipped_together():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    parts = [optim.Adam(0.1), optim.SGD(0.1, momentum=0.9)]
    optimizer = optim.MultiOptimizer(parts, [lambda path, g: "0" in path])
    scaler = LossScaler()
    loss_and_grad = scaler.value_and_grad(model, lambda x: model(x).sum())
    for value in (1.0, float("nan"), 1.0):
        _, grads = loss_and_grad(mx.full((1, 2), value))
        scaler.update(optimizer, model, grads)
    assert [part.step.item() for part in parts] == [2, 2]
    assert all(np.isfinite(np.array(p)).all() for _, p in tree_flatten(model.parameters()))


def test_auxiliary_values_come_through():
    model = nn.Linear(2, 1)
    scaler = LossScaler(initial=4.0)
    fn = scaler.value_and_grad(model, lambda x: (model(x).sum(), {"n": mx.array(3)}))
    (loss, more), _ = fn(mx.ones((1, 2)))
    assert loss.item() == model(mx.ones((1, 2))).item() and more["n"].item() == 3


def test_the_scale_has_limits_and_is_in_checkpoints(tmp_path):
    scaler = LossScaler(initial=2.0**-23, interval=1)
    for good, want in [(False, -24), (False, -24), (True, -23)]:
        scaler._adapt(mx.array(good))
        assert scaler.scale.item() == 2.0**want
    with Checkpointer(tmp_path, {"scaler": scaler}) as checkpointer:
        checkpointer.save(1)
        held = scaler.state
        scaler._adapt(mx.array(True))
        checkpointer.restore()
        assert scaler.scale.item() == 2.0**-23 and scaler.state is held
    for wrong in ({"initial": 0}, {"growth": 1}, {"backoff": 1}, {"interval": 0}):
        with pytest.raises(ValueError, match="LossScaler"):
            LossScaler(**wrong)
