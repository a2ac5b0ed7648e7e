"""A graph network that tells who sides with whom, knowing the friendships and two people.

Zachary's karate club (Journal of Anthropological Research 33, 1977) split in two after a quarrel
between its instructor and its president. The network (Kipf and Welling, Semi-Supervised
Classification with Graph Convolutional Networks, 2017) sees the 78 friendships and on which side
these two were, and predicts the side of the other 32 members.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim

FOLDER = Path(__file__).parent
MEMBERS, INSTRUCTOR, PRESIDENT = 34, 0, 33
# The friends of each member that have a higher number.
FRIENDS = {
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31], 1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32], 3: [7, 12, 13], 4: [6, 10], 5: [6, 10, 16], 6: [16],
    8: [30, 32, 33], 9: [33], 13: [33], 14: [32, 33], 15: [32, 33], 18: [32, 33], 19: [33],
    20: [32, 33], 22: [32, 33], 23: [25, 27, 29, 32, 33], 24: [25, 27, 31], 25: [31], 26: [29, 33],
    27: [33], 28: [31, 33], 29: [32, 33], 30: [32, 33], 31: [32, 33], 32: [33],
}  # fmt: skip
WITH_THE_INSTRUCTOR = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21}
SIDES = np.array([0 if m in WITH_THE_INSTRUCTOR else 1 for m in range(MEMBERS)])


class Graph:
    """Both directions of every friendship and a loop at every member, with symmetric weights."""

    def __init__(self):
        pairs = [(a, b) for a, others in FRIENDS.items() for b in others]
        loops = [(m, m) for m in range(MEMBERS)]
        source, target = np.array(pairs + [(b, a) for a, b in pairs] + loops).T
        degree = np.bincount(target, minlength=MEMBERS)
        self.pairs = pairs
        self.source, self.target = mx.array(source), mx.array(target)
        self.weight = mx.array(1 / np.sqrt(degree[source] * degree[target]), dtype=mx.float32)

    def gather(self, h):
        """What each member's friends send, (members, features), summed with the weights."""
        messages = h[self.source] * self.weight[:, None]
        return mx.zeros_like(h).at[self.target].add(messages)


class Network(nn.Module):
    def __init__(self, graph, width=8):
        super().__init__()
        self._graph = graph  # a private name: no parameter
        self.embedding = nn.Embedding(MEMBERS, width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, 2)

    def __call__(self):
        h = self._graph.gather(self.embedding(mx.arange(MEMBERS)))
        return self.out(self._graph.gather(mx.tanh(self.hidden(mx.tanh(h)))))


def train(graph, steps, seed):
    mx.random.seed(seed)
    model = Network(graph)
    optimizer = optim.AdamW(0.05, weight_decay=0.05)
    known = mx.array([INSTRUCTOR, PRESIDENT])

    def loss():
        return nn.losses.cross_entropy(model()[known], mx.array([0, 1]), reduction="mean")

    loss_and_gradient = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step():
        value, gradient = loss_and_gradient()
        optimizer.update(model, gradient)
        return value

    for _ in range(steps):
        mx.eval(step(), state)
    return model


def layout(graph):
    """Places (members, 2) near those of friends: two of the Laplacian's slow modes."""
    links = np.zeros((MEMBERS, MEMBERS), np.float32)
    for a, b in graph.pairs:
        links[a, b] = links[b, a] = 1
    degree = links.sum(0)
    laplacian = np.eye(MEMBERS) - links / np.sqrt(degree[:, None] * degree)
    _, shapes = mx.linalg.eigh(mx.array(laplacian, dtype=mx.float32))
    return np.array(shapes)[:, [1, 3]] / np.sqrt(degree)[:, None]


def draw(path, graph, predicted):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x, y = layout(graph).T
    for a, b in graph.pairs:
        axes.plot(x[[a, b]], y[[a, b]], color="#dfe3da", linewidth=0.7, zorder=0)
    for side, color, name in ((0, "#5b7f2b", "instructor's"), (1, "#c1440e", "president's")):
        at = predicted == side
        axes.scatter(x[at], y[at], s=40, color=color, label=f"predicted {name} side")
    wrong = predicted != SIDES
    axes.scatter(x[wrong], y[wrong], s=130, facecolor="none", edgecolor="#3c4043", label="wrong")
    for member, name in ((INSTRUCTOR, "instructor"), (PRESIDENT, "president")):
        axes.annotate(name, (x[member], y[member]), (6, 6), textcoords="offset points")
    axes.legend(frameon=False)
    axes.set_axis_off()
    figure.savefig(path)


def run(steps=200, seeds=10, picture=None):
    """Trains from several starts; returns how many of the 32 unknown sides were right."""
    graph, right = Graph(), []
    for seed in range(seeds):
        model = train(graph, steps, seed)
        predicted = np.array(mx.argmax(model(), axis=1))
        right.append(int((predicted == SIDES).sum()) - 2)
        if picture and seed == 0:
            draw(picture, graph, predicted)
    return {"right of 32, mean": float(np.mean(right)), "worst start": min(right)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps of AdamW (default 200)")
    parser.add_argument("--seeds", type=int, default=10, help="random starts (default 10)")
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()
    for name, value in run(options.steps, options.seeds, options.picture).items():
        print(f"{name:20} {value:6.1f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
