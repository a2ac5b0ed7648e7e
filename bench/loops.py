"""What a step of a loop costs beside JAX: `python -m bench.loops [NAME...]`.

Every row is a compiled loop of 10,000 steps; the time of a call is divided by them. Bodies:
arithmetic on one number, a short chain of functions on 8, 16, 1,000 and 4,096 floats, a product
of 16 x 16 matrices, and recurrent cells: one state of 64 floats, and a batch of 8 states of 32.
`scan` reads a slice and stacks an output in each step; `while_loop` counts in its carry; `nested`
rows are loops of ten steps inside a loop of 1,000. `grad` rows are values and gradients of the
scan. Both libraries have the same number of threads and take turns; the medians of samples are
compared.
"""

import argparse
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure, workload

STEPS = 10_000


def short_chain(xp, c, x):
    return xp.tanh(c * 0.5 + x) * 0.9


# name: shape of the carry, of the weights, and a step.
BODIES = {
    "number": ((), (), lambda xp, w, c, x: c * 0.5 + x),
    "8": ((8,), (), lambda xp, w, c, x: short_chain(xp, c, x)),
    "16": ((16,), (), lambda xp, w, c, x: short_chain(xp, c, x)),
    "1000": ((1000,), (), lambda xp, w, c, x: short_chain(xp, c, x)),
    "4096": ((4096,), (), lambda xp, w, c, x: short_chain(xp, c, x)),
    "product": ((16, 16), (16, 16), lambda xp, w, c, x: c @ w + x),
    "cell": ((64,), (64, 64), lambda xp, w, c, x: xp.tanh(w @ c + x)),
    "batch": ((8, 32), (32, 32), lambda xp, w, c, x: xp.tanh(c @ w + x)),
}


def operands(shape, weights):
    rng = np.random.default_rng(0)
    w = (rng.standard_normal(weights) / (weights[0] if weights else 1) ** 0.5).astype(np.float32)
    start = rng.standard_normal(shape).astype(np.float32)
    slices = (STEPS,) + (1,) * len(shape)
    return w, start, rng.standard_normal(slices).astype(np.float32)


def loop_of(kind, xp, control, body):
    """The loop as a function of weights, start and slices, by a library's own functions."""
    scan, while_loop, fori_loop = control

    def scanned(w, start, xs):
        return scan(lambda c, x: (body(xp, w, c, x), xp.sum(c)), start, xs)

    if kind in ("scan", "grad"):
        return scanned
    if kind == "while":
        return lambda w, start, xs: while_loop(
            lambda c: c[0] < STEPS, lambda c: (c[0] + 1, body(xp, w, c[1], 0.1)), (0, start)
        )[1]

    def counted(w, start, xs, steps=STEPS):
        return fori_loop(0, steps, lambda i, c: body(xp, w, c, 0.1), start)

    if kind == "nested":
        return lambda w, start, xs: fori_loop(
            0, STEPS // 10, lambda i, c: counted(w, c, xs, 10), start
        )
    return counted


def gradient_of(loop, xp, grad):
    return grad(lambda w, start, xs: xp.sum(loop(w, start, xs)[1]), argnums=(0, 1))


def loop(kind, name):
    shape, weights, body = BODIES[name]
    row = workload(f"loop_{kind}_{name}", work=STEPS, unit="step")

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        f = loop_of(kind, mx, (mx.scan, mx.while_loop, mx.fori_loop), body)
        f = mx.compile(gradient_of(f, mx, mx.value_and_grad) if kind == "grad" else f)
        args = [mx.array(a) for a in operands(shape, weights)]
        return lambda: mx.eval(f(*args))

    @row.on("jax")
    def _(library):
        import jax

        control = jax.lax.scan, jax.lax.while_loop, jax.lax.fori_loop
        f = loop_of(kind, jax.numpy, control, body)
        f = jax.jit(gradient_of(f, jax.numpy, jax.value_and_grad) if kind == "grad" else f)
        args = [jax.numpy.asarray(a) for a in operands(shape, weights)]
        return lambda: jax.block_until_ready(f(*args))

    return row.name


KINDS = ("scan", "while", "fori", "nested", "grad")
NAMES = [loop(kind, name) for kind in KINDS for name in BODIES]


def main():
    parser = argparse.ArgumentParser(prog="bench.loops", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(
        f"us a step, medians of {options.rounds} interleaved samples, {options.threads} threads.\n"
    )
    print("| row | JAX | Olivine | JAX / Olivine |")
    print("|---" * 4 + "|")
    for name in NAMES:
        if options.names and not any(text in name for text in options.names):
            continue
        jobs = {lib: (WORKLOADS[name], lib) for lib in available(["olivine", "jax"])}
        results = measure(jobs, options.rounds, options.threads)
        times = [results.get(lib, "not installed") for lib in ("jax", "olivine")]
        cells = [r if isinstance(r, str) else f"{r[0] / STEPS * 1e6:.3f}" for r in times]
        both = not any(isinstance(r, str) for r in times)
        cells.append(f"{times[0][0] / times[1][0]:.2f}" if both else "—")
        print("| " + " | ".join([name.removeprefix("loop_"), *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
