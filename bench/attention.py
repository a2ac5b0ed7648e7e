"""Attention when decoding and when reading a prompt: `python -m bench.attention [NAME...]`.

Every row is one shape: heads of the queries and of the keys, queries, keys and the size of a head.
Decoding is bound by reading keys and values once, so its rate is in GB/s; that of a prompt, and of
an image, whose attention is not causal, is in GFLOP/s. PyTorch computes the same with its own fused
attention where it is installed; all have the same number of threads and take turns, and the medians
of the samples are compared.
"""

import numpy as np

from bench.runner import compare, workload

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
    # Of Stable Diffusion 1.5's U-Net, on its own pixels and on the 77 tokens of a text.
    "image_4096": (2, 8, 8, 4096, 4096, 40),
    "image_1024": (2, 8, 8, 1024, 1024, 80),
    "image_256": (2, 8, 8, 256, 256, 160),
    "image_4096_text": (2, 8, 8, 4096, 77, 40),
    "image_1024_text": (2, 8, 8, 1024, 77, 80),
    "image_256_text": (2, 8, 8, 256, 77, 160),
}


def is_decode(queries):
    return queries <= 4


def is_causal(name, queries):
    return queries > 1 and not name.startswith("image")


def inputs(batch, heads, key_heads, queries, keys, size):
    rng = np.random.default_rng(0)
    shapes = (heads, queries), (key_heads, keys), (key_heads, keys)
    return [rng.standard_normal((batch, *s, size)).astype(np.float32) for s in shapes]


def work_of(name, dtype, batch, heads, key_heads, queries, keys, size):
    if is_decode(queries):
        return 2e-9 * batch * key_heads * keys * size * (4 if dtype == "float32" else 2)
    seen = keys - (queries - 1) / 2 if is_causal(name, queries) else keys
    return 4e-9 * batch * heads * queries * seen * size


def attention(name, short, shape):
    dtype, queries = DTYPES[short], shape[3]
    unit = "GB" if is_decode(queries) else "GFLOP"
    row = workload(f"attention_{short}_{name}", work=work_of(name, dtype, *shape), unit=unit)
    row.limit = "read" if is_decode(queries) else "f32"
    scale, causal = shape[5] ** -0.5, is_causal(name, queries)

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        q, k, v = (mx.array(x).astype(getattr(mx, dtype)) for x in inputs(*shape))
        mx.eval(q, k, v)
        mask = "causal" if causal else None

        def step():
            mx.eval(mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask))

        return step

    @row.on("torch")
    def _(library):
        import torch

        q, k, v = (torch.from_numpy(x).to(getattr(torch, dtype)) for x in inputs(*shape))
        mask = {"is_causal": causal and queries == shape[4]}
        if causal and queries < shape[4]:  # its causal mask is aligned at the first key
            mask = {"attn_mask": torch.ones(queries, shape[4]).tril(shape[4] - queries).bool()}

        def step():
            with torch.inference_mode():
                torch.nn.functional.scaled_dot_product_attention(
                    q, k, v, scale=scale, enable_gqa=True, **mask
                )

        return step


for shape_name, shape in SHAPES.items():
    for short_name in DTYPES:
        attention(shape_name, short_name, shape)


if __name__ == "__main__":
    titles = [f"attention_{short}_{name}" for name in SHAPES for short in DTYPES]
    compare("bench.attention", __doc__, titles, "attention_")
