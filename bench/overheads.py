"""Workloads of single calls: tiny ops, a compiled function, large element-wise work, products."""

import importlib
import math
import os
import threading

import numpy as np

from bench.matmul import openblas
from bench.runner import workload

LAZY = ("olivine", "mlx")


def core(library):
    return importlib.import_module(f"{library}.core")


def random(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


# ---- One addition of two scalars, computed.

add_scalars = workload("add_scalars")


@add_scalars.on(*LAZY)
def _(library):
    mx = core(library)
    a, b = mx.array(1.0), mx.array(2.0)
    return lambda: mx.eval(a + b)


@add_scalars.on("jax")
def _(library):
    import jax.numpy as jnp

    a, b = jnp.float32(1), jnp.float32(2)
    return lambda: (a + b).block_until_ready()


@add_scalars.on("torch")
def _(library):
    import torch

    a, b = torch.tensor(1.0), torch.tensor(2.0)
    return lambda: a + b


@add_scalars.on("numpy")
def _(library):
    a, b = np.array([1.0], np.float32), np.array([2.0], np.float32)
    return lambda: a + b


# ---- A hundred tiny ops in a row, computed at the end.

chain = workload("chain_of_100_tiny_ops")


def chained(x):
    for _ in range(50):
        x = x * 1.01 + 0.5
    return x


@chain.on(*LAZY)
def _(library):
    mx = core(library)
    a = mx.array(random(16))
    return lambda: mx.eval(chained(a))


@chain.on("jax")
def _(library):
    import jax.numpy as jnp

    a = jnp.asarray(random(16))
    return lambda: chained(a).block_until_ready()


@chain.on("torch")
def _(library):
    import torch

    a = torch.from_numpy(random(16))
    return lambda: chained(a)


@chain.on("numpy")
def _(library):
    a = random(16)
    return lambda: chained(a)


# ---- A compiled function of twenty tiny ops.

compiled = workload("compiled_function_of_20_tiny_ops")


def twenty(x, y):
    for _ in range(5):
        x = (x * y + x) * 0.5 - y
    return x


@compiled.on(*LAZY)
def _(library):
    mx = core(library)
    f, a, b = mx.compile(twenty), mx.array(random(16)), mx.array(random(16) + 1)
    return lambda: mx.eval(f(a, b))


@compiled.on("jax")
def _(library):
    import jax

    f, a, b = jax.jit(twenty), jax.numpy.asarray(random(16)), jax.numpy.asarray(random(16) + 1)
    return lambda: f(a, b).block_until_ready()


@compiled.on("torch")
def _(library):
    import torch

    f, a, b = torch.compile(twenty), torch.from_numpy(random(16)), torch.from_numpy(random(16) + 1)
    return lambda: f(a, b)


@compiled.on("numpy")
def _(library):
    a, b = random(16), random(16) + 1
    return lambda: twenty(a, b)


# ---- GELU over 16 Mi floats; the machine copies the same number of bytes.

COUNT = 1 << 24
gelu = workload("gelu_of_16M_floats", work=2 * 4 * COUNT / 1e9, unit="GB")


@gelu.on(*LAZY)
def _(library):
    mx = core(library)
    x = mx.array(random(COUNT))
    return lambda: mx.eval(x * 0.5 * (1 + mx.erf(x * math.sqrt(0.5))))


@gelu.on("jax")
def _(library):
    import jax

    f, x = jax.jit(lambda x: jax.nn.gelu(x, approximate=False)), jax.numpy.asarray(random(COUNT))
    return lambda: f(x).block_until_ready()


@gelu.on("torch")
def _(library):
    import torch

    x = torch.from_numpy(random(COUNT))
    return lambda: torch.nn.functional.gelu(x)


@gelu.on("machine")
def _(library):
    """A copy by as many threads as CPUs, into memory that is already there."""
    source, target = random(COUNT), random(COUNT)
    count = len(os.sched_getaffinity(0))
    bounds = [i * COUNT // count for i in range(count + 1)]
    pieces = [(target[i:j], source[i:j]) for i, j in zip(bounds, bounds[1:], strict=False)]

    def step():
        threads = [threading.Thread(target=np.copyto, args=piece) for piece in pieces[1:]]
        for thread in threads:
            thread.start()
        np.copyto(*pieces[0])
        for thread in threads:
            thread.join()

    return step


# ---- Forward pass of a small network of nn's layers.

perceptron = workload("forward_of_a_small_mlp")
MLP_SIZES = ((64, 128), (128, 128), (128, 10))


@perceptron.on(*LAZY)
def _(library):
    mx, nn = core(library), importlib.import_module(f"{library}.nn")
    first, second, third = (nn.Linear(*sizes) for sizes in MLP_SIZES)
    model = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
    x = mx.array(random(32, 64))
    mx.eval(model.parameters())
    return lambda: mx.eval(model(x))


@perceptron.on("torch")
def _(library):
    import torch

    first, second, third = (torch.nn.Linear(*sizes) for sizes in MLP_SIZES)
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU(), third)
    x = torch.from_numpy(random(32, 64))

    def step():
        with torch.inference_mode():
            model(x)

    return step


@perceptron.on("jax")
def _(library):
    import jax

    weights = [(random(*sizes), random(sizes[1])) for sizes in MLP_SIZES]
    (w1, b1), (w2, b2), (w3, b3) = jax.tree.map(jax.numpy.asarray, weights)

    @jax.jit
    def model(x):
        h = jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2)
        return h @ w3 + b3

    x = jax.numpy.asarray(random(32, 64))
    return lambda: model(x).block_until_ready()


# ---- Matrix products of one size and dtype.


def product(n, name):
    work = workload(
        f"matmul_{name}_{n}", work=2 * n**3 / 1e9, unit="GFLOP", slow=name != "f32" and n > 1024
    )
    dtype = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}[name]

    @work.on(*LAZY)
    def _(library):
        mx = core(library)
        a, b = (mx.array(random(n, n)).astype(getattr(mx, dtype)) for _ in range(2))
        mx.eval(a, b)
        return lambda: mx.eval(a @ b)

    @work.on("jax")
    def _(library):
        import jax

        a = jax.numpy.asarray(random(n, n), dtype=dtype)
        f = jax.jit(lambda a, b: a @ b)
        return lambda: f(a, a).block_until_ready()

    @work.on("torch")
    def _(library):
        import torch

        a = torch.from_numpy(random(n, n)).to(getattr(torch, dtype))
        return lambda: a @ a

    if name != "f32":
        return

    @work.on("numpy")
    def _(library):
        a, b, c = random(n, n), random(n, n), np.empty((n, n), np.float32)
        return lambda: np.matmul(a, b, out=c)

    @work.on("machine")
    def _(library):
        a, b, c = random(n, n), random(n, n), np.empty((n, n), np.float32)
        sgemm, address = openblas()
        row_major, plain = 101, 111
        return lambda: sgemm(
            row_major, plain, plain, n, n, n, 1.0, address(a), n, address(b), n, 0.0, address(c), n
        )


for size in (1024, 2048):
    for kind in ("f32", "bf16", "f16"):
        product(size, kind)
