"""Optimizers against their update rules in NumPy, their state, and gradient clipping."""

import numpy as np
import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
import pytest
from olivine.utils import tree_flatten

STEPS = 20
TARGET = np.array([1.0, -2.0, 0.5])


def sgd(momentum=0.0, weight_decay=0.0, dampening=0.0, nesterov=False):
    def rule(p, g, state, step, rate):
        g = g + weight_decay * p
        if momentum == 0:
            return p - rate * g
        state["v"] = momentum * state.get("v", 0) + (1 - dampening) * g
        return p - rate * (g + momentum * state["v"] if nesterov else state["v"])

    return rule


def adam(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, bias_correction=False):
    def rule(p, g, state, step, rate):
        p = p * (1 - rate * weight_decay)
        state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
        state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
        m, v = state["m"], state["v"]
        if bias_correction:
            m, v = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
        return p - rate * m / (np.sqrt(v) + eps)

    return rule


CASES = {
    "sgd": (optim.SGD, {}, sgd),
    "momentum": (optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, sgd),
    "dampening": (optim.SGD, {"momentum": 0.9, "dampening": 0.5}, sgd),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}, sgd),
    "adam": (optim.Adam, {}, adam),
    "adam corrected": (optim.Adam, {"bias_correction": True, "betas": [0.8, 0.99]}, adam),
    "adamw": (optim.AdamW, {"weight_decay": 0.1, "eps": 1e-4}, adam),
    "adamw corrected": (optim.AdamW, {"weight_decay": 0.1, "bias_correction": True}, adam),
}


def quadratic(p):
    return mx.sum(
        mx.square(p["w"] - mx.array(TARGET, dtype=mx.float32)) * mx.array([1.0, 2.0, 0.3])
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheduled", [False, True])
def test_update_follows_the_rule_for_twenty_steps(case, scheduled):
    make, options, reference = CASES[case]
    rate = optim.exponential_decay(0.1, 0.9) if scheduled else 0.1
    optimizer = make(rate, **options)
    rule = reference(**options)
    params, expected, memory = {"w": mx.zeros(3)}, np.zeros(3), {}
    for step in range(1, STEPS + 1):
        params = optimizer.apply_gradients(mx.grad(quadratic)(params), params)
        gradient = 2 * (expected - TARGET) * [1.0, 2.0, 0.3]
        now = 0.1 * 0.9 ** (step - 1) if scheduled else 0.1
        expected = rule(expected, gradient, memory, step, now)
        np.testing.assert_allclose(np.array(params["w"]), expected, rtol=2e-4, atol=1e-6)
    assert optimizer.step.item() == STEPS
    assert optimizer.learning_rate.item() == pytest.approx(now)
    for name, value in memory.items():
        np.testing.assert_allclose(np.array(optimizer.state["w"][name]), value, rtol=1e-4)


def small_model():
    mx.random.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.0), nn.tanh, nn.Linear(4, 1))


def train(model, optimizer, steps):
    x, y = mx.random.normal((8, 3), key=mx.random.key(1)), mx.ones((8, 1))
    loss_and_grad = nn.value_and_grad(model, lambda x, y: nn.losses.mse_loss(model(x), y))
    losses = []
    for _ in range(steps):
        loss, grads = loss_and_grad(x, y)
        optimizer.update(model, grads)
        losses.append(loss.item())
    return losses


def test_update_trains_a_model():
    losses = train(small_model(), optim.AdamW(0.05), 50)
    assert losses[-1] < 0.01 * losses[0]


def test_state_is_initialized_once_and_only_for_what_is_trained():
    model = small_model()
    model.layers[0].freeze()
    optimizer = optim.Adam(0.1)
    optimizer.init(model.trainable_parameters())
    names = {name for name, _ in tree_flatten(optimizer.state)}
    assert names == {
        "step",
        "learning_rate",
        *(f"layers.3.{p}.{s}" for p in ("weight", "bias") for s in "mv"),
    }
    train(model, optimizer, 2)
    moments = np.array(optimizer.state["layers"][3]["weight"]["m"])
    model.unfreeze()
    optimizer.init(model.trainable_parameters())
    assert np.array_equal(np.array(optimizer.state["layers"][3]["weight"]["m"]), moments)
    assert not np.array(optimizer.state["layers"][0]["weight"]["m"]).any()


def test_saved_state_continues_exactly():
    whole = train(small_model(), optim.AdamW(optim.cosine_decay(0.1, 20)), 20)
    model, optimizer = small_model(), optim.AdamW(optim.cosine_decay(0.1, 20))
    first = train(model, optimizer, 8)
    saved = dict(tree_flatten(optimizer.state))
    from olivine.utils import tree_unflatten

    later = optim.AdamW(optim.cosine_decay(0.1, 20))
    later.state = tree_unflatten(list(saved.items()))
    later.init(model.trainable_parameters())
    assert first + train(model, later, 12) == whole


