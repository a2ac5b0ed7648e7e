"""A normalizing flow (RealNVP) learns the density of two moons."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np


class Normal:
    def __init__(self, mu, sigma):
        self.mu, self.sigma = mu, sigma

    def sample(self, sample_shape):
        return mx.random.normal(sample_shape, key=mx.random.key(3)) * self.sigma + self.mu

    def log_prob(self, x):
        z = (x - self.mu) / self.sigma
        return -0.5 * math.log(2 * math.pi) - mx.log(self.sigma) - 0.5 * z.square()


class MaskedCoupling(nn.Module):
    def __init__(self, mask, n_hidden):
        super().__init__()
        self._mask = mx.array(mask)
        self.net = nn.Sequential(
            nn.Linear(2, n_hidden),
            nn.tanh,
            nn.Linear(n_hidden, n_hidden),
            nn.tanh,
            nn.Linear(n_hidden, 4),
        )

    def _parameters_at(self, x):
        shift, log_scale = mx.split(self.net(mx.where(self._mask, 0.0, x)), 2, axis=-1)
        return shift, mx.tanh(log_scale)

    def forward_and_log_det(self, x):
        shift, log_scale = self._parameters_at(x)
        y = mx.where(self._mask, x * mx.exp(log_scale) + shift, x)
        return y, mx.sum(mx.where(self._mask, log_scale, 0.0), axis=-1)

    def inverse_and_log_det(self, y):
        shift, log_scale = self._parameters_at(y)
        x = mx.where(self._mask, (y - shift) * mx.exp(-log_scale), y)
        return x, -mx.sum(mx.where(self._mask, log_scale, 0.0), axis=-1)


class RealNVP(nn.Module):
    def __init__(self, n_transforms, n_hidden):
        super().__init__()
        masks = [[True, False], [False, True]] * (n_transforms // 2)
        self.layers = [MaskedCoupling(m, n_hidden) for m in masks]
        self._base = Normal(mx.zeros(2), mx.ones(2))

    def log_prob(self, x):
        total = 0.0
        for layer in reversed(self.layers):
            x, log_det = layer.inverse_and_log_det(x)
            total = total + log_det
        return total + self._base.log_prob(x).sum(-1)

    def sample(self, count):
        x = self._base.sample((count, 2))
        for layer in self.layers:
            x, _ = layer.forward_and_log_det(x)
        return x


def moons(count, rng):
    angle = rng.uniform(0, np.pi, count)
    upper = rng.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1) + 0.05 * rng.standard_normal((count, 2))
    return points.astype(np.float32)


mx.random.seed(0)
rng = np.random.default_rng(0)
model = RealNVP(8, 32)
optimizer = optim.Adam(learning_rate=3e-3)
step = nn.value_and_grad(model, lambda x: -mx.mean(model.log_prob(x)))
first = -mx.mean(model.log_prob(mx.array(moons(1000, rng)))).item()
for _ in range(400):
    loss, grads = step(mx.array(moons(256, rng)))
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
last = -mx.mean(model.log_prob(mx.array(moons(1000, rng)))).item()
x = model.sample(500)
back = x
for layer in reversed(model.layers):
    back, _ = layer.inverse_and_log_det(back)
assert mx.allclose(back, model._base.sample((500, 2)), atol=1e-3).item()
print(f"negative log-likelihood {first:.3f} to {last:.3f}")
assert last < first - 1.0
