"""Linear algebra of the array API standard: that of olivine.core.linalg under its signatures."""

import math
from typing import NamedTuple

import olivine.core as mx
from olivine.array_api._common import axes_of, cast, is_complex, real_dtype, sum_dtype, together
from olivine.array_api._elementwise import matmul

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: mx.array
    eigenvectors: mx.array


class EigResult(NamedTuple):
    """What `eig` gives."""

    eigenvalues: mx.array
    eigenvectors: mx.array


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: mx.array
    R: mx.array


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: mx.array
    logabsdet: mx.array


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: mx.array
    S: mx.array
    Vh: mx.array


def cholesky(x, /, *, upper=False):
    """Cholesky factors of positive definite matrices."""
    return mx.linalg.cholesky(x, upper)


def cross(x1, x2, /, *, axis=-1):
    """Cross products along an axis of three elements."""
    a, b = together(x1, x2)
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ValueError(
            f"[cross] expected 3 elements along axis {axis}; got shapes {a.shape} and {b.shape}"
        )
    return mx.linalg.cross(a, b, axis)


def det(x, /):
    """Determinants."""
    return mx.linalg.det(x)


def diagonal(x, /, *, offset=0):
    """The diagonals of matrices in the last two axes."""
    return mx.diagonal(x, offset, -2, -1)


def eigh(x, /):
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices."""
    return EighResult(*mx.linalg.eigh(x))


def eigvalsh(x, /):
    """Eigenvalues of symmetric or Hermitian matrices."""
    return mx.linalg.eigvalsh(x)


def eig(x, /):
    """Eigenvalues and eigenvectors, complex."""
    return EigResult(*mx.linalg.eig(x))


def eigvals(x, /):
    """Eigenvalues, complex."""
    return mx.linalg.eigvals(x)


def inv(x, /):
    """Inverses."""
    return mx.linalg.inv(x)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):  # noqa: A002
    """Norms of matrices in the last two axes."""
    return mx.linalg.norm(x, ord, [-2, -1], keepdims)


def matrix_power(x, n, /):
    """Matrices to an integer power."""
    return mx.linalg.matrix_power(x, n)


def matrix_rank(x, /, *, rtol=None):
    """How many singular values exceed `rtol` times the largest."""
    s = mx.linalg.svd(x, compute_uv=False)
    return mx.count_nonzero(s > _cutoff(x, s, rtol), axis=-1).astype(mx.int64)


def _cutoff(x, s, rtol):
    if rtol is None:
        rtol = max(x.shape[-2:]) * mx.finfo(s.dtype).eps
    if isinstance(rtol, mx.array):
        rtol = cast(rtol, s.dtype)[..., None]
    else:
        rtol = mx.array(rtol, dtype=s.dtype)
    return mx.max(s, axis=-1, keepdims=True) * rtol


def matrix_transpose(x, /):
    """The last two axes swapped."""
    return mx.matrix_transpose(x)


def outer(x1, x2, /):
    """Products of the elements of two vectors."""
    a, b = together(x1, x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"[outer] expected two vectors; got shapes {a.shape} and {b.shape}")
    return a[:, None] * b[None, :]


def pinv(x, /, *, rtol=None):
    """Pseudo-inverses; singular values up to `rtol` times the largest count as zero."""
    u, s, vh = svd(x, full_matrices=False)
    keep = s > _cutoff(x, s, rtol)
    one = mx.array(1, dtype=s.dtype)
    weights = mx.where(keep, one / mx.where(keep, s, one), mx.array(0, dtype=s.dtype))
    v = mx.conj(mx.matrix_transpose(vh)) if is_complex(x.dtype) else mx.matrix_transpose(vh)
    uh = mx.conj(mx.matrix_transpose(u)) if is_complex(x.dtype) else mx.matrix_transpose(u)
    return (v * cast(weights, x.dtype)[..., None, :]) @ uh


def qr(x, /, *, mode="reduced"):
    """Orthonormal columns and a triangle; `mode="complete"` gives a square Q."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"[qr] expected the mode 'reduced' or 'complete'; got {mode!r}")
    m, n = x.shape[-2:]
    if mode == "reduced" or m <= n:
        return QRResult(*mx.linalg.qr(x))
    # The unit vectors behind x complete the basis; reflections do not care for their dependence.
    unit = mx.broadcast_to(mx.eye(m, dtype=x.dtype), (*x.shape[:-2], m, m))
    q, r = mx.linalg.qr(mx.concatenate([x, unit], axis=-1))
    return QRResult(q, r[..., :n])


