"""The learning-rate finder: rates, the suggestion, and a run that is as it was afterwards."""

from functools import partial

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.train import find_learning_rate
from olivine.utils import tree_flatten

NUMBERS = np.random.default_rng(4)
X = mx.array(NUMBERS.normal(size=(32, 4)).astype(np.float32))
Y = X @ mx.array([[1.0], [-2.0], [0.5], [3.0]])


def make(rate=0.1, compiled=True):
    mx.random.seed(2)
    model = nn.Sequential(nn.Linear(4, 1), nn.Dropout(0.1))
    optimizer = optim.SGD(rate, momentum=0.5)
    optimizer.init(model.trainable_parameters())
    state = {"model": model, "optimizer": optimizer, "random": mx.random.state}
    arrays = [model.state, optimizer.state, mx.random.state]
    loss_and_grad = nn.value_and_grad(model, lambda x, y: nn.losses.mse_loss(model(x), y))

    def step(x, y):
        loss, grads = loss_and_grad(x, y)
        optimizer.update(model, grads)
        return loss

    if compiled:
        step = partial(mx.compile, inputs=arrays, outputs=arrays)(step)
    return step, optimizer, state, arrays


def endless():
    while True:
        yield X, Y


@pytest.mark.parametrize("compiled", [False, True])
def test_it_suggests_a_rate_that_learns_and_leaves_all_as_it_was(compiled):
    step, optimizer, state, arrays = make(compiled=compiled)
    mx.eval(arrays)
    before = [np.array(a).tobytes() for _, a in tree_flatten(arrays[:2])], arrays[2][0].tolist()
    lrs, losses, suggestion = find_learning_rate(
        step, optimizer, endless(), state, low=1e-5, high=100.0, steps=80
    )
    after = [np.array(a).tobytes() for _, a in tree_flatten(arrays[:2])], arrays[2][0].tolist()
    assert before == after and optimizer.learning_rate.item() == np.float32(0.1)
    assert len(lrs) == len(losses) < 80  # it diverged, and the search ended
    np.testing.assert_allclose(lrs, np.geomspace(1e-5, 100, 80)[: len(lrs)])
    assert 1e-3 < suggestion < 1 and suggestion in lrs
    optimizer.learning_rate = suggestion
    first = step(X, Y).item()
    for _ in range(40):
        last = step(X, Y).item()
    assert last < 0.5 * first


def test_few_batches_and_single_arguments():
    step, optimizer, state, _ = make()
    found = find_learning_rate(lambda x: step(x, Y), optimizer, [X] * 5, state)
    assert len(found.lrs) == 5
    with pytest.raises(ValueError, match="at least 3 finite losses; got 2"):
        find_learning_rate(step, optimizer, [(X, Y)] * 2, state)


def test_an_endless_loss_ends_the_search():
    step, optimizer, state, _ = make()
    values = iter([3.0, 2.0, 1.0, float("nan"), 0.0])

    def strange(x, y):
        step(x, y)
        return mx.array(next(values))

    assert find_learning_rate(strange, optimizer, endless(), state).losses == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_scheduled_rate_is_refused(compiled):
    step, optimizer, state, _ = make(optim.cosine_decay(0.1, 10), compiled)
    with pytest.raises(ValueError, match="schedule replaced 1e-06 by 0.1"):
        find_learning_rate(step, optimizer, endless(), state)
    assert optimizer.step.item() == 0


def test_wrong_arguments_are_named():
    step, optimizer, state, _ = make()
    for wrong in ({"low": 0}, {"low": 2.0}, {"steps": 2}):
        with pytest.raises(ValueError, match="expected 0 < low < high"):
            find_learning_rate(step, optimizer, endless(), state, **wrong)
