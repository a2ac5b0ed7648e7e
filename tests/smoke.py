"""Does anything work? Under two seconds; runs as a script or through pytest."""

import os
import sys
import tempfile
import traceback

import numpy as np

import olivine.core as mx


def same(a, expected):
    values = np.array(a)
    assert np.allclose(values, expected), f"got {values}, expected {expected}"


def test_arithmetic():
    a = mx.array([1.0, 2.0, 3.0])
    same((a + 1) * a - a / 2, [1.5, 5.0, 10.5])
    same(mx.sum(mx.exp(a - a)), 3.0)
    assert (mx.array([1, 2]) + mx.array([3, 4])).tolist() == [4, 6]


def test_matmul():
    a = mx.arange(6, dtype=mx.float32).reshape(2, 3)
    same(a @ a.T, [[5, 14], [14, 50]])


def test_grad():
    gradient = mx.grad(lambda x: mx.sum(mx.sin(x) * x))
    x = np.array([0.3, -1.2], np.float32)
    same(gradient(mx.array(x)), np.cos(x) * x + np.sin(x))


def test_compile():
    compiled = mx.compile(lambda x, y: mx.tanh(x * y) + x)
    x, y = mx.array([0.5, -2.0]), mx.array([3.0, 0.25])
    for _ in range(2):
        same(compiled(x, y), np.tanh([1.5, -0.5]) + [0.5, -2.0])


def test_vmap():
    same(mx.vmap(lambda x: mx.sum(x))(mx.ones((3, 4))), [4, 4, 4])


def test_indexing():
    a = mx.arange(12).reshape(3, 4)
    assert a[1, ::2].tolist() == [4, 6]
    assert a[mx.array([2, 0]), 1].tolist() == [9, 1]
    a[0] = 7
    assert a[:, 0].tolist() == [7, 4, 8]


def test_random():
    mx.random.seed(3)
    a = mx.random.normal((1000,))
    mx.random.seed(3)
    b = mx.random.normal((1000,))
    assert mx.array_equal(a, b).item()
    assert abs(mx.mean(a).item()) < 0.2


def test_save_and_load():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.safetensors")
        mx.save_safetensors(path, {"a": mx.arange(5), "b": mx.ones((2, 2), dtype=mx.bfloat16)})
        back = mx.load(path)
        assert back["a"].tolist() == [0, 1, 2, 3, 4]
        assert back["b"].dtype == mx.bfloat16
        path = os.path.join(folder, "a.npy")
        mx.save(path, mx.arange(3))
        assert mx.load(path).tolist() == [0, 1, 2]


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        try:
            test()
        except Exception:
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
