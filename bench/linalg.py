"""Dense linear algebra in float32: `python -m bench.linalg [NAME...]`.

Every row is one function of one square matrix, named with its order. PyTorch computes the same
where it is installed; both have the same number of threads and take turns, and the medians of the
samples are compared.
"""

import numpy as np

from bench.runner import compare, workload

FUNCTIONS = {
    "inv": "inv",
    "lu": "lu_factor",
    "qr": "qr",
    "cholesky": "cholesky",
    "eigh": "eigh",
    "svd": "svd",
}
ORDERS = (128, 256, 512, 1024)
SYMMETRIC = ("cholesky", "eigh")


def matrix(function, n):
    a = np.random.default_rng(0).standard_normal((n, n)).astype(np.float32)
    return a @ a.T / n + np.eye(n, dtype=np.float32) if function in SYMMETRIC else a


def decomposition(name, function, n):
    row = workload(name)

    @row.on("olivine")
    def _(library):
        import olivine.core as mx

        a = mx.array(matrix(function, n))
        mx.eval(a)
        return lambda: mx.eval(getattr(mx.linalg, function)(a, stream=mx.cpu))

    @row.on("torch")
    def _(library):
        import torch

        a = torch.from_numpy(matrix(function, n))
        return lambda: getattr(torch.linalg, function)(a)


NAMES = []
for short, long in FUNCTIONS.items():
    for order in ORDERS:
        NAMES.append(f"{short}_{order}")
        decomposition(NAMES[-1], long, order)


if __name__ == "__main__":
    compare("bench.linalg", __doc__, NAMES)
