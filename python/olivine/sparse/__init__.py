"""Sparse matrices: COO, CSR and BSR, as trees of arrays that every transformation takes.

    from olivine import sparse

    a = sparse.random((1000, 1000), 0.01).to_csr()
    y = a @ x

The classes are named tuples of arrays: `grad`, `vmap`, `compile` and the functions of
`olivine.utils` take them as trees, whose `data` is differentiable and whose indices are integers.
"""

from .base import Sparse
from .bsr import BSR
from .coo import COO
from .csr import CSR
from .functions import (
    concatenate,
    diag,
    eye,
    from_dense,
    from_scipy,
    random,
    sampled_matmul,
    softmax,
)

__all__ = [
    "BSR",
    "COO",
    "CSR",
    "Sparse",
    "concatenate",
    "diag",
    "eye",
    "from_dense",
    "from_scipy",
    "random",
    "sampled_matmul",
    "softmax",
]
