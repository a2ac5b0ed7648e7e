"""A Python module in C++ with an op of its own: built by CMake on the package, used on arrays."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("nanobind")
pytest.importorskip("setuptools")

SOURCE = r"""
#include <olivine/nanobind.h>
#include <olivine/olivine.h>

#include <cmath>

using namespace olivine;

// sin(x) * y of float32.
static const ArrayFn wave = custom_op(
    "wave", {.cpu =
                 [](const OpMemory& m) {
                   const float *x = m.in[0].as<float>(), *y = m.in[1].as<float>();
                   for (int64_t i = 0; i < m.out[0].size(); ++i) {
                     m.out[0].as<float>()[i] = std::sin(x[i]) * y[i];
                   }
                 },
             .derivative = [](int i, const array& v, const std::vector<array>& in, const array&)
                 -> std::optional<array> { return v * (i ? sin(in[0]) : cos(in[0]) * in[1]); }});

// Without rules.
struct Twice : UnaryPrimitive {
  using UnaryPrimitive::UnaryPrimitive;
  const char* name() const override { return "Twice"; }
  void eval_cpu(const std::vector<array>& in, array& out) override {
    if (in[0].size() == 13) throw std::out_of_range("[Twice] expected less luck");
    out.set_data(allocator::malloc(out.nbytes()));
    array x = contiguous(in[0]);
    for (int64_t i = 0; i < x.size(); ++i) out.data<float>()[i] = 2 * x.data<float>()[i];
  }
};

NB_MODULE(waves, m) {
  m.def("wave", [](const array& x, const array& y) {
    return wave({astype(x, float32), astype(y, float32)})[0];
  });
  m.def("twice", [](const array& x) {
    return array(x.shape(), float32, std::make_shared<Twice>(to_stream({})), {x});
  });
  m.def("shape_of", [](const array& x) { return x.ndim(); });
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(waves CXX)
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(olivine CONFIG REQUIRED)
olivine_add_python_module(waves waves.cpp)
"""

SETUP = """
from setuptools import setup
from olivine.extension import CMakeBuild, CMakeExtension
setup(name="waves", version="1", py_modules=[], ext_modules=[CMakeExtension("waves", ".")],
      cmdclass={"build_ext": CMakeBuild})
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    (folder / "waves.cpp").write_text(SOURCE)
    (folder / "CMakeLists.txt").write_text(CMAKE)
    (folder / "setup.py").write_text(SETUP)
    bin_ = os.path.dirname(sys.executable)  # cmake of the virtual environment
    env = {**os.environ, "PATH": bin_ + os.pathsep + os.environ["PATH"]}
    if shutil.which("ccache"):
        env["CMAKE_ARGS"] = "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder, env=env, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        import waves

        yield waves
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def mx():
    import olivine.core

    return olivine.core


def points(mx, *shape):
    return mx.random.uniform(-1.5, 1.5, shape, key=mx.random.key(len(shape)))


def differences(f, x, h=1e-2):
    """d sum(f) / d x by central differences, in double where it matters."""
    x = np.array(x, np.float64)
    out = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        out[i] = (f(up) - f(down)) / (2 * h)
    return out


def test_values_and_conversions(waves, mx):
    x, y = points(mx, 7), points(mx, 7) + 1
    assert np.allclose(waves.wave(x, y), np.sin(np.array(x)) * np.array(y), atol=1e-6)
    assert np.allclose(waves.wave(np.zeros(3), [1, 2, 3]), 0)
    assert isinstance(waves.wave(x, 2.0), mx.array)
    assert waves.shape_of(mx.zeros((2, 3))) == 2
    with pytest.raises(TypeError):
        waves.shape_of("no array")


def test_gradients_of_both_orders(waves, mx):
    x, y = points(mx, 5), points(mx, 5) + 2
    value = lambda v: float(np.sum(np.sin(v) * np.array(y, np.float64)))  # noqa: E731
    slope = mx.grad(lambda v: waves.wave(v, y).sum())
    assert np.allclose(slope(x), differences(value, x), atol=1e-3)
    curvature = mx.grad(lambda v: slope(v).sum())
    of_slope = lambda v: float(slope(mx.array(v)).sum())  # noqa: E731
    assert np.allclose(curvature(x), differences(of_slope, x), atol=1e-3)
    _, tangent = mx.jvp(lambda v: waves.wave(v, y), [x], [mx.ones_like(x)])
    assert np.allclose(tangent[0], slope(x), atol=1e-6)
    assert np.allclose(mx.grad(lambda v: waves.wave(x, v).sum())(y), np.sin(np.array(x)), atol=1e-6)


def test_vmap_and_compile(waves, mx):
    m, y = points(mx, 3, 4), points(mx, 4)
    expected = np.sin(np.array(m)) * np.array(y)
    assert np.allclose(mx.vmap(waves.wave, in_axes=(0, None))(m, y), expected, atol=1e-6)
    assert np.allclose(mx.vmap(waves.twice, in_axes=1, out_axes=1)(m), 2 * np.array(m))
    compiled = mx.compile(lambda a, b: mx.exp(waves.wave(a, b)))
    assert np.allclose(compiled(m, y), np.exp(expected), atol=1e-5)
    step = mx.compile(mx.grad(lambda v: waves.wave(v, y).sum()))
    assert np.allclose(step(m), np.cos(np.array(m)) * np.array(y), atol=1e-6)


def test_errors_are_python_exceptions(waves, mx):
    with pytest.raises(ValueError, match=r"^\[vjp\] Twice has no derivative$"):
        mx.grad(lambda v: waves.twice(v).sum())(mx.ones(3))
    with pytest.raises(IndexError, match="expected less luck"):
        mx.eval(waves.twice(mx.ones(13)))
    with pytest.raises(ValueError, match="written to a file; got Twice"):
        mx.export_function("/nonexistent/f", waves.twice, mx.ones(3))


def test_the_configuration_names_what_is_there():
    text = subprocess.run(
        [sys.executable, "-m", "olivine.config", "--prefix", "--cmake-dir"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert os.path.exists(os.path.join(text[0], "include", "olivine", "olivine.h"))
    assert os.path.exists(os.path.join(text[1], "olivineConfig.cmake"))
