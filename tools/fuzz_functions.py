"""The functions of tests/io/corpus/functions, which tools/fuzz_corpus.py exports.

Together they hold every op that can be exported (tests/io/fuzz_test.cpp checks that), and with
them every kind of parameter. They are small, so that mutations meet what matters.
"""

import struct
import tempfile
from pathlib import Path

import numpy as np

import olivine.core as mx

UNARY = (
    "abs arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh erf erfinv exp expm1 floor "
    "isfinite isinf isnan log log10 log1p log2 logical_not negative reciprocal round rsqrt sigmoid "
    "sign sin sinh sqrt square tan tanh trunc"
).split()
BINARY = (
    "add arctan2 divide equal floor_divide greater less less_equal logaddexp logical_and "
    "logical_or maximum minimum multiply not_equal power remainder subtract"
).split()


def ramp(*shape, dtype=mx.float32):
    size = int(np.prod(shape))
    return (mx.arange(size).reshape(shape) / 7 - 0.5).astype(dtype)


def integers(*values):
    return mx.array(values, mx.int32)


def elementwise():
    x, y, i = ramp(5), ramp(2, 1), integers(5, 3, 1)
    for n, names in enumerate(UNARY[k : k + 9] for k in range(0, len(UNARY), 9)):
        yield f"unary-{n}", lambda x, names=names: [getattr(mx, k)(x) for k in names], (x,)
    yield "binary", lambda x, y: [getattr(mx, k)(x, y) for k in BINARY], (x, y)
    yield (
        "bits",
        lambda i: [
            i & 6,
            i | 1,
            i ^ 3,
            i << 1,
            i >> 1,
            ~i,
            mx.logical_xor(i > 1, i > 3),
        ],
        (i,),
    )
    yield "select", lambda x, y: [mx.where(x > y, x, 2), mx.clip(x, -1, y)], (x, y)
    names = (
        "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float64 "
        "complex64 complex128"
    ).split()
    yield "dtypes", lambda x: [x.astype(getattr(mx, t)) for t in names], (x,)
    yield (
        "complex",
        lambda z: [mx.real(z), mx.imag(z), mx.conjugate(z), z * z, mx.abs(z)],
        (ramp(3, dtype=mx.complex64),),
    )
    yield "double", lambda x: mx.exp(x) + 1, (ramp(2, 3, dtype=mx.float64),)


def shapes():
    x = ramp(3, 4)
    yield (
        "shape",
        lambda x: [
            x.reshape(2, 6),
            x.T,
            mx.broadcast_to(x, (2, 3, 4)),
            x[:, None],
            mx.contiguous(x.T),
            mx.flip(x, 0),
        ],
        (x,),
    )
    yield "slice", lambda x: [x[1:3, ::-1], x[-1], x.at[0:2, 1:4:2].add(1)], (x,)
    yield "update", lambda x, y: mx.slice_update(x, y, mx.array([1, 0]), (0, 1)), (x, ramp(2, 2))
    yield (
        "concatenate",
        lambda x, y: [mx.concatenate([x, y], 1), mx.stack([x, x], 2)],
        (x, ramp(3, 1)),
    )
    yield "strided", lambda x: mx.as_strided(x, (2, 3, 2), (4, 1, 2), 1), (x,)
    yield "view", lambda x: [mx.view(x, mx.int16), mx.view(x, mx.uint8)], (x,)
    yield "diagonal", lambda x: [mx.diagonal(x, 1), mx.diag(x[0]), mx.tril(x)], (x,)
    yield (
        "pad",
        lambda x: [mx.pad(x, ((1, 0), (0, 2))), mx.tile(x, (1, 2)), mx.repeat(x, 2, 0)],
        (x,),
    )
    yield "roll", lambda x: [mx.roll(x, 1, 1), mx.moveaxis(x, 0, 1), mx.split(x, 2, 1)[1]], (x,)
    yield "graph", lambda x, y: [mx.stop_gradient(x), mx.depends(x, y)], (x, ramp(2))
    yield "einsum", lambda x, y: mx.einsum("ij,kj->ik", x, y), (x, ramp(2, 4))


