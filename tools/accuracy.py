"""Measures elementwise functions, sums, scans, transforms and sorts, and writes docs/accuracy.md.

    PYTHONPATH=build/release/python python tools/accuracy.py [--print] [--points N]

Needs SciPy and mpmath besides NumPy and ml_dtypes. Inputs and references are computed once; each
instruction set of the machine then computes in a process of its own, and the worst error of all
counts. References: float64 for the narrower dtypes, 80-bit long double for float64 where the C
library has the function, 40 digits by mpmath where not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "accuracy.md"
ISAS = ("plain", "avx2", "avx512", "avx512_bf16", "amx")
DTYPES = ("float32", "float64", "float16", "bfloat16")
LONG = np.longdouble

# Functions of one argument and how NumPy or SciPy call them; the domain where they are finite.
UNARY = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "arcsinh", "arccosh": "arccosh",
    "arctanh": "arctanh", "sqrt": "sqrt", "rsqrt": None, "reciprocal": "reciprocal", "sigmoid": None,
    "erf": None, "erfinv": None, "square": "square",
}  # fmt: skip
BINARY = ("power", "logaddexp", "arctan2", "divide", "remainder")
LIMITS = {"arcsin": (-1, 1), "arccos": (-1, 1), "arctanh": (-1, 1), "erfinv": (-1, 1), "arccosh": (1, np.inf),
          "log1p": (-1, np.inf), "log": (0, np.inf), "log2": (0, np.inf), "log10": (0, np.inf),
          "sqrt": (0, np.inf), "rsqrt": (0, np.inf)}  # fmt: skip


def np_dtype(name):
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


# ---- References.
def by_mpmath(name):
    import mpmath

    mpmath.mp.dps = 40
    f = {"erf": mpmath.erf, "erfinv": mpmath.erfinv}[name]

    def call(x):
        out = np.empty(x.shape, LONG)
        for i, v in enumerate(x):
            high = f(mpmath.mpf(float(v)))
            head = float(high) if mpmath.isfinite(high) else np.inf * float(mpmath.sign(high))
            # The rest of the digits fit a second double.
            out[i] = LONG(head) + (LONG(float(high - head)) if np.isfinite(head) else 0)
        return out

    return call


def reference(name, wide):
    """The function on float64 or long double inputs."""
    if name == "rsqrt":
        return lambda x: 1 / np.sqrt(x)
    if name == "sigmoid":
        return lambda x: np.where(
            x < 0,
            np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))),
            1 / (1 + np.exp(-np.maximum(x, 0))),
        )
    if name in ("erf", "erfinv"):
        if wide == np.float64:
            import scipy.special

            return getattr(scipy.special, name)
        return by_mpmath(name)
    return getattr(np, UNARY.get(name) or name)


# ---- Inputs.
def sweep(name, dtype, points):
    """Values of all exponents and both signs, and dense ones where the function turns."""
    t = np_dtype(dtype)
    bits = 8 * t.itemsize
    if bits == 16:
        x = np.arange(1 << 16, dtype=np.uint16).view(t)
    else:
        step = max(1, (1 << bits) // points) | 1
        unsigned = np.dtype(f"uint{bits}")
        x = (
            (np.arange(points, dtype=np.uint64) * np.uint64(step % (1 << 64)))
            .astype(unsigned)
            .view(t)
        )
        rng = np.random.default_rng(1)
        near = [rng.uniform(-s, s, points // 8) for s in (1, 10, 100)]
        near += [c + rng.normal(0, 1e-3, points // 16) for c in (1, -1, 0.5, np.pi / 2, np.pi)]
        x = np.concatenate([x, *(n.astype(t) for n in near)])
    low, high = LIMITS.get(name, (-np.inf, np.inf))
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    return x[np.isfinite(wide) & (wide >= low) & (wide <= high)]


def pairs(name, dtype, points):
    rng, t = np.random.default_rng(2), np_dtype(dtype)
    info = ml_dtypes.finfo(t)
    reach = min(abs(int(np.log2(float(info.tiny)))), int(np.log2(float(info.max)))) - 1
    x = np.exp2(rng.uniform(-reach, reach, points)).astype(t)
    if name == "power":  # exponents that keep the result in range, and small whole ones
        y = rng.uniform(-reach, reach, points) / np.maximum(
            np.abs(np.log2(x.astype(np.float64))), 1e-3
        )
        y = np.where(
            rng.uniform(size=points) < 0.2, rng.integers(-9, 10, points), np.clip(y, -1e6, 1e6)
        ).astype(t)
        return x, y
    y = np.exp2(rng.uniform(-reach, reach, points)).astype(t)
    if name == "logaddexp":
        x, y = (rng.normal(0, 20, points).astype(t) for _ in range(2))
    if name == "remainder":
        y = (x.astype(np.float64) / rng.uniform(0.3, 1000, points)).astype(t)
    sign = lambda v: np.where(rng.uniform(size=points) < 0.5, v, -v).astype(t)  # noqa: E731
    return sign(x), sign(y)


def elementwise_cases(points):
    for name in (*UNARY, *BINARY):
        for dtype in DTYPES:
            wide = LONG if dtype == "float64" else np.float64
            slow = dtype == "float64" and name in ("erf", "erfinv")
            count = 3000 if slow else points
            args = (sweep(name, dtype, count),) if name in UNARY else pairs(name, dtype, count)
            keep = np.all([np.isfinite(a.astype(np.float64)) for a in args], axis=0)
            args = [a[keep] for a in args]
            with np.errstate(all="ignore"):
                want = reference(name, wide)(*(a.astype(wide) for a in args))
            yield name, dtype, args, want


# ---- Errors.
def ulps(got, want, dtype):
    """Distance in units of the last place of the exact value in the dtype."""
    info = ml_dtypes.finfo(np_dtype(dtype))
    digits, tiny = info.nmant, LONG(float(info.smallest_subnormal))
    got, want = got.astype(LONG), want.astype(LONG)
    limit = LONG(float(info.max)) * (1 + LONG(2) ** -(digits + 2))
    with np.errstate(all="ignore"):
        unit = np.maximum(np.ldexp(LONG(1), np.frexp(want)[1] - 1 - digits), tiny)
        error = np.abs(got - want) / unit
        # Beyond the largest value infinity is right, and so is the other end of an exact zero.
        error = np.where(
            (np.abs(want) > limit) & np.isinf(got) & (np.sign(got) == np.sign(want)), 0, error
        )
        error = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, error)
    return np.where(np.isnan(error), np.inf, error).astype(np.float64)


def worst(got, args, want, dtype):
    error = ulps(got, want, dtype)
    at = int(np.argmax(error)) if error.size else 0
    return float(error[at]), [float(a[at]) for a in args], float(got[at]), float(want[at])


# ---- Reductions, scans, transforms, sorts: one relative error each, in a worker.
def vector(dtype, n, seed, kind):
    x = (
        np.random.default_rng(seed).standard_normal(n)
        if kind == "normal"
        else np.random.default_rng(seed).uniform(0, 1, n)
    )
    return x.astype(np_dtype(dtype))


def composite_errors(mx, to_mx, to_np):
    """(group, row, dtype) -> error: relative to the sum of magnitudes, in units of eps."""
    out = {}
    for dtype in DTYPES:
        eps = float(ml_dtypes.finfo(np_dtype(dtype)).eps)
        for kind in ("uniform", "normal"):
            x = vector(dtype, 1_000_003, 3, kind)
            w = x.astype(LONG)
            short = w[:50_000]
            a, size = to_mx(x, dtype), np.abs(w).sum()
            got = to_np(mx.sum(a)).astype(LONG)
            if size < float(ml_dtypes.finfo(np_dtype(dtype)).max):
                out[f"sum of 10^6, {kind}", dtype] = abs(got - w.sum()) / size / eps
            out[f"mean of 10^6, {kind}", dtype] = (
                abs(to_np(mx.mean(a)).astype(LONG) - w.mean()) / (size / len(w)) / eps
            )
            got = to_np(mx.cumsum(to_mx(x[:50_000], dtype))).astype(LONG)
            out[f"cumsum of 50,000, {kind}", dtype] = (
                np.max(np.abs(got - np.cumsum(short)) / np.maximum(np.cumsum(np.abs(short)), 1e-3))
                / eps
            )
            out[f"var of 10^6, {kind}", dtype] = (
                abs(to_np(mx.var(a)).astype(LONG) - w.var()) / w.var() / eps
            )
            rows = to_mx(8 * x[:1_000_000].astype(np.float64), dtype)
            exact = to_np(rows).astype(LONG).reshape(1000, 1000)
            rows = mx.reshape(rows, (1000, 1000))
            top = exact.max(1, keepdims=True)
            e = np.exp(exact - top)
            lse = top[:, 0] + np.log(e.sum(1))
            out[f"logsumexp of rows of 1000, {kind}", dtype] = (
                np.max(np.abs(to_np(mx.logsumexp(rows, axis=1)).astype(LONG) - lse) / np.abs(lse))
                / eps
            )
            soft = e / e.sum(1, keepdims=True)
            tiny = 1e3 * float(ml_dtypes.finfo(np_dtype(dtype)).tiny)
            got = to_np(mx.softmax(rows, axis=1)).astype(LONG)
            out[f"softmax of rows of 1000, {kind}", dtype] = (
                np.max(np.where(soft > tiny, np.abs(got - soft) / soft, 0)) / eps
            )
    return out


def fft_errors(mx, to_mx, to_np):
    """(sizes, dtype) -> L2 error relative to the exact transform's, in units of eps."""
    groups = {"powers of two, 8 to 2^17": [8, 64, 512, 4096, 65536, 131072], "2^a 3^b 5^c 7^d, 12 to 100,800": [12, 60, 210, 1000, 5040, 100800],
              "primes, 11 to 65,537": [11, 13, 97, 1009, 8191, 65537]}  # fmt: skip
    out = {}
    for dtype, real in (("complex64", "float32"), ("complex128", "float64")):
        eps, rng = float(np.finfo(real).eps), np.random.default_rng(5)
        for group, sizes in groups.items():
            for name in ("fft", "ifft", "rfft", "irfft"):
                errors = []
                for n in sizes:
                    x = rng.standard_normal(n) + (
                        0 if name == "rfft" else 1j * rng.standard_normal(n)
                    )
                    x = x.astype(real if name == "rfft" else dtype)
                    if name == "irfft":
                        x = np.fft.rfft(x.real.astype(LONG)).astype(dtype)
                    arguments = (n,) if name == "irfft" else ()
                    want = getattr(np.fft, name)(
                        x.astype(LONG if name == "rfft" else np.clongdouble), *arguments
                    )
                    got = to_np(
                        getattr(mx.fft, name)(
                            mx.array(x, dtype=getattr(mx, x.dtype.name)), *arguments
                        )
                    )
                    errors.append(
                        float(
                            np.linalg.norm((got - want).astype(np.complex128))
                            / np.linalg.norm(want.astype(np.complex128))
                        )
                    )
                out[f"{name}, {group}", dtype] = max(errors) / eps
    return out


