"""Optimizers against their update rules in NumPy, their state, and gradient clipping."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
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


def lion(betas=(0.9, 0.99), weight_decay=0.0):
    def rule(p, g, state, step, rate):
        m = state.get("m", 0)
        state["m"] = betas[1] * m + (1 - betas[1]) * g
        return p * (1 - rate * weight_decay) - rate * np.sign(betas[0] * m + (1 - betas[0]) * g)

    return rule


def rmsprop(alpha=0.99, eps=1e-8):
    def rule(p, g, state, step, rate):
        state["v"] = alpha * state.get("v", 0) + (1 - alpha) * g**2
        return p - rate * g / (np.sqrt(state["v"]) + eps)

    return rule


def adagrad(eps=1e-8):
    def rule(p, g, state, step, rate):
        state["v"] = state.get("v", 0) + g**2
        return p - rate * g / (np.sqrt(state["v"]) + eps)

    return rule


def adadelta(rho=0.9, eps=1e-6):
    def rule(p, g, state, step, rate):
        u = state.get("u", 0)
        state["v"] = rho * state.get("v", 0) + (1 - rho) * g**2
        d = np.sqrt(u + eps) / np.sqrt(state["v"] + eps) * g
        state["u"] = rho * u + (1 - rho) * d**2
        return p - rate * d

    return rule


def adamax(betas=(0.9, 0.999), eps=1e-8):
    def rule(p, g, state, step, rate):
        state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
        state["v"] = np.maximum(betas[1] * state.get("v", 0), np.abs(g))
        return p - rate * state["m"] / (state["v"] + eps)

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
    "adamax": (optim.Adamax, {"betas": [0.8, 0.9]}, adamax),
    "lion": (optim.Lion, {"weight_decay": 0.1}, lion),
    "rmsprop": (optim.RMSprop, {"alpha": 0.9, "eps": 1e-6}, rmsprop),
    "adagrad": (optim.Adagrad, {}, adagrad),
    "adadelta": (optim.AdaDelta, {"eps": 1e-4}, adadelta),
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


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, nn.utils.clip_grad_norm_sharded])
def test_clipped_gradients_keep_their_dtype(clip):
    clipped, norm = clip({"a": mx.array([3.0, 4.0], dtype=mx.bfloat16)}, 1.0)
    assert clipped["a"].dtype == norm.dtype == mx.bfloat16


def rms(x):
    return np.sqrt(np.mean(x**2))


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"warmup_init": True, "scale_parameter": False},
        {"learning_rate": 0.1, "relative_step": False, "beta_1": 0.9, "weight_decay": 0.1},
    ],
)
def test_adafactor_follows_its_paper(shape, options):
    """Algorithms 4 and 5 of Shazeer and Stern (2018)."""
    rng = np.random.default_rng(0)
    p = rng.standard_normal(shape)
    optimizer, params = optim.Adafactor(**options), {"w": mx.array(p.astype(np.float32))}
    rows = columns = square = average = 0.0
    for step in range(1, 8):
        g = rng.standard_normal(shape)
        beta2 = 1 - step**-0.8
        rate = options.get("learning_rate")
        if rate is None:
            rate = min(1e-6 * step if options.get("warmup_init") else 1e-2, 1 / np.sqrt(step))
        if options.get("scale_parameter", True):
            rate *= max(1e-3, rms(p))
        if len(shape) > 1:
            rows = beta2 * rows + (1 - beta2) * (g**2).mean(-1)
            columns = beta2 * columns + (1 - beta2) * (g**2).mean(-2)
            v = rows[..., None] * columns[..., None, :] / rows.mean(-1)[..., None, None]
        else:
            v = square = beta2 * square + (1 - beta2) * g**2
        u = g / np.sqrt(v)
        u = rate * u / max(1, rms(u))
        if "beta_1" in options:
            u = average = 0.9 * average + 0.1 * u
        p = p * (1 - rate * options.get("weight_decay", 0)) - u
        gradients = {"w": mx.array(g.astype(np.float32))}
        params = optimizer.apply_gradients(gradients, params)
        np.testing.assert_allclose(np.array(params["w"]), p, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 3, 2)])
def test_muon_steps_along_a_nearly_orthogonal_matrix(shape):
    rng = np.random.default_rng(1)
    g = rng.standard_normal(shape)
    optimizer = optim.Muon(1.0, weight_decay=0.0)
    before = {"w": mx.zeros(shape)}
    after = optimizer.apply_gradients({"w": mx.array(g.astype(np.float32))}, before)
    matrix = -np.array(after["w"]).reshape(shape[0], -1)
    matrix /= max(1, shape[-2] / shape[-1]) ** 0.5
    u, _, vt = np.linalg.svd(g.reshape(shape[0], -1), full_matrices=False)
    # Five steps of the quintic leave singular values between about 0.7 and 1.2.
    u2, s, vt2 = np.linalg.svd(matrix, full_matrices=False)
    assert 0.6 < s.min() and s.max() < 1.3, s
    np.testing.assert_allclose(u2 @ vt2, u @ vt, atol=1e-4)


def test_muon_moves_vectors_by_momentum():
    optimizer = optim.Muon(0.1, momentum=0.9, weight_decay=0.5)
    params, expected, velocity = {"b": mx.ones(3)}, np.ones(3), 0.0
    for _ in range(3):
        params = optimizer.apply_gradients({"b": mx.array([1.0, -2.0, 0.5])}, params)
        g = np.array([1.0, -2.0, 0.5]) + 0.5 * expected
        velocity = 0.9 * velocity + 0.1 * g
        expected = expected - 0.1 * (0.9 * velocity + 0.1 * g)
        np.testing.assert_allclose(np.array(params["b"]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.RMSprop(0.1, alpha=-1), r"\[RMSprop\] expected alpha >= 0; got -1"),
        (lambda: optim.RMSprop(0.1, eps=0), r"\[RMSprop\] expected eps > 0; got 0"),
        (lambda: optim.AdaDelta(0.1, rho=-1), r"\[AdaDelta\] expected rho >= 0; got -1"),
        (lambda: optim.Adamax(0.1, eps=-1), r"\[Adamax\] expected eps >= 0; got -1"),
        (lambda: optim.Adafactor(relative_step=False), r"\[Adafactor\] expected learning_rate"),
    ],
)
def test_wrong_settings_are_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
