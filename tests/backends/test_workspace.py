"""What kernels take beside their operands is predicted; the reference is the allocator's own account.

One thread, so that how far the tasks of several overlap makes no difference.
"""

import json

import pytest

from tests.support import run_python

PROGRAM = """
import gc, json
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(0)

def array(*shape, dtype=np.float32):
    a = rng.standard_normal(shape)
    return mx.array((a + 1j * rng.standard_normal(shape) if dtype == np.complex64 else a).astype(dtype))

def spd(n, *batch, dtype=np.float32):
    a = rng.standard_normal((*batch, n, n))
    return mx.array((a @ np.swapaxes(a, -1, -2) + n * np.eye(n)).astype(dtype))

L = mx.linalg
cases = {}
for n, batch in ((40, (20,)), (300, ()), (200, (4,))):
    for dtype in (np.float32, np.float64, np.complex64):
        label = f"{n} {batch} {np.dtype(dtype).name}"
        a, x = spd(n, *batch, dtype=np.dtype(dtype)), array(*batch, n, n, dtype=dtype)
        cases |= {
            f"cholesky {label}": (L.cholesky, a),
            f"inv {label}": (L.inv, a),
            f"solve {label}": (L.solve, a, x),
            f"solve_triangular {label}": (L.solve_triangular, a, x),
            f"qr {label}": (L.qr, x),
            f"svd {label}": (L.svd, x),
            f"svdvals {label}": (lambda x: L.svd(x, compute_uv=False), x),
            f"eigh {label}": (L.eigh, a),
            f"eigvalsh {label}": (L.eigvalsh, a),
        }
cases |= {
    "eig": (L.eig, array(150, 150)),
    "det": (L.det, array(300, 300)),
    "expm": (L.expm, array(200, 200)),
    "tall qr": (L.qr, array(2000, 100)),
    "tall svdvals": (lambda x: L.svd(x, compute_uv=False), array(1000, 120)),
}
for shape in ((1 << 18,), (100, 1024), (37, 1009), (3, 100003), (256, 256), (2000, 7)):
    x, z = array(*shape), array(*shape, dtype=np.complex64)
    cases |= {
        f"fft {shape}": (mx.fft.fft, z),
        f"rfft {shape}": (mx.fft.rfft, x),
        f"irfft {shape}": (mx.fft.irfft, z),
        f"rfftn {shape}": (mx.fft.rfftn, x),
        f"irfftn {shape}": (mx.fft.irfftn, z),
        f"fft of columns {shape}": (lambda z: mx.fft.fft(z, axis=0), z),
    }
for bits in (4, 8):
    for dtype in (mx.float32, mx.float16):
        q = mx.quantize(array(512, 1024).astype(dtype), group_size=64, bits=bits)
        for rows in (1, 8, 40, 256):
            for transpose in (True, False):
                x = array(rows, 1024 if transpose else 512).astype(dtype)
                cases[f"quantized {bits} {dtype} {rows} {transpose}"] = (
                    lambda x, *q, bits=bits, transpose=transpose: mx.quantized_matmul(
                        x, *q, transpose=transpose, group_size=64, bits=bits), x, *q)
for mode in ("mxfp4", "mxfp8"):
    q = mx.quantize(array(512, 1024), mode=mode)
    for rows in (1, 40):
        cases[f"quantized {mode} {rows}"] = (
            lambda x, *q, mode=mode: mx.quantized_matmul(x, *q, mode=mode), array(rows, 1024), *q)

for shape in ((300, 1000), (50, 20000), (3, 1 << 18)):
    for dtype in (mx.int8, mx.float16, mx.float32, mx.float64, mx.complex64):
        x = array(*shape).astype(dtype)
        for name in ("sort", "argsort", "partition", "argpartition"):
            f = getattr(mx, name)
            more = () if name.endswith("sort") else (shape[1] // 3,)
            cases[f"{name} {shape} {dtype}"] = (lambda x, f=f, more=more: f(x, *more), x)
            if shape[0] > 3:
                cases[f"{name} of columns {shape} {dtype}"] = (
                    lambda x, f=f, more=more: f(x, *(30 for _ in more), axis=0), x)
for shape in ((1000, 512), (37, 1009)):
    for dtype in (mx.float16, mx.float32, mx.float64):
        x, w, b = (array(*s).astype(dtype) for s in (shape, shape[1:], shape[1:]))
        cases[f"layer norm {shape} {dtype}"] = (
            mx.grad(lambda w, b, x: mx.sum(mx.fast.layer_norm(x, w, b, 1e-5)), argnums=(0, 1, 2)), w, b, x)
        cases[f"rms norm {shape} {dtype}"] = (
            mx.grad(lambda w, x: mx.sum(mx.fast.rms_norm(x, w, 1e-5)), argnums=(0, 1)), w, x)

found = {}
for name, (f, *args) in cases.items():
    mx.eval(args)
    step = mx.compile(f)
    plan = mx.memory_plan(step, *args)
    out = None
    gc.collect()
    others = mx.get_active_memory() - plan.arguments - plan.constants
    out = step(*args)
    mx.reset_peak_memory()
    mx.eval(out)
    found[name] = plan.peak, mx.get_peak_memory() - others, plan.workspace
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    return json.loads(run_python(PROGRAM, {"OLIVINE_NUM_THREADS": "1"}, 300).stdout)


@pytest.mark.parametrize(
    "family",
    ["cholesky", "inv", "solve", "qr", "svd", "eig", "det", "expm", "fft", "quantized", "sort",
     "partition", "norm"],
)  # fmt: skip
def test_workspace_is_predicted(found, family):
    cases = {name: values for name, values in found.items() if family in name}
    assert cases
    far = {
        name: values
        for name, values in cases.items()
        if abs(values[0] - values[1]) > 0.05 * values[1]
    }
    assert not far
    assert any(workspace > 0 for _, _, workspace in cases.values())
