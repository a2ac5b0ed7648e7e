"""Matrix products beside OpenBLAS called directly: `python -m bench.matmul [NAME...]`.

Every row is one shape. OpenBLAS (sgemm of the library that the build uses) and NumPy compute in
f32 and write to a given array; olivine computes in f32, bf16 and f16, through `a @ b` and eval.
All have the same number of threads and take turns; the medians of the samples are compared.
"""

import argparse
import ctypes
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure_rates, workload

WIDTH, ROWS = 384, 8 * 256  # of the training step in bench/training.py
DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
# name: m, n, k, which operands are given as transposes, and how many products if not one
SHAPES = {
    **{f"square_{n}": (n, n, n, "") for n in (64, 128, 256, 512, 1024, 2048)},
    "up": (ROWS, 4 * WIDTH, WIDTH, ""),
    "down": (ROWS, WIDTH, 4 * WIDTH, ""),
    "qkv": (ROWS, 3 * WIDTH, WIDTH, ""),
    "head": (ROWS, 4096, WIDTH, ""),
    "up_gradient_of_x": (ROWS, WIDTH, 4 * WIDTH, "b"),
    "up_gradient_of_w": (WIDTH, 4 * WIDTH, ROWS, "a"),
    "down_gradient_of_w": (4 * WIDTH, WIDTH, ROWS, "a"),
    "head_gradient_of_w": (WIDTH, 4096, ROWS, "a"),
    "linear_128": (128, 4096, 4096, "b"),
    "wide_64": (64, 8192, 512, ""),
    "tall_64": (16384, 64, 64, ""),
    **{f"batch_of_{n}": (n, n, n, "", 2**22 // n**2) for n in (8, 24, 32, 64, 128)},
    "batch_of_64_by_transposes": (64, 64, 64, "b", 1024),
    "batch_of_50": (50, 50, 50, "", 1024),
    "skinny_32": (32, 4096, 4096, ""),
    "narrow_32": (4096, 32, 4096, ""),
    "vector_matrix": (1, 4096, 4096, ""),
    "matrix_vector": (4096, 1, 4096, ""),
}


def openblas():
    """sgemm of the OpenBLAS that olivine's build uses, called without olivine."""
    import scipy_openblas32

    folder = scipy_openblas32.get_lib_dir()
    name = next(f for f in os.listdir(folder) if f.startswith("libscipy_openblas") and ".so" in f)
    function = ctypes.CDLL(os.path.join(folder, name)).scipy_cblas_sgemm
    floats, number = ctypes.POINTER(ctypes.c_float), ctypes.c_int
    function.argtypes = [number] * 6 + [
        ctypes.c_float,
        floats,
        number,
        floats,
        number,
        ctypes.c_float,
        floats,
        number,
    ]
    return function, lambda a: a.ctypes.data_as(floats)


def operands(m, n, k, transposed, batch=1):
    """Both operands as they lie in memory."""
    rng = np.random.default_rng(0)
    lead = (batch,) if batch > 1 else ()
    a = rng.standard_normal(lead + ((k, m) if "a" in transposed else (m, k)))
    b = rng.standard_normal(lead + ((n, k) if "b" in transposed else (k, n)))
    return a.astype(np.float32), b.astype(np.float32)


def product(name, m, n, k, transposed, batch=1):
    def define(title):
        return workload(f"product_{title}", work=2e-9 * batch * m * n * k, unit="GFLOP")

    def as_multiplied(a, b):
        a = a.swapaxes(-1, -2) if "a" in transposed else a
        return a, b.swapaxes(-1, -2) if "b" in transposed else b

    def lazy(dtype):
        def setup(library):
            import olivine.core as mx

            given = operands(m, n, k, transposed, batch)
            a, b = (mx.array(x).astype(getattr(mx, dtype)) for x in given)
            mx.eval(a, b)

            def step():
                left, right = as_multiplied(a, b)
                mx.eval(left @ right)

            return step

        return setup

    for short, dtype in DTYPES.items():
        define(f"{short}_{name}").on("olivine")(lazy(dtype))
    f32 = WORKLOADS[f"product_f32_{name}"]

    @f32.on("numpy")
    def _(library):
        a, b = as_multiplied(*operands(m, n, k, transposed, batch))
        c = np.empty(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (m, n), np.float32)
        return lambda: np.matmul(a, b, out=c)

    if batch > 1:
        return

    @f32.on("machine")
    def _(library):
        a, b = operands(m, n, k, transposed)
        c = np.empty((m, n), np.float32)
        sgemm, address = openblas()
        row_major, plain, flipped = 101, 111, 112
        arguments = (
            *(
                row_major,
                flipped if "a" in transposed else plain,
                flipped if "b" in transposed else plain,
            ),
            *(m, n, k, 1.0, address(a), a.shape[1], address(b), b.shape[1], 0.0, address(c), n),
        )
        return lambda: sgemm(*arguments)


for shape_name, shape in SHAPES.items():
    product(shape_name, *shape)


def rates(name, rounds, threads):
    """GFLOP/s by column, of one shape; the samples of all columns are interleaved."""
    libraries = available(["olivine", "numpy", "machine"])
    f32 = WORKLOADS[f"product_f32_{name}"]
    jobs = {library: (f32, library) for library in libraries if library in f32.setups}
    jobs |= {short: (WORKLOADS[f"product_{short}_{name}"], "olivine") for short in ("bf16", "f16")}
    return measure_rates(jobs, rounds, threads)


def main():
    parser = argparse.ArgumentParser(prog="bench.matmul", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="shapes whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"GFLOP/s, medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| shape | m n k | OpenBLAS | NumPy | f32 | f32 / OpenBLAS | bf16 / f32 | f16 / f32 |")
    print("|---" * 8 + "|")
    for name, (m, n, k, transposed, *batch) in SHAPES.items():
        if options.names and not any(text in name for text in options.names):
            continue
        rate = rates(name, options.rounds, options.threads)
        f32 = rate["olivine"]
        size = " x ".join(map(str, batch + [f"{m} {n} {k}"]))
        cells = [name, f"{size} {transposed and 'T:' + transposed}"]
        cells += [f"{rate.get(column, 0):.0f}" for column in ("machine", "numpy", "olivine")]
        cells += [
            f"{part / whole:.2f}" if whole else "—"
            for part, whole in ((f32, rate.get("machine")), (rate["bf16"], f32), (rate["f16"], f32))
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
