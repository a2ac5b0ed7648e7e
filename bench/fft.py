"""Fourier transforms: `python -m bench.fft [NAME...]`.

Every row is one kind of transform of one shape. Rates count 5 n log2(n) operations per complex
transform of n values, and half of that for real ones. PyTorch transforms the same where it is
installed; both have the same number of threads and take turns, and medians are compared.
"""

import math

import numpy as np

from bench.runner import compare, workload

# name: function, dtype, shape of its input
SHAPES = {
    "fft_c64_1M": ("fft", "complex64", (1 << 20,)),
    "fft_c64_1000x1000": ("fft", "complex64", (1000, 1000)),
    "fft_c64_1024x1024": ("fft", "complex64", (1024, 1024)),
    "fft_c64_4096x256": ("fft", "complex64", (4096, 256)),
    "fft_c64_729x729": ("fft", "complex64", (729, 729)),
    "fft_c64_1009x1009": ("fft", "complex64", (1009, 1009)),
    "fft2_c64_512": ("fft2", "complex64", (512, 512)),
    "fft2_c64_1024": ("fft2", "complex64", (1024, 1024)),
    "rfft_f32_1024x1024": ("rfft", "float32", (1024, 1024)),
    "rfft_f32_1000x2000": ("rfft", "float32", (1000, 2000)),
    "rfft2_f32_256": ("rfft2", "float32", (256, 256)),
    "rfft2_f32_512": ("rfft2", "float32", (512, 512)),
    "rfft2_f32_1024": ("rfft2", "float32", (1024, 1024)),
    "rfft2_f32_1000": ("rfft2", "float32", (1000, 1000)),
    "rfft2_f32_2048": ("rfft2", "float32", (2048, 2048)),
    "irfft2_c64_1024": ("irfft2", "complex64", (1024, 513)),
    "irfft2_c64_1000": ("irfft2", "complex64", (1000, 501)),
}


def data(dtype, shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype == "complex64" else x).astype(dtype)


def operations(function, shape):
    size = list(shape)
    if function == "irfft2":
        size[-1] = 2 * (size[-1] - 1)
    axes = size if function.endswith("2") else size[-1:]
    return 5 * math.prod(size) * math.log2(math.prod(axes)) / (2 if "rfft" in function else 1)


def transform(name, function, dtype, shape):
    row = workload(name, work=1e-9 * operations(function, shape), unit="GFLOP")

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        x = mx.array(data(dtype, shape))
        mx.eval(x)
        return lambda: mx.eval(getattr(mx.fft, function)(x))

    @row.on("torch")
    def _(library):
        import torch

        x = torch.from_numpy(data(dtype, shape))
        return lambda: getattr(torch.fft, function)(x)


for row_name, (row_function, row_dtype, row_shape) in SHAPES.items():
    transform(row_name, row_function, row_dtype, row_shape)

if __name__ == "__main__":
    compare("bench.fft", __doc__, SHAPES)
