"""A diffusion model that turns noise into the handwritten digit that is asked for.

A network learns to see the noise in noisy digits (Ho, Jain and Abbeel, Denoising Diffusion
Probabilistic Models, 2020), with the cosine schedule of Nichol and Dhariwal (2021). Digits come
out of pure noise, step by step, led away from the answer without a label (classifier-free guidance,
Ho and Salimans, 2022). A classifier trained on real digits judges whether they can be read.
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
from olivine.data import digits

FOLDER = Path(__file__).parent
STEPS, NO_LABEL = 100, 10


def schedule():
    """Share of the image's variance that is left after each of the steps, (STEPS + 1,)."""
    t = np.linspace(0, 1, STEPS + 1)
    kept = np.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return mx.array(np.clip(kept / kept[0], 1e-4, 1), dtype=mx.float32)


class Block(nn.Module):
    """Two convolutions around a shift and scale that depend on step and label."""

    def __init__(self, channels, condition):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norms = [nn.GroupNorm(8, channels, pytorch_compatible=True) for _ in range(2)]
        self.condition = nn.Linear(condition, 2 * channels)

    def __call__(self, x, condition):
        scale, shift = mx.split(self.condition(condition)[:, None, None], 2, axis=-1)
        h = self.first(nn.silu(self.norms[0](x)))
        return x + self.second(nn.silu(self.norms[1](h) * (1 + scale) + shift))


class Denoiser(nn.Module):
    """The noise in images (n, 8, 8, 1) at steps (n,) with labels (n,), NO_LABEL for none."""

    def __init__(self, channels=32, blocks=3, condition=64):
        super().__init__()
        self.positions = nn.SinusoidalPositionalEncoding(condition)
        self.labels = nn.Embedding(11, condition)
        self.mix = nn.Linear(condition, condition)
        self.enter = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = [Block(channels, condition) for _ in range(blocks)]
        self.leave = nn.Conv2d(channels, 1, 3, padding=1)

    def __call__(self, x, step, label):
        condition = nn.silu(self.mix(self.positions(step) + self.labels(label)))
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, condition)
        return self.leave(nn.silu(h))


def train(images, labels, steps, batch, seed, report):
    """The denoiser after so many steps on random digits."""
    mx.random.seed(seed)
    model, kept = Denoiser(), schedule()
    optimizer = optim.AdamW(optim.cosine_decay(2e-3, steps))

    def loss():
        at = mx.random.randint(0, len(images), (batch,))
        step = mx.random.randint(1, STEPS + 1, (batch,))
        label = mx.where(mx.random.bernoulli(0.15, (batch,)), NO_LABEL, labels[at])
        noise = mx.random.normal((batch, 8, 8, 1))
        share = kept[step][:, None, None, None]
        noisy = mx.sqrt(share) * images[at] + mx.sqrt(1 - share) * noise
        return mx.mean((model(noisy, step, label) - noise) ** 2)

    loss_and_gradient = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def learn():
        value, gradient = loss_and_gradient()
        optimizer.update(model, gradient)
        return value

    for number in range(steps):
        value = learn()
        mx.eval(value, state)
        report(number + 1, value)
    return model


def draw_digits(model, labels, guidance=1.5):
    """Images (n, 8, 8, 1) in [-1, 1] of the labels (n,), from noise."""
    kept, count = schedule(), labels.shape[0]
    nobody = mx.full(labels.shape, NO_LABEL)

    @partial(mx.compile, inputs=[model.state, mx.random.state], outputs=[mx.random.state])
    def denoise(x, step):
        steps = mx.broadcast_to(step, labels.shape)
        told, free = model(x, steps, labels), model(x, steps, nobody)
        noise = told + guidance * (told - free)
        share, before = kept[step], kept[step - 1]
        clean = mx.clip((x - mx.sqrt(1 - share) * noise) / mx.sqrt(share), -1, 1)
        beta = 1 - share / before
        mean = mx.sqrt(before) * beta * clean + mx.sqrt(share / before) * (1 - before) * x
        spread = mx.sqrt(beta * (1 - before) / (1 - share))
        return mean / (1 - share) + spread * mx.random.normal(x.shape)

    x = mx.random.normal((count, 8, 8, 1))
    for step in range(STEPS, 0, -1):
        x = denoise(x, mx.array(step))
        mx.eval(x)
    return x


def train_judge(images, labels, epochs=60):
    """A classifier of real digits, by which drawn ones are judged."""
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer, flat = optim.Adam(3e-3), images.reshape(-1, 64)
    loss_and_gradient = nn.value_and_grad(
        model, lambda: nn.losses.cross_entropy(model(flat), labels, reduction="mean")
    )
    for _ in range(epochs):
        _, gradient = loss_and_gradient()
        optimizer.update(model, gradient)
        mx.eval(model.state, optimizer.state)
    return lambda x: mx.argmax(model(x.reshape(-1, 64)), axis=-1)


def save_picture(path, drawn):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tiles = np.pad(np.asarray(drawn).reshape(-1, 10, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    figure = Figure(figsize=(6, 0.6 * len(tiles)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(np.vstack([np.hstack(row) for row in tiles]), cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    figure.savefig(path)


def run(steps=2000, batch=128, drawn=200, picture=None, seed=0, report=lambda number, loss: None):
    """Trains and draws digits; returns the share that a classifier reads as asked for."""
    pairs = list(digits())
    images = mx.array(np.stack([image for image, _ in pairs])) * 2 - 1
    labels = mx.array(np.array([label for _, label in pairs]))
    losses = []
    model = train(images, labels, steps, batch, seed, lambda n, x: (losses.append(x), report(n, x)))
    wanted = mx.tile(mx.arange(10), drawn // 10)
    made = draw_digits(model, wanted)
    read = train_judge(images, labels)
    if picture:
        save_picture(picture, (made[:60] + 1) / 2)
    last = mx.mean(mx.stack(losses[-100:])).item()
    return {"loss at the end": last, "read as asked for": mx.mean(read(made) == wanted).item()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help="steps of AdamW (default 2000)")
    parser.add_argument("--batch", type=int, default=128, help="digits per step (default 128)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(number, loss):
        if number % 20 == 0 or number == options.steps:
            print(
                f"\rstep {number:5} of {options.steps}  loss {loss.item():.4f}",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip

    result = run(
        options.steps,
        options.batch,
        picture=options.picture,
        seed=options.seed,
        report=report,
    )
    print(file=sys.stderr)
    for name, value in result.items():
        print(f"{name:20} {value:8.4f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
