"""A Gaussian process whose kernel is fitted by autodiff, on Fisher's iris measurements.

Predicts the length of a petal from the three other measurements of a flower. The kernel has one
length scale per measurement; together with its amplitude and the noise they maximise the marginal
likelihood (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 5.8).
Its gradient flows through a Cholesky factorization and a triangular solve.
"""

import argparse
import math
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.optimizers as optim

FOLDER = Path(__file__).parent
NAMES = ["sepal length", "sepal width", "petal width"]


def load():
    """The measurements (150, 3) and petal lengths (150,), standardized, and the lengths' scale."""
    table = np.loadtxt(FOLDER / "iris.csv", delimiter=",", skiprows=1)
    x, y = table[:, [0, 1, 3]], table[:, 2]
    return (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std(), y.std(), y.mean()


def kernel(p, a, b):
    """Squared-exponential covariances of the rows of a (n, d) and b (m, d): an (n, m) array."""
    scaled_a, scaled_b = a / mx.exp(p["scales"]), b / mx.exp(p["scales"])
    squares = mx.sum((scaled_a[:, None] - scaled_b[None]) ** 2, axis=-1)
    return mx.exp(2 * p["amplitude"] - squares / 2)


def factor(p, x):
    """Lower Cholesky factor of the covariance of noisy observations at x."""
    noise = mx.exp(2 * p["noise"]) * mx.eye(x.shape[0], dtype=x.dtype)
    return mx.linalg.cholesky(kernel(p, x, x) + noise)


def negative_log_likelihood(p, x, y):
    """In nats per observation."""
    lower = factor(p, x)
    white = mx.linalg.solve_triangular(lower, y[:, None], upper=False)
    log_determinant = 2 * mx.sum(mx.log(mx.diagonal(lower)))
    n = y.shape[0]
    return (mx.sum(white**2) + log_determinant + n * math.log(2 * math.pi)) / (2 * n)


def predict(p, x, y, at):
    """Mean and standard deviation of new observations at the rows of `at`."""
    lower = factor(p, x)
    white = mx.linalg.solve_triangular(lower, y[:, None], upper=False)
    across = mx.linalg.solve_triangular(lower, kernel(p, x, at), upper=False)
    variance = mx.exp(2 * p["amplitude"]) + mx.exp(2 * p["noise"]) - mx.sum(across**2, axis=0)
    return (across.T @ white)[:, 0], mx.sqrt(variance)


def fit(x, y, steps):
    """The parameters (logarithms) after `steps` of Adam, and the likelihoods on the way."""
    p = {
        "scales": mx.zeros((x.shape[1],), dtype=mx.float64),
        "amplitude": mx.zeros((), dtype=mx.float64),
        "noise": mx.array(-1.0, dtype=mx.float64),
    }
    optimizer = optim.Adam(learning_rate=0.05)
    loss_and_gradient = mx.compile(mx.value_and_grad(negative_log_likelihood))
    history = []
    for _ in range(steps):
        loss, gradient = loss_and_gradient(p, x, y)
        p = optimizer.apply_gradients(gradient, p)
        mx.eval(p, loss)
        history.append(loss.item())
    return p, history


def draw(path, truth, mean, deviation, scales):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    left.errorbar(truth, mean, 2 * deviation, fmt="o", color="#5b7f2b", ecolor="#c9d6b8", ms=4)
    left.plot([1, 7], [1, 7], color="#3c4043", linewidth=0.8)
    left.set_xlabel("petal length, cm")
    left.set_ylabel("predicted, with two standard deviations")
    right.barh(NAMES, 1 / np.asarray(scales), color="#c1440e")
    right.set_title("relevance: 1 / length scale", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def run(steps=300, picture=None, seed=0):
    """Fits on 100 flowers; returns the errors on the other 50 (cm), and the coverage of 2 sigma."""
    x, y, scale, center = load()
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:100], order[100:]
    data = mx.array(x[train], dtype=mx.float64), mx.array(y[train], dtype=mx.float64)
    p, history = fit(*data, steps)
    mean, deviation = predict(p, *data, mx.array(x[test], dtype=mx.float64))
    mean, deviation = np.array(mean), np.array(deviation)

    design = np.c_[x, np.ones(len(y))]
    line = design[test] @ np.linalg.lstsq(design[train], y[train], rcond=None)[0]
    result = {
        "nats per flower, first": history[0],
        "nats per flower, last": history[-1],
        "error of the process, cm": scale * float(np.sqrt(np.mean((mean - y[test]) ** 2))),
        "error of least squares, cm": scale * float(np.sqrt(np.mean((line - y[test]) ** 2))),
        "inside two deviations": float(np.mean(np.abs(mean - y[test]) < 2 * deviation)),
    }
    if picture:
        lengths = np.exp(np.array(p["scales"]))
        truth = scale * y[test] + center
        draw(picture, truth, scale * mean + center, scale * deviation, lengths)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="steps of Adam (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the split into 100 and 50 flowers")
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()
    for name, value in run(options.steps, options.picture, options.seed).items():
        print(f"{name:28} {value:8.3f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
