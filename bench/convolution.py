"""Convolutions beside PyTorch: `python -m bench.convolution [NAME...]`.

Every row is one shape and one pass: the forward one, the gradient of the input, or that of the
weights. olivine computes in f32, bf16 and f16 with channels last, PyTorch in f32 with channels
first, as each one's users write. All have the same number of threads and take turns; the medians of
the samples are compared.
"""

import argparse
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure_rates, workload

DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
PASSES = ("forward", "input", "weight")
# name: batch, size of both axes, channels in and out, kernel, stride, groups, dilation
SHAPES = {
    "first_3x3": (64, 32, 3, 16, 3, 1, 1, 1),
    "first_7x7s2": (1, 224, 3, 64, 7, 2, 1, 1),
    "narrow_16": (64, 32, 16, 16, 3, 1, 1, 1),
    "narrow_32": (64, 16, 32, 32, 3, 1, 1, 1),
    "narrow_64": (64, 8, 64, 64, 3, 1, 1, 1),
    "body_64": (4, 56, 64, 64, 3, 1, 1, 1),
    "body_128": (4, 28, 128, 128, 3, 1, 1, 1),
    "body_256": (4, 14, 256, 256, 3, 1, 1, 1),
    "body_512": (4, 7, 512, 512, 3, 1, 1, 1),
    "unet_320": (2, 64, 320, 320, 3, 1, 1, 1),
    "unet_640": (2, 32, 640, 640, 3, 1, 1, 1),
    "unet_1280": (2, 16, 1280, 1280, 3, 1, 1, 1),
    "odd_70": (4, 30, 70, 50, 3, 1, 1, 1),
    "strided_16": (64, 32, 16, 32, 3, 2, 1, 1),
    "strided_128": (4, 28, 128, 256, 3, 2, 1, 1),
    "pointwise_256": (4, 28, 256, 256, 1, 1, 1, 1),
    "pointwise_64": (4, 56, 64, 256, 1, 1, 1, 1),
    "shortcut": (4, 56, 64, 128, 1, 2, 1, 1),
    "kernel_5x5": (4, 32, 32, 64, 5, 1, 1, 1),
    "dilated": (4, 32, 64, 64, 3, 1, 1, 2),
    "grouped_4": (4, 28, 128, 128, 3, 1, 32, 1),
    "grouped_8": (4, 28, 128, 128, 3, 1, 16, 1),
    "grouped_32": (4, 28, 128, 128, 3, 1, 4, 1),
    "depthwise": (4, 56, 96, 96, 3, 1, 96, 1),
    "depthwise_7x7": (4, 28, 192, 192, 7, 1, 192, 1),
}


def operands(shape):
    """The input and the weights, channels last."""
    batch, size, cin, cout, kernel, _, groups, _ = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, size, size, cin))
    w = rng.standard_normal((cout, kernel, kernel, cin // groups))
    return x.astype(np.float32), w.astype(np.float32)


def padding(shape):
    return shape[4] // 2 * shape[7]


def result_size(shape):
    return (shape[1] + 2 * padding(shape) - (shape[4] - 1) * shape[7] - 1) // shape[5] + 1


def convolution(name, shape, which):
    batch, _, cin, cout, kernel, stride, groups, dilation = shape
    positions = batch * result_size(shape) ** 2
    work = 2e-9 * positions * cout * kernel**2 * cin / groups

    def define(title):
        return workload(f"conv_{which}_{title}", work=work, unit="GFLOP")

    def lazy(dtype):
        def setup(library):
            import olivine.core as mx

            x, w = (mx.array(a).astype(getattr(mx, dtype)) for a in operands(shape))
            of = {"stride": stride, "padding": padding(shape), "dilation": dilation}
            ct = mx.array(np.ones(mx.conv2d(x, w, groups=groups, **of).shape), mx.float32)
            ct = ct.astype(x.dtype)  # made of memory, as those of the others
            mx.eval(x, w, ct)

            def forward():
                mx.eval(mx.conv2d(x, w, groups=groups, **of))

            def gradient_of_input():
                mx.eval(mx.vjp(lambda x: mx.conv2d(x, w, groups=groups, **of), [x], [ct])[1])

            def gradient_of_weight():
                mx.eval(mx.vjp(lambda w: mx.conv2d(x, w, groups=groups, **of), [w], [ct])[1])

            return dict(zip(PASSES, (forward, gradient_of_input, gradient_of_weight), strict=True))[
                which
            ]

        return setup

    for short, dtype in DTYPES.items():
        define(f"{short}_{name}").on("olivine")(lazy(dtype))

    @WORKLOADS[f"conv_{which}_f32_{name}"].on("torch")
    def _(library):
        import torch

        x, w = (
            torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2))) for a in operands(shape)
        )
        of = ([stride] * 2, [padding(shape)] * 2, [dilation] * 2)
        if which == "forward":
            conv = torch.nn.functional.conv2d
            return lambda: conv(x, w, None, *of, groups)
        ct = torch.ones_like(torch.nn.functional.conv2d(x, w, None, *of, groups))
        mask = [which == "input", which == "weight", False]
        backward = torch.ops.aten.convolution_backward
        return lambda: backward(ct, x, w, None, *of, False, [0, 0], groups, mask)


for shape_name, shape_sizes in SHAPES.items():
    for pass_name in PASSES:
        convolution(shape_name, shape_sizes, pass_name)


def rates(which, name, rounds, threads, dtypes):
    """GFLOP/s by column, of one row; the samples of all columns are interleaved."""
    f32 = WORKLOADS[f"conv_{which}_f32_{name}"]
    jobs = {library: (f32, library) for library in available(["olivine", "torch"])}
    jobs |= {d: (WORKLOADS[f"conv_{which}_{d}_{name}"], "olivine") for d in dtypes}
    return measure_rates(jobs, rounds, threads)


def main():
    parser = argparse.ArgumentParser(prog="bench.convolution", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="shapes whose names hold one of these texts")
    parser.add_argument("--passes", default=",".join(PASSES))
    parser.add_argument("--dtypes", default="bf16,f16", help="columns beside f32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    dtypes = [d for d in options.dtypes.split(",") if d]
    print(f"GFLOP/s, medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    columns = ["shape", "pass", "torch", "f32", "f32 / torch", *(f"{d} / f32" for d in dtypes)]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name in SHAPES:
        if options.names and not any(text in name for text in options.names):
            continue
        for which in options.passes.split(","):
            rate = rates(which, name, options.rounds, options.threads, dtypes)
            f32, torch = rate["olivine"], rate.get("torch", 0)
            cells = [name, which, f"{torch:.0f}", f"{f32:.0f}"]
            cells += [f"{f32 / torch:.2f}" if torch else "—"]
            cells += [f"{rate[d] / f32:.2f}" if f32 else "—" for d in dtypes]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