def indexing():
    x, i = ramp(3, 4), integers(2, 0)
    yield "take", lambda x, i: [mx.take(x, i, 1), x[i], x[i, i + 1]], (x, i)
    yield (
        "along",
        lambda x, i: [mx.take_along_axis(x, i, 1), mx.put_along_axis(x, i, mx.array(1.0), 1)],
        (x, i.reshape(2, 1)[:1].astype(mx.uint32)),
    )

    def updates(x, i):
        return [getattr(x.at[i], k)(2.0) for k in ("add", "multiply", "maximum", "minimum")]

    yield "scatter", updates, (x, i)
    yield "scatter-two", lambda x, i, v: x.at[i, i + 1].add(v), (x, i, ramp(2))
    yield "gather-grad", lambda x, i: mx.grad(lambda x: (x[i] ** 2).sum())(x), (x, i)
    yield "mask", lambda x, m: mx.where(m, x, 0), (x, x > 0)

    def selections(x, m):
        read = [mx.extract(m, x, size=5), mx.compress(m[0], x, 1, size=2), mx.argwhere(m, size=3)]
        return [*read, mx.repeat(x, m[0].astype(mx.int32), 1, total_repeat_length=3)]

    yield "selection", selections, (x, x > 0)
    yield "selection-grad", lambda x: mx.grad(lambda x: mx.extract(x > 0, x, 5).sum())(x), (x,)


def reductions():
    x = ramp(3, 4)
    names = "sum prod max min all any argmax argmin mean var logsumexp".split()
    yield "reduce-last", lambda x: [getattr(mx, k)(x, axis=-1) for k in names], (x,)
    yield "reduce-first", lambda x: [getattr(mx, k)(x, axis=0) for k in names], (x,)
    yield (
        "reduce-all",
        lambda x: [mx.sum(x), mx.max(x, axis=(0, 1), keepdims=True), mx.mean(x), mx.argmax(x)],
        (x,),
    )
    yield "half", lambda x: [mx.sum(x, 1), mx.mean(x, 0), mx.softmax(x, 1)], (x.astype(mx.float16),)
    yield "softmax", lambda x: [mx.softmax(x, -1), mx.softmax(x, (0, 1)), mx.median(x)], (x,)
    scans = "cumsum cumprod cummax cummin logcumsumexp".split()
    yield (
        "scan",
        lambda x: [getattr(mx, k)(x, axis=0, reverse=True, inclusive=False) for k in scans],
        (x,),
    )
    yield "scan-last", lambda x: [getattr(mx, k)(x, axis=1) for k in scans], (x,)
    yield "recurrence", lambda x: mx.grad(lambda x: mx.cumprod(x, axis=1).sum())(x), (x,)
    yield (
        "sort",
        lambda x: [
            mx.sort(x, 0),
            mx.argsort(x, 1),
            mx.partition(x, 1, 1),
            mx.argpartition(x, 1, 0),
        ],
        (x,),
    )
    yield (
        "search",
        lambda x, y: [
            mx.searchsorted(x[0], y),
            mx.searchsorted(x[0], y, side="right"),
            mx.topk(y, 2),
        ],
        (x, ramp(4)),
    )


def sparse_products():
    """A 2 x 4 matrix of 3 nonzeros, plain and in blocks; its square, by its transpose."""
    columns, starts = mx.array([3, 0, 1], mx.int32), mx.array([0, 1, 3], mx.int64)
    given = (ramp(3), columns, starts)
    yield "csr", lambda d, i, p, x: mx.csr_matmul(d, i, p, x), (*given, ramp(4, 2))
    yield (
        "csr-grad",
        lambda d, i, p, x: mx.grad(lambda d, x: mx.csr_matmul(d, i, p, x).sum(), (0, 1))(d, x),
        (ramp(3, 2, 1), columns, starts, ramp(4)),
    )

    def square(d, i, p):
        order, rows, ends = mx.csr_transpose(i, p, 4)
        pattern = mx.csr_pattern(i, p, rows, ends, 2, 4)
        return mx.csr_csr_matmul(d, i, p, d[order], rows, ends, *pattern, 2)

    yield "csr-csr", square, given
    yield "csr-csr-grad", lambda d, i, p: mx.grad(lambda d: square(d, i, p).sum())(d), given


