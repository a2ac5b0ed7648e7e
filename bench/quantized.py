"""Workloads of packed weights: 4-bit products of one and more rows, beside a copy of the weights."""

import importlib

import numpy as np

from bench.runner import workload

SIZE, MATRICES = 4096, 8  # matrices take turns, so that they come from memory and not from cache
PACKED = SIZE * SIZE * (4 + 2 * 16 / 64) / 8 / 1e9  # GB of codes, scales and biases


def product(rows):
    if rows == 1:
        row = workload("quantized_1_row", work=PACKED, unit="GB")
    else:
        row = workload(f"quantized_{rows}_rows", work=2e-9 * rows * SIZE * SIZE, unit="GFLOP")

    @row.on("olivine", "mlx")
    def _(library):
        mx = importlib.import_module(f"{library}.core")
        rng = np.random.default_rng(0)
        x = mx.array(rng.standard_normal((rows, SIZE), dtype=np.float32)).astype(mx.bfloat16)
        w = mx.array(rng.standard_normal((SIZE, SIZE), dtype=np.float32)).astype(mx.bfloat16)
        packed = [mx.quantize(w + i) for i in range(MATRICES)]
        mx.eval(x, packed)
        turn = 0

        def step():
            nonlocal turn
            turn = (turn + 1) % MATRICES
            mx.eval(mx.quantized_matmul(x, *packed[turn]))

        return step


for count in (1, 8, 32, 512):
    product(count)

copy = workload("copy_of_packed", work=PACKED, unit="GB")


@copy.on("machine")
def _(_library):
    sources = [np.ones(int(PACKED * 1e9), np.uint8) for _ in range(MATRICES)]
    target, turn = np.empty_like(sources[0]), 0

    def step():
        nonlocal turn
        turn = (turn + 1) % MATRICES
        np.copyto(target, sources[turn])

    return step
