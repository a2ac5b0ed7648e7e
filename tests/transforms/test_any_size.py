"""One trace for a thousand shapes, for every family of ops whose parameters hold no sizes."""

import numpy as np
import pytest

import olivine.core as mx
from olivine import sparse
from tests.support import ROOT, assert_close, dtype_name, flat, to_np
from tests.transforms.test_compile import counted

RNG = np.random.default_rng(5)
W = mx.array(RNG.standard_normal((3, 5)).astype(np.float32))
KERNEL = mx.array(RNG.standard_normal((4, 3, 1)).astype(np.float32))
MATRIX = tuple(sparse.random((7, 9), 0.4, key=mx.random.key(1)).to_csr())
ONE, ROW, COLUMN = mx.array(1.0), mx.ones((64,)), mx.arange(9.0)[:, None]

# Functions of x, shape (n, m); by the names of api/*.pyi.
FAMILIES = {
    "elementwise": lambda x: mx.where(x > 0, mx.exp(-x) + 1, mx.maximum(x, -1) * 2).astype(mx.float16),
    "reduction": lambda x: (mx.mean(x, 0), mx.var(x, 1), mx.argmax(x, 1), mx.logsumexp(x), mx.softmax(x, 0)),
    "shape": lambda x: (mx.concatenate([x.T, x.T * 2], 0), mx.stack([x, -x]), mx.flatten(x)),
    "indexing": lambda x: mx.take_along_axis(x, mx.argsort(x, axis=1), axis=1),
    "selection": lambda x: (mx.extract(x > 0, x, size=9), mx.argwhere(x > 1, size=4)),
    "matmul": lambda x: (x @ x.T, mx.addmm(ONE, x, x.T)),
    "conv": lambda x: mx.conv1d(x[..., None], KERNEL, padding=1),
    "scan": lambda x: (mx.cumsum(x, axis=1), mx.cumprod(x, axis=0, reverse=True), mx.logcumsumexp(x, axis=1)),
    "sort": lambda x: (mx.sort(x, axis=0), mx.argsort(x, axis=1)),
    "linalg": lambda x: (mx.linalg.pinv(x @ x.T), mx.linalg.expm(mx.tanh(x @ x.T) * 0.1), mx.linalg.norm(x, axis=1)),
    "quantized": lambda x: mx.dequantize(*mx.quantize(mx.sum(x, 1, keepdims=True) * ROW)),
    "fast": lambda x: (mx.fast.rms_norm(x, None, 1e-5), mx.fast.layer_norm(x, None, None, 1e-5),
                       mx.fast.cross_entropy(x, mx.argmax(x, -1))),
    "special": lambda x: (mx.special.gammaln(mx.abs(x) + 1), mx.special.log_softmax(x), mx.special.betainc(2.0, 1.5, mx.sigmoid(x))),
    "sparse": lambda x: mx.csr_matmul(*MATRIX, COLUMN * mx.sum(x, 1)),
    "control_flow": lambda x: (
        *mx.scan(lambda c, r: (mx.tanh(c + r), mx.sum(c)), mx.sum(x, axis=0), x),
        mx.map(lambda r: mx.sort(r), x),
        mx.fori_loop(0, 3, lambda i, c: mx.sin(c) + i, x),
        mx.while_loop(lambda c: mx.max(mx.abs(c)) > 0.5, lambda c: c * 0.5, x),
        mx.cond(mx.sum(x) > 0, lambda v: mx.sin(v) * 2, mx.tanh, x),
        mx.switch(mx.argmax(x) % 3, [mx.sin, mx.cos, mx.abs], x),
        mx.scan(lambda c, r: (mx.fori_loop(0, 2, lambda i, d: mx.cos(d + r), c), None), mx.max(x, axis=0), x)[0],
    ),
    "transforms": lambda x: (mx.grad(lambda x: mx.sum(mx.tanh(x @ x.T)))(x)),
}  # fmt: skip
# Not functions on arrays, or their parameters are sizes: a trace for each size, as MANY_TRACES of
# test_shapeless.py checks.
OTHERS = {
    "array": "methods of the families",
    "cuda metal debug device distributed dtype export io": "no ops of a graph",
    "norm": "in linalg",
    "creation": "masks and the like are made of sizes",
    "einsum": "axes are joined by reshapes to sizes",
    "fft": "lengths of transforms are parameters",
    "random": "shapes of draws are parameters",
}


def check(name, count):
    f, traces = counted(FAMILIES[name])
    c = mx.compile(f, shapeless=True)
    rng = np.random.default_rng(1)
    shapes = set()
    while len(shapes) < count:
        shapes.add(tuple(int(n) for n in rng.integers(2, 60, 2)))
    for shape in sorted(shapes, key=lambda _: rng.uniform()):
        x = mx.array(rng.standard_normal(shape).astype(np.float32))
        for g, w in zip(flat(c(x)), flat(FAMILIES[name](x)), strict=True):
            assert_close(g, to_np(w), dtype_name(w.dtype), 8.0, f"{name} of {shape}", span=1.0)
    assert len(traces) == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_a_few_shapes_take_one_trace(name):
    check(name, 8)


def test_loops_in_files_hold_for_any_sizes(tmp_path):
    path = str(tmp_path / "loops.olv")
    mx.export_function(path, FAMILIES["control_flow"], mx.zeros((3, 4)), shapeless=True)
    again = mx.import_function(path)
    for shape in ((3, 4), (7, 2), (2, 9)):
        x = mx.array(RNG.standard_normal(shape).astype(np.float32))
        for g, w in zip(again(x), flat(FAMILIES["control_flow"](x)), strict=True):
            assert_close(g, to_np(w), dtype_name(w.dtype), 8.0, f"{shape}", span=1.0)


def test_a_carry_that_changes_its_shape_at_other_sizes_is_the_functions_own_error():
    """Of rows of four the step keeps the carry's shape, of others it does not."""
    c = mx.compile(lambda x, w: mx.fori_loop(0, 2, lambda i, v: mx.tanh(v @ w), x), shapeless=True)
    assert c(mx.ones((3, 4)), mx.ones((4, 4))).shape == (3, 4)
    assert c(mx.ones((2, 5)), mx.ones((5, 5))).shape == (2, 5)
    with pytest.raises(ValueError, match="expected the body to return"):
        c(mx.ones((3, 4)), mx.ones((4, 5)))


def test_every_family_is_here():
    families = {p.stem for p in (ROOT / "api").glob("*.pyi")}
    assert families == {*FAMILIES, *" ".join(OTHERS).split()}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_thousand_shapes_take_one_trace(name):
    check(name, 1000)