def sort_exactness(mx, to_mx, to_np):
    """Which dtypes sort, argsort, partition and search like NumPy, infinities, NaN and ties included."""
    out = {}
    rng = np.random.default_rng(6)
    for dtype in (*DTYPES, "int8", "uint16", "int32", "int64", "uint64", "bool_"):
        x = rng.normal(0, 50, 20_011)
        if dtype in DTYPES:
            x[::1000], x[1::1000], x[2::1000], x[3::1000] = np.inf, -np.inf, np.nan, 0.0
        elif dtype.startswith("u"):
            x = np.abs(x)
        x = x > 0 if dtype == "bool_" else x.astype(np_dtype(dtype))
        a, w = to_mx(x, dtype), x.astype(np.float64 if dtype in DTYPES else x.dtype)
        order = np.argsort(w, kind="stable")
        same = np.array_equal(
            to_np(mx.sort(a)).astype(w.dtype), w[order], equal_nan=dtype in DTYPES
        )
        same &= np.array_equal(to_np(mx.argsort(a)), order)
        part = to_np(mx.partition(a, 777)).astype(w.dtype)
        same &= (
            np.array_equal(np.sort(part), np.sort(w), equal_nan=dtype in DTYPES)
            and part[777] == w[order][777]
        )
        out["sort, argsort, partition", dtype] = 0.0 if same else 1.0
    return out


