"""Helpers that all tests share: dtypes, conversion to and from NumPy, closeness, subprocesses."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import ml_dtypes
import numpy as np

import olivine.core as mx

ROOT = Path(__file__).resolve().parent.parent

UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
INTEGER = UNSIGNED + SIGNED
FLOATING = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool_", *INTEGER, *FLOATING, *COMPLEX)

# Relative error allowed per dtype, some units in the last place; exact for the others.
RTOL = {
    "float16": 1.5e-3,
    "bfloat16": 1.2e-2,
    "float32": 2e-6,
    "float64": 1e-13,
    "complex64": 4e-6,
    "complex128": 1e-13,
}


def mx_dtype(name):
    return getattr(mx, name)


def np_dtype(name):
    if name == "bfloat16":
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(bool if name == "bool_" else name)


def dtype_name(dtype):
    """The name in DTYPES of an array's dtype."""
    text = str(dtype).rsplit(".", 1)[-1]
    return "bool_" if text == "bool" else text


def rounded(x, name):
    """NumPy values as dtype `name` holds them, in that dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(np_dtype(name))


def to_mx(x, name=None):
    """An array of dtype `name` (default: that of `x`) with the values of `x`."""
    x = np.asarray(x)
    if name is None:
        name = "bool_" if x.dtype == bool else x.dtype.name
    x = rounded(x, name)
    if name == "bfloat16":
        return mx.array(x.astype(np.float32)).astype(mx.bfloat16)
    return mx.array(x, dtype=mx_dtype(name))


def to_np(a):
    """The values of an array as NumPy, dtype kept."""
    if a.dtype == mx.bfloat16:
        return np.array(a.astype(mx.float32)).astype(ml_dtypes.bfloat16)
    return np.array(a)


def flat(out):
    """The arrays of a result that is one array or a nest of tuples and lists."""
    if isinstance(out, list | tuple):
        return [leaf for item in out for leaf in flat(item)]
    return [out]


def bits(x):
    """The bytes of an array or NumPy array, for comparisons that let no rounding pass."""
    return np.ascontiguousarray(x if isinstance(x, np.ndarray) else to_np(x)).tobytes()


def assert_same(got, want, what=""):
    """Two results have the same structure, dtypes, shapes and bits (a NaN equals any NaN)."""
    got, want = flat(got), flat(want)
    assert len(got) == len(want), f"{what}: {len(got)} results instead of {len(want)}"
    for a, b in zip(got, want, strict=True):
        x, y = (to_np(v) if isinstance(v, mx.array) else np.asarray(v) for v in (a, b))
        assert x.dtype == y.dtype and x.shape == y.shape, (
            f"{what}: {x.dtype} {x.shape} instead of {y.dtype} {y.shape}"
        )
        if bits(x) != bits(y):
            x, y = widened(x), widened(y)
            same = (x == y) & (np.signbit(x.real) == np.signbit(y.real)) | ((x != x) & (y != y))
            where = np.argwhere(~same)
            assert not len(where), (
                f"{what}: {len(where)} of {x.size} elements differ, first at {where[0]}: "
                f"{x[tuple(where[0])]!r} instead of {y[tuple(where[0])]!r}"
            )


def widened(x):
    return np.asarray(x, np.float64) if x.dtype == np_dtype("bfloat16") else np.asarray(x)


def assert_close(got, want, name, scale=1.0, what="", span=0.0):
    """`got` is within `scale` tolerances of dtype `name` of `want`; `span`: magnitude of addends."""
    got = to_np(got) if not isinstance(got, np.ndarray) else got
    want = np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    if name not in RTOL:
        bad = np.argwhere(got != want)
        assert not len(bad), (
            f"{what}: {len(bad)} of {got.size} elements differ, first at {bad[0]}: "
            f"{got[tuple(bad[0])]!r} instead of {want[tuple(bad[0])]!r}"
        )
        return
    wide = np.complex128 if name in COMPLEX else np.float64
    got, want = got.astype(wide), want.astype(wide)
    finite = np.abs(want[np.isfinite(want)])
    rtol = RTOL[name] * scale
    atol = rtol * max(span, min(float(np.median(finite)), 1.0) if finite.size else 0.0)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=what, equal_nan=True)


# Under the address sanitizer: an allocator of its own, and kernels several times slower.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


def run_python(code, env=None, limit=60, check=True, args=()):
    """Runs Python source in a process of its own; a signal or, with `check`, a failure fails us."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=limit,
    )
    assert process.returncode >= 0, (
        f"died by signal {-process.returncode}\n{process.stderr[-3000:]}"
    )
    if check:
        assert process.returncode == 0, f"{process.stdout[-2000:]}\n{process.stderr[-3000:]}"
    return process


def wait_for_line(process, text, limit=60):
    """Reads a child's standard output until a line holds `text`."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        line = process.stdout.readline()
        if text in line:
            return line
        if not line and process.poll() is not None:
            break
    error = process.stderr.read() if process.stderr and process.poll() is not None else ""
    raise AssertionError(f"the child never printed {text!r}\n{error[-3000:]}")


def load_example(name):
    """The main module of examples/NAME."""
    path = ROOT / "examples" / name / "main.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
