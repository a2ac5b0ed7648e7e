"""A network that solves Burgers' equation, knowing nothing but the equation.

    u_t + u u_x = (0.01 / pi) u_xx    for |x| < 1, 0 < t < 1
    u(x, 0) = -sin(pi x),  u(-1, t) = u(1, t) = 0

The wave steepens into a shock at x = 0. The loss is the mean square of the equation's residual at
random points, made of first and second derivatives of the network (Raissi, Perdikaris and
Karniadakis, Journal of Computational Physics 378, 2019). Start and boundary hold by construction.
The result is compared with the exact solution by the Cole-Hopf transformation.
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim

FOLDER = Path(__file__).parent
VISCOSITY = 0.01 / math.pi


class Solution(nn.Module):
    """u(x, t): the start's sine, plus a network times what vanishes at the start and the ends."""

    def __init__(self, width=32, depth=4):
        super().__init__()
        sizes = [2] + [width] * depth
        self.layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.last = nn.Linear(width, 1)

    def __call__(self, x, t):
        h = mx.stack([x, 2 * t - 1], axis=-1)
        for layer in self.layers:
            h = mx.tanh(layer(h))
        return -mx.sin(math.pi * x) + t * (1 - x**2) * self.last(h)[..., 0]


def residual(model, x, t):
    """u_t + u u_x - viscosity u_xx at points x, t of shape (n,)."""
    one, nothing = mx.ones_like(x), mx.zeros_like(x)

    def slopes(x, t):
        """u, u_x and u_t: forward mode, as each point's output depends on that point alone."""
        (u,), (u_x,) = mx.jvp(lambda x, t: model(x, t), [x, t], [one, nothing])
        _, (u_t,) = mx.jvp(lambda x, t: model(x, t), [x, t], [nothing, one])
        return u, u_x, u_t

    (u, u_x, u_t), (_, u_xx, _) = mx.jvp(slopes, [x, t], [one, nothing])
    return u_t + u * u_x - VISCOSITY * u_xx


def exact(x, t, nodes=100):
    """The solution by Gauss-Hermite quadrature of the Cole-Hopf integrals; NumPy, float64."""
    at, weight = np.polynomial.hermite.hermgauss(nodes)
    if t == 0:
        return -np.sin(np.pi * x)
    y = x[:, None] - 2 * np.sqrt(VISCOSITY * t) * at
    log_f = -np.cos(np.pi * y) / (2 * np.pi * VISCOSITY)
    f = weight * np.exp(log_f - log_f.max(1, keepdims=True))
    return -(np.sin(np.pi * y) * f).sum(1) / f.sum(1)


def train(steps, points, seed, report):
    mx.random.seed(seed)
    model = Solution()
    optimizer = optim.Adam(optim.cosine_decay(4e-3, steps))

    def loss(x, t):
        return mx.mean(residual(model, x, t) ** 2)

    loss_and_gradient = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step():
        wide = mx.random.uniform(-1, 1, (points // 2,))
        near = 0.1 * mx.random.normal((points - points // 2,))  # where the shock will be
        x = mx.clip(mx.concatenate([wide, near]), -1, 1)
        value, gradient = loss_and_gradient(x, mx.random.uniform(0, 1, x.shape))
        optimizer.update(model, gradient)
        return value

    for number in range(steps):
        value = step()
        mx.eval(value, state)
        report(number + 1, value)
    return model


def draw(path, x, curves):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    subplots = figure.subplots(1, len(curves), sharey=True)
    for axes, (t, truth, ours) in zip(subplots, curves, strict=True):
        axes.plot(x, truth, color="#c9d6b8", linewidth=4, label="exact")
        axes.plot(x, ours, color="#c1440e", linewidth=1.2, label="network")
        axes.set_title(f"t = {t:g}", fontsize=10)
        axes.set_xlabel("x")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("u")
    figure.axes[0].legend(frameon=False)
    figure.savefig(path)


def run(steps=10000, points=1000, picture=None, seed=0, report=lambda number, loss: None):
    """Trains; returns the relative L2 error over the whole domain and at its end."""
    model = train(steps, points, seed, report)
    x = np.linspace(-1, 1, 401)
    times = np.linspace(0, 1, 21)
    truth = np.array([exact(x, t) for t in times])
    points_x, points_t = mx.array(x, dtype=mx.float32), mx.array(times, dtype=mx.float32)
    ours = np.array(mx.vmap(lambda t: model(points_x, t + 0 * points_x))(points_t))
    if picture:
        draw(picture, x, [(times[i], truth[i], ours[i]) for i in (5, 10, 20)])

    def error(a, b):
        return float(np.linalg.norm(a - b) / np.linalg.norm(b))

    return {"relative error": error(ours, truth), "at t = 1": error(ours[-1], truth[-1])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10000, help="steps of Adam (default 10000)")
    parser.add_argument("--points", type=int, default=1000, help="points per step (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(number, loss):
        if number % 50 == 0 or number == options.steps:
            print(
                f"\rstep {number:5} of {options.steps}  loss {loss.item():.2e}",
                end="",
                file=sys.stderr,
                flush=True,
            )

    result = run(options.steps, options.points, options.picture, options.seed, report)
    print(file=sys.stderr)
    for name, value in result.items():
        print(f"{name:16} {value:8.4f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