def products():
    x, y, i = ramp(3, 4), ramp(4, 2), mx.array([1, 0, 1], mx.uint32)
    yield "matmul", lambda x, y, c: [x @ y, mx.addmm(c, x, y, alpha=2.0, beta=0.5)], (x, y, ramp(2))
    yield "matmul-batch", lambda x, y: x @ y, (ramp(2, 3, 4), ramp(1, 4, 3))
    yield "matmul-half", lambda x: x @ x.T, (ramp(2, 3, dtype=mx.bfloat16),)
    yield "gather-mm", lambda x, y, i: mx.gather_mm(x, y, i, i), (ramp(2, 3, 4), ramp(2, 4, 2), i)
    yield (
        "gather-mm-grad",
        lambda x, y, i: mx.grad(lambda y: mx.gather_mm(x, y, i, i).sum())(y),
        (ramp(2, 3, 4), ramp(2, 4, 2), i),
    )
    segments = mx.array([[0, 2], [2, 4]], mx.uint32)
    yield "segmented", lambda x, y, s: mx.segmented_mm(x, y, s), (x, y, segments)
    yield (
        "segmented-grad",
        lambda x, y, s: mx.grad(lambda x: mx.segmented_mm(x, y, s).sum())(x),
        (x, y, segments),
    )
    yield from sparse_products()
    yield (
        "block-masked",
        lambda x, m: mx.block_masked_mm(x, x, 32, m, m, m),
        (mx.broadcast_to(mx.array(1.0), (32, 32)), mx.array([[True]])),
    )
    yield "hadamard", lambda x: mx.hadamard_transform(x, scale=0.5), (x,)
    yield "hadamard-12", lambda x: mx.grad(lambda x: mx.hadamard_transform(x)[0])(x), (ramp(12),)
    yield "kron", lambda x, y: [mx.kron(x, y), mx.outer(x[0], y[0]), mx.inner(x, x)], (x, y)


def quantizations():
    w = ramp(4, 32)
    for bits, group, mode in (
        (4, 32, "affine"),
        (3, 32, "affine"),
        (4, 32, "mxfp4"),
        (8, 32, "mxfp8"),
        (4, 16, "nvfp4"),
    ):
        how = {"group_size": group, "bits": bits, "mode": mode}
        q = mx.quantize(w, **how)
        name = f"{mode}-{bits}"
        yield f"quantize-{name}", lambda w, how=how: list(mx.quantize(w, **how)), (w,)
        yield f"dequantize-{name}", lambda *q, how=how: mx.dequantize(*q, **how), q
        yield (
            f"product-{name}",
            lambda x, *q, how=how: mx.quantized_matmul(x, *q, **how),
            (ramp(2, 32), *q),
        )
    q = mx.quantize(ramp(2, 4, 32), 32, 4)

    def gather(x, i, *q):
        return mx.gather_qmm(x, *q, rhs_indices=i, group_size=32, bits=4)

    yield "product-gather", gather, (ramp(1, 2, 32), mx.array([1, 0], mx.uint32), *q)
    q = mx.quantize(w, mode="nvfp4")
    yield "product-both", lambda x, *q: mx.qqmm(x, *q, mode="nvfp4"), (ramp(2, 32), *q)
    yield "fp8", lambda x: mx.from_fp8(mx.to_fp8(x), mx.float16), (ramp(5),)


