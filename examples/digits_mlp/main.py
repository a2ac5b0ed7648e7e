"""A multi-layer perceptron learns handwritten digits, and draws what it is least sure of."""

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


class MLP(nn.Module):
    """Fully connected layers with ReLU between them, over all pixels at once."""

    def __init__(self, hidden: int, layers: int):
        super().__init__()
        sizes = [64, *[hidden] * layers, 10]
        self.layers = [nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]

    def __call__(self, images):
        x = images.flatten(1)
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x))
        return self.layers[-1](x)


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
    """Per epoch the mean training loss and the share of test digits that were recognised."""
    loader = data.DataLoader(training, options.batch_size, shuffle=True, seed=options.seed)
    schedule = optim.cosine_decay(options.learning_rate, options.epochs * len(loader))
    optimizer = optim.AdamW(schedule, weight_decay=1e-2)
    step, state = training_step(model, optimizer)
    images, labels = data.gather(test)
    losses, accuracies = [], []
    for _ in range(options.epochs):
        epoch = []
        for batch in loader:
            epoch.append(step(*batch))
            mx.async_eval(state, epoch[-1])
        losses.append(mx.mean(mx.stack(epoch)).item())
        accuracies.append(mx.mean(model(images).argmax(1) == labels).item())
        report(losses[-1], accuracies[-1])
    return losses, accuracies


def draw(model, test, losses, accuracies, path):
    """A PNG of the training loss, the test accuracy, and the digits the model is least sure of."""
    images, labels = data.gather(test)
    chances = np.array(mx.softmax(model(images), axis=1))
    images, labels = np.array(images), np.array(labels)
    hardest = np.argsort(chances[np.arange(len(labels)), labels])[:9]
    figure = Figure(figsize=(9, 3.6), dpi=110, facecolor="white", layout="constrained")
    curves, hard = figure.subfigures(1, 2, width_ratios=(1.6, 1))
    axes = curves.add_subplot()
    axes.plot(np.arange(1, len(losses) + 1), losses, color=TRAINING, linewidth=2)
    axes.set_yscale("log")
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("training loss", color=TRAINING)
    other = axes.twinx()
    other.plot(np.arange(1, len(losses) + 1), np.array(accuracies) * 100, color=TEST, linewidth=2)
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
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--hidden", type=int, default=128, help="units of each hidden layer")
    parser.add_argument("--layers", type=int, default=2, help="hidden layers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    mx.random.seed(options.seed)
    training, test = data.split(data.digits(), [1500, 297], seed=0)
    model = MLP(options.hidden, options.layers)
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
        losses, accuracies = train(
            model,
            training,
            test,
            options,
            lambda loss, accuracy: progress.update(task, advance=1, loss=loss, accuracy=accuracy),
        )
    draw(model, test, losses, accuracies, options.picture)
    print(f"test accuracy {accuracies[-1]:.4f}; picture: {options.picture}")


if __name__ == "__main__":
    main()