def worker(folder):
    """Computes every case of a folder, and the composite errors."""
    import olivine.core as mx

    def to_mx(x, dtype):
        if dtype == "bfloat16":
            return mx.array(x.astype(np.float32)).astype(mx.bfloat16)
        return mx.array(x.astype(np.bool_ if dtype == "bool_" else dtype), dtype=getattr(mx, dtype))

    def to_np(a):
        return (
            np.array(a.astype(mx.float32)).astype(ml_dtypes.bfloat16)
            if a.dtype == mx.bfloat16
            else np.array(a)
        )

    results = {}
    for path in sorted(Path(folder).glob("*.npz")):
        name, dtype = path.stem.split("-")
        with np.load(path) as data:
            args = [data[f"a{i}"] for i in range(2) if f"a{i}" in data]
            args = [a.view(np_dtype(dtype)) for a in args]
            got = to_np(getattr(mx, name)(*(to_mx(a, dtype) for a in args)))
            results[f"{name}|{dtype}"] = worst(got, args, data["want"], dtype)
    for part in (composite_errors, fft_errors, sort_exactness):
        results |= {"|".join(key): float(value) for key, value in part(mx, to_mx, to_np).items()}
    print(json.dumps(results))


def run_workers(folder):
    """Per case the worst of all instruction sets, and which those were."""
    total, used = {}, []
    for isa in ISAS:
        command = [sys.executable, __file__, "--worker", folder]
        run = subprocess.run(
            command, env={**os.environ, "OLIVINE_CPU_ISA": isa}, capture_output=True, text=True
        )
        if run.returncode:
            if "OLIVINE_CPU_ISA" in run.stderr:
                continue  # this machine lacks it
            sys.exit(run.stderr)
        used.append(isa)
        for key, value in json.loads(run.stdout).items():
            total[key] = max(total.get(key, value), value)
    return total, used


