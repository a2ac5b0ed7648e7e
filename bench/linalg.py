"""Dense linear algebra in float32: `python -m bench.linalg [NAME...]`.

Every row is one function of one square matrix, named with its order. PyTorch computes the same
where it is installed; both have the same number of threads and take turns, and the medians of the
samples are compared.
"""

import argparse
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure, workload

FUNCTIONS = {
    "inv": "inv",
    "lu": "lu_factor",
    "qr": "qr",
    "cholesky": "cholesky",
    "eigh": "eigh",
    "svd": "svd",
}
ORDERS = (128, 256, 512, 1024)
SYMMETRIC = ("cholesky", "eigh")


def matrix(function, n):
    a = np.random.default_rng(0).standard_normal((n, n)).astype(np.float32)
    return a @ a.T / n + np.eye(n, dtype=np.float32) if function in SYMMETRIC else a


def decomposition(name, function, n):
    row = workload(name)

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a = mx.array(matrix(function, n))
        mx.eval(a)
        return lambda: mx.eval(getattr(mx.linalg, function)(a, stream=mx.cpu))

    @row.on("torch")
    def _(library):
        import torch

        a = torch.from_numpy(matrix(function, n))
        return lambda: getattr(torch.linalg, function)(a)


NAMES = []
for short, long in FUNCTIONS.items():
    for order in ORDERS:
        NAMES.append(f"{short}_{order}")
        decomposition(NAMES[-1], long, order)


def compare(program, description, names):
    """Prints a table of the rows `names`, or of those that the command line chooses."""
    parser = argparse.ArgumentParser(prog=program, description=description.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"Medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| row | olivine us | PyTorch us | olivine's rate |")
    print("|---" * 4 + "|")
    libraries = available(["olivine", "torch"])
    for name in names:
        if options.names and not any(text in name for text in options.names):
            continue
        row = WORKLOADS[name]
        results = measure({lib: (row, lib) for lib in libraries}, options.rounds, options.threads)
        times = [results.get(library, "not installed") for library in ("olivine", "torch")]
        cells = [r if isinstance(r, str) else f"{r[0] * 1e6:.0f}" for r in times]
        known = row.work and not isinstance(times[0], str)
        rate = f"{row.work / times[0][0]:.1f} {row.unit}/s" if known else ""
        print("| " + " | ".join([name, *cells, rate]) + " |", flush=True)


if __name__ == "__main__":
    compare("bench.linalg", __doc__, NAMES)
