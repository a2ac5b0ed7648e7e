"""Attention when decoding and when reading a prompt: `python -m bench.attention [NAME...]`.

Every row is one shape: heads of the queries and of the keys, queries, keys and the size of a head.
Decoding is bound by reading keys and values once, so its rate is in GB/s; that of a prompt is in
GFLOP/s. PyTorch computes the same with its own fused attention where it is installed; all have the
same number of threads and take turns, and the medians of the samples are compared.
"""

import argparse
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure, workload

DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
# name: batch, heads, heads of keys, queries, keys, size of a head
SHAPES = {
    "decode_256": (1, 12, 12, 1, 256, 64),
    "decode_1024": (1, 12, 12, 1, 1024, 64),
    "decode_8192": (1, 12, 12, 1, 8192, 64),
    "decode_batch": (8, 8, 8, 1, 300, 64),
    "decode_wide": (1, 8, 8, 1, 2048, 128),
    "decode_odd": (1, 8, 8, 1, 1000, 72),
    "decode_groups_of_2": (1, 8, 4, 1, 300, 64),
    "decode_groups_of_4": (1, 32, 8, 1, 1024, 128),
    "decode_one_key_head": (1, 8, 1, 1, 4096, 128),
    "decode_4_tokens": (1, 8, 4, 4, 1024, 64),
    "prompt_256": (1, 8, 4, 256, 256, 64),
    "prompt_1024": (1, 12, 12, 1024, 1024, 64),
    "prompt_wide": (1, 8, 8, 512, 512, 128),
}


def is_decode(queries):
    return queries <= 4


def inputs(batch, heads, key_heads, queries, keys, size):
    rng = np.random.default_rng(0)
    shapes = (heads, queries), (key_heads, keys), (key_heads, keys)
    return [rng.standard_normal((batch, *s, size)).astype(np.float32) for s in shapes]


def work_of(dtype, batch, heads, key_heads, queries, keys, size):
    if is_decode(queries):
        return 2e-9 * batch * key_heads * keys * size * (4 if dtype == "float32" else 2)
    return 4e-9 * batch * heads * queries * (keys - (queries - 1) / 2) * size  # causal


def attention(name, short, shape):
    dtype, queries = DTYPES[short], shape[3]
    unit = "GB" if is_decode(queries) else "GFLOP"
    row = workload(f"attention_{short}_{name}", work=work_of(dtype, *shape), unit=unit)
    row.limit = "read" if is_decode(queries) else "f32"
    scale = shape[5] ** -0.5

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        q, k, v = (mx.array(x).astype(getattr(mx, dtype)) for x in inputs(*shape))
        mx.eval(q, k, v)
        mask = "causal" if queries > 1 else None

        def step():
            mx.eval(mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask))

        return step

    @row.on("torch")
    def _(library):
        import torch

        q, k, v = (torch.from_numpy(x).to(getattr(torch, dtype)) for x in inputs(*shape))
        causal = {"is_causal": queries == shape[4]}
        if 1 < queries < shape[4]:  # its causal mask is aligned at the first key
            causal = {"attn_mask": torch.ones(queries, shape[4]).tril(shape[4] - queries).bool()}

        def step():
            with torch.inference_mode():
                torch.nn.functional.scaled_dot_product_attention(
                    q, k, v, scale=scale, enable_gqa=True, **causal
                )

        return step


for shape_name, shape in SHAPES.items():
    for short_name in DTYPES:
        attention(shape_name, short_name, shape)


def main():
    parser = argparse.ArgumentParser(prog="bench.attention", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"Medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| row | olivine us | PyTorch us | olivine's rate |")
    print("|---" * 4 + "|")
    libraries = available(["olivine", "torch"])
    for name in SHAPES:
        for short in DTYPES:
            title = f"{short}_{name}"
            if options.names and not any(text in title for text in options.names):
                continue
            row = WORKLOADS[f"attention_{title}"]
            results = measure(
                {lib: (row, lib) for lib in libraries}, options.rounds, options.threads
            )
            times = [results.get(library, "not installed") for library in ("olivine", "torch")]
            cells = [r if isinstance(r, str) else f"{r[0] * 1e6:.0f}" for r in times]
            ours = times[0]
            rate = "" if isinstance(ours, str) else f"{row.work / ours[0]:.1f} {row.unit}/s"
            print("| " + " | ".join([title, *cells, rate]) + " |", flush=True)


if __name__ == "__main__":
    main()
