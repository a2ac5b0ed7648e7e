"""Gradient accumulation: the gradient of the whole batch, in parts of any lengths."""

from functools import partial

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.train import Accumulator, Checkpointer, accumulate
from olivine.utils import tree_flatten

NUMBERS = np.random.default_rng(2)
X = mx.array(NUMBERS.normal(size=(24, 6)).astype(np.float32))
Y = mx.array(NUMBERS.integers(0, 4, size=24))


def make():
    mx.random.seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 4))

    def loss_fn(x, y, scale=1.0):
        return nn.losses.cross_entropy(model(x) * scale, y, reduction="mean")

    return model, nn.value_and_grad(model, loss_fn)


def assert_close_trees(got, want):
    got, want = dict(tree_flatten(got)), dict(tree_flatten(want))
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(np.array(got[name]), np.array(value), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("parts", [1, 2, 4, 5, 7, 24])
def test_parts_give_the_gradient_of_the_whole_batch(parts):
    _, loss_and_grad = make()
    want_loss, want = loss_and_grad(X, Y)
    loss, grads = accumulate(loss_and_grad, parts)(X, Y)
    np.testing.assert_allclose(loss.item(), want_loss.item(), rtol=1e-6)
    assert_close_trees(grads, want)


@pytest.mark.parametrize("compiled", ["inside", "outside"])
def test_a_compiled_run_in_parts_follows_the_plain_one(compiled):
    def train(parts):
        model, loss_and_grad = make()
        optimizer = optim.SGD(0.5, momentum=0.9)
        optimizer.init(model.trainable_parameters())
        state = [model.state, optimizer.state]
        if parts and compiled == "inside":
            loss_and_grad = mx.compile(loss_and_grad, inputs=[model.state])
        if parts:
            loss_and_grad = accumulate(loss_and_grad, parts)

        def step(x, y):
            loss, grads = loss_and_grad(x, y)
            optimizer.update(model, grads)
            return loss

        if compiled == "outside":
            step = partial(mx.compile, inputs=state, outputs=state)(step)
        for _ in range(10):
            loss = step(X, Y)
            mx.eval(state, loss)
        return loss.item(), model.parameters()

    want_loss, want = train(None)
    loss, got = train(3)
    np.testing.assert_allclose(loss, want_loss, rtol=1e-4)
    for (_, a), (_, b) in zip(tree_flatten(got), tree_flatten(want), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-5)


def test_keywords_trees_and_values_beside_the_loss():
    weights = {"w": mx.array(2.0)}

    def fn(batch, power=1, *, offset):
        def loss(w):
            return ((batch["x"] * w["w"]) ** power + offset).mean()

        value, grad = mx.value_and_grad(loss)(weights)
        return (value, {"rows": mx.array(batch["x"].shape[0])}), grad

    args = {"x": mx.arange(7.0)}
    (value, more), grad = accumulate(fn, 2)(args, 2, offset=mx.ones((7,)))
    assert np.isclose(value.item(), np.mean((np.arange(7) * 2) ** 2 + 1))
    assert np.isclose(grad["w"].item(), np.mean(np.arange(7.0) ** 2 * 4))
    assert np.isclose(more["rows"].item(), (3 * 3 + 4 * 4) / 7)


def test_16_bit_gradients_are_summed_in_float32():
    # In bfloat16, 256 + 1 is 256.
    grads = [mx.full((2,), v, dtype=mx.bfloat16) for v in (256.0, *[1.0] * 256)]
    accumulator = Accumulator(257)
    for grad in grads:
        mean = accumulator.add({"g": grad})
    assert mean["g"].dtype == mx.bfloat16
    assert mean["g"].tolist() == [mx.array(512 / 257, dtype=mx.bfloat16).item()] * 2


def test_wrong_batches_are_named():
    fn = accumulate(lambda *args: (mx.array(0.0), {}), 4)
    for args, what in [
        ((mx.ones((3, 2)),), "a batch of at least 4; got 3"),
        ((mx.ones((8,)), mx.ones((9,))), r"one length along axis 0; got shapes \(8,\), \(9,\)"),
        ((mx.ones((8,)), mx.array(1.0)), "one length along axis 0"),
        ((1.0,), "got shapes of no arrays"),
    ]:
        with pytest.raises(ValueError, match=what):
            fn(*args)
    with pytest.raises(ValueError, match="at least 1"):
        accumulate(fn, 0)
    with pytest.raises(ValueError, match="at least 1"):
        Accumulator(0)
    with pytest.raises(ValueError, match="weight above 0"):
        Accumulator(1).add({}, 0)


def test_an_accumulator_collects_unequal_batches():
    _, loss_and_grad = make()
    _, want = loss_and_grad(X, Y)
    accumulator = Accumulator(3)
    for _ in range(2):  # it begins anew
        cuts = [(0, 4), (4, 15), (15, 24)]
        means = [accumulator.add(loss_and_grad(X[b:e], Y[b:e])[1], e - b) for b, e in cuts]
        assert means[:2] == [None, None]
        assert_close_trees(means[2], want)


def test_a_collection_goes_on_from_a_checkpoint(tmp_path):
    grads = [{"w": mx.array([float(i), 1.0], dtype=mx.float16)} for i in range(4)]
    accumulator = Accumulator(4)
    with Checkpointer(tmp_path, {"accumulator": accumulator}) as checkpointer:
        checkpointer.save(0)
        for grad in grads[:2]:
            accumulator.add(grad)
        checkpointer.save(2)
    resumed = Accumulator(4)
    with Checkpointer(tmp_path, {"accumulator": resumed}) as checkpointer:
        checkpointer.restore()
        assert resumed.add(grads[2]) is None
        mean = resumed.add(grads[3])
        assert mean["w"].dtype == mx.float16 and mean["w"].tolist() == [1.5, 1.0]
        checkpointer.restore(0)
        assert resumed.count == 0 and [resumed.add(g) for g in grads[:3]] == [None] * 3