def networks():
    x, q = ramp(3, 4), ramp(1, 2, 3, 4)
    one = mx.ones((4,))
    yield (
        "norms",
        lambda x, w: [
            mx.fast.rms_norm(x, w, 1e-5),
            mx.fast.layer_norm(x, w, w, 1e-5),
            mx.fast.layer_norm(x, None, None, 0.1),
        ],
        (x, one),
    )
    yield (
        "norm-grad",
        lambda x, w: mx.grad(lambda x, w: mx.fast.layer_norm(x, w, w, 1e-5)[0].sum(), (0, 1))(x, w),
        (x, one),
    )

    def rms_norm(x, w):
        return mx.fast.rms_norm(x, w, 1e-5)

    yield "rms-norm-grad", lambda x, w: mx.grad(lambda x: rms_norm(x, w)[0].sum())(x), (x, one)
    yield "checkpoint", lambda x: mx.grad(lambda x: mx.checkpoint(mx.exp)(x).sum())(x), (x,)
    rope = {"traditional": False, "base": 100.0, "scale": 0.5, "offset": 1}
    yield "rope", lambda x: mx.fast.rope(x, 2, **rope), (q,)
    yield (
        "rope-freqs",
        lambda x, f: mx.fast.rope(x, 4, **{**rope, "traditional": True, "base": None}, freqs=f),
        (q, mx.array([1.0, 2.0])),
    )
    attention = mx.fast.scaled_dot_product_attention
    yield "attention", lambda q: attention(q, q, q, scale=0.5, mask="causal"), (q,)
    yield (
        "attention-mask",
        lambda q, m: attention(q, q, q, scale=0.5, mask=m, sinks=mx.ones((2,))),
        (q, ramp(3, 3)),
    )
    yield (
        "attention-grad",
        lambda q: mx.grad(lambda q: attention(q, q, q, scale=0.5, mask="causal").sum())(q),
        (q,),
    )
    yield "cross-entropy", mx.fast.cross_entropy, (x, integers(1, 3, 0))
    yield "conv", lambda x, w: mx.conv1d(x, w, stride=2, padding=1), (ramp(1, 5, 2), ramp(3, 2, 2))
    yield (
        "conv2d",
        lambda x, w: mx.conv2d(x, w, padding=(1, 0), dilation=2, groups=2),
        (ramp(1, 4, 5, 2), ramp(2, 2, 2, 1)),
    )
    yield (
        "conv-grad",
        lambda x, w: mx.grad(lambda x, w: mx.conv_transpose1d(x, w, stride=2).sum(), (0, 1))(x, w),
        (ramp(1, 4, 2), ramp(3, 2, 2)),
    )
    h = ramp(1, 2, 1, 4)
    yield "delta", *delta(h)


def delta(h):
    g = mx.zeros((1, 2, 1))

    def f(q, k, v, g, b, s):
        return mx.fast.gated_delta_update(q, k, v, g, b, s)

    return f, (h, h, h, g, g + 0.5, mx.zeros((1, 1, 4, 4)))


def linear_algebra():
    s = mx.array([[2.0, 0.5, 0.0], [0.5, 3.0, 0.25], [0.0, 0.25, 4.0]])
    la, cpu = mx.linalg, {"stream": mx.cpu}
    yield "solve", lambda s, b: [la.solve(s, b, **cpu), la.inv(s, **cpu)], (s, ramp(3, 2))
    yield (
        "solve-triangular",
        lambda s, b: la.solve_triangular(s, b, upper=True, **cpu),
        (s, ramp(3, 2)),
    )
    yield "solve-grad", lambda s, b: mx.grad(lambda s: la.solve(s, b, **cpu).sum())(s), (s, ramp(3))
    yield "factors", lambda s: [*la.qr(s, **cpu), la.cholesky(s, **cpu), *la.lu(s, **cpu)], (s,)
    yield "eigh", lambda s: [*la.eigh(s, **cpu), la.eigvalsh(s, **cpu)], (s,)
    yield "eig", lambda s: [*la.eig(s, **cpu), la.eigvals(s, **cpu)], (s,)
    yield "svd", lambda x: [*la.svd(x, **cpu), la.svd(x, compute_uv=False, **cpu)], (ramp(3, 2),)
    yield "pinv", lambda x: [la.pinv(x, **cpu), la.norm(x)], (ramp(3, 2),)
    yield "det", lambda s: [la.det(s, **cpu), *la.slogdet(s, **cpu)], (s,)
    yield (
        "det-grad",
        lambda s: mx.grad(lambda s: la.det(s, **cpu) + la.slogdet(s, **cpu)[1])(s),
        (s,),
    )
    yield (
        "qr-grad",
        lambda x: mx.grad(lambda x: sum(f.sum() for f in la.qr(x, **cpu)))(x),
        (ramp(3, 2) + mx.eye(3)[:, :2],),
    )
    yield (
        "svd-grad",
        lambda x: mx.grad(lambda x: sum(f.sum() for f in la.svd(x, **cpu)))(x),
        (ramp(3, 2) + mx.eye(3)[:, :2],),
    )
    yield (
        "matrix-functions",
        lambda s: [la.expm(s, **cpu), la.logm(s, **cpu), la.sqrtm(s, **cpu)],
        (s,),
    )
    yield "lstsq", lambda x, b: la.lstsq(x, b, **cpu), (ramp(3, 2), ramp(3))
    yield (
        "fft",
        lambda x: [mx.fft.fft(x, axis=0), mx.fft.rfft2(x), mx.fft.irfft(x, n=5)],
        (ramp(3, 4),),
    )