def test_compiled_step_equals_the_plain_one():
    expected = train(
        small_model(), optim.AdamW(optim.cosine_decay(0.1, 20), bias_correction=True), 10
    )
    model = small_model()
    optimizer = optim.AdamW(optim.cosine_decay(0.1, 20), bias_correction=True)
    optimizer.init(model.trainable_parameters())
    x, y = mx.random.normal((8, 3), key=mx.random.key(1)), mx.ones((8, 1))
    loss_and_grad = nn.value_and_grad(model, lambda x, y: nn.losses.mse_loss(model(x), y))
    state = [model.state, optimizer.state]

    def step(x, y):
        loss, grads = loss_and_grad(x, y)
        optimizer.update(model, grads)
        return loss

    compiled = mx.compile(step, inputs=state, outputs=state)
    losses = []
    for _ in range(10):
        losses.append(compiled(x, y).item())
        mx.eval(state)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-7)
    assert optimizer.step.item() == 10


def test_learning_rate_can_be_read_and_set():
    optimizer = optim.SGD(0.5)
    assert optimizer.learning_rate.item() == 0.5
    optimizer.learning_rate = 0.25
    params = optimizer.apply_gradients({"w": mx.array([1.0])}, {"w": mx.array([0.0])})
    assert params["w"].item() == -0.25


def test_parameters_keep_their_dtype():
    for optimizer in (optim.SGD(0.1, momentum=0.9), optim.AdamW(0.1, bias_correction=True)):
        params = {"w": mx.array([1.0], dtype=mx.bfloat16)}
        params = optimizer.apply_gradients({"w": mx.array([0.5], dtype=mx.bfloat16)}, params)
        assert params["w"].dtype == mx.bfloat16


def test_nesterov_needs_momentum_without_dampening():
    for options in ({}, {"momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match=r"\[SGD\] expected"):
            optim.SGD(0.1, nesterov=True, **options)


def test_base_class_asks_for_its_two_methods():
    optimizer = optim.Optimizer()
    with pytest.raises(NotImplementedError, match="init_single"):
        optimizer.init({"w": mx.zeros(1)})
    with pytest.raises(NotImplementedError, match="apply_single"):
        optimizer.apply_single(mx.zeros(1), mx.zeros(1), {})


def test_multi_optimizer_gives_each_parameter_to_the_first_that_wants_it():
    model = nn.Linear(2, 2)
    weight, bias = np.array(model.weight), np.array(model.bias)
    parts = [optim.SGD(0.5), optim.SGD(0.1)]
    optimizer = optim.MultiOptimizer(parts, [lambda path, g: path == "bias"])
    grads = {"weight": mx.ones((2, 2)), "bias": mx.ones(2)}
    optimizer.init(model.trainable_parameters())
    optimizer.update(model, grads)
    np.testing.assert_allclose(np.array(model.bias), bias - 0.5, rtol=1e-6)
    np.testing.assert_allclose(np.array(model.weight), weight - 0.1, rtol=1e-6)

    names = {name for name, _ in tree_flatten(optimizer.state)}
    assert {"states.0.bias.v", "states.1.weight.v", "states.1.step"} <= names
    assert "states.0.weight.v" not in names
    optimizer.learning_rate = 0.0
    optimizer.update(model, grads)
    np.testing.assert_allclose(np.array(model.bias), bias - 0.5, rtol=1e-6)
    assert optimizer.learning_rate.item() == 0.0


def test_multi_optimizer_restores_state_and_refuses_what_does_not_fit():
    parts = [optim.Adam(0.1), optim.SGD(0.1)]
    optimizer = optim.MultiOptimizer(parts, [lambda path, g: True])
    optimizer.init({"w": mx.zeros(1)})
    saved = optimizer.state
    optimizer.state = saved
    assert optimizer.optimizers[0].state is saved["states"][0]
    with pytest.raises(ValueError, match=r"\[MultiOptimizer\] expected"):
        optimizer.state = {"states": []}
    with pytest.raises(ValueError, match=r"\[MultiOptimizer\] expected 1 filters"):
        optim.MultiOptimizer(parts, [])


def test_clip_grad_norm_scales_long_gradients_only():
    grads = {"a": mx.array([3.0, 0.0]), "b": [mx.array([[4.0]])]}
    clipped, norm = optim.clip_grad_norm(grads, 1.0)
    assert norm.item() == 5.0
    np.testing.assert_allclose(np.array(clipped["a"]), [0.6, 0.0], rtol=1e-5)
    np.testing.assert_allclose(np.array(clipped["b"][0]), [[0.8]], rtol=1e-5)
    kept, norm = optim.clip_grad_norm(grads, 10.0)
    assert norm.item() == 5.0 and np.array_equal(np.array(kept["a"]), [3.0, 0.0])
