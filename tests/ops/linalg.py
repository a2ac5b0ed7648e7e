"""Rows of linear algebra, as functions that do not depend on the signs and phases of vectors."""

import numpy as np

import olivine.core as mx
from tests.harness import COMPLEX, FLOATING, OpTests, Row

LAPACK = ("float32", "float64", *COMPLEX)
REAL_LAPACK = ("float32", "float64")
SQUARE = (((2, 4, 4),), ((3, 1, 1),), ((2, 0, 0),), ((0, 3, 3),), ((40, 17, 17),))
ANY = (((2, 4, 4),), ((2, 5, 3),), ((2, 3, 5),), ((2, 3, 0),), ((0, 2, 3),), ((30, 21, 9),))


def cases(shapes, *keywords):
    return tuple((s, k) for k in keywords or ({},) for s in shapes)


def t(a):
    return a.swapaxes(-1, -2)


def h(a):
    """Adjoint, of NumPy and Olivine arrays."""
    return t(a).conj() if isinstance(a, np.ndarray) else mx.conjugate(mx.swapaxes(a, -1, -2))


def symmetric(a):
    return (a + h(a)) * 0.5


def shifted(rng, i, shape):
    """Matrices far from singular."""
    x = rng.uniform(-1, 1, shape)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        x += 3 * np.sqrt(shape[-1]) * np.eye(shape[-1])
    return x


def spread(rng, i, shape):
    """Matrices with well separated singular values and eigenvalues."""
    x = rng.uniform(-0.3, 0.3, shape)
    k = np.arange(min(shape[-2:], default=0))
    x[..., k, k] += 2.0 * k + 1
    return x


def definite(a, upper=False):
    return mx.linalg.cholesky(symmetric(a), upper=upper)


def definite_ref(a, upper=False):
    a = symmetric(a)
    factors = np.linalg.cholesky(a) if a.size else a
    return h(factors) if upper else factors


def triangle(a, upper):
    return np.triu(a) if upper else np.tril(a)


def inverse_gram(a, upper=False):
    x = triangle(a, upper)
    return np.linalg.inv(h(x) @ x if upper else x @ h(x))


def lu_ref(a):
    """Doolittle's elimination with the largest pivot, one matrix at a time."""
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    a = a.reshape(int(np.prod(batch)), m, n)
    p = np.zeros((len(a), m), np.uint32)
    lower, upper = np.zeros((len(a), m, k), a.dtype), np.zeros((len(a), k, n), a.dtype)
    for b, x in enumerate(a.copy()):
        rows = np.arange(m)
        for c in range(k):
            at = c + np.argmax(np.abs(x[c:, c].real) + np.abs(x[c:, c].imag))
            x[[c, at]], rows[[c, at]] = x[[at, c]], rows[[at, c]]
            x[c + 1 :, c] /= x[c, c]
            x[c + 1 :, c + 1 :] -= np.outer(x[c + 1 :, c], x[c, c + 1 :])
        p[b, rows] = np.arange(m)
        lower[b], upper[b] = np.tril(x[:, :k], -1) + np.eye(m, k), np.triu(x[:k])
    return [x.reshape(batch + x.shape[1:]) for x in (p, lower, upper)]


def lu_packed(a):
    return mx.linalg.lu_factor(a)[0]


def packed_ref(a):
    _, lower, upper = lu_ref(a)
    m, n = a.shape[-2:]
    whole = np.zeros(a.shape, a.dtype)
    whole[..., :, : min(m, n)] += np.tril(lower, -1)
    whole[..., : min(m, n), :] += upper
    return whole


def qr(a):
    """With a positive diagonal of R, which makes both factors unique."""
    q, r = mx.linalg.qr(a)
    turn = mx.sign(mx.diagonal(r, axis1=-2, axis2=-1))
    return q * turn[..., None, :], r * mx.conjugate(turn)[..., :, None]


def qr_ref(a):
    if not a.size:
        k = min(a.shape[-2:])
        return np.zeros((*a.shape[:-1], k)), np.zeros((*a.shape[:-2], k, a.shape[-1]))
    q, r = np.linalg.qr(a)
    d = np.diagonal(r, axis1=-2, axis2=-1)
    turn = d / np.abs(d)
    return q * turn[..., None, :], r * turn.conj()[..., :, None]