def special():
    sp, x = mx.special, ramp(5) + 0.5
    one = (
        "gammaln",
        "gamma",
        "digamma",
        "erfc",
        "erfcx",
        "ndtr",
        "log_ndtr",
        "ndtri",
        "i0",
        "i0e",
        "i1",
        "i1e",
    )
    one += ("j0", "j1", "y0", "y1", "expi", "exp1", "spence")
    yield "special-unary", lambda x: [getattr(sp, name)(x) for name in one], (x,)
    two = ("zeta", "betaln", "gammainc", "gammaincc")
    yield "special-binary", lambda x, y: [getattr(sp, name)(x, y) for name in two], (x + 1, x)
    yield "betainc", lambda a, b, x: sp.betainc(a, b, x), (x, x + 1, sp.ndtr(x))
    yield (
        "betainc-grad",
        lambda a, b, x: mx.grad(lambda *v: sp.betainc(*v).sum(), argnums=(0, 1, 2))(a, b, x),
        (x, x + 1, sp.ndtr(x)),
    )
    yield (
        "gammainc-grad",
        lambda a, x: mx.grad(lambda *v: sp.gammainc(*v).sum(), argnums=(0, 1))(a, x),
        (x, x + 1),
    )


def loops():
    x, h = ramp(3, 2), ramp(2)

    def step(c, x):
        return mx.tanh(c * x), c + 1

    yield "scan", lambda h, x: mx.scan(step, h, x, reverse=True), (h, x)
    yield "scan-grad", mx.grad(lambda h, x: mx.scan(step, h, x)[1].sum()), (h, x)
    yield "count", lambda h: mx.fori_loop(1, 4, lambda i, c: c * i, h), (h,)
    yield (
        "while",
        lambda h: mx.while_loop(lambda c: c[0] < 3, lambda c: c + 1, h, max_steps=5),
        (h,),
    )
    yield (
        "branch",
        lambda i, h: mx.switch(i, [mx.sin, lambda v: v * 2, lambda v: v + h[0]], h),
        (mx.array(1), h),
    )
    yield (
        "nested",
        lambda h, x: mx.scan(
            lambda c, v: (mx.cond(c[0] > v[0], lambda u: u, lambda u: u + v, c), None), h, x
        )[0],
        (h, x),
    )


