"""Eigenvalues and singular values by blocked reductions: spectra, scales, views, threads."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import run_python, to_mx, to_np

L = mx.linalg
REAL = ("float32", "float64")
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
# Smaller matrices than 64 x 64 go to LAPACK whole. Bands have 32 columns, leaves of divide and
# conquer at most 32.
ORDERS = (1, 2, 33, 63, 64, 65, 96, 127, 130, 257)


def spectra(n):
    """Symmetric matrices by name, in double precision."""
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n))
    q = np.linalg.qr(a)[0]
    near = np.choose(np.arange(n) % 3, (np.ones(n), np.full(n, -2.0), 1 + 1e-6 * np.arange(n)))
    beside = np.eye(n, k=1) + np.eye(n, k=-1)
    return {
        "gaussian": a + a.T,
        "identity": np.eye(n),
        "zero": np.zeros((n, n)),
        "ones": np.ones((n, n)),
        "diagonal": np.diag(rng.standard_normal(n)),
        "clusters": q * near @ q.T,
        "graded": q * 10.0 ** -np.linspace(0, 30, n) @ q.T,
        "laplacian": 2 * np.eye(n) - beside,
        "wilkinson": np.diag(np.abs(np.arange(n) - n // 2)) + beside,
        "rank 3": a[:, :3] @ a[:, :3].T,
        "large": (a + a.T) * 1e34,
        "small": (a + a.T) * 1e-34,
        "integers": np.round(3 * (a + a.T)),
        "two blocks": np.kron(np.eye(2), a + a.T)[:n, :n],
        "arrow": np.diag(np.arange(n) + 1.0) + np.outer(np.arange(n) == 0, np.ones(n)),
    }


def wide(x):
    return to_np(x).astype(np.float64)


def identity_error(v):
    return np.linalg.norm(np.swapaxes(v, -1, -2) @ v - np.eye(v.shape[-1]))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n", ORDERS)
def test_eigenvectors_diagonalize_and_are_orthogonal(n, name):
    for kind, a in spectra(n).items():
        a = a.astype(name)
        a = np.tril(a) + np.tril(a, -1).T
        w, v = map(wide, L.eigh(to_mx(a)))
        norm = np.linalg.norm(a.astype(np.float64), 2)
        limit = 20 * np.sqrt(n) * EPS[name]
        assert np.all(np.diff(w) >= 0), kind
        assert np.linalg.norm(a @ v - v * w) <= limit * norm, kind
        assert identity_error(v) <= limit, kind
        want = np.linalg.eigvalsh(a.astype(np.float64))
        for got in (w, wide(L.eigvalsh(to_mx(a)))):
            assert np.abs(got - want).max() <= 8 * limit * norm, kind


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "shape", [(n, n) for n in ORDERS] + [(100, 70), (70, 100), (300, 64), (64, 300), (129, 65)]
)
def test_singular_vectors_multiply_back_and_are_orthogonal(shape, name):
    m, n = shape
    k, eye = min(shape), np.eye(m, n)
    rng = np.random.default_rng(m)
    a = rng.standard_normal(shape)
    kinds = {kind: x for kind, x in spectra(max(shape)).items() if kind not in ("large", "small")}
    kinds = {kind: x[:m, :n] for kind, x in kinds.items()}
    kinds |= {"large": a * 1e34, "small": a * 1e-34, "bidiagonal": eye + np.eye(m, n, k=1)}
    kinds["columns of zeros"] = a * (np.arange(n) % 3 != 0)
    for kind, x in kinds.items():
        x = x.astype(name)
        for view in (to_mx(x), to_mx(np.ascontiguousarray(x.T)).T):
            u, s, vh = map(wide, L.svd(view))
            u, vh = u[:, :k], vh[:k]
            norm = np.linalg.norm(x.astype(np.float64), 2)
            # LAPACK's own tests allow 50 n eps.
            limit = (10 + 5 * max(shape)) * EPS[name]
            assert np.all(s >= 0) and np.all(np.diff(s) <= 0), kind
            assert np.linalg.norm(u * s @ vh - x) <= limit * norm, kind
            assert identity_error(u) <= limit and identity_error(vh.T) <= limit, kind
            want = np.linalg.svd(x.astype(np.float64), compute_uv=False)
            for got in (s, wide(L.svd(view, compute_uv=False))):
                assert np.abs(got - want).max() <= limit * norm, kind


@pytest.mark.parametrize("name", REAL)
def test_matrices_of_a_batch_are_decomposed_one_by_one(name):
    a = np.random.default_rng(0).standard_normal((2, 3, 80, 80)).astype(name)
    symmetric = a + np.swapaxes(a, -1, -2)
    for f, x in ((L.eigh, symmetric), (L.svd, a), (L.svd, a[..., :70])):
        whole = [to_np(part) for part in f(to_mx(x))]
        for index in np.ndindex(2, 3):
            for part, one in zip(whole, f(to_mx(np.ascontiguousarray(x[index]))), strict=True):
                assert np.array_equal(part[index], to_np(one))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_broken_matrices_give_nan(broken):
    a = np.random.default_rng(0).standard_normal((2, 70, 70)).astype("float32")
    a[1, 60, 50] = broken
    for part in (*L.eigh(to_mx(a)), L.eigvalsh(to_mx(a)), *L.svd(to_mx(a))):
        assert np.isnan(to_np(part)[1]).all() and not np.isnan(to_np(part)[0]).any()


def test_the_other_triangle_is_not_read():
    a = np.random.default_rng(0).standard_normal((90, 90)).astype("float32")
    w, v = L.eigh(to_mx(a + a.T))
    for uplo, part in (("L", np.tril), ("U", np.triu)):
        broken = np.where(part(np.ones((90, 90))) > 0, a + a.T, np.nan).astype("float32")
        got = L.eigh(to_mx(broken), UPLO=uplo)
        assert np.array_equal(to_np(got[0]), to_np(w)) and np.array_equal(to_np(got[1]), to_np(v))


CHECKS = """
    import numpy as np
    import olivine.core as mx
    for dtype, eps in (("float32", 2.0**-23), ("float64", 2.0**-52)):
        a = np.random.default_rng(0).standard_normal((300, 260)).astype(dtype)
        square = a[:260] + a[:260].T
        outputs = [mx.linalg.eigh(mx.array(square, dtype=getattr(mx, dtype)))]
        outputs += [mx.linalg.svd(mx.array(x, dtype=getattr(mx, dtype))) for x in (a, a[:, :90])]
        w, v = (np.array(x).astype(float) for x in outputs[0])
        assert np.linalg.norm(square @ v - v * w) < 300 * eps * np.abs(w).max()
        for x, usv in zip((a, a[:, :90]), outputs[1:]):
            u, s, vh = (np.array(x).astype(float) for x in usv)
            assert np.linalg.norm(u[:, : s.size] * s @ vh - x) < 300 * eps * s[0]
        print([hash(np.array(x).tobytes()) for parts in outputs for x in parts])
"""


@pytest.mark.parametrize("isa", ["plain", "avx2", "avx512"])
def test_instruction_sets_and_threads(isa):
    """Each is accurate, and its bits do not depend on the number of threads."""
    fixed = {"PYTHONHASHSEED": "0", "OLIVINE_CPU_ISA": isa}
    available = run_python(
        "import olivine.core as mx; mx.eval(mx.ones(2) @ mx.ones(2))", fixed, check=False
    )
    if available.returncode:
        pytest.skip(f"this machine has no {isa}")
    one, two, five = (run_python(CHECKS, {"OLIVINE_NUM_THREADS": n, **fixed}).stdout for n in "125")
    assert one and one == two == five
