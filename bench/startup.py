"""What is paid once: importing the package, and the first call of a compiled function.

A step of the import row is a whole process; one of the first-call row compiles a function that is
new each time, the value and gradient of a transformer block, and runs it once.
"""

import importlib
import subprocess
import sys

import numpy as np

from bench.runner import workload

WIDTH, LENGTH, HEADS = 128, 64, 4

process = workload("start_python")
imports = workload("import", slow=True)
IMPORTS = {
    "olivine": "import olivine.core, olivine.nn",
    "mlx": "import mlx.core, mlx.nn",
    "jax": "import jax, jax.numpy",
    "torch": "import torch",
    "numpy": "import numpy",
}


def run_python(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


@process.on("machine")
def _(_library):
    return run_python("")


@imports.on(*IMPORTS)
def _(library):
    return run_python(IMPORTS[library])


first_call = workload("first_call_of_a_compiled_block", slow=True)


def parameters():
    rng = np.random.default_rng(0)
    shapes = (WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)
    return [rng.standard_normal((LENGTH, WIDTH)).astype(np.float32)] + [
        0.05 * rng.standard_normal(s).astype(np.float32) for s in shapes
    ]


def block(m, x, qkv, out, up, down):
    """The mean of a transformer block's result; `m` has the functions of NumPy."""

    def norm(x):
        x = x - x.mean(-1, keepdims=True)
        return x / m.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)

    parts = (norm(x) @ qkv).reshape(LENGTH, 3 * HEADS, -1).swapaxes(0, 1)
    q, k, v = parts[:HEADS], parts[HEADS : 2 * HEADS], parts[2 * HEADS :]
    scores = m.exp(q @ k.swapaxes(-1, -2) * (WIDTH // HEADS) ** -0.5)
    mixed = scores / scores.sum(-1, keepdims=True) @ v
    x = x + mixed.swapaxes(0, 1).reshape(LENGTH, WIDTH) @ out
    h = norm(x) @ up
    return (x + h / (1 + m.exp(-1.702 * h)) @ down).mean()


@first_call.on("olivine", "mlx")
def _(library):
    mx = importlib.import_module(f"{library}.core")
    arrays = [mx.array(a) for a in parameters()]
    mx.eval(arrays)

    def step():
        f = mx.value_and_grad(lambda *a: block(mx, *a), argnums=list(range(5)))
        mx.eval(mx.compile(f)(*arrays))

    return step


@first_call.on("jax")
def _(_library):
    import jax

    arrays = [jax.numpy.asarray(a) for a in parameters()]

    def step():
        f = jax.value_and_grad(lambda *a: block(jax.numpy, *a), argnums=range(5))
        jax.block_until_ready(jax.jit(f)(*arrays))

    return step


@first_call.on("torch")
def _(_library):
    import torch

    arrays = [torch.from_numpy(a).requires_grad_() for a in parameters()]

    def step():
        torch._dynamo.reset()
        torch.compile(lambda *a: block(torch, *a))(*arrays).backward()

    return step
