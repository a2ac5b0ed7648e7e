"""Sparse products beside SciPy and PyTorch: `python -m bench.sparse [NAME...]`.

Every row is a square sparse matrix of order 10,000 with 1 % of its elements, in CSR, times a
vector, a dense matrix of some columns, or itself; `T` rows multiply by its transpose (in SciPy a
view, in PyTorch too). All have the same number of threads and take turns; the medians of samples are
compared.
"""

import argparse
import os

import numpy as np

from bench.runner import WORKLOADS, available, measure_rates, workload

ORDER, ROW = 10_000, 100
DTYPES = {"f32": np.float32, "f64": np.float64}
COLUMNS = {"vector": 1, "x8": 8, "x64": 64, "x512": 512}


def structure():
    """Indices and indptr: in every row 100 different columns, in order."""
    rng = np.random.default_rng(0)
    gaps = rng.integers(1, 2 * ORDER // ROW, (ORDER, ROW)).cumsum(1)
    indices = (gaps * (ORDER - 1) // gaps[:, -1:]).astype(np.int32)
    return indices.ravel(), np.arange(0, ORDER * ROW + 1, ROW, dtype=np.int32)


def operands(dtype, columns):
    rng = np.random.default_rng(1)
    data = rng.standard_normal(ORDER * ROW).astype(dtype)
    x = rng.standard_normal((ORDER, columns) if columns > 1 else ORDER).astype(dtype)
    return data, *structure(), x


def scipy_matrix(data, indices, indptr):
    from scipy.sparse import csr_array

    return csr_array((data, indices, indptr), shape=(ORDER, ORDER))


def torch_matrix(data, indices, indptr):
    import torch

    arrays = (torch.from_numpy(a) for a in (indptr, indices, data))
    return torch.sparse_csr_tensor(*arrays, (ORDER, ORDER))


def olivine_matrix(data, indices, indptr):
    from olivine import sparse

    return sparse.CSR(data, indices, indptr, (ORDER, ORDER))


def dense_product(name, dtype, columns, transposed):
    row = workload(name, work=2e-9 * ORDER * ROW * columns, unit="GFLOP")

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        *arrays, x = operands(dtype, columns)
        a, x = olivine_matrix(*arrays), mx.array(x)
        if transposed:
            return lambda: mx.eval(mx.csr_matmul_transposed(*a, x, ORDER))
        return lambda: mx.eval(a @ x)

    @row.on("scipy")
    def _(library):
        *arrays, x = operands(dtype, columns)
        a = scipy_matrix(*arrays)
        a = a.T if transposed else a
        return lambda: a @ x

    @row.on("torch")
    def _(library):
        import torch

        *arrays, x = operands(dtype, columns)
        a, x = torch_matrix(*arrays), torch.from_numpy(x)
        a = a.t() if transposed else a
        return lambda: a @ x


def sparse_product(name, dtype):
    row = workload(name, work=2e-9 * ORDER * ROW * ROW, unit="GFLOP", slow=True)

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a = olivine_matrix(*operands(dtype, 1)[:-1])
        return lambda: mx.eval(a @ a)

    @row.on("scipy")
    def _(library):
        a = scipy_matrix(*operands(dtype, 1)[:-1])
        return lambda: a @ a

    @row.on("torch")
    def _(library):
        a = torch_matrix(*operands(dtype, 1)[:-1])
        return lambda: a @ a


NAMES = []
for short, kind in DTYPES.items():
    for width, count in COLUMNS.items():
        dense_product(f"sparse_{short}_{width}", kind, count, False)
        dense_product(f"sparse_{short}_T_{width}", kind, count, True)
        NAMES += [f"sparse_{short}_{width}", f"sparse_{short}_T_{width}"]
    sparse_product(f"sparse_{short}_sparse", kind)
    NAMES.append(f"sparse_{short}_sparse")


def main():
    parser = argparse.ArgumentParser(prog="bench.sparse", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"GFLOP/s, medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| row | SciPy | PyTorch | Olivine | / SciPy | / PyTorch |")
    print("|---" * 6 + "|")
    for name in NAMES:
        if options.names and not any(text in name for text in options.names):
            continue
        jobs = {
            library: (WORKLOADS[name], library)
            for library in available(["olivine", "scipy", "torch"])
        }
        rate = measure_rates(jobs, options.rounds, options.threads)
        own, others = rate["olivine"], [rate.get(k) for k in ("scipy", "torch")]
        cells = [name, *(f"{r:.2f}" if r else "—" for r in (*others, own))]
        cells += [f"{own / r:.2f}" if r else "—" for r in others]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
