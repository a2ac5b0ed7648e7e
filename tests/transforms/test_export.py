"""Exported functions: what the file gives back, the errors, and files that nobody exported."""

import struct
import textwrap

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from tests.support import assert_same, run_python, to_np

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f.olvfn")


def roundtrip(path, f, *args, **kwargs):
    mx.export_function(path, f, *args, **kwargs)
    return mx.import_function(path)


def test_results_are_a_tuple_of_the_same_bits(path):
    def f(x, y):
        return mx.softmax(mx.exp(x) @ y, axis=-1), mx.sort(x, axis=0)

    x, y = mx.array(X), mx.array(X.T)
    got = roundtrip(path, f, x, y)(x, y)
    assert isinstance(got, tuple)
    assert_same(got, f(x, y))
    other = mx.array(X[::-1] * 3)
    assert_same(mx.import_function(path)(other, y), f(other, y))


@pytest.mark.parametrize(
    "f", [lambda x: [x, x + 1], lambda x: {"a": x, "b": (x + 1,)}, lambda x: ((x,), [x + 1])]
)
def test_trees_of_results_become_one_tuple(path, f):
    x = mx.array(2.0)
    assert [a.item() for a in roundtrip(path, f, x)(x)] == [2.0, 3.0]


def test_inputs_may_be_given_as_one_sequence_and_one_dict(path):
    f = lambda x, y, *, z: x + y * z
    a, b, c = mx.array(1.0), mx.array(2.0), mx.array(3.0)
    mx.export_function(path, f, (a, b), {"z": c})
    g = mx.import_function(path)
    for got in (g(a, b, z=c), g((a, b), z=c), g([a, b], {"z": c})):
        assert got[0].item() == 7.0


def test_keywords_are_known_by_name(path):
    f = lambda x, **kw: x * kw["scale"] - kw["bias"]
    g = roundtrip(path, f, mx.array(4.0), scale=mx.array(2.0), bias=mx.array(1.0))
    assert g(mx.array(4.0), bias=mx.array(3.0), scale=mx.array(2.0))[0].item() == 5.0
    with pytest.raises(ValueError, match='"bias"'):
        g(mx.array(4.0), scale=mx.array(2.0))


def test_captured_arrays_are_stored_once_for_all_signatures(path):
    w = mx.random.normal((256, 256))
    f = lambda x: x @ w
    with mx.exporter(path, f) as export:
        for n in (1, 2, 3):
            export(mx.zeros((n, 256)))
    with open(path, "rb") as file:
        assert len(file.read()) < w.nbytes * 1.1
    g, x = mx.import_function(path), mx.random.normal((2, 256))
    assert_same(g(x), f(x))


def test_a_constant_that_repeats_one_element_takes_its_room(path):
    big = mx.zeros((1000, 1000))
    g = roundtrip(path, lambda x: (x + big).sum(), mx.array(1.0))
    with open(path, "rb") as file:
        assert len(file.read()) < 1000
    assert g(mx.array(2.0))[0].item() == 2e6


def test_captured_constants_of_every_dtype_and_layout(path):
    base = mx.arange(24).reshape(4, 6)
    for t in (
        "bool_",
        "uint8",
        "uint64",
        "int16",
        "float16",
        "bfloat16",
        "float64",
        "complex64",
        "complex128",
    ):
        c = base.astype(getattr(mx, t))
        views = (c, c.T, c[::2, 1:5], c[1], c[:0])
        got = roundtrip(path, lambda x, views=views: (x, *views), mx.array(0))(mx.array(0))
        assert_same(list(got[1:]), list(views), t)


