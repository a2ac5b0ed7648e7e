"""How much longer programs take under a profile: rounds with and without one take turns.

Usage: profiler_overhead.py [--rounds N] [--only TEXT] [--picture FILE]

"longer" is the median over rounds of how much longer the profiled half of a round took, with its
quartiles.

With --picture it writes the picture of docs/profiler.md instead: memory of a training step by line.
"""

import argparse
import statistics
import time
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.lm.model import GPT
from olivine.lm.settings import GPTConfig
from olivine.profiler import profile, svg


def training(compiled, dims=128):
    """Steps of a small transformer language model."""
    model = GPT(GPTConfig(vocab_size=96, context=64, layers=2, heads=4, dims=dims))
    optimizer = optim.AdamW(1e-3)
    optimizer.init(model.trainable_parameters())
    tokens = mx.random.randint(0, 96, (8, 65), key=mx.random.key(0))
    state = [model.state, optimizer.state]

    def loss(x, y):
        return nn.losses.cross_entropy(model(x), y).mean()

    gradient = nn.value_and_grad(model, loss)

    def step(x, y):
        value, gradients = gradient(x, y)
        optimizer.update(model, gradients)
        return value

    if compiled:
        step = mx.compile(step, inputs=state, outputs=state)

    def run():
        for _ in range(4):
            mx.eval(step(tokens[:, :-1], tokens[:, 1:]), state)

    return run


def small_steps():
    """A compiled function of a hundred products of 64 x 64, one after another."""
    x = mx.random.normal((64, 64), key=mx.random.key(0)) / 8

    def f(y):
        for _ in range(100):
            y = mx.tanh(y @ x)
        return y

    f = mx.compile(f)

    def run():
        for _ in range(20):
            mx.eval(f(x))

    return run


def compiled_loop():
    """A loop whose body is a product and a tanh."""
    x = mx.random.normal((128, 128), key=mx.random.key(0)) / 11
    f = mx.compile(lambda x: mx.fori_loop(0, 100, lambda i, y: mx.tanh(y @ x), x))

    def run():
        for _ in range(5):
            mx.eval(f(x))

    return run


def tiny_ops():
    """Chains of a hundred additions of scalars, which is the least work an op can be."""
    one = mx.array(1.0)

    def run():
        for _ in range(40):
            x = one
            for _ in range(100):
                x = x + one
            mx.eval(x)

    return run


def small_evaluations():
    """Evaluations of one op on a small array each."""
    x = mx.random.normal((16, 16), key=mx.random.key(0))
    mx.eval(x)

    def run():
        for _ in range(1000):
            mx.eval(x + x)

    return run


def layers():
    """Layers on small arrays, built and not evaluated: each op is asked which layer makes it."""
    model = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(8)))
    x = mx.zeros((1, 4))
    mx.eval(model.parameters(), x)

    def run():
        for _ in range(100):
            model(x)

    return run


PROGRAMS = {
    "training step, compiled": lambda: training(True),
    "training step": lambda: training(False),
    "compiled loop, 128 x 128": compiled_loop,
    "compiled steps, 64 x 64": small_steps,
    "chains of scalars": tiny_ops,
    "evaluations of 16 x 16": small_evaluations,
    "layers that build a graph": layers,
}


def seconds(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def profiled_seconds(run):
    with profile() as p:
        taken = seconds(run)
    return taken, p.attributed


def measure(run, rounds):
    """Median seconds of a plain round, quartiles of how much longer a profiled one took, and the
    least share of time attributed."""
    run()
    plain, longer, attributed = [], [], 1.0
    for i in range(rounds):
        if i % 2:  # whichever comes second finds caches as the other left them
            taken, share = profiled_seconds(run)
            plain.append(seconds(run))
        else:
            plain.append(seconds(run))
            taken, share = profiled_seconds(run)
        longer.append(taken / plain[-1] - 1)
        attributed = min(attributed, share)
    return statistics.median(plain), statistics.quantiles(longer, n=4), attributed


def write_picture(path):
    run = training(False)
    run()
    with profile() as p:
        run()
    text = svg.memory(p, lines=7)
    at = text.index(">") + 1
    path.write_text(text[:at] + '<rect width="100%" height="100%" fill="#fff"/>' + text[at:] + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--only", default="", help="programs whose names have this text")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        return write_picture(options.picture)
    print(f"{'program':26} {'plain':>9} {'longer':>8} {'quartiles':>17} {'attributed':>11}")
    for name, make in PROGRAMS.items():
        if options.only not in name:
            continue
        plain, (low, middle, high), attributed = measure(make(), options.rounds)
        print(
            f"{name:26} {1e3 * plain:6.2f} ms {100 * middle:6.1f} % "
            f"{100 * low:6.1f} to {100 * high:5.1f} % {100 * attributed:9.1f} %"
        )


if __name__ == "__main__":
    main()
