"""One trace for a thousand shapes: every family of ops, a transformer and a convolutional network."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine import sparse
from tests.support import ROOT, assert_close, dtype_name, flat, to_np
from tests.transforms.test_compile import counted

RNG = np.random.default_rng(5)
W = mx.array(RNG.standard_normal((3, 5)).astype(np.float32))
KERNEL = mx.array(RNG.standard_normal((4, 3, 1)).astype(np.float32))
KEY = mx.random.key(7)
MATRIX = tuple(sparse.random((7, 9), 0.4, key=mx.random.key(1)).to_csr())
ONE, ROW, COLUMN = mx.array(1.0), mx.ones((64,)), mx.arange(9.0)[:, None]

# Functions of x, shape (n, m); by the names of api/*.pyi.
FAMILIES = {
    "elementwise": lambda x: mx.where(x > 0, mx.exp(-x) + 1, mx.maximum(x, -1) * 2).astype(mx.float16),
    "reduction": lambda x: (mx.mean(x, 0), mx.var(x, 1), mx.argmax(x, 1), mx.logsumexp(x), mx.softmax(x, 0)),
    "shape": lambda x: (mx.concatenate([x.T, x.T * 2], 0), mx.stack([x, -x]), mx.flatten(x)),
    "indexing": lambda x: (
        mx.take_along_axis(x, mx.argsort(x, axis=1), axis=1), x[1:, :-1] * x[:-1, 1:], x[::-1, -2:], x[-1, None],
        x[mx.argmax(x, axis=0)], x.at[:2].add(x[-2:]), mx.put_along_axis(x, mx.argmax(x, 1)[:, None], 0.0, axis=1),
    ),
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
    "creation": lambda x: (
        mx.zeros_like(x) + mx.full(x.shape, 2.0), mx.arange(x.shape[0])[:, None] < mx.arange(x.shape[1]),
        mx.eye(*x.shape), mx.tri(x.shape[0]), mx.linspace(0, 1, x.shape[1]), mx.tril(x), mx.triu(x, 1), mx.diag(x[0]),
    ),
    "einsum": lambda x: (
        mx.einsum("ij,kj->ik", x, x), mx.einsum("ij,ij->", x, x), mx.einsum("ij->ji", x), mx.einsum("ij,kl->ijkl", x, x[:2]),
    ),
    "fft": lambda x: (mx.real(mx.fft.fft2(x)), mx.fft.irfft(mx.fft.rfft(x)), mx.abs(mx.fft.fft(x, n=7)), mx.fft.fftshift(x)),
    "random": lambda x: (
        mx.random.uniform(shape=x.shape, key=KEY), mx.random.categorical(x, key=KEY), mx.random.permutation(x, key=KEY),
    ),
    "norm": lambda x: (mx.linalg.norm(x), mx.linalg.norm(x, ord="nuc")),
    "transforms": lambda x: (mx.grad(lambda x: mx.sum(mx.tanh(x @ x.T)))(x)),
}  # fmt: skip
# Not functions on arrays.
OTHERS = {
    "array": "methods of the families",
    "cuda metal debug device distributed dtype export io": "no ops of a graph",
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


def test_conditions_on_sizes_alone_are_computed_for_other_sizes():
    """What loops and branches compare belongs to no step, and is evaluated with the first call."""

    def fori(x):
        return mx.fori_loop(0, mx.arange(x.shape[0]).sum() % 4, lambda i, c: c + 1, mx.array(0))

    def repeat(x):
        bound = mx.arange(x.shape[0]).sum() % 4
        return mx.while_loop(lambda c: c[0] < c[1], lambda c: (c[0] + 1, c[1]), (0 * bound, bound))

    def cond(x):
        total = mx.arange(x.shape[0]).sum()
        return mx.cond(total % 4 > 1, lambda a: a + 1, lambda a: a - 1, mx.array(0))

    def switch(x):
        branches = [lambda a, k=k: a + k for k in range(4)]
        return mx.switch(mx.arange(x.shape[0]).sum() % 4, branches, mx.array(0))

    # Evaluating a constant for the first call may not take the memory of what it is made of.
    def with_constants(x):
        x = x.astype(mx.int64)
        count = mx.fori_loop(0, mx.abs(x)[0] % 4, lambda i, c: c + 1, x)
        return count, mx.where(x > 0.25, x, 0)

    for f in (fori, repeat, cond, switch, with_constants):
        traced, traces = counted(f)
        g = mx.compile(traced, shapeless=True)
        for n in (8, 7, 6, 5, 8, 3):
            x = mx.arange(n) * mx.arange(n) + 1
            for got, want in zip(flat(g(x)), flat(f(x)), strict=True):
                assert np.array_equal(to_np(got), to_np(want)), (f.__name__, n)
        assert len(traces) == 1, f.__name__


def test_a_carry_that_changes_its_shape_at_other_sizes_is_the_functions_own_error():
    """Of rows of four the step keeps the carry's shape, of others it does not."""
    c = mx.compile(lambda x, w: mx.fori_loop(0, 2, lambda i, v: mx.tanh(v @ w), x), shapeless=True)
    assert c(mx.ones((3, 4)), mx.ones((4, 4))).shape == (3, 4)
    assert c(mx.ones((2, 5)), mx.ones((5, 5))).shape == (2, 5)
    with pytest.raises(ValueError, match="expected the body to return"):
        c(mx.ones((3, 4)), mx.ones((4, 5)))


