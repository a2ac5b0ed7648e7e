"""Gradients, vmap and compile of sparse matrices, and what users of MLX asked for."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine import sparse
from tests.sparse.test_matrices import KINDS, matrix, of_kind, same
from tests.support import to_np

X = matrix(dtype=np.float64)
Y = matrix((8, 6), seed=1, dtype=np.float64)
V = np.random.default_rng(2).standard_normal((8, 3))

# Functions of the dense matrix, and of the sparse one.
FUNCTIONS = {
    "product": (
        lambda a: a @ mx.array(V, dtype=mx.float64),
        lambda a: a @ mx.array(V, dtype=mx.float64),
    ),
    "vector": (lambda a: a @ mx.array(V[:, 0], dtype=mx.float64),) * 2,
    "left": (lambda a: mx.array(V[:6].T, dtype=mx.float64) @ a,) * 2,
    "transposed": (
        lambda a: a.T @ a[:, :4] if isinstance(a, mx.array) else a.T @ a.to_dense()[:, :4],
    )
    * 2,
    "elements": (lambda a: a * a, lambda a: (a * a).to_dense()),
    "sum": (lambda a: a.sum(axis=0),) * 2,
    "mean": (lambda a: a.mean(axis=1),) * 2,
    "sparse product": (
        lambda a: a @ mx.array(Y, dtype=mx.float64),
        lambda a: (a @ sparse.from_dense(mx.array(Y, dtype=mx.float64))).to_dense(),
    ),
    "sum of two": (lambda a: 2 * a - a * a, lambda a: (2 * a - a * a).to_dense()),
}


def loss_of(f):
    return lambda a: mx.sum(mx.sin(f(a)) ** 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_the_dense_matrix_at_the_nonzeros(name, kind):
    of_dense, of_sparse = FUNCTIONS[name]
    a = of_kind(X, kind)
    want = mx.grad(loss_of(of_dense))(a.to_dense())
    got = mx.grad(lambda data: loss_of(of_sparse)(a.with_data(data)))(a.data)
    ones = a.with_data(mx.ones_like(a.data)).to_dense()
    same(a.with_data(got), to_np(want * (ones != 0)))
    as_tree = mx.grad(loss_of(of_sparse))(a)
    assert type(as_tree) is type(a)
    np.testing.assert_allclose(to_np(as_tree.data), to_np(got))


@pytest.mark.parametrize("name", ["product", "vector", "left", "sparse product"])
def test_second_derivatives(name):
    of_dense, of_sparse = FUNCTIONS[name]
    a = of_kind(X, "csr")
    v = mx.array(np.random.default_rng(8).standard_normal(a.nnz), dtype=mx.float64)

    def directional(data):
        return mx.sum(mx.grad(lambda d: loss_of(of_sparse)(a.with_data(d)))(data) * v)

    def dense_directional(x):
        return mx.sum(mx.grad(loss_of(of_dense))(x) * a.with_data(v).to_dense())

    want = mx.grad(dense_directional)(a.to_dense())
    got = mx.grad(directional)(a.data)
    same(a.with_data(got), to_np(want) * (X != 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["product", "vector", "left", "elements", "sum", "mean"])
def test_compiled_equals_eager(name, kind):
    f = FUNCTIONS[name][1]
    a = of_kind(X, kind)
    compiled = mx.compile(f)
    np.testing.assert_array_equal(to_np(compiled(a)), to_np(f(a)))
    b = of_kind(2 * X, kind)
    np.testing.assert_array_equal(to_np(compiled(b)), to_np(f(b)))


def test_a_compiled_function_knows_the_shape():
    """Same arrays, other shape: another trace."""
    total = mx.compile(lambda a: a.mean())
    arrays = ([1.0, 2.0], [0, 1], [0, 1, 2])
    assert total(sparse.CSR(*arrays, (2, 2))).item() == pytest.approx(3 / 4)
    assert total(sparse.CSR(*arrays, (2, 8))).item() == pytest.approx(3 / 16)


def test_compiled_functions_take_and_return_matrices():
    a, b = of_kind(X, "csr"), of_kind(Y.T, "csr")
    add = mx.compile(lambda a, b: (a + b) * 2)
    out = add(a, b)
    assert isinstance(out, sparse.CSR)
    same(out, 2 * (X + Y.T))
    product = mx.compile(lambda a, b: a.matmul(b, nnz=60))
    same(product(a, of_kind(Y, "coo")), X @ Y)
    dense = mx.compile(lambda x: sparse.from_dense(x, nnz=48) @ mx.array(V, dtype=mx.float64))
    same(dense(mx.array(X, dtype=mx.float64)), X @ V)


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_over_data_and_over_dense(kind):
    a = of_kind(X, kind)
    datas = mx.stack([a.data, 2 * a.data, mx.sin(a.data)])
    xs = mx.array(np.random.default_rng(3).standard_normal((3, 8, 2)), dtype=mx.float64)
    got = mx.vmap(lambda d, x: a.with_data(d) @ x)(datas, xs)
    for i in range(3):
        same(got[i], to_np(a.with_data(datas[i]) @ xs[i]))
    tree = a._make((datas, *tuple(a)[1:]))
    axes = ((0, None, None), None)
    got = mx.vmap(lambda m, x: m @ x, in_axes=axes)(tree, xs[0])
    for i in range(3):
        same(got[i], to_np(a.with_data(datas[i]) @ xs[0]))
    gradients = mx.vmap(mx.grad(lambda d, x: mx.sum(mx.sin(a.with_data(d) @ x))))(datas, xs)
    for i in range(3):
        want = mx.grad(lambda d, i=i: mx.sum(mx.sin(a.with_data(d) @ xs[i])))(datas[i])
        same(gradients[i], to_np(want))


def test_softmax_has_gradients():
    a = of_kind(X, "csr")
    w = mx.array(np.random.default_rng(4).standard_normal(a.nnz), dtype=mx.float64)

    def f(data):
        return mx.sum(sparse.softmax(a.with_data(data)).data * w)

    step = 1e-6
    got = to_np(mx.grad(f)(a.data))
    for i in range(a.nnz):
        e = mx.array(np.eye(a.nnz)[i] * step, dtype=mx.float64)
        want = (f(a.data + e) - f(a.data - e)).item() / (2 * step)
        assert got[i] == pytest.approx(want, abs=1e-7)


# ---- What users of MLX asked for


def test_mlx_148_a_sparse_matrix_multiplies_a_dense_one_and_has_gradients():
    """mlx#148: sparse matrices for graph networks."""
    a = sparse.COO([1.0, 2.0, 3.0], [0, 1, 1], [2, 0, 2], (2, 3))
    x = mx.array(np.arange(6, dtype=np.float32).reshape(3, 2))
    dense = np.array([[0, 0, 1], [2, 0, 3]], np.float32)
    same(a @ x, dense @ np.arange(6).reshape(3, 2))
    value, grad = mx.value_and_grad(lambda x: mx.sum((a @ x) ** 2))(x)
    same(grad, 2 * dense.T @ (dense @ np.arange(6).reshape(3, 2)))


