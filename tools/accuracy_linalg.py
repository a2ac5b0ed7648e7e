"""Measures linear algebra against higher precision and writes docs/accuracy-linalg.md.

    .venv/bin/python tools/accuracy_linalg.py [--print]

Errors are in units of the dtype's rounding, eps, relative to the norm of the expected result, and
the worst of eight matrices. Reconstructions are multiplied out, and references computed, in
numpy.longdouble (64 bits of mantissa on x86). NumPy gets the same matrices.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import olivine.core as mx

DTYPES = ("float32", "float64", "complex64", "complex128")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "accuracy-linalg.md"
SIZE, COUNT = 48, 8
L = mx.linalg


def long(x):
    x = np.asarray(x)
    return x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble)


def h(x):
    return x.swapaxes(-1, -2).conj()


def product(*factors):
    out = long(factors[0])
    for f in factors[1:]:
        out = out @ long(f)
    return out


def size(x):
    return np.sqrt(np.sum(np.abs(x) ** 2))


def distance(got, want):
    return float(size(got - want) / size(want))


def draw(rng, shape, name):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if name.startswith("c") else x).astype(name)


def inverse(a):
    """By Newton's iteration in long double from double precision, for well-conditioned matrices."""
    wide = np.complex128 if np.iscomplexobj(a) else np.float64
    x, one = long(np.linalg.inv(a.astype(wide))), np.eye(len(a), dtype=np.longdouble)
    for _ in range(3):
        x = x @ (2 * one - long(a) @ x)
    return x


def pivoted_det(a):
    """Gaussian elimination in long double."""
    a, det = long(a).copy(), np.longdouble(1)
    for k in range(len(a)):
        at = k + int(np.argmax(np.abs(a[k:, k])))
        if at != k:
            a[[k, at]], det = a[[at, k]], -det
        det = det * a[k, k]
        a[k + 1 :, k:] -= np.outer(a[k + 1 :, k] / a[k, k], a[k, k:])
    return det


def identity_error(q):
    return distance(product(h(q), q), np.eye(q.shape[-1]))


def lu(a, f):
    p, lower, upper = f(a)
    return distance(product(lower, upper)[p], a)


def cholesky(a, f):
    factor = f(a)
    return distance(product(factor, h(factor)), a)


def eigh(a, f):
    w, v = f(a)
    return distance(product(v * w, h(v)), a)


def eig(a, f):
    w, v = f(a)
    return distance(product(a, v), long(v) * long(w))


def qr(a, f):
    return distance(product(*f(a)), a)


def first_basis(a, f):
    return identity_error(f(a)[0])


def second_basis(a, f):
    return identity_error(f(a)[1])


def against(reference):
    return lambda a, f: distance(long(f(a)), reference(a))


def inverse_gram(a):
    lower = np.tril(a)
    return inverse(product(lower, h(lower)))


def logdet(a, f):
    return float(abs(long(f(a)[1]) - np.log(abs(pivoted_det(a)))))


def svd(a, f):
    u, s, vh = f(a)
    return distance(product(u[:, : len(s)] * s, vh[: len(s)]), a)


def solve(a, f):
    b = a[:, :5]
    x = f(a, np.ascontiguousarray(b[::-1]))
    scale = np.linalg.norm(a) * np.linalg.norm(x)
    return float(np.linalg.norm((product(a, x) - long(b[::-1])).astype(np.complex128)) / scale)


def run(f):
    """A function of Olivine as one of NumPy arrays."""

    def call(*arrays):
        out = f(*(mx.array(a, dtype=getattr(mx, a.dtype.name)) for a in arrays))
        return tuple(map(np.array, out)) if isinstance(out, tuple) else np.array(out)

    return call


def gram(a):
    return (a @ h(a) / len(a) + np.eye(len(a))).astype(a.dtype)


def even(a):
    return (a / 2 + h(a) / 2).astype(a.dtype)


def plain(a):
    return a


def scaled(a):
    return (a / np.sqrt(len(a)) + 2 * np.eye(len(a))).astype(a.dtype)


# What is measured, its Olivine and NumPy functions, and how the random matrix is prepared.
BACKWARD, RELATIVE = "backward, ", "relative"
ROWS = (
    ("cholesky", BACKWARD + "`L L^H`", cholesky, L.cholesky, np.linalg.cholesky, gram),
    ("lu", BACKWARD + "`L[p] U`", lu, L.lu, None, plain),
    ("qr", BACKWARD + "`Q R`", qr, L.qr, np.linalg.qr, plain),
    ("qr", "orthogonality of Q", first_basis, L.qr, np.linalg.qr, plain),
    ("svd", BACKWARD + "`U S Vt`", svd, L.svd, np.linalg.svd, plain),
    ("svd", "orthogonality of U", first_basis, L.svd, np.linalg.svd, plain),
    ("eigh", BACKWARD + "`V w V^H`", eigh, L.eigh, np.linalg.eigh, even),
    ("eigh", "orthogonality of V", second_basis, L.eigh, np.linalg.eigh, even),
    ("eig", "residual, `a V - V w`", eig, L.eig, np.linalg.eig, plain),
    ("solve", BACKWARD + "`a x - b`", solve, L.solve, np.linalg.solve, plain),
    ("inv", RELATIVE, against(inverse), L.inv, np.linalg.inv, scaled),
    ("tri_inv", RELATIVE, against(lambda a: inverse(np.tril(a))), L.tri_inv, None, scaled),
    ("cholesky_inv", RELATIVE, against(inverse_gram), L.cholesky_inv, None, scaled),
    ("pinv", RELATIVE, against(inverse), L.pinv, np.linalg.pinv, scaled),
    ("det", RELATIVE, against(pivoted_det), L.det, np.linalg.det, scaled),
    ("slogdet", "absolute, logarithm", logdet, L.slogdet, np.linalg.slogdet, scaled),
    ("norm", RELATIVE, against(lambda a: size(long(a))), L.norm, np.linalg.norm, plain),
)


def worst(measure, f, prepare, name):
    rng = np.random.default_rng(0)
    eps = np.finfo(name).eps
    return max(measure(prepare(draw(rng, (SIZE, SIZE), name)), f) for _ in range(COUNT)) / eps


INTRODUCTION = f"""# Accuracy of linear algebra

Written by `tools/accuracy_linalg.py`: the worst error over {COUNT} random matrices of
{SIZE} x {SIZE}, in units of the dtype's `eps` (2^-23 or 2^-52), against extended precision. The
inverses, `det` and `slogdet` get matrices of condition below 10, since their errors grow with it.
In brackets: NumPy, which computes single precision in double.
"""


def table():
    lines = [
        INTRODUCTION,
        f"| function | error | {' | '.join(DTYPES)} |",
        "|---|---|---|---|---|---|",
    ]
    for name, what, measure, ours, theirs, prepare in ROWS:
        cells = []
        for dtype in DTYPES:
            cell = f"{worst(measure, run(ours), prepare, dtype):.2g}"
            other = f" ({worst(measure, theirs, prepare, dtype):.2g})" if theirs else ""
            cells.append(cell + other)
        lines.append(f"| {name} | {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    args = parser.parse_args()
    text = table()
    if not args.print:
        PAGE.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
