"""A Python module by pybind11, whose functions take and return arrays by olivine/pybind11.h."""

import gc
import importlib.util
import subprocess
import sysconfig

import numpy as np
import pytest

import olivine.core as mx
from olivine import config

pybind11 = pytest.importorskip("pybind11")

SOURCE = """
#include <olivine/olivine.h>
#include <olivine/pybind11.h>
#include <pybind11/functional.h>
#include <pybind11/stl.h>

using olivine::array;

PYBIND11_MODULE(casters, m) {
  m.def("doubled", [](const array& a) { return olivine::add(a, a); });
  m.def("same", [](array a) { return a; });
  m.def("ndim", [](const array& a) { return a.ndim(); });
  m.def("only_arrays", [](const array& a) { return a.ndim(); }, pybind11::arg("a").noconvert());
  m.def("sum_of", [](const std::vector<array>& all) {
    array sum(0.0f);
    for (const array& a : all) sum = olivine::add(sum, a);
    return sum;
  });
  m.def("split", [](const array& a) { return olivine::split(a, 2); });
  m.def("rank_or", [](std::optional<array> a) { return a ? static_cast<int>(a->ndim()) : -1; });
  m.def("taken", [](array&& a) { return olivine::negative(a); });
  m.def("kind", [](const array&) { return "array"; });
  m.def("kind", [](const std::string&) { return "text"; });
  m.def("applied", [](const std::function<array(array)>& f, const array& a) { return f(a); });
}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def casters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("casters")
    (folder / "casters.cpp").write_text(SOURCE)
    path = folder / ("casters" + sysconfig.get_config_var("EXT_SUFFIX"))
    includes = [pybind11.get_include(), sysconfig.get_paths()["include"]]
    subprocess.run(
        ["c++", "-std=c++20", "-O0", "-shared", "-fPIC", "-fvisibility=hidden",
         *(f"-I{i}" for i in includes), folder / "casters.cpp", "-o", path,
         *config.flags(compile=True, link=True)], check=True,
    )  # fmt: skip
    spec = importlib.util.spec_from_file_location("casters", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arrays_go_in_and_out(casters):
    x = mx.array([1.0, 2.0])
    assert isinstance(casters.doubled(x), mx.array)
    assert casters.doubled(x).tolist() == [2, 4]
    assert casters.taken(x).tolist() == [-1, -2]
    assert casters.same(x).dtype == mx.float32
    assert casters.same(mx.array([1, 2], mx.int8)).dtype == mx.int8
    assert [part.tolist() for part in casters.split(mx.arange(4))] == [[0, 1], [2, 3]]
    assert casters.sum_of([x, x, mx.array(1.0)]).tolist() == [3, 5]
    assert casters.sum_of([]).item() == 0
    assert casters.applied(lambda a: a * 3, x).tolist() == [3, 6]


def test_other_things_are_converted_where_pybind11_allows_it(casters):
    assert casters.ndim(np.zeros((2, 3))) == 2
    assert casters.ndim([[1, 2], [3, 4]]) == 2
    assert casters.ndim(2.5) == 0
    assert casters.only_arrays(mx.zeros((2, 3))) == 2
    with pytest.raises(TypeError):
        casters.only_arrays(np.zeros(3))
    assert casters.rank_or(None) == -1
    assert casters.rank_or(mx.zeros((2, 3))) == 2


@pytest.mark.parametrize("wrong", ["text", None, object(), {"a": 1}, [[1, 2], [3]]])
def test_what_is_no_array_is_a_type_error(casters, wrong):
    with pytest.raises(TypeError, match="olivine.core.array"):
        casters.ndim(wrong)


def test_overloads_are_told_apart(casters):
    assert casters.kind(mx.array(1)) == "array"
    assert casters.kind("word") == "text"


def test_gradients_go_through(casters):
    slope = mx.grad(lambda x: casters.doubled(x * x).sum())
    assert slope(mx.array([1.0, 3.0])).tolist() == [4, 12]


def test_errors_are_python_exceptions(casters):
    with pytest.raises(ValueError, match=r"^\[split\]"):
        casters.split(mx.arange(3))
    with pytest.raises(ZeroDivisionError):
        casters.applied(lambda a: 1 / 0, mx.array(1))


def test_nothing_is_kept(casters):
    gc.collect()
    before = mx.get_active_memory()
    for _ in range(20):
        casters.doubled(mx.zeros((256, 256))).tolist()
    gc.collect()
    assert mx.get_active_memory() <= before + 256 * 256 * 4
