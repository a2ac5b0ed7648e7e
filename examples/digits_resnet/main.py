"""A deep residual network on digits, beside the same network without its shortcuts.

Blocks of two convolutions learn what to add to their input (He, Zhang, Ren and Sun, Deep Residual
Learning for Image Recognition, 2016), with batch normalization before each (the same authors,
Identity Mappings, 2016). Digits are shifted and shaded at random in the loader's threads. Without
the shortcuts the gradient hardly reaches the first layers, and the network learns less.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine import data

FOLDER = Path(__file__).parent


class Block(nn.Module):
    """Two convolutions, and the input added to what they make unless `shortcut` is False."""

    def __init__(self, before, channels, stride, shortcut):
        super().__init__()
        self.norms = [nn.BatchNorm(before), nn.BatchNorm(channels)]
        self.first = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self._shortcut = shortcut
        if shortcut and (stride > 1 or before != channels):
            self.match = nn.Conv2d(before, channels, 1, stride=stride, bias=False)

    def __call__(self, x):
        h = self.first(nn.relu(self.norms[0](x)))
        h = self.second(nn.relu(self.norms[1](h)))
        if not self._shortcut:
            return h
        return h + (self.match(x) if "match" in self else x)


class ResNet(nn.Module):
    """Three stages of `blocks` blocks; each next one has half the size and twice the channels."""

    def __init__(self, blocks=5, channels=16, shortcut=True):
        super().__init__()
        self.enter = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        widths = [channels * 2**stage for stage in range(3) for _ in range(blocks)]
        before = [channels, *widths[:-1]]
        self.blocks = [
            Block(a, b, 2 if b > a else 1, shortcut) for a, b in zip(before, widths, strict=True)
        ]
        self.norm = nn.BatchNorm(widths[-1])
        self.leave = nn.Linear(widths[-1], 10)

    def __call__(self, images):
        x = self.enter(images)
        for block in self.blocks:
            x = block(x)
        return self.leave(mx.mean(nn.relu(self.norm(x)), axis=(1, 2)))


def changed(item, rng):
    """The digit moved by up to a pixel, brighter or darker, with some noise."""
    image, label = item
    down, right = rng.integers(0, 3, 2)
    moved = np.pad(image, ((1, 1), (1, 1), (0, 0)))[down : down + 8, right : right + 8]
    noise = 0.05 * rng.standard_normal(image.shape, dtype=np.float32)
    return moved * np.float32(rng.uniform(0.8, 1.2)) + noise, label


def accuracy(model, images, labels):
    model.eval()
    right = mx.mean(model(images).argmax(1) == labels).item()
    model.train()
    return right


def train(model, training, test, epochs, seed, report):
    """The test accuracy after each epoch."""
    loader = data.DataLoader(training, 100, shuffle=True, seed=seed, augment=changed)
    optimizer = optim.AdamW(optim.cosine_decay(3e-3, epochs * len(loader)), weight_decay=0.05)
    state = [model.state, optimizer.state]

    def loss(images, labels):
        return nn.losses.cross_entropy(model(images), labels, label_smoothing=0.05).mean()

    loss_and_gradient = nn.value_and_grad(model, loss)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(images, labels):
        value, gradient = loss_and_gradient(images, labels)
        optimizer.update(model, gradient)
        return value

    accuracies = []
    for epoch in range(epochs):
        for batch in loader:
            mx.eval(step(*batch), state)
        accuracies.append(accuracy(model, *test))
        report(epoch + 1, accuracies[-1])
    return accuracies


def draw(path, curves, depth):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, values), color in zip(curves.items(), ("#5b7f2b", "#c1440e"), strict=True):
        axes.plot(range(1, len(values) + 1), np.array(values) * 100, color=color, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test digits recognised (%)")
    axes.set_title(f"{depth} convolutions in a row", fontsize=10, loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def run(epochs=20, blocks=5, channels=16, picture=None, seed=0, report=lambda *progress: None):
    """Trains both networks on 1,500 digits; returns their accuracies on the other 297."""
    training, test = data.split(data.digits(), [1500, 297], seed=0)
    test, curves = data.gather(test), {}
    for name, shortcut in (("with shortcuts", True), ("without", False)):
        mx.random.seed(seed)
        model = ResNet(blocks, channels, shortcut)
        told = partial(report, name)
        curves[name] = train(model, training, test, epochs, seed, told)
    if picture:
        draw(picture, curves, 6 * blocks + 1)
    return {name: values[-1] for name, values in curves.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data (default 20)")
    parser.add_argument("--blocks", type=int, default=5, help="per stage (default 5)")
    parser.add_argument("--channels", type=int, default=16, help="of the first stage (default 16)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(name, epoch, right):
        print(
            f"\r{name:15} epoch {epoch:3} of {options.epochs}  {right:.1%} of the test digits",
            end="\n" if epoch == options.epochs else "",
            file=sys.stderr,
            flush=True,
        )

    result = run(
        options.epochs, options.blocks, options.channels, options.picture, options.seed, report
    )
    for name, right in result.items():
        print(f"{name:15} {right:8.4f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
