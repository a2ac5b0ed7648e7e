"""Peak memory of the training step of bench/training.py: `python -m bench.peak [LIBRARY...]`.

A process per library; its peak resident memory after a few steps, less what it had when the library
was imported and set up for its first small computation.
"""

import argparse
import json
import os
import resource
import subprocess
import sys

from bench.runner import available

LIBRARIES = ("olivine", "mlx", "jax", "torch")
WARM_UP = {
    "olivine": "import olivine.core as mx; mx.eval(mx.ones(4) @ mx.ones((4, 4)))",
    "mlx": "import mlx.core as mx; mx.eval(mx.ones(4) @ mx.ones((4, 4)))",
    "jax": "import jax.numpy as np; (np.ones(4) @ np.ones((4, 4))).block_until_ready()",
    "torch": "import torch; torch.ones(4) @ torch.ones((4, 4))",
}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(library, steps):
    import bench.training as training

    exec(WARM_UP[library])
    before = peak()
    step = training.train.setups[library](library)
    for _ in range(steps):
        step()
    print(json.dumps(peak() - before))


def peaks(libraries=LIBRARIES, steps=4):
    """Library -> bytes, or an error text."""
    out = {}
    for library in available(libraries):
        command = [sys.executable, "-m", "bench.peak", "--child", library, "--steps", str(steps)]
        run = subprocess.run(
            command, env={**os.environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True
        )
        lines = run.stdout.splitlines()
        out[library] = int(lines[-1]) if run.returncode == 0 and lines else run.stderr[-200:]
    return out


def main():
    parser = argparse.ArgumentParser(prog="bench.peak", description=__doc__.splitlines()[0])
    parser.add_argument("libraries", nargs="*", default=LIBRARIES)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.steps)
    for library, result in peaks(options.libraries, options.steps).items():
        shown = result if isinstance(result, str) else f"{result / 2**20:.0f} MiB"
        print(f"{library:8} {shown}")


if __name__ == "__main__":
    main()
