"""Judges a model of `olivine train-images` by what a classifier of real images reads in its images.

    python tools/image_samples.py examples/models/digits --picture docs/digits.png
    python tools/image_samples.py runs/mnist/model mnist.npz --picture mnist.png

A small convolutional network learns from the real images, less a sixth that measures it, and reads
1,000 made ones. Distances, of pixels from 0 to 1, tell copies from new images: those of made images
to the nearest real one beside those of real ones to the nearest other. The picture has real images
on the left and the first made ones on the right, a column for each class.
"""

import argparse
from functools import partial

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.cli.line import ProgressLine
from olivine.image import grid, load, read_images, write_png

EPOCHS, BATCH, BLOCK = 20, 64, 100


def judge_of(images: np.ndarray, labels: np.ndarray, classes: int, seed: int):
    """A function that reads images `(n, height, width, channels)` from 0 to 1 as classes."""
    mx.random.seed(seed)
    channels, side = images.shape[-1], (images.shape[1] + 3) // 4
    model = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), lambda x: x.reshape(x.shape[0], -1), nn.Dropout(0.3),
        nn.Linear(64 * side * ((images.shape[2] + 3) // 4), classes),
    )  # fmt: skip
    optimizer = optim.AdamW(optim.cosine_decay(2e-3, EPOCHS * (len(images) // BATCH)))
    slope = nn.value_and_grad(
        model, lambda x, y: nn.losses.cross_entropy(model(x), y, reduction="mean")
    )
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x, y):
        loss, gradient = slope(x, y)
        optimizer.update(model, gradient)
        return loss

    order = np.random.RandomState(seed)
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(images))
        for first in range(0, len(images) - BATCH + 1, BATCH):
            chosen = shuffled[first : first + BATCH]
            mx.eval(step(mx.array(images[chosen]), mx.array(labels[chosen])), state)
    model.eval()

    def read(x: np.ndarray) -> np.ndarray:
        blocks = [x[first : first + BLOCK] for first in range(0, len(x), BLOCK)]
        return np.concatenate([np.array(model(mx.array(b)).argmax(axis=-1)) for b in blocks])

    return read


def nearest(x: np.ndarray, among: np.ndarray, itself: bool = False) -> np.ndarray:
    """The distance of each image to the nearest one of others."""
    x, among = (a.reshape(len(a), -1).astype(np.float64) for a in (x, among))
    squares = (x**2).sum(1)[:, None] + (among**2).sum(1) - 2 * x @ among.T
    if itself:
        np.fill_diagonal(squares, np.inf)
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def made_by(pipeline, count: int, steps: int, guidance: float, seed: int) -> np.ndarray:
    """`count` images of all classes in turn, as uint8."""
    prompts = [str(i % len(pipeline.names)) for i in range(count)]
    parts = []
    with ProgressLine("drawing") as line:
        for first in range(0, count, BLOCK):
            options = {"steps": steps, "guidance": guidance, "seed": seed + first}
            parts.append(np.array(pipeline(prompts[first : first + BLOCK], **options).pixels))
            line(first + BLOCK, count)
    return np.concatenate(parts)


def side_by_side(real: np.ndarray, made: np.ndarray, columns: int) -> np.ndarray:
    scale = max(1, 32 // real.shape[1])
    left, right = grid(real, columns, scale), grid(made, columns, scale)
    return np.concatenate([left, np.full((len(left), 24, left.shape[2]), 255, np.uint8), right], 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a model")
    parser.add_argument("images", nargs="?", default="digits", help="the real ones (digits)")
    parser.add_argument("--count", type=int, default=1000, help="of images to make (1000)")
    parser.add_argument("--steps", type=int, default=25, help="of the scheduler (25)")
    parser.add_argument("--guidance", type=float, default=1.5, help="(1.5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=6, help="of the picture (6)")
    parser.add_argument("--picture", metavar="FILE", help="a PNG to write")
    options = parser.parse_args()
    pipeline, data = load(options.model, dtype=mx.float32), read_images(options.images)
    real, labels = data.images, data.labels
    order = np.random.RandomState(0).permutation(len(real))
    unseen, seen = np.split(order, [len(real) // 6])
    scaled = (real / 255).astype(np.float32)
    read = judge_of(scaled[seen], labels[seen], len(data.names), options.seed)
    right = (read(scaled[unseen]) == labels[unseen]).mean()
    print(f"a classifier reads {right:.1%} of {len(unseen)} real images that it never saw")
    made = made_by(pipeline, options.count, options.steps, options.guidance, options.seed)
    made = made[..., : real.shape[-1]]
    wanted = np.arange(len(made)) % len(data.names)
    found = read((made / 255).astype(np.float32))
    print(f"and {(found == wanted).sum()} of {len(made)} made ones as what was asked for")
    wrong = [f"{data.names[i].split(',')[0]} {((found != i) & (wanted == i)).sum()}"
             for i in range(len(data.names))]  # fmt: skip
    print(f"read as something else: {', '.join(wrong)}")
    for name, found in (
        ("made to real", nearest(made / 255, scaled)),
        ("real to other real", nearest(scaled, scaled, itself=True)),
    ):
        low, half, high = np.percentile(found, [5, 50, 95])
        print(
            f"nearest, {name}: least {found.min():.2f}, {low:.2f} to {high:.2f}, median {half:.2f}"
        )
    if options.picture:
        count = len(data.names)
        rows = [np.flatnonzero(labels == i)[: options.rows] for i in range(count)]
        left = real[np.stack(rows, axis=1).reshape(-1)]
        write_png(options.picture, side_by_side(left, made[: options.rows * count], count))


if __name__ == "__main__":
    main()