def svd_parts(u, s, vh):
    """Singular values, a function of the matrix, and projectors on singular and null spaces."""
    k = s.shape[-1]
    core = (u[..., :k] * (s / (s + 1))[..., None, :]) @ vh[..., :k, :]
    columns = (u[..., : k // 2], h(vh[..., : k // 2, :]), u[..., k:], h(vh[..., k:, :]))
    return s, core, *(q @ h(q) for q in columns)


def svd(a):
    return svd_parts(*mx.linalg.svd(a))


def svd_ref(a):
    return svd_parts(*np.linalg.svd(a))


def eigh(a, UPLO="L"):
    w, v = mx.linalg.eigh(symmetric(a), UPLO=UPLO)
    first = v[..., : v.shape[-1] // 2]
    return w, (v * mx.sin(w)[..., None, :]) @ h(v), first @ h(first)


def eigh_ref(a, UPLO="L"):
    w, v = np.linalg.eigh(symmetric(a))
    first = v[..., : v.shape[-1] // 2]
    return w, (v * np.sin(w)[..., None, :]) @ h(v), first @ h(first)


def eig(a):
    """A function of the matrix, and the lengths of the vectors' components, weighted."""
    w, v = mx.linalg.eig(a)
    core = (v * mx.sin(w)[..., None, :]) @ mx.linalg.inv(v)
    lengths = mx.sum(mx.square(mx.abs(v)) * mx.real(w)[..., None, :], axis=-1)
    return mx.real(core), mx.imag(core), lengths


def eig_ref(a):
    w, v = np.linalg.eig(a)
    core = (v * np.sin(w)[..., None, :]) @ np.linalg.inv(v)
    return core.real, core.imag + 0, np.sum(np.abs(v) ** 2 * w.real[..., None, :], axis=-1)


def eigvals(a):
    w = mx.linalg.eigvals(a)
    return [f(mx.sum(w**k, axis=-1)) for k in (1, 2, 3) for f in (mx.real, mx.imag)]


def eigvals_ref(a):
    powers = [np.linalg.matrix_power(a, k) for k in (1, 2, 3)]
    traces = [np.trace(p, axis1=-2, axis2=-1) for p in powers]
    return [part for x in traces for part in (x.real, x.imag + 0 * x.real)]


def det_ref(a):
    return np.linalg.det(a)


def norm_ref(a, ord=None, axis=None, keepdims=False):
    axis = tuple(axis) if isinstance(axis, list) else axis
    return np.linalg.norm(a, ord, axis, keepdims)


def cross_ref(a, b, axis=-1):
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    a, b = (np.concatenate([x, np.zeros_like(x[..., :1])], -1)[..., :3] for x in (a, b))
    return np.moveaxis(np.cross(a, b), -1, axis)


def solve_triangular_ref(a, b, upper=False):
    return np.linalg.solve(triangle(a, upper), b)


def solve_ref(a, b):
    vector = b.ndim == 1
    x = np.linalg.solve(a, b[..., None] if vector else b)
    return x[..., 0] if vector else x


SYSTEMS = cases(
    (
        ((2, 4, 4), (2, 4, 3)),
        ((3, 3), (2, 3, 2)),
        ((2, 3, 3), (3,)),
        ((2, 1, 3, 3), (2, 3, 2)),
        ((2, 0, 0), (2, 0, 3)),
        ((2, 3, 3), (2, 3, 0)),
        ((30, 19, 19), (30, 19, 5)),
    )
)
# The layouts of the harness repeat rows of a single matrix, which makes it singular.
RULES = "values dtypes jvp grad second vmap compile errors"
VECTORS = tuple((((3, 4),), {"ord": o, "axis": 1}) for o in (None, 2, 1, 3, 0.5, -1, 0))
EXTREMES = tuple((((3, 4),), {"ord": o, "axis": 0, "keepdims": True}) for o in (np.inf, -np.inf))
MATRICES = tuple(
    (((2, 3, 4),), {"ord": o, "axis": [0, 2]})
    for o in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)
)
MATRICES += tuple(
    (((3, 4),), {"ord": o, "axis": [1, 0], "keepdims": True}) for o in ("f", "nuc", 2, 1, np.inf)
)
ALL_AXES = (
    (((2, 3, 4),), {}),
    (((),), {}),
    (((0, 3),), {}),
    (((5,),), {"ord": 2}),
    (((3, 4),), {"ord": 2}),
    (((2, 3, 4),), {"axis": [-1, 0]}),
    (((517, 263),), {}),
)
STRICT = {
    "dtypes": LAPACK,
    "strict": True,
    "wrong": "shape",
    "tol": 50,
    "span": 1,
    "sample": shifted,
}
PARTS = {"dtypes": LAPACK, "tol": 200, "span": 4, "sample": spread}
CROSS = cases(
    (((4, 3), (4, 3)), ((5, 1, 3), (4, 3)), ((2,), (3,)), ((4, 2), (4, 2)), ((0, 3), (1, 3)))
)
CROSS += cases((((3, 4), (3, 4)),), {"axis": 0})

ROWS = [
    Row(
        "linalg.cholesky",
        definite_ref,
        cases(SQUARE, {}, {"upper": True}),
        call=definite,
        **{**STRICT, "rules": "values layouts dtypes jvp grad second vmap compile"},
    ),
    Row("linalg.cholesky_inv", inverse_gram, cases(SQUARE, {}, {"upper": True}), **STRICT),
    Row("linalg.inv", np.linalg.inv, cases(SQUARE), **STRICT),
    Row(
        "linalg.tri_inv",
        lambda a, upper=False: np.linalg.inv(triangle(a, upper)),
        cases(SQUARE, {}, {"upper": True}),
        **STRICT,
    ),
    Row("linalg.solve", solve_ref, SYSTEMS, rules=RULES, **STRICT),
    Row(
        "linalg.solve_triangular",
        solve_triangular_ref,
        SYSTEMS[:1] + tuple((s, {"upper": True}) for s, _ in SYSTEMS),
        rules=RULES,
        **STRICT,
    ),
    Row("linalg.det", det_ref, cases(SQUARE[:4]), **{**STRICT, "strict": False, "span": 20}),
    Row(
        "linalg.slogdet",
        np.linalg.slogdet,
        cases(SQUARE),
        out=("same", "real"),
        **{**STRICT, "strict": False},
    ),
    Row("linalg.pinv", np.linalg.pinv, cases(ANY), **{**PARTS, "sample": spread}),
    Row("linalg.lu", lu_ref, cases(ANY), out=("uint32", "same", "same"), **PARTS),
    Row("linalg.lu_factor", packed_ref, cases(ANY), call=lu_packed, **PARTS),
    Row("linalg.qr", qr_ref, cases(ANY), call=qr, **PARTS),
    Row(
        "linalg.svd",
        svd_ref,
        cases(ANY[:3] + ANY[5:]),
        call=svd,
        out=("real",) + ("same",) * 5,
        **PARTS,
    ),
    Row(
        "linalg.svd",
        lambda a: np.linalg.svd(a, compute_uv=False),
        cases(ANY),
        out="real",
        call=lambda a: mx.linalg.svd(a, compute_uv=False),
        **PARTS,
    ),
    Row(
        "linalg.eigh",
        eigh_ref,
        cases(SQUARE, {}, {"UPLO": "U"}),
        call=eigh,
        out=("real", "same", "same"),
        **PARTS,
    ),
    Row(
        "linalg.eigvalsh",
        lambda a: np.linalg.eigvalsh(symmetric(a)),
        cases(SQUARE),
        out="real",
        call=lambda a: mx.linalg.eigvalsh(symmetric(a)),
        **PARTS,
    ),
    Row("linalg.eig", eig_ref, cases(SQUARE[:4]), call=eig, out="real", **PARTS),
    Row(
        "linalg.eigvals",
        eigvals_ref,
        cases(SQUARE[:4]),
        call=eigvals,
        out="real",
        **{**PARTS, "span": 300},
    ),
    Row("linalg.norm", norm_ref, VECTORS + EXTREMES, dtypes=FLOATING + COMPLEX, out="real", tol=8),
    Row(
        "linalg.norm",
        norm_ref,
        MATRICES + ALL_AXES,
        dtypes=FLOATING + COMPLEX,
        out="real",
        tol=8,
        span=4,
    ),
    Row("matrix_norm", norm_ref, MATRICES[:2], dtypes=FLOATING + COMPLEX, out="real", tol=8),
    Row(
        "linalg.norm",
        norm_ref,
        VECTORS[:3],
        dtypes=("int32", "uint8"),
        out="float",
        rules="values dtypes",
    ),
    Row("linalg.cross", cross_ref, CROSS, dtypes=("int32", *FLOATING, *COMPLEX), tol=8, span=8),
]


class TestLinalg(OpTests):
    rows = ROWS
