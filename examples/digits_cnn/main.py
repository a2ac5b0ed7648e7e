"""A convolutional network learns handwritten digits, and measures whether its input keeps up."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine import data

FOLDER = Path(__file__).parent
INK, GRID, TRAINING, TEST = "#3c4043", "#e3e6e8", "#5b7f2b", "#c1440e"


class CNN(nn.Module):
    """Convolutions at full and at half size, then one linear layer over what they found."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.third = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.half = nn.MaxPool2d(2)
        self.head = nn.Linear(2 * channels * 4, 10)

    def __call__(self, images):
        x = nn.relu(self.first(images))
        x = self.half(nn.relu(self.second(x)))
        x = self.half(nn.relu(self.third(x)))
        return self.head(x.flatten(1))


def noisy(item, rng):
    """The digit with a little noise, other noise in every epoch."""
    image, label = item
    return image + 0.1 * rng.standard_normal(image.shape, dtype=np.float32), label


def loss_of(model, images, labels):
    return nn.losses.cross_entropy(model(images), labels, reduction="mean")


def training_step(model, optimizer):
    """One compiled function that takes a batch and changes model and optimizer."""
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(images, labels):
        loss, gradients = nn.value_and_grad(model, loss_of)(model, images, labels)
        optimizer.update(model, gradients)
        return loss

    return step, state


def train(model, training, test, options, report):
    """Training losses, test accuracies, and the share of time spent waiting for data."""
    how = dict(shuffle=True, seed=options.seed, augment=noisy, workers=options.workers)
    loader = data.DataLoader(training, options.batch_size, **how)
    schedule = optim.cosine_decay(options.learning_rate, options.epochs * len(loader))
    optimizer = optim.AdamW(schedule, weight_decay=1e-2)
    step, state = training_step(model, optimizer)
    images, labels = data.gather(test)
    losses, accuracies = [], []
    for _ in range(options.epochs):
        epoch = []
        for batch in loader:
            epoch.append(step(*batch))
            mx.eval(state, epoch[-1])
        losses.append(mx.mean(mx.stack(epoch)).item())
        accuracies.append(mx.mean(model(images).argmax(1) == labels).item())
        report(losses[-1], accuracies[-1])
    return losses, accuracies, loader.waited_share


def draw(model, test, losses, accuracies, path):
    """A PNG of the training loss, the test accuracy, and the digits the model is least sure of."""
    images, labels = data.gather(test)
    chances = np.array(mx.softmax(model(images), axis=1))
    images, labels = np.array(images), np.array(labels)
    hardest = np.argsort(chances[np.arange(len(labels)), labels])[:9]
    figure = Figure(figsize=(9, 3.6), dpi=110, facecolor="white", layout="constrained")
    curves, hard = figure.subfigures(1, 2, width_ratios=(1.6, 1))
    axes, epochs = curves.add_subplot(), np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses, color=TRAINING, linewidth=2)
    axes.set_yscale("log")
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("training loss", color=TRAINING)
    other = axes.twinx()
    other.plot(epochs, np.array(accuracies) * 100, color=TEST, linewidth=2)
    other.set_ylabel("test digits recognised (%)", color=TEST)
    axes.set_title(f"{accuracies[-1]:.1%} of {len(labels)} test digits", color=INK, loc="left")
    axes.grid(color=GRID)
    for each in (axes, other):
        each.spines[:].set_visible(False)
        each.tick_params(colors=INK, length=0)
    hard.suptitle("least sure of", color=INK)
    for cell, i in zip(hard.subplots(3, 3).flat, hardest, strict=True):
        guess = chances[i].argmax()
        cell.set_axis_off()
        cell.imshow(images[i, ..., 0], cmap="gray_r")
        color = INK if guess == labels[i] else TEST
        cell.set_title(f"{guess} ({chances[i, guess]:.0%})", fontsize=8, color=color, pad=2)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--channels", type=int, default=32, help="of the first convolutions")
    parser.add_argument("--workers", type=int, default=1, help="threads that read ahead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    mx.random.seed(options.seed)
    training, test = data.split(data.digits(), [1500, 297], seed=0)
    model = CNN(options.channels)
    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(None),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("test {task.fields[accuracy]:.1%}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=options.epochs, loss=float("nan"), accuracy=0.0)
        losses, accuracies, waited = train(
            model,
            training,
            test,
            options,
            lambda loss, accuracy: progress.update(task, advance=1, loss=loss, accuracy=accuracy),
        )
    draw(model, test, losses, accuracies, options.picture)
    print(f"test accuracy {accuracies[-1]:.4f}; waited for data {waited:.1%} of the time")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
