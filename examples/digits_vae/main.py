"""A variational autoencoder that learns to draw handwritten digits.

An encoder gives a Gaussian over codes for each image, a decoder the brightness of each pixel for a
code (Kingma and Welling, Auto-Encoding Variational Bayes, 2014). The loss is the negative evidence
lower bound, in nats per image, of pixels that are on with the probability of their brightness.
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
PIXELS, TRAINING = 64, 1500


class Autoencoder(nn.Module):
    def __init__(self, width=256, codes=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, 2 * codes)
        )
        self.decoder = nn.Sequential(nn.Linear(codes, width), nn.ReLU(), nn.Linear(width, PIXELS))
        self._codes = codes

    def encode(self, images):
        """Means and log-variances (n, codes) of images (n, 64)."""
        return mx.split(self.encoder(images), 2, axis=-1)

    def draw(self, count):
        """Images (count, 64) of random codes."""
        return mx.sigmoid(self.decoder(mx.random.normal((count, self._codes))))

    def bound(self, images):
        """The negative evidence lower bound of each image, with one random code each."""
        mean, log_variance = self.encode(images)
        code = mean + mx.exp(log_variance / 2) * mx.random.normal(mean.shape)
        logits = self.decoder(code)
        pixels = nn.losses.binary_cross_entropy(logits, images, with_logits=True, reduction="none")
        divergence = (mx.exp(log_variance) + mean**2 - 1 - log_variance) / 2
        return mx.sum(pixels, axis=-1) + mx.sum(divergence, axis=-1)


def train(images, epochs, seed, report):
    mx.random.seed(seed)
    model = Autoencoder()
    optimizer = optim.Adam(optim.cosine_decay(2e-3, epochs * math.ceil(len(images) / 100)))
    loss_and_gradient = nn.value_and_grad(model, lambda batch: mx.mean(model.bound(batch)))
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(batch):
        loss, gradient = loss_and_gradient(batch)
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


def draw(path, rows):
    """A PNG of rows of images; each row is (title, array (n, 64))."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.75 * len(rows)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, images) in zip(figure.subplots(len(rows), 1), rows, strict=True):
        tiles = np.asarray(images).reshape(-1, 8, 8)
        axes.imshow(np.hstack([np.pad(t, 1) for t in tiles]), cmap="gray", vmin=0, vmax=1)
        axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    figure.savefig(path)


def run(epochs=150, picture=None, seed=0, report=lambda epoch, loss: None):
    """Trains on 1,500 digits; returns the bound on the other 297, before and after."""
    images = np.stack([image.reshape(PIXELS) for image, _ in digits()])
    images = images[np.random.default_rng(seed).permutation(len(images))]
    unseen = mx.array(images[TRAINING:])
    mx.random.seed(seed)
    before = mx.mean(Autoencoder().bound(unseen)).item()
    model = train(images[:TRAINING], epochs, seed, report)
    bounds = mx.stack([mx.mean(model.bound(unseen)) for _ in range(20)])
    if picture:
        again = mx.sigmoid(model.decoder(model.encode(unseen[:20])[0]))
        rows = [("unseen", unseen[:20]), ("decoded", again)]
        draw(picture, rows + [("drawn", model.draw(20)) for _ in range(2)])
    return {
        "nats per image, untrained": before,
        "nats per image": mx.mean(bounds).item(),
        "bits per pixel": mx.mean(bounds).item() / PIXELS / math.log(2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=150, help="passes over the data (150)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(epoch, loss):
        print(
            f"\repoch {epoch:4} of {options.epochs}  {loss.item():.2f} nats per image",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    result = run(options.epochs, options.picture, options.seed, report)
    print(file=sys.stderr)
    for name, value in result.items():
        print(f"{name:26} {value:8.3f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
