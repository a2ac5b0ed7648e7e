"""Workloads of packed weights: products of one and more rows; reading and copying the weights.

`python -m bench.quantized` prints rates, and which part they are of what the machine reads (one
row) or OpenBLAS multiplies as floats (more rows).
"""

import importlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.runner import available, measure_rates, workload

SIZE, MATRICES = 4096, 8  # matrices take turns, so that they come from memory and not from cache
WIDTHS = {"bfloat16": 16, "float32": 32}
ROWS = (1, 2, 4, 8, 32, 128, 512)


def packed_gigabytes(bits, dtype):
    """Codes, scales and biases."""
    return SIZE * SIZE * (bits + 2 * WIDTHS[dtype] / 64) / 8 / 1e9


PACKED = packed_gigabytes(4, "bfloat16")


def product(rows, dtype, bits):
    name = f"quantized_{rows}_row{'s' if rows > 1 else ''}"
    if (dtype, bits) != ("bfloat16", 4):
        name += f"_{dtype}_{bits}bit"
    if rows == 1:
        row = workload(name, work=packed_gigabytes(bits, dtype), unit="GB")
    else:
        row = workload(name, work=2e-9 * rows * SIZE * SIZE, unit="GFLOP")

    @row.on("olivine", "mlx")
    def _(library):
        mx = importlib.import_module(f"{library}.core")
        rng = np.random.default_rng(0)
        kind = getattr(mx, dtype)
        x = mx.array(rng.standard_normal((rows, SIZE), dtype=np.float32)).astype(kind)
        w = mx.array(rng.standard_normal((SIZE, SIZE), dtype=np.float32)).astype(kind)
        packed = [mx.quantize(w + i, bits=bits) for i in range(MATRICES)]
        mx.eval(x, packed)
        turn = 0

        def step():
            nonlocal turn
            turn = (turn + 1) % MATRICES
            mx.eval(mx.quantized_matmul(x, *packed[turn], bits=bits))

        return step

    return row


PRODUCTS = {
    (rows, dtype, bits): product(rows, dtype, bits)
    for bits in (4, 8)
    for dtype in WIDTHS
    for rows in ROWS
    if (dtype, bits) == ("bfloat16", 4) or rows in (1, 8, 128)
}

copy = workload("copy_of_packed", work=PACKED, unit="GB")
read = workload("read_of_packed", work=MATRICES * PACKED, unit="GB")
dense = workload("product_of_floats", work=2e-9 * 1024**3, unit="GFLOP")


@copy.on("machine")
def _(_library):
    sources = [np.ones(int(PACKED * 1e9), np.uint8) for _ in range(MATRICES)]
    target, turn = np.empty_like(sources[0]), 0

    def step():
        nonlocal turn
        turn = (turn + 1) % MATRICES
        np.copyto(target, sources[turn])

    return step


@read.on("machine")
def _(_library):
    """Each thread adds up its share of every matrix: reading is what takes the time."""
    threads = int(os.environ["OMP_NUM_THREADS"])
    pool = ThreadPoolExecutor(threads)
    shares = [
        np.array_split(np.ones(int(PACKED * 1e9) // 8, np.uint64), threads) for _ in range(MATRICES)
    ]

    def step():
        list(pool.map(lambda i: [share[i].sum() for share in shares], range(threads)))

    return step


@dense.on("machine")
def _(_library):
    """By OpenBLAS, as fast as it multiplies floats."""
    a, out = np.ones((1024, 1024), np.float32), np.empty((1024, 1024), np.float32)
    return lambda: np.matmul(a, a, out=out)


def main():
    libraries = [name for name in ("olivine", "mlx") if name in available(["olivine", "mlx"])]
    threads = len(os.sched_getaffinity(0))
    print(f"Medians, {threads} threads; {SIZE} x {SIZE} in groups of 64.\n")
    columns = ["rows", "dtype", "bits", *libraries, "machine", "part of it"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)
    for (rows, dtype, bits), work in PRODUCTS.items():
        limit = read if rows == 1 else dense
        jobs = {name: (work, name) for name in libraries} | {"machine": (limit, "machine")}
        rates = measure_rates(jobs, 7, threads)
        part = rates["olivine"] / rates["machine"] if rates["machine"] else 0
        cells = [f"{rates[name]:.1f} {work.unit}/s" for name in (*libraries, "machine")]
        print("| " + " | ".join([str(rows), dtype, str(bits), *cells, f"{part:.2f}"]) + " |")


if __name__ == "__main__":
    main()
