"""A normalizing flow: an invertible network that gives every digit its exact probability.

Couplings change half of the numbers by what the other half says (Dinh, Sohl-Dickstein and Bengio,
Density estimation using Real NVP, 2017), so the density follows from the change of variables.
Uniform noise spreads the 17 shades of a pixel over intervals, which makes the result a bound in
bits per pixel that other models can be compared by.
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
from olivine.data import DataLoader, digits

FOLDER = Path(__file__).parent
PIXELS, SHADES, TRAINING, EDGE = 64, 17, 1500, 0.02


class Coupling(nn.Module):
    """Scales and shifts the numbers that `mask` leaves free, as a network of the others says."""

    def __init__(self, mask, width):
        super().__init__()
        self._mask = mask
        self.network = nn.Sequential(
            nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * PIXELS),
        )  # fmt: skip

    def _change(self, x):
        scale, shift = mx.split(self.network(x * self._mask), 2, axis=-1)
        free = 1 - self._mask
        return 2 * mx.tanh(scale / 2) * free, shift * free

    def __call__(self, x):
        """The result and the logarithm of the determinant of its derivative."""
        scale, shift = self._change(x)
        return x * mx.exp(scale) + shift, mx.sum(scale, axis=-1)

    def inverse(self, z):
        scale, shift = self._change(z)  # z and x agree where the mask is
        return (z - shift) * mx.exp(-scale)


class Flow(nn.Module):
    def __init__(self, couplings=8, width=256):
        super().__init__()
        board = np.indices((8, 8)).sum(0).reshape(-1) % 2
        halves = (np.arange(PIXELS) < PIXELS // 2).astype(int)
        masks = [board, 1 - board, halves, 1 - halves]
        self.couplings = [
            Coupling(mx.array(masks[i % 4], dtype=mx.float32), width) for i in range(couplings)
        ]

    def log_density(self, x):
        """The logarithm of the density at x (n, 64), under a standard normal of the outputs."""
        total = mx.zeros(x.shape[:1])
        for coupling in self.couplings:
            x, log_determinant = coupling(x)
            total = total + log_determinant
        return total - mx.sum(x**2, axis=-1) / 2 - PIXELS / 2 * math.log(2 * math.pi)

    def draw(self, count):
        z = mx.random.normal((count, PIXELS))
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return z


def spread(shades):
    """Shades 0 to 16 as real numbers, and the logarithm of that map's derivative per image."""
    u = (shades + mx.random.uniform(shape=shades.shape)) / SHADES
    u = EDGE / 2 + (1 - EDGE) * u
    slope = math.log(1 - EDGE) - math.log(SHADES) - mx.log(u) - mx.log(1 - u)
    return mx.log(u) - mx.log(1 - u), mx.sum(slope, axis=-1)


def bits(model, shades):
    """Bits per pixel of images (n, 64) of shades."""
    x, log_slope = spread(shades)
    return -(model.log_density(x) + log_slope) / (PIXELS * math.log(2))


def shades_of(x):
    """What `spread` made real numbers of, as integers 0 to 16."""
    u = (mx.sigmoid(x) - EDGE / 2) / (1 - EDGE)
    return mx.clip(mx.floor(u * SHADES), 0, SHADES - 1)


def train(images, epochs, seed, report):
    mx.random.seed(seed)
    model = Flow()
    steps = epochs * math.ceil(len(images) / 100)
    optimizer = optim.AdamW(optim.cosine_decay(1e-3, steps), weight_decay=0.3)
    loss_and_gradient = nn.value_and_grad(model, lambda batch: mx.mean(bits(model, batch)))
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(batch):
        loss, gradient = loss_and_gradient(batch)
        gradient, _ = optim.clip_grad_norm(gradient, 1.0)
        optimizer.update(model, gradient)
        return loss

    loader = DataLoader(images, batch_size=100, shuffle=True, seed=seed)
    for epoch in range(epochs):
        losses = []
        for batch in loader:
            losses.append(step(batch))
            mx.eval(losses[-1], state)
        report(epoch + 1, mx.mean(mx.stack(losses)))
    return model


def save_picture(path, real, drawn):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, images, title in zip(
        figure.subplots(1, 2), (real, drawn), ("digits", "drawn by the flow"), strict=True
    ):
        tiles = np.pad(np.asarray(images).reshape(4, 12, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
        axes.imshow(np.vstack([np.hstack(row) for row in tiles]), cmap="gray", vmin=0, vmax=16)
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[])
    figure.savefig(path)


def run(epochs=60, picture=None, seed=0, report=lambda epoch, loss: None):
    """Trains on 1,500 digits; returns bits per pixel of the other 297."""
    images = np.stack([np.round(image.reshape(PIXELS) * 16) for image, _ in digits()])
    images = images.astype(np.float32)[np.random.default_rng(seed).permutation(len(images))]
    model = train(images[:TRAINING], epochs, seed, report)
    unseen = mx.array(images[TRAINING:])
    measured = mx.stack([mx.mean(bits(model, unseen)) for _ in range(20)])

    # How far running the flow forwards and backwards misses.
    x, _ = spread(unseen)
    z = x
    for coupling in model.couplings:
        z, _ = coupling(z)
    for coupling in reversed(model.couplings):
        z = coupling.inverse(z)

    # For comparison: each pixel's own frequencies of shades, with one added to every count.
    counts = np.stack([(images[:TRAINING] == s).sum(0) + 1 for s in range(SHADES)])
    chance = counts / counts.sum(0)
    alone = -np.log2(chance[images[TRAINING:].astype(int), np.arange(PIXELS)]).mean()
    if picture:
        save_picture(picture, images[:48], shades_of(model.draw(48)))
    return {
        "bits per pixel": mx.mean(measured).item(),
        "of each pixel alone": float(alone),
        "error of the inverse": mx.max(mx.abs(z - x)).item(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="passes over the data (60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(epoch, loss):
        print(
            f"\repoch {epoch:4} of {options.epochs}  {loss.item():.3f} bits per pixel",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    result = run(options.epochs, options.picture, options.seed, report)
    print(file=sys.stderr)
    for name, value in result.items():
        print(f"{name:22} {value:8.4f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