def slogdet(x, /):
    """Signs and logarithms of the magnitudes of determinants."""
    return SlogdetResult(*mx.linalg.slogdet(x))


def solve(x1, x2, /):
    """Solutions of `x1 @ x = x2`; `x2` is a vector if it has one axis, else matrices."""
    a, b = together(x1, x2)
    if b.ndim == 1:
        return mx.linalg.solve(a, mx.broadcast_to(b[:, None], (*a.shape[:-2], b.size, 1)))[..., 0]
    batch = mx.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = mx.broadcast_to(a, (*batch, *a.shape[-2:]))
    return mx.linalg.solve(a, mx.broadcast_to(b, (*batch, *b.shape[-2:])))


def svd(x, /, *, full_matrices=True):
    """Singular values in descending order with both bases."""
    u, s, vh = mx.linalg.svd(x)
    if not full_matrices:
        k = min(x.shape[-2:])
        u, vh = u[..., :, :k], vh[..., :k, :]
    return SVDResult(u, s, vh)


def svdvals(x, /):
    """Singular values in descending order."""
    return mx.linalg.svd(x, compute_uv=False)


def tensordot(x1, x2, /, *, axes=2):
    """Sums of products over the last axes of one and the first of the other, or over given ones."""
    a, b = together(x1, x2)
    if isinstance(axes, int):
        ours, theirs = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        ours, theirs = (list(s) if isinstance(s, tuple | list) else [s] for s in axes)
    ours, theirs = [i % a.ndim for i in ours], [i % b.ndim for i in theirs]
    left = [i for i in range(a.ndim) if i not in ours]
    right = [i for i in range(b.ndim) if i not in theirs]
    if [a.shape[i] for i in ours] != [b.shape[i] for i in theirs]:
        raise ValueError(
            f"[tensordot] expected equal sizes along axes {axes}; got {a.shape} and {b.shape}"
        )
    inner = math.prod(a.shape[i] for i in ours)
    shape = [a.shape[i] for i in left] + [b.shape[i] for i in right]
    one = mx.reshape(_ordered(a, left + ours), (math.prod(a.shape[i] for i in left), inner))
    two = mx.reshape(_ordered(b, theirs + right), (inner, math.prod(b.shape[i] for i in right)))
    return mx.reshape(matmul(one, two), shape)


def _ordered(x, axes):
    return mx.transpose(x, axes) if x.ndim else x


def trace(x, /, *, offset=0, dtype=None):
    """Sums of the diagonals of matrices in the last two axes."""
    dtype = sum_dtype(x, dtype)
    return cast(mx.sum(cast(diagonal(x, offset=offset), dtype), -1), dtype)


def vecdot(x1, x2, /, *, axis=-1):
    """Sums of products along an axis; the first operand is conjugated."""
    a, b = together(x1, x2)
    if a.shape[axis] != b.shape[axis]:
        raise ValueError(
            f"[vecdot] expected equal sizes along axis {axis}; got {a.shape} and {b.shape}"
        )
    if is_complex(a.dtype):
        a = mx.conj(a)
    return cast(mx.sum(a * b, axis), a.dtype)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):  # noqa: A002
    """Norms of vectors along axes, several of them taken as one."""
    axes = axes_of(x, axis)
    shape = [1 if i in axes else size for i, size in enumerate(x.shape)]
    rest = [i for i in range(x.ndim) if i not in axes]
    flat = mx.reshape(
        _ordered(x, rest + list(axes)),
        (*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in axes)),
    )
    out = cast(mx.linalg.norm(flat, ord, -1), real_dtype(x.dtype))
    return mx.reshape(out, shape) if keepdims else out
