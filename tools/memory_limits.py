"""Predicted and measured peaks of training steps, and what memory limits cost in time.

    python tools/memory_limits.py [--layers 6] [--repeats 5]

For each program: the predicted and the measured peak, then both and the time of a step for limits
that leave some of the temporaries, and how long planning took.
"""

import argparse
import gc
import statistics
import time

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten


class Block(nn.Module):
    def __init__(self, dims, heads):
        super().__init__()
        self.attention = nn.MultiHeadAttention(dims, heads)
        self.norm1, self.norm2 = nn.LayerNorm(dims), nn.LayerNorm(dims)
        self.up, self.down = nn.Linear(dims, 4 * dims), nn.Linear(4 * dims, dims)

    def __call__(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y)
        return x + self.down(nn.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, vocabulary, dims, heads, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dims)
        self.blocks = [Block(dims, heads) for _ in range(layers)]
        self.out = nn.Linear(dims, vocabulary)

    def __call__(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def transformer(layers):
    model = Transformer(512, 128, 4, layers)

    def loss(parameters, tokens):
        model.update(parameters)
        return mx.mean(nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:]))

    return loss, (model.trainable_parameters(), mx.random.randint(0, 512, (16, 129)))


def perceptron(layers):
    def loss(weights, x):
        for w in weights:
            x = mx.tanh(x @ w)
        return mx.mean(x * x)

    weights = [mx.random.normal((256, 256)) / 16 for _ in range(4 * layers)]
    return loss, (weights, mx.random.normal((4096, 256)))


def convolutions(layers):
    def loss(weights, x):
        for w in weights:
            x = nn.relu(mx.conv2d(x, w, padding=1))
        return mx.mean(x)

    channels = [3] + [32] * (layers - 1)
    weights = [mx.random.normal((32, 3, 3, i)) * 0.1 for i in channels]
    return loss, (weights, mx.random.normal((16, 32, 32, 3)))


def measured(step, args, repeats):
    """The peak of a call with its arguments, and the median time of one, in seconds."""
    gc.collect()
    mx.eval(args)
    others = mx.get_active_memory() - sum(a.nbytes for _, a in tree_flatten(args))
    mx.reset_peak_memory()
    mx.eval(step(*args))
    peak = mx.get_peak_memory() - others
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        mx.eval(step(*args))
        times.append(time.perf_counter() - start)
    return peak, statistics.median(times)


def line(name, plan, peak, seconds, planning):
    error = 100 * (plan.peak / peak - 1)
    print(
        f"{name:24} {plan.peak / 2**20:10.1f} {peak / 2**20:10.1f} {error:+7.2f} % "
        f"{plan.recomputed:6} {1000 * seconds:10.1f} {1000 * planning:10.1f}"
    )


def report(name, loss, args, repeats):
    f = mx.value_and_grad(loss)
    whole = None
    for left in (1, 0.75, 0.5, 0.35, 0.25):
        limit = None if left == 1 else int(whole.peak - (1 - left) * whole.temporaries)
        step = mx.compile(f, memory_limit=limit)
        start = time.perf_counter()
        try:
            plan = mx.memory_plan(step, *args)
        except ValueError as e:
            print(f"{name} {left:.0%}: {e}")
            break
        planning = time.perf_counter() - start
        whole = whole or plan
        line(f"{name} {left:.0%}", plan, *measured(step, args, repeats), planning)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    mx.random.seed(0)
    print(f"{'temporaries left':24} {'predicted':>10} {'measured':>10} {'error':>9} ", end="")
    print(f"{'again':>6} {'step, ms':>10} {'trace + plan, ms':>10}   (MiB)")
    for program in (perceptron, transformer, convolutions):
        report(program.__name__, *program(options.layers), options.repeats)


if __name__ == "__main__":
    main()