# ---- The page.
def table(head, rows, results, columns, digits=2):
    lines = [f"| {head} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        cells = []
        for column in columns:
            value = results.get(f"{row}|{column}")
            value = value[0] if isinstance(value, list) else value
            cells.append(
                "" if value is None else f"{value:.{digits}g}" if value < 1e4 else f"{value:.1e}"
            )
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# Why an error is large, where it is not the kernel's.
NOTES = {
    "logaddexp": "is the larger argument plus `log1p(exp(-difference))`: where the two cancel, near a result of 0, the error is that "
    "of the larger argument's last place, as in NumPy.",
}
SUM_NOTE = """Softmax takes the exponential of the difference to the largest element, and that difference is
rounded: its error, times the element's distance from the largest (up to 60 here), is what the last
rows show. Running sums carry from vector to vector.
"""


def notes(results):
    """What lies above 2 ulp in float32 or 4 in float64, and why."""
    high = {}
    for key, value in results.items():
        if isinstance(value, list) and value[0] > {"float64": 4}.get(key.split("|")[1], 2):
            name, dtype = key.split("|")
            high.setdefault(name, []).append(
                f"{value[0]:.3g} in {dtype} at {', '.join(f'{v:.6g}' for v in value[1])}"
            )
    lines = [
        f"- `{n}`, {'; '.join(w)}: {NOTES.get(n, 'the polynomial and its rounding.')}"
        for n, w in high.items()
    ]
    head = (
        "Above 2 ulp in float32 or 4 ulp in float64:\n\n"
        if lines
        else "None is above 2 ulp in float32 or 4 ulp in float64."
    )
    return head + "\n".join(lines) + "\n"


def page(results):
    rows = list(
        dict.fromkeys(
            key.split("|")[0] for key in results if key.split("|")[0] not in (*UNARY, *BINARY)
        )
    )
    ffts = [r for r in rows if "fft, " in r]
    sums = [r for r in rows if r not in ffts and not r.startswith("sort")]
    sorts = [key.split("|")[1] for key, v in results.items() if key.startswith("sort,")]
    bad = [key.split("|")[1] for key, v in results.items() if key.startswith("sort,") and v]
    exact = f"`sort`, `argsort` and `partition` equal NumPy's bit for bit for {', '.join(s for s in sorts if s not in bad)}"
    return f"""# Accuracy

Written by `tools/accuracy.py`, which says what it needs; the worst of all instruction sets. Linear
algebra has [its own page](accuracy-linalg.md).

## Elementwise functions

The largest error in units of the last place (ulp) of the exact result; 0.5 is correctly rounded.
float16 and bfloat16: every value. float32 and float64: values of all exponents and both signs, and
dense ones where functions turn; subnormal numbers included.

{table("function", (*UNARY, *BINARY), results, DTYPES)}

{notes(results)}
## Sums and scans

The error relative to the sum of magnitudes (sum, mean, cumsum) or to the result, in units of the
dtype's eps; "normal" values cancel.

{table("function", sums, results, DTYPES)}

{SUM_NOTE}
## Fourier transforms

The L2 error relative to that of the result, in units of eps.

{table("transform and sizes", ffts, results, ("complex64", "complex128"))}

## Sorting

{exact}, infinities, NaN and ties included.{" Not so: " + ", ".join(bad) if bad else ""}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    parser.add_argument(
        "--points", type=int, default=1_000_000, help="per function of float32 and float64"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker)
    with tempfile.TemporaryDirectory() as folder:
        for name, dtype, arrays, want in elementwise_cases(args.points):
            raw = {
                f"a{i}": a.view(np.uint16) if a.dtype.itemsize == 2 else a
                for i, a in enumerate(arrays)
            }
            np.savez(Path(folder) / f"{name}-{dtype}.npz", want=want, **raw)
        results, used = run_workers(folder)
    text = page(results)
    for key, value in results.items():
        if isinstance(value, list) and value[0] > (4 if key.endswith("float64") else 2):
            print(
                f"{key}: {value[0]:.3g} ulp at {value[1]}: {value[2]!r} instead of {value[3]!r}",
                file=sys.stderr,
            )
    print("instruction sets:", *used, file=sys.stderr)
    if not args.print:
        PAGE.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