def test_an_exporter_keeps_several_signatures_of_one_function(path):
    def f(x, y=None):
        return x * 2 if y is None else x + y

    with mx.exporter(path, f, metadata="two ways") as export:
        assert isinstance(export, mx.FunctionExporter)
        export(mx.array(1.0))
        export(mx.array([1, 2]), y=mx.array(3))
        with pytest.raises(RuntimeError, match="another signature"):
            export(mx.array(5.0))
    g, metadata = mx.import_function(path, return_metadata=True)
    assert metadata == "two ways"
    assert g(mx.array(3.0))[0].item() == 6.0
    assert g(mx.array([1, 2]), y=mx.array(3))[0].tolist() == [4, 5]
    with pytest.raises(RuntimeError, match="closed"):
        export(mx.array([1.0]))


def test_a_failed_with_block_leaves_the_old_file(path):
    mx.export_function(path, lambda x: x + 1, mx.array(1.0))
    before = open(path, "rb").read()
    with pytest.raises(ZeroDivisionError), mx.exporter(path, lambda x: x + 2) as export:
        export(mx.array(1.0))
        raise ZeroDivisionError
    assert open(path, "rb").read() == before
    with pytest.raises(ZeroDivisionError):
        mx.export_function(path, lambda x: x / 0 if 1 / 0 else x, mx.array(1.0))
    assert open(path, "rb").read() == before


def test_other_inputs_than_the_file_has_are_one_error_that_lists_what_it_has(path):
    g = roundtrip(path, lambda x, y: x + y, mx.zeros((2, 3)), mx.zeros((3,)))
    for bad in (
        (mx.zeros((2, 4)), mx.zeros((3,))),
        (mx.zeros((2, 3)),),
        (mx.zeros((2, 3), mx.int32), mx.zeros((3,))),
    ):
        with pytest.raises(ValueError) as error:
            g(*bad)
        assert "(2, 3) float32" in str(error.value) and "got" in str(error.value)
        assert str(bad[0].dtype).rsplit(".", 1)[-1] in str(error.value)
    with pytest.raises(ValueError, match="expected arrays"):
        g(1.0, 2.0)


def test_imported_functions_compose_with_every_transformation(path):
    f = lambda x: mx.sum(mx.sin(x) * x)
    x = mx.array(X[0])
    g = roundtrip(path, f, x)
    h = lambda x: g(x)[0]
    want = np.cos(X[0]) * X[0] + np.sin(X[0])
    np.testing.assert_allclose(to_np(mx.grad(h)(x)), want, rtol=1e-5)
    np.testing.assert_allclose(to_np(mx.grad(mx.compile(h))(x)), want, rtol=1e-5)
    np.testing.assert_allclose(to_np(mx.compile(mx.grad(h))(x)), want, rtol=1e-5)
    assert_same(mx.vmap(h)(mx.array(X)), mx.vmap(f)(mx.array(X)))
    np.testing.assert_allclose(
        to_np(mx.vmap(mx.grad(h))(mx.array(X))), np.cos(X) * X + np.sin(X), rtol=1e-5
    )
    second = mx.grad(lambda x: mx.sum(mx.grad(h)(x)))(x)
    np.testing.assert_allclose(
        to_np(second), 2 * np.cos(X[0]) - X[0] * np.sin(X[0]), rtol=1e-4, atol=1e-5
    )


def test_what_is_traced_may_use_every_transformation(path):
    def f(x):
        value, gradient = mx.value_and_grad(lambda x: mx.sum(mx.compile(mx.tanh)(x) ** 2))(x)
        return value, gradient, mx.vmap(lambda r: r / mx.max(r))(x), mx.checkpoint(mx.exp)(x)

    x = mx.array(X)
    assert_same(list(roundtrip(path, f, x)(x)), list(f(x)))
    again = lambda x: roundtrip(path, f, x)(x)
    with mx.exporter(path + "2", lambda x: mx.import_function(path)(x)[1]) as export:
        export(x)
    assert_same(mx.import_function(path + "2")(x)[0], f(x)[1])
    assert_same(again(x)[3], f(x)[3])


def test_a_training_step_of_a_model_is_exported(path):
    mx.random.seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2))
    mx.eval(model.parameters())

    def loss(x, y):
        return nn.losses.mse_loss(model(x), y)

    x, y = mx.array(X), mx.array(X[:, :2])
    assert_same(roundtrip(path, loss, x, y)(x, y)[0], loss(x, y))


