"""The C library through a foreign-function interface: every function is called, none ever dies."""

import ctypes
import inspect
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx

from .c_headers import ROOT, Headers

LIBRARY = Path(mx.__file__).parent / "lib" / "libolivine_c.so"
# Whose functions must all succeed; closures and what takes them have tests of their own.
HEADERS = {"array.h", "device.h", "map.h", "string.h", "types.h", "vector.h"}

INTS, SIZES = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_size_t)

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="built without the C library")


@pytest.fixture(scope="module")
def headers():
    return Headers()


@pytest.fixture(scope="module")
def lib(headers):
    return headers.load(LIBRARY)


@pytest.mark.skipif(not shutil.which("nm"), reason="no nm to list symbols with")
def test_the_library_exports_what_the_headers_declare_and_nothing_else(headers):
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True
    ).stdout
    names = dict(line.split()[-1].split("@@") for line in listed.splitlines() if "@@" in line)
    assert set(names.values()) == {"OLIVINE_C_0"}
    assert len(names) == len([line for line in listed.splitlines() if " A " not in line])
    assert set(names) == set(headers.functions)


def calls(tmp_path, mode, seed, tries):
    place = tmp_path / "place"
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.bindings.c_calls",
            LIBRARY,
            mode,
            str(seed),
            str(tries),
            place,
        ],
        cwd=tmp_path,  # where hostile paths of files end up
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, f"{run.returncode} in {place.read_text()}\n{run.stderr[-2000:]}"
    return json.loads(run.stdout.splitlines()[-1])


def test_every_function_succeeds_with_sensible_arguments(tmp_path, headers):
    result = calls(tmp_path, "sensible", 1, 400)
    known = {
        f.name
        for f in headers.functions.values()
        if f.header in HEADERS or f.header.startswith("generated/")
    }
    known -= {"olivine_fori_loop", "olivine_while_loop"}  # of other functions than the identity
    assert len(known) > 450
    assert not known & set(result["never"])
    assert not result["silent"]


@pytest.mark.parametrize("seed", range(3))
def test_no_argument_kills_the_process_or_fails_without_a_message(tmp_path, headers, seed):
    result = calls(tmp_path, "hostile", seed, 25)
    assert result["calls"] == 25 * len(headers.functions)
    assert not result["silent"]


def test_threads_have_their_own_errors_and_share_handles(lib, headers):
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    shared, source = lib.olivine_array_new(), to_c(lib, table)
    none = headers.types["olivine_stream"]()
    lib.olivine_transpose(ctypes.byref(shared), source, none)

    def work(n):
        for _ in range(50):
            result = lib.olivine_array_new()
            assert lib.olivine_expand_dims(ctypes.byref(result), source, n, none) == 1
            assert f"got {n}" in lib.olivine_last_error().decode()
            # A shape and rows, which the handle makes for whoever comes first.
            assert ctypes.cast(lib.olivine_array_shape(shared), INTS)[0:2] == [4, 3]
            assert ctypes.cast(lib.olivine_array_strides(shared), SIZES)[0:2] == [3, 1]
            np.testing.assert_array_equal(from_c(lib, shared), table.T)
        return n

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(10, 18))) == list(range(10, 18))
    lib.olivine_array_free(shared)
    lib.olivine_array_free(source)


# ---- Values: what Python's functions of the same names give.
MATRICES = [
    np.array(v, np.float32).reshape(3, 3)
    for v in ([0.5, 0.25, -0.5, 0.75, 0.9, 0.1, -0.3, 0.2, 0.6], np.linspace(0.1, 0.9, 9))
]
PASSED = {"axis": 1, "axes": [0, 1], "keepdims": True, "inclusive": True, "k": 1, "kth": 1}
PASSED |= {"ddof": 1, "decimals": 1, "dtype": "float32", "offset": 1, "axis1": 0, "axis2": 1}
PASSED |= {"rtol": 0.5, "atol": 0.5, "alpha": 2.0, "beta": 0.5, "repeats": 2, "n": 3, "d": 0.5}
PASSED |= {"shape": [9], "source": 0, "destination": 1, "start_axis": 0, "end_axis": 1, "M": 5}


def to_c(lib, a):
    shape = (ctypes.c_int * a.ndim)(*a.shape)
    return lib.olivine_array_new_data(a.ctypes.data, shape, a.ndim, 10)  # float32


def from_c(lib, h):
    dtypes = "bool u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 u2 c8 c16".split()
    shape = [lib.olivine_array_dim(h, i) for i in range(lib.olivine_array_ndim(h))]
    data, size = lib.olivine_array_data(h), lib.olivine_array_nbytes(h)
    dtype = np.dtype(dtypes[lib.olivine_array_dtype(h)])
    return np.frombuffer(ctypes.string_at(data, size), dtype).reshape(shape)


def both_ways(lib, f, python):
    """The results of C and of Python with the same arguments."""
    args, arrays, named, kept = [], [], {}, []
    defaults = inspect.signature(python).parameters
    for p in f.parameters[1:]:
        if p.name.endswith("_num"):
            args.append(len(PASSED[p.name[: -len("_num")]]))
        elif p.type == "olivine_array":
            arrays.append(MATRICES[len(arrays) % 2])
            args.append(to_c(lib, arrays[-1]))
            kept.append(args[-1])
        elif p.type == "olivine_stream":
            args.append(lib.olivine_stream_new())
        else:
            value = PASSED.get(p.name, False)
            named["axis" if p.name == "axes" and "axis" in defaults else p.name] = value
            args.append((ctypes.c_int * len(value))(*value) if isinstance(value, list) else value)
            if p.type == "olivine_dtype":
                args[-1], named[p.name] = 10, mx.float32
    if "axis" in defaults and "axis" not in named:
        named["axis"] = None  # without an axis C means all of them, or the flattened array
    result = lib.olivine_array_new()
    assert getattr(lib, f.name)(ctypes.byref(result), *args) == 0, lib.olivine_last_error()
    expected = python(*map(mx.array, arrays), **named)
    got = from_c(lib, result)
    for h in [*kept, result]:
        lib.olivine_array_free(h)
    return got, np.array(expected)


def counterpart(f):
    """The Python function that a C function stands for, or None."""
    name, module = f.name.removeprefix("olivine_"), mx
    for sub in ("linalg", "fft", "fast"):
        if name.startswith(sub + "_"):
            name, module = name[len(sub) + 1 :], getattr(mx, sub)
    return getattr(module, name.removesuffix("_axis").removesuffix("_axes"), None)


def test_values_are_those_of_python(lib, headers):
    simple = {"olivine_array", "olivine_stream", "olivine_dtype", "bool", "int", "float", "double"}
    compared = set()
    for f in headers.functions.values():
        python = counterpart(f)
        types = {p.type for p in f.parameters[1:]} - {"int*", "size_t"}
        counts = {p.name for p in f.parameters if p.type == "size_t"}
        known = all(
            p.type not in ("int", "int*", "float", "double") or p.name in PASSED
            for p in f.parameters[1:]
        )
        usable = f.header.startswith("generated/") and f.parameters[0].type == "olivine_array*"
        if not (
            python and usable and types <= simple and known and counts <= {"axes_num", "shape_num"}
        ):
            continue
        try:
            got, expected = both_ways(lib, f, python)
        except (TypeError, AssertionError, ValueError, ctypes.ArgumentError) as error:
            print("left out:", f.name, error)  # needs other arguments than these
            continue
        np.testing.assert_allclose(got, expected, rtol=1e-6, err_msg=f.name)
        compared.add(f.name)
    assert len(compared) > 150, len(compared)