def makers():
    yield (
        "arange",
        lambda x: [mx.arange(5) + x, mx.linspace(0, 1, 4), mx.arange(0.5, 3.0, 0.5)],
        (mx.array(1),),
    )
    key = mx.random.key(3)
    yield (
        "random",
        lambda k: [
            mx.random.uniform(0, 1, (3,), mx.float16, key=k),
            mx.random.normal((2, 2), key=k),
            mx.random.randint(0, 9, (3,), key=k),
            mx.random.uniform(0, 1, (2,), mx.float64, key=k),
        ],
        (key,),
    )
    captured = [ramp(3), mx.array([True, False, True]), mx.zeros((3,)), ramp(3, dtype=mx.float16)]
    yield (
        "random-shaped",
        lambda k, x: [
            mx.random.gumbel((3,), key=k),
            mx.random.laplace((3,), key=k),
            mx.random.truncated_normal(x, x + 1, key=k),
        ],
        (key, ramp(2)),
    )
    yield "constants", lambda x: [x + c for c in captured], (mx.array(2.0),)
    yield "no-inputs", lambda: mx.ones((2,)) + mx.arange(2), ()
    yield "no-ops", lambda x: (x, x, captured[0]), (ramp(2),)
    yield "empty", lambda x: [mx.sum(x, 0), mx.concatenate([x, x]), x.T], (mx.zeros((0, 3)),)


def export(f, args, **how):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        mx.export_function(str(path), f, *args, **how)
        return path.read_bytes()


def shapeless():
    x, y = ramp(2, 3), ramp(3, 4)
    yield (
        "any-sizes",
        export(
            lambda x, y: [mx.softmax(x @ y, axis=-1), mx.mean(mx.exp(x), axis=0), mx.sort(x, 0)],
            (x, y),
            shapeless=True,
        ),
    )
    yield "any-sizes-grad", export(mx.grad(lambda x: mx.exp(x).sum()), (x,), shapeless=True)
    yield (
        "any-shape",
        export(
            lambda x: [mx.flatten(x), x.T, x.reshape(-1, 1), mx.cumsum(x, 1), mx.var(x, 0)],
            (x,),
            shapeless=True,
        ),
    )
    yield (
        "any-sizes-loops",
        export(
            lambda x, c: [
                *mx.scan(lambda c, r: (mx.cond(mx.sum(r) > 0, mx.sin, mx.cos, c + r), r), c, x),
                mx.while_loop(lambda c: mx.sum(c) > 0, lambda c: c - 1, c, max_steps=3),
            ],
            (x, ramp(3)),
            shapeless=True,
        ),
    )


def signatures():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"

        def f(x, **kw):
            return x * kw.get("scale", 2) + kw.get("bias", 0)

        with mx.exporter(str(path), f, metadata="several ways") as e:
            e(ramp(2))
            e(ramp(2, 2), scale=mx.array(2.0))
            e(ramp(3), scale=mx.array(2.0), bias=ramp(1))
        yield "signatures", path.read_bytes()


def text(s):
    return bytes([len(s)]) + s.encode()


def one_op(op, params, inputs, output):
    """A file of one op, for ops that a trace never holds. A spec: dtype number, sizes."""

    def spec(dtype, *sizes):
        return bytes([dtype, len(sizes), *sizes])

    header = text("") + text("by hand") + b"\1" + text(op) + b"\0" + b"\1" + b"\0"
    header += bytes([len(inputs), 0]) + b"".join(spec(*i) for i in inputs)
    header += bytes([1, 0, len(inputs), *range(len(inputs))]) + params + b"\1" + spec(*output)
    header += bytes([1, len(inputs)])
    data = b"OLVNFUNC" + struct.pack("<IIQ", 1, 0, len(header)) + header
    return data + b"\0" * (-len(data) % 64)


def never_traced():
    """Ops without inputs, which become constants, and what only the C++ interface makes."""

    def integer(v):
        return bytes([2, 2 * v])

    def number(v):
        return b"\3" + struct.pack("<d", v)

    float32 = 11
    params = integer(5) + bytes([4, float32]) + b"\0" + integer(0) * 2
    params += number(0.5) + number(0.25) + b"\0" + number(1.5)
    yield "arange-op", one_op("arange", params, (), (float32, 5))
    yield "copy-op", one_op("copy", b"", [(float32, 2, 3)], (float32, 2, 3))


def files():
    families = (
        elementwise,
        shapes,
        indexing,
        reductions,
        products,
        quantizations,
        networks,
        linear_algebra,
        special,
        loops,
        makers,
    )
    for family in families:
        for name, f, args in family():
            yield name, export(f, args)
    yield from shapeless()
    yield from signatures()
    yield from never_traced()