def test_custom_functions_cannot_be_exported(path):
    @mx.custom_function
    def f(x):
        return x * 2

    f.vjp(lambda x, ct, out: ct)
    with pytest.raises(ValueError, match="custom_function"):
        mx.export_function(path, f, mx.array(1.0))
    with pytest.raises(ValueError, match="leaf of type int"):
        mx.export_function(path, lambda x: 3, mx.array(1.0))


def test_a_shapeless_function_takes_other_sizes_of_the_same_ranks(path):
    def f(x, y):
        return mx.mean(mx.softmax(x @ y, axis=-1), axis=0), mx.flatten(x) * 2, x.reshape(-1, 1)

    g = roundtrip(path, f, mx.zeros((2, 3)), mx.zeros((3, 4)), shapeless=True)
    for n, k, m in ((2, 3, 4), (5, 7, 2), (6, 1, 9)):
        x, y = mx.random.normal((n, k)), mx.random.normal((k, m))
        assert_same(list(g(x, y)), list(f(x, y)), f"{n} {k} {m}")
    with pytest.raises(ValueError, match="other sizes of these axes too"):
        g(mx.zeros((2, 3, 1)), mx.zeros((3, 4)))
    with pytest.raises(ValueError, match="last axis"):
        g(mx.zeros((2, 3)), mx.zeros((4, 4)))


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda x: x.reshape(3, 2), "reshape"),
        (lambda x: x * x.shape[0], "the shape of an array"),
        (lambda x: x[:1], "slice"),
        (lambda x: x + mx.zeros_like(x), "makes an array"),
    ],
)
def test_a_shapeless_export_says_which_size_it_depends_on(path, f, why):
    with pytest.raises(ValueError, match=why):
        mx.export_function(path, f, mx.zeros((2, 3)), shapeless=True)


def test_a_callback_sees_the_parts_in_order():
    parts = []
    mx.export_function(
        parts.append,
        lambda x, *, y: mx.sum(mx.exp(x) + y, axis=1),
        mx.ones((2, 3)),
        y=mx.array(2.0),
    )
    assert [p["type"] for p in parts][:4] == ["inputs", "keyword_inputs", "outputs", "constants"]
    assert parts[0]["inputs"] == [("A", (2, 3), mx.float32), ("B", (), mx.float32)]
    assert parts[1]["keywords"] == [("y", "B")]
    ops = parts[4:]
    assert [p["name"] for p in ops] == ["exp", "add", "sum", "reshape"]
    assert ops[2]["arguments"] == [[1]]
    made = {"A", "B"}
    for op in ops:
        assert {name for name, _, _ in op["inputs"]} <= made, "inputs come before their use"
        made |= {name for name, _, _ in op["outputs"]}
    assert parts[2]["outputs"][0][0] in made


def test_another_process_runs_the_file(path):
    mx.export_function(path, lambda x: mx.cumsum(x, axis=0) * 2, mx.array(X))
    code = textwrap.dedent(f"""
        import olivine.core as mx
        f = mx.import_function({path!r})
        print(f(mx.ones((3, 4)))[0].tolist()[2][0])
    """)
    assert run_python(code).stdout.strip() == "6.0"


def test_a_deep_graph_needs_no_stack(path):
    def f(x):
        for _ in range(30_000):
            x = mx.sin(x)
        return x

    x = mx.array(1.0)
    assert_same(roundtrip(path, f, x)(x)[0], f(x))


# ---- Hostile files.


def with_header(header, rest=b""):
    data = b"OLVNFUNC" + struct.pack("<IIQ", 1, 0, len(header)) + header
    return data + b"\0" * (-len(data) % 64) + rest


def text(s):
    return bytes([len(s)]) + s.encode()


