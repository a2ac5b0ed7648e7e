"""Sparse products beside SciPy and PyTorch: `python -m bench.sparse [NAME...]`.

Every row is a square sparse matrix of order 10,000 with 1 % of its elements, as CSR, COO or BSR (in
blocks of 16 x 16), times a vector, a dense matrix of some columns, or itself. `T` rows multiply by
its transpose (in SciPy and PyTorch a view); `grad` rows compute the product and its gradients at
the nonzeros and at the dense matrix, which SciPy has not. All have the same number of threads and
take turns; the medians of samples are compared.
"""

import argparse
import os
import statistics

import numpy as np

from bench.runner import WORKLOADS, available, measure_rates, workload

ORDER, ROW, BLOCK = 10_000, 100, 16
DTYPES = {"f32": np.float32, "f64": np.float64}
COLUMNS = {"vector": 1, "x8": 8, "x64": 64, "x512": 512}


def structure(order=ORDER, row=ROW):
    """Indices and indptr: in every row that many different columns, in order."""
    rng = np.random.default_rng(0)
    gaps = rng.integers(1, 2 * order // row, (order, row)).cumsum(1)
    indices = (gaps * (order - 1) // gaps[:, -1:]).astype(np.int32)
    return indices.ravel(), np.arange(0, order * row + 1, row, dtype=np.int32)


def arrays_of(form, dtype):
    """Data, indices and indptr, or for COO data, rows and columns."""
    rng = np.random.default_rng(1)
    if form == "bsr":
        indices, indptr = structure(ORDER // BLOCK, round(ORDER // BLOCK / 100))
        return rng.standard_normal((indices.size, BLOCK, BLOCK)).astype(dtype), indices, indptr
    indices, indptr = structure()
    data = rng.standard_normal(ORDER * ROW).astype(dtype)
    if form == "coo":
        return data, np.repeat(np.arange(ORDER, dtype=np.int32), ROW), indices
    return data, indices, indptr


def dense_operand(dtype, columns):
    rng = np.random.default_rng(2)
    return rng.standard_normal((ORDER, columns) if columns > 1 else ORDER).astype(dtype)


def scipy_matrix(form, dtype):
    from scipy.sparse import bsr_array, coo_array, csr_array

    data, first, second = arrays_of(form, dtype)
    if form == "coo":
        return coo_array((data, (first, second)), shape=(ORDER, ORDER))
    kind = bsr_array if form == "bsr" else csr_array
    return kind((data, first, second), shape=(ORDER, ORDER))


def torch_matrix(form, dtype):
    import torch

    data, first, second = (torch.from_numpy(a) for a in arrays_of(form, dtype))
    if form == "coo":
        places = torch.stack([first, second])
        return torch.sparse_coo_tensor(places, data, (ORDER, ORDER)).coalesce()
    kind = torch.sparse_bsr_tensor if form == "bsr" else torch.sparse_csr_tensor
    return kind(second, first, data, (ORDER, ORDER))


def olivine_matrix(form, dtype):
    from olivine import sparse

    kind = {"coo": sparse.COO, "bsr": sparse.BSR, "csr": sparse.CSR}[form]
    return kind(*arrays_of(form, dtype), (ORDER, ORDER))


def giga_operations(form):
    blocks = (ORDER // BLOCK) * round(ORDER // BLOCK / 100) * BLOCK**2
    return 2e-9 * (blocks if form == "bsr" else ORDER * ROW)


def dense_product(name, form, dtype, columns, transposed=False):
    row = workload(name, work=giga_operations(form) * columns, unit="GFLOP")

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a, x = olivine_matrix(form, dtype), mx.array(dense_operand(dtype, columns))
        if transposed:
            return lambda: mx.eval(mx.csr_matmul_transposed(*a, x, ORDER))
        return lambda: mx.eval(a @ x)

    @row.on("scipy")
    def _(library):
        a, x = scipy_matrix(form, dtype), dense_operand(dtype, columns)
        a = a.T if transposed else a
        return lambda: a @ x

    @row.on("torch")
    def _(library):
        import torch

        a, x = torch_matrix(form, dtype), torch.from_numpy(dense_operand(dtype, columns))
        a = a.t() if transposed else a
        return lambda: a @ x


def gradients(name, dtype, columns):
    row = workload(name, work=3 * giga_operations("csr") * columns, unit="GFLOP")

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a, x = olivine_matrix("csr", dtype), mx.array(dense_operand(dtype, columns))
        ct = mx.array(dense_operand(dtype, columns))

        def product(data, x):
            return a.with_data(data) @ x

        return lambda: mx.eval(mx.vjp(product, [a.data, x], [ct]))

    @row.on("torch")
    def _(library):
        import torch

        a = torch_matrix("csr", dtype).requires_grad_()
        x = torch.from_numpy(dense_operand(dtype, columns)).requires_grad_()
        ct = torch.from_numpy(dense_operand(dtype, columns))

        def step():
            a.grad = x.grad = None
            (a @ x).backward(ct)

        return step


def sparse_product(name, dtype):
    row = workload(name, work=giga_operations("csr") * ROW, unit="GFLOP", slow=True)

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a = olivine_matrix("csr", dtype)
        return lambda: mx.eval(a @ a)

    @row.on("scipy")
    def _(library):
        a = scipy_matrix("csr", dtype)
        return lambda: a @ a

    @row.on("torch")
    def _(library):
        a = torch_matrix("csr", dtype)
        return lambda: a @ a


def define_rows():
    for short, kind in DTYPES.items():
        for width, count in COLUMNS.items():
            dense_product(f"sparse_{short}_{width}", "csr", kind, count)
            dense_product(f"sparse_{short}_T_{width}", "csr", kind, count, transposed=True)
            dense_product(f"sparse_{short}_coo_{width}", "coo", kind, count)
            dense_product(f"sparse_{short}_bsr_{width}", "bsr", kind, count)
            dense_product(f"sparse_{short}_bsr_T_{width}", "bsr", kind, count, transposed=True)
        for width in ("x8", "x64"):
            gradients(f"sparse_{short}_grad_{width}", kind, COLUMNS[width])
        sparse_product(f"sparse_{short}_sparse", kind)
    return [name for name in WORKLOADS if name.startswith("sparse_")]


NAMES = define_rows()


def main():
    parser = argparse.ArgumentParser(prog="bench.sparse", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"GFLOP/s, medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| row | SciPy | PyTorch | Olivine | / best peer |")
    print("|---" * 5 + "|")
    ratios = []
    for name in NAMES:
        if options.names and not any(text in name for text in options.names):
            continue
        libraries = [
            x for x in available(["olivine", "scipy", "torch"]) if x in WORKLOADS[name].setups
        ]
        jobs = {library: (WORKLOADS[name], library) for library in libraries}
        rate = measure_rates(jobs, options.rounds, options.threads)
        own, peers = rate["olivine"], [rate.get(k, 0.0) for k in ("scipy", "torch")]
        cells = [name, *(f"{r:.2f}" if r else "—" for r in (*peers, own))]
        if max(peers):
            ratios.append(own / max(peers))
            cells.append(f"{ratios[-1]:.2f}")
        print("| " + " | ".join(cells) + " |", flush=True)
    if ratios:
        middle = statistics.geometric_mean(ratios)
        print(
            f"\n{len(ratios)} rows, {sum(r >= 1 for r in ratios)} of them ahead of the best peer; "
            f"geometric mean {middle:.2f}, lowest {min(ratios):.2f}."
        )


if __name__ == "__main__":
    main()
