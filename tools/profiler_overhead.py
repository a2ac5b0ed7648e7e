"""How much longer programs take under a profile: medians of interleaved rounds.

Usage: profiler_overhead.py [--rounds N] [--picture FILE]

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


PROGRAMS = {
    "training step, compiled": lambda: training(True),
    "training step": lambda: training(False),
    "compiled loop, 128 x 128": compiled_loop,
    "compiled steps, 64 x 64": small_steps,
    "chains of scalars": tiny_ops,
}


def seconds(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def measure(run, rounds):
    """Medians of plain and profiled rounds, and the least share of time attributed."""
    plain, profiled, attributed = [], [], 1.0
    run()
    for _ in range(rounds):
        plain.append(seconds(run))
        with profile() as p:
            profiled.append(seconds(run))
        attributed = min(attributed, p.attributed)
    return statistics.median(plain), statistics.median(profiled), attributed


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
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        return write_picture(options.picture)
    print(f"{'program':26} {'plain':>9} {'profiled':>9} {'longer':>8} {'attributed':>11}")
    for name, make in PROGRAMS.items():
        plain, profiled, attributed = measure(make(), options.rounds)
        print(
            f"{name:26} {1e3 * plain:6.2f} ms {1e3 * profiled:6.2f} ms "
            f"{100 * (profiled / plain - 1):6.1f} % {100 * attributed:9.1f} %"
        )


if __name__ == "__main__":
    main()