class Block(nn.Module):
    """One layer of a transformer, as users write them: sizes unpacked, heads by reshapes, a mask."""

    def __init__(self, dims, heads):
        super().__init__()
        self.heads = heads
        self.norm, self.mlp_norm = nn.LayerNorm(dims), nn.RMSNorm(dims)
        self.project = nn.Linear(dims, 3 * dims)
        self.out = nn.Linear(dims, dims)
        self.mlp = nn.Sequential(nn.Linear(dims, 2 * dims), nn.GELU(), nn.Linear(2 * dims, dims))
        self.positions = nn.SinusoidalPositionalEncoding(dims)

    def __call__(self, x):
        B, L, D = x.shape
        x = x + self.positions(mx.arange(L))
        q, k, v = mx.split(self.project(self.norm(x)), 3, axis=-1)
        q, k, v = (a.reshape(B, L, self.heads, -1).transpose(0, 2, 1, 3) for a in (q, k, v))
        mask = mx.where(mx.arange(L)[:, None] >= mx.arange(L), 0.0, -1e9)
        scores = (q @ k.transpose(0, 1, 3, 2)) * (D // self.heads) ** -0.5 + mask
        y = (mx.softmax(scores, axis=-1) @ v).transpose(0, 2, 1, 3).reshape(B, L, D)
        x = x + self.out(y)
        return x + self.mlp(self.mlp_norm(x))


class Classifier(nn.Module):
    """Convolutions with norms and pooling, then a mean over positions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.pool, self.up = nn.MaxPool2d(3, stride=2), nn.Upsample(2.0)
        self.head = nn.Linear(8, 5)

    def __call__(self, x):
        x = nn.relu(self.norm(self.stem(x)))
        x = self.pool(self.down(x))
        x = self.up(x)
        return self.head(x.reshape(x.shape[0], -1, x.shape[-1]).mean(axis=1))


def block():
    mx.random.seed(1)
    return Block(8, 2), lambda rng: (int(rng.integers(1, 5)), int(rng.integers(1, 40)), 8)


def encoder():
    mx.random.seed(2)
    layer = nn.TransformerEncoder(1, 8, 2, mlp_dims=16)
    return (
        lambda x: layer(x, nn.MultiHeadAttention.create_additive_causal_mask(x.shape[1])),
        lambda rng: (int(rng.integers(1, 5)), int(rng.integers(2, 40)), 8),
    )


def classifier():
    mx.random.seed(3)
    return Classifier(), lambda rng: (
        int(rng.integers(1, 4)),
        *(int(n) for n in rng.integers(8, 30, 2)),
        3,
    )


def check_model(make, count):
    """Values and gradients of a model for `count` shapes, eager and by one trace of each."""
    model, random_shape = make()
    value, gradient = model, mx.grad(lambda x: mx.mean(mx.square(model(x))))
    (f, traces), (g, more) = counted(value), counted(gradient)
    c, d = mx.compile(f, shapeless=True), mx.compile(g, shapeless=True)
    rng = np.random.default_rng(4)
    shapes = set()
    while len(shapes) < count:
        shapes.add(random_shape(rng))
    for shape in sorted(shapes, key=lambda _: rng.uniform()):
        x = mx.array(rng.standard_normal(shape).astype(np.float32))
        for got, want in ((c(x), value(x)), (d(x), gradient(x))):
            np.testing.assert_allclose(
                to_np(got), to_np(want), rtol=2e-4, atol=2e-5, err_msg=str(shape)
            )
    assert len(traces) == len(more) == 1


@pytest.mark.parametrize("make", (block, encoder, classifier))
def test_models_take_one_trace_for_all_batches_and_lengths(make):
    check_model(make, 5)


@pytest.mark.slow
@pytest.mark.parametrize("make", (block, encoder))
def test_models_take_one_trace_for_many_shapes(make):
    check_model(make, 100)


def test_a_training_step_of_any_batch_and_length_is_one_trace():
    traces = []

    def losses(compiled):
        model, random_shape = block()
        optimizer = optim.Adam(1e-3)
        loss_and_grad = nn.value_and_grad(model, lambda x: mx.mean(mx.square(model(x))))

        def step(x):
            traces.append(compiled)
            loss, grads = loss_and_grad(x)
            optimizer.update(model, grads)
            return loss

        if compiled:
            optimizer.init(model.trainable_parameters())
            state = [model.state, optimizer.state]
            step = mx.compile(step, inputs=state, outputs=state, shapeless=True)
        rng = np.random.default_rng(6)
        batches = (rng.standard_normal(random_shape(rng)).astype(np.float32) for _ in range(6))
        return [step(mx.array(x)).item() for x in batches]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-4)
    assert sum(traces) == 1


def test_every_family_is_here():
    families = {p.stem for p in (ROOT / "api").glob("*.pyi")}
    assert families == {*FAMILIES, *" ".join(OTHERS).split()}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_thousand_shapes_take_one_trace(name):
    check(name, 1000)