def test_mlx_2728_coo_and_csr_are_made_and_converted_and_train():
    """mlx#2728: sparse tensors of the common formats, inside models."""
    mx.random.seed(0)
    adjacency = sparse.random((40, 40), 0.1).to_csr()
    layer = nn.Linear(8, 4)
    x, y = mx.random.normal((40, 8)), mx.random.normal((40, 4))
    optimizer = optim.Adam(1e-2)
    state = [layer.state, optimizer.state]

    def loss(a):
        return mx.mean(mx.square(layer(a @ x) - y))

    def step(a):
        value, grads = nn.value_and_grad(layer, loss)(a)
        optimizer.update(layer, grads)
        return value

    step = mx.compile(step, inputs=state, outputs=state)
    losses = [step(adjacency).item() for _ in range(60)]
    assert losses[-1] < 0.9 * losses[0]


def test_mlx_2796_csr_products_equal_scipy():
    """mlx PR#2796: CSR times dense, beside SciPy."""
    scipy = pytest.importorskip("scipy.sparse")
    theirs = scipy.random(300, 200, 0.05, "csr", np.float32, random_state=0)
    x = np.random.default_rng(0).standard_normal((200, 33)).astype(np.float32)
    ours = sparse.from_scipy(theirs)
    same(ours @ mx.array(x), theirs @ x)
    same(ours.T @ mx.array(theirs @ x), theirs.T @ (theirs @ x))
    same(ours @ ours.T, (theirs @ theirs.T).toarray())
