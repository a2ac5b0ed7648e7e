"""Fifty common ops in bfloat16 and float16 beside float32: `python -m bench.precision [NAME...]`.

Operands are 2048 x 1024 and stay in the caches, where memory hides no conversion.
Dtypes take turns; a cell is the median time in 16 bits over that in float32: at most 1 is wanted.
`--isa` runs everything with the kernels of an older instruction set.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROWS, COLUMNS, HEADS, LENGTH, SIZE = 2048, 1024, 16, 256, 64
DTYPES = ("float32", "bfloat16", "float16")


class Operands:
    """The same values in one dtype."""

    def __init__(self, mx, dtype):
        self.dtype = dtype
        mx.random.seed(0)

        def made(x):
            x = x.astype(dtype)
            mx.eval(x)
            return x

        self.a = made(mx.random.uniform(0.1, 2.0, (ROWS, COLUMNS)))
        self.b = made(mx.random.normal((ROWS, COLUMNS)))
        self.w = made(mx.random.normal((COLUMNS,)))
        self.m = made(mx.random.normal((256, 256)))
        self.images = made(mx.random.normal((4, 32, 32, 32)))
        self.kernel = made(mx.random.normal((32, 3, 3, 32)))
        self.q = made(mx.random.normal((1, HEADS, LENGTH, SIZE)))
        self.rows = mx.random.randint(0, ROWS, (ROWS,))
        self.columns = mx.random.randint(0, COLUMNS, (COLUMNS,))
        mx.eval(self.rows, self.columns)


def ops(mx, nn):
    """name -> function of Operands."""
    fast = mx.fast
    return {
        "add": lambda d: d.a + d.b,
        "subtract": lambda d: d.a - d.b,
        "multiply": lambda d: d.a * d.b,
        "divide": lambda d: d.a / d.b,
        "scale": lambda d: d.a * 2.5,
        "negative": lambda d: -d.a,
        "abs": lambda d: mx.abs(d.b),
        "maximum": lambda d: mx.maximum(d.a, d.b),
        "exp": lambda d: mx.exp(d.b),
        "log": lambda d: mx.log(d.a),
        "log1p": lambda d: mx.log1p(d.a),
        "sin": lambda d: mx.sin(d.b),
        "cos": lambda d: mx.cos(d.b),
        "tanh": lambda d: mx.tanh(d.b),
        "sigmoid": lambda d: mx.sigmoid(d.b),
        "erf": lambda d: mx.erf(d.b),
        "sqrt": lambda d: mx.sqrt(d.a),
        "rsqrt": lambda d: mx.rsqrt(d.a),
        "square": lambda d: mx.square(d.a),
        "power": lambda d: mx.power(d.a, d.a),
        "logaddexp": lambda d: mx.logaddexp(d.a, d.b),
        "where": lambda d: mx.where(d.b > 0, d.a, d.b),
        "greater": lambda d: d.a > d.b,
        "clip": lambda d: mx.clip(d.b, -1, 1),
        "round": lambda d: mx.round(d.b),
        "add_row": lambda d: d.a + d.w,
        "chain_of_four": lambda d: ((d.a + d.b) * d.a - d.b) * 0.5,
        "gelu": lambda d: nn.gelu(d.b),
        "silu": lambda d: nn.silu(d.b),
        "sum": lambda d: mx.sum(d.a),
        "sum_of_columns": lambda d: mx.sum(d.a, 0),
        "mean_of_rows": lambda d: mx.mean(d.a, 1),
        "max_of_rows": lambda d: mx.max(d.a, 1),
        "variance_of_rows": lambda d: mx.var(d.a, 1),
        "argmax_of_rows": lambda d: mx.argmax(d.a, 1),
        "argmax_of_columns": lambda d: mx.argmax(d.a, 0),
        "softmax": lambda d: mx.softmax(d.a, -1),
        "logsumexp": lambda d: mx.logsumexp(d.a, -1),
        "layer_norm": lambda d: fast.layer_norm(d.a, d.w, d.w, 1e-5),
        "rms_norm": lambda d: fast.rms_norm(d.a, d.w, 1e-5),
        "cumsum_of_rows": lambda d: mx.cumsum(d.a, 1),
        "cumsum_of_columns": lambda d: mx.cumsum(d.a, 0),
        "cummax_of_rows": lambda d: mx.cummax(d.a, 1),
        "sort_rows": lambda d: mx.sort(d.b, 1),
        "argsort_rows": lambda d: mx.argsort(d.b, 1),
        "top_8_of_rows": lambda d: mx.topk(d.b, 8, 1),
        "take_rows": lambda d: d.a[d.rows],
        "take_columns": lambda d: mx.take(d.a, d.columns, axis=1),
        "scatter_add_rows": lambda d: mx.zeros_like(d.a).at[d.rows].add(d.a),
        "concatenate": lambda d: mx.concatenate([d.a, d.b], 1),
        "transpose": lambda d: mx.contiguous(d.a.T),
        "pad": lambda d: mx.pad(d.a, 1),
        "matmul": lambda d: d.m @ d.m,
        "matrix_vector": lambda d: d.a @ d.w,
        "conv2d": lambda d: mx.conv2d(d.images, d.kernel, padding=1),
        "attention": lambda d: fast.scaled_dot_product_attention(
            d.q, d.q, d.q, scale=0.125, mask="causal"
        ),
        "rope": lambda d: fast.rope(d.q, SIZE, traditional=False, base=1e4, scale=1.0, offset=0),
        "random_uniform": lambda d: mx.random.uniform(shape=(ROWS, COLUMNS), dtype=d.dtype),
        "random_normal": lambda d: mx.random.normal((ROWS, COLUMNS), dtype=d.dtype),
    }


def times(names, rounds):
    """name -> {dtype: median seconds}, measured in this process."""
    import olivine.core as mx
    import olivine.nn as nn

    operands = {name: Operands(mx, getattr(mx, name)) for name in DTYPES}
    out = {}
    for name, function in ops(mx, nn).items():
        if names and not any(text in name for text in names):
            continue
        samples = {dtype: [] for dtype in DTYPES}
        for turn in range(rounds + 2):
            for dtype, d in operands.items():
                start = time.perf_counter()
                mx.eval(function(d))
                if turn > 1:
                    samples[dtype].append(time.perf_counter() - start)
        out[name] = {dtype: statistics.median(s) for dtype, s in samples.items()}
    return out


def times_under(isa, names=(), rounds=11):
    """`times` in a process of its own, under a forced instruction set ("" for the best)."""
    command = [sys.executable, "-m", "bench.precision", "--json", "--rounds", str(rounds), *names]
    env = {**os.environ, "OLIVINE_CPU_ISA": isa}
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser(prog="bench.precision", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="ops whose names hold one of these texts")
    parser.add_argument("--isa", default="", help="plain, avx2, avx512, avx512_bf16 or amx")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true", help="seconds, for other programs")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(times(options.names, options.rounds)))
        return
    print("| op | float32 ms | bfloat16 | float16 |\n|---|---|---|---|")
    for name, seconds in times_under(options.isa, options.names, options.rounds).items():
        f32 = seconds["float32"]
        cells = [f"{seconds[d] / f32:.2f}" for d in DTYPES[1:]]
        print(f"| {name} | {f32 * 1e3:.3f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