def one_op(name, params, shape=(4,), inputs=(0,), out=(4,)):
    """A file of one op on one float32 input (dtype 11)."""
    spec = lambda s: bytes([11, len(s), *s])
    header = text("") + text("test") + b"\1" + text(name) + b"\0" + b"\1"
    header += b"\0\1\0" + spec(shape)  # fixed sizes, one positional input, no names
    header += b"\1\0" + bytes([len(inputs), *inputs]) + params + b"\1" + spec(out)
    return with_header(header + b"\1\1")  # one output: value 1


def integer(v):
    v = (v << 1) ^ (v >> 63)
    v &= (1 << 64) - 1
    out = bytearray([2])
    while v >= 128:
        out.append(v & 127 | 128)
        v >>= 7
    return bytes(out) + bytes([v])


def listed(*values):
    return bytes([6, len(values)]) + b"".join(integer(v) for v in values)


def test_a_file_made_by_hand_follows_the_format(path):
    with open(path, "wb") as f:
        f.write(one_op("exp", b""))
    assert_same(mx.import_function(path)(mx.array(X[0]))[0], mx.exp(mx.array(X[0])))


HOSTILE = {
    "empty": b"",
    "short": b"OLVNFUNC",
    "another file": b"\x93NUMPY" + b"\0" * 100,
    "a later version": b"OLVNFUNC" + struct.pack("<IIQ", 2, 0, 0),
    "a header of 2^64-1 bytes": b"OLVNFUNC" + struct.pack("<IIQ", 1, 0, 2**64 - 1),
    "a text longer than the header": with_header(b"\xff\xff\xff\xff\x0f"),
    "a text that is not UTF-8": with_header(b"\3\xed\xa0\x80" + b"\0" * 6),
    "a number of more than 64 bits": with_header(b"\xff" * 11),
    "an unknown op": one_op("rm_rf", b""),
    "an op that calls the user's code": one_op("custom_function", b""),
    "an op of the machinery": one_op("compiled", b""),
    "an input of a later value": one_op("exp", b"", inputs=(1,)),
    "too few inputs": one_op("add", b""),
    "too many inputs": one_op("exp", b"", inputs=(0, 0)),
    "no inputs": one_op("exp", b"", inputs=()),
    "another output shape": one_op("exp", b"", out=(5,)),
    "an axis out of range": one_op("sum", listed(1), out=(1,)),
    "a negative axis": one_op("sum", listed(-1), out=(1,)),
    "an axis twice": one_op("sum", listed(0, 0), out=(1,)),
    "an axis of 2^40": one_op("sum", listed(1 << 40), out=(1,)),
    "no axes list": one_op("sum", b"", out=(1,)),
    "a slice past the end": one_op("slice", listed(2) + listed(4) + listed(1)),
    "a slice before the start": one_op("slice", listed(-2) + listed(4) + listed(1)),
    "a slice of huge strides": one_op("slice", listed(0) + listed(4) + listed(1 << 62)),
    "a slice of huge sizes": one_op("slice", listed(0) + listed((1 << 63) - 1) + listed(1)),
    "strides past the end": one_op("as_strided", listed(4) + listed(2) + integer(0)),
    "an offset past the end": one_op("as_strided", listed(4) + listed(1) + integer(1 << 40)),
    "a reshape to more": one_op("reshape", listed(5), out=(5,)),
    "a reshape to negative sizes": one_op("reshape", listed(-2, -2), out=(4,)),
    "a transpose of other axes": one_op("transpose", listed(1), out=(4,)),
    "a transpose of too few axes": one_op("transpose", listed(), out=(4,)),
    "a view of other item sizes": one_op("view", bytes([4, 1]) + integer(1), out=(16,)),
    "a view of half elements": one_op("view", bytes([4, 14]) + integer(4), shape=(3,), out=(1,)),
    "a scan of another axis": one_op("cumsum", integer(3) + b"\0\0"),
    "a flag that is a number": one_op("cumsum", integer(0) + integer(1) + b"\0"),
    "kth out of range": one_op("partition", integer(0) + integer(7)),
    "a huge arange": one_op("arange", integer(-5) + bytes([4, 11]), inputs=(), out=(4,)),
    "softmax of two axes": one_op("softmax", listed(0, 0)),
    "rope of odd dims": one_op("rope", integer(3), inputs=(0, 0)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_malformed_file_is_one_error(path, name):
    with open(path, "wb") as f:
        f.write(HOSTILE[name])
    with pytest.raises(RuntimeError, match=r"\[import_function\]"):
        mx.import_function(path)


def test_an_error_is_one_line_whatever_the_file_says(path):
    with open(path, "wb") as f:
        f.write(one_op("no\nop\x1b", b""))
    with pytest.raises(RuntimeError, match=r"got 'no\\x0aop\\x1b'$"):
        mx.import_function(path)


def test_bools_among_the_constants_are_0_or_1(path):
    mask = mx.array([True, False, True])
    mx.export_function(path, lambda x: mx.where(mask, x, -x), mx.zeros((3,)))
    data = bytearray(open(path, "rb").read())
    at = data.rindex(b"\1\0\1")
    data[at] = 7
    open(path, "wb").write(data)
    with pytest.raises(RuntimeError, match="bools"):
        mx.import_function(path)


def everything(x, i):
    a = mx.concatenate([x[1:], x[:1]], axis=0).T @ x
    b = mx.take(x, i, axis=0) + mx.take_along_axis(x, mx.argsort(x, axis=1), axis=1)[:3]
    c = mx.as_strided(x, (2, 2), (1, 2)) + mx.diagonal(x)[:2]
    d = mx.fast.rms_norm(x, mx.ones((4,)), 1e-5) + mx.softmax(mx.cumsum(x, axis=1), axis=-1)
    e = mx.put_along_axis(x, i.reshape(3, 1), mx.array(2.0), axis=1) + mx.view(x, mx.int32)
    q = x.reshape(1, 2, 3, 2)
    f = mx.fast.scaled_dot_product_attention(q, q, q, scale=0.5, mask="causal")
    g = mx.fast.rope(q, 2, traditional=False, base=10.0, scale=1.0, offset=1)
    h = x.at[i].add(1.0) * mx.var(x) + mx.partition(x, 2, axis=0) + mx.arange(4)
    j = mx.pad(x, 1) + mx.random.uniform(shape=(5, 6)) + mx.broadcast_to(mx.max(x), (5, 6))
    m = x[:, :3] + 3 * mx.eye(3)
    k = mx.linalg.solve(m, x, stream=mx.cpu) + mx.linalg.qr(m, stream=mx.cpu)[0] @ x
    u, s, v = mx.linalg.svd(m, stream=mx.cpu)
    n = (
        mx.fft.irfft(mx.fft.rfft2(x), n=4),
        mx.linalg.det(m) * s,
        mx.linalg.eigvalsh(m, stream=mx.cpu),
    )
    w = mx.quantize(mx.arange(64 * 32).reshape(32, 64) / 999.0, 32, 4)
    o = mx.quantized_matmul(mx.tile(x, (1, 16)), *w, group_size=32, bits=4)
    p = mx.gather_mm(x[None], x.T[None], mx.array([0]), mx.array([0])), mx.hadamard_transform(x)
    r = mx.dequantize(*w, 32, 4), mx.fast.cross_entropy(x, i)
    t = x.reshape(1, 3, 4), mx.ones((2, 2, 4))
    q = mx.conv1d(*t, padding=1), mx.grad(lambda w: mx.conv1d(t[0], w, stride=2).sum())(t[1])
    return a, b, c, d, e, f, g, h, j, k, *q, *n, o, *p, *r, mx.searchsorted(x[0], x[1])


def test_mutated_files_give_an_error_or_a_function(tmp_path):
    """Bytes of a file with many ops are changed at random; nothing may crash or hang, and what
    loads must run or raise."""
    path = str(tmp_path / "f")
    x, i = mx.array(X), mx.array([0, 2, 1])
    mx.export_function(path, everything, x, i)
    data = open(path, "rb").read()
    code = textwrap.dedent("""
        import random, struct, sys
        import olivine.core as mx
        path, seed = sys.argv[1], int(sys.argv[2])
        data = open(path, "rb").read()
        (size,) = struct.unpack("<Q", data[16:24])
        rng = random.Random(seed)
        x, i = mx.zeros((3, 4)), mx.array([0, 2, 1])
        loaded = ran = 0
        mx.set_memory_limit(1 << 28)
        for _ in range(1500):
            bad = bytearray(data)
            for _ in range(rng.choice((1, 1, 2, 5))):
                at = rng.randrange(24 + size // 4 if rng.random() < 0.9 else 24, 24 + size)
                bad[at] = rng.choice((0, 1, 2, 127, 128, 255, rng.randrange(256), bad[at] ^ 1, (bad[at] + 1) % 256))
            if rng.random() < 0.1:
                at = rng.randrange(len(bad))
                del bad[at : at + rng.randrange(1, 9)]
            open(path + ".bad", "wb").write(bad)
            try:
                f = mx.import_function(path + ".bad")
                loaded += 1
                mx.eval(f(x, i))
                ran += 1
            except (RuntimeError, ValueError, IndexError, TypeError, MemoryError):
                pass
        print(loaded, ran)
    """)
    for seed in (1, 2):
        loaded, ran = map(int, run_python(code, args=(path, seed), limit=120).stdout.split())
        assert loaded > 20 and ran > 10, "the mutations reach the ops"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: mx.reshape(x, (-1, 2)) ** 2,
        lambda x: mx.flatten(x, 0, 1) ** 2,
        lambda x: mx.expand_dims(x, (0, 2)) ** 3,
        lambda x: mx.squeeze(mx.expand_dims(x, 1), 1) ** 2,
        lambda x: mx.softmax(x, axis=-1),
        lambda x: x - mx.mean(x * x, axis=0, keepdims=True),
        mx.grad(lambda x: mx.sum(mx.sum(x**3, axis=1) ** 2)),
        mx.grad(lambda x: mx.sum(mx.max(x, axis=0) ** 2) + mx.sum(mx.expand_dims(x, 1) ** 3)),
        lambda x: mx.linalg.norm(mx.stack([x, x * 2]), axis=0),
    ],
    ids=range(9),
)
def test_functions_of_any_size_have_every_transformation(path, f):
    """An imported function is differentiated and mapped at a size that it was not traced with."""
    mx.export_function(path, f, mx.ones((2, 4), dtype=mx.float64), shapeless=True)
    load = mx.import_function(path)
    g = lambda x: load(x)[0]  # noqa: E731
    rng = np.random.default_rng(12)
    x, v = (mx.array(rng.uniform(0.5, 2, (3, 6)), dtype=mx.float64) for _ in range(2))
    want = f(x)
    assert_same(g(x), want, "value")
    ct = mx.array(rng.standard_normal(want.shape), dtype=mx.float64)
    for h, other in ((g, f), (mx.compile(g, shapeless=True), f)):
        close = lambda got, want: np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)  # noqa: E731
        close(mx.vjp(h, [x], [ct])[1][0], mx.vjp(other, [x], [ct])[1][0])
        close(mx.jvp(h, [x], [v])[1][0], mx.jvp(other, [x], [v])[1][0])
    batch = mx.stack([x, v, x * v])
    np.testing.assert_allclose(mx.vmap(g)(batch), mx.stack([f(b) for b in batch]), rtol=1e-12)
    turned = mx.moveaxis(batch, 0, 2)
    np.testing.assert_allclose(
        mx.vmap(g, in_axes=2, out_axes=1)(turned), mx.stack([f(b) for b in batch], 1), rtol=1e-12
    )
    slope = lambda h: mx.grad(lambda x: mx.sum(mx.grad(lambda x: mx.sum(h(x) ** 2))(x) * v))  # noqa: E731
    np.testing.assert_allclose(slope(g)(x), slope(f)(x), rtol=1e-9, atol=1e-9)
