"""Two graph networks on sparse matrices: convolution and attention find the groups of a graph.

600 people of three groups have friends mostly within their own, and a profile that says little. The
networks know the group of 30 of them. Convolution (Kipf and Welling, Semi-Supervised Classification
with Graph Convolutional Networks, 2017) multiplies by the graph's matrix; attention (Velickovic et
al., Graph Attention Networks, 2018) computes the matrix anew from the features at both ends of
every edge. Both are `olivine.sparse` matrices inside one compiled training step.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine import sparse

FOLDER = Path(__file__).parent
PEOPLE, GROUPS, KNOWN, FEATURES = 600, 3, 30, 16


class Data:
    """The graph with a loop at every person, profiles, groups, and whose group is known."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.group = np.repeat(np.arange(GROUPS), PEOPLE // GROUPS)
        same = self.group[:, None] == self.group
        friends = np.triu(rng.random((PEOPLE, PEOPLE)) < np.where(same, 0.03, 0.006), 1)
        matrix = friends | friends.T | np.eye(PEOPLE, dtype=bool)
        self.graph = sparse.from_dense(mx.array(matrix.astype(np.float32)))
        centers = rng.standard_normal((GROUPS, FEATURES))
        noise = 3 * rng.standard_normal((PEOPLE, FEATURES))
        self.x = mx.array((centers[self.group] + noise).astype(np.float32))
        self.known = rng.permutation(PEOPLE)[:KNOWN]

    def accuracy(self, scores):
        """Among those whose group is not known."""
        right = np.array(mx.argmax(scores, axis=1)) == self.group
        return float(np.delete(right, self.known).mean())


def normalized(graph):
    """Each edge divided by the square roots of the degrees of both ends."""
    scale = mx.rsqrt(graph.sum(1))
    return graph * scale[:, None] * scale


class Alone(nn.Module):
    """The profile and nothing else."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(FEATURES, GROUPS)

    def __call__(self, graph, x):
        return self.out(x)


class Convolution(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.hidden = nn.Linear(FEATURES, width)
        self.out = nn.Linear(width, GROUPS)

    def __call__(self, graph, x):
        a = normalized(graph)
        return a @ self.out(nn.relu(a @ self.hidden(x)))


class AttentionLayer(nn.Module):
    """Every person averages over friends, weighted by a softmax of scores of both."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.project = nn.Linear(inputs, outputs, bias=False)
        self.to = nn.Linear(outputs, 1, bias=False)
        self.of = nn.Linear(outputs, 1, bias=False)

    def __call__(self, graph, x):
        h = self.project(x)
        edges = self.to(h)[graph.rows, 0] + self.of(h)[graph.indices, 0]
        weights = sparse.softmax(graph.with_data(nn.leaky_relu(edges, 0.2)))
        return weights @ h


class Attention(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.hidden = AttentionLayer(FEATURES, width)
        self.out = AttentionLayer(width, GROUPS)

    def __call__(self, graph, x):
        return self.out(graph, nn.elu(self.hidden(graph, x)))


def train(model, data, steps):
    optimizer = optim.AdamW(0.01, weight_decay=0.05)
    known, targets = mx.array(data.known), mx.array(data.group[data.known])

    def loss(graph, x):
        return nn.losses.cross_entropy(model(graph, x)[known], targets, reduction="mean")

    loss_and_gradient = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(graph, x):
        value, gradient = loss_and_gradient(graph, x)
        optimizer.update(model, gradient)
        return value

    for _ in range(steps):
        mx.eval(step(data.graph, data.x), state)
    return data.accuracy(model(data.graph, data.x))


def draw(path, data, results):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(np.array(data.graph.indices), np.array(data.graph.rows), ".", markersize=1)
    left.set(title=f"{data.graph.nnz} edges", aspect="equal", xticks=[], yticks=[])
    left.invert_yaxis()
    bars = right.barh(list(results), list(results.values()), color="#5b7f2b")
    right.bar_label(bars, fmt="%.2f", padding=3)
    right.set(title=f"right, of {PEOPLE - KNOWN} unknown", xlim=(0, 1.15))
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def run(steps=100, picture=None):
    """Trains the three models; returns the share of unknown people each puts into their group."""
    data = Data()
    results = {}
    for kind in (Alone, Convolution, Attention):
        mx.random.seed(1)
        results[kind.__name__.lower()] = train(kind(), data, steps)
    if picture:
        draw(picture, data, results)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="steps of AdamW (default 100)")
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()
    for name, value in run(options.steps, options.picture).items():
        print(f"{name:12} {value:.3f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
