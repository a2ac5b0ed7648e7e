"""Extensions built by setup.py: by setuptools, by ninja and by CMake, and what can't be built."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("setuptools")

from olivine import extension  # noqa: E402

MODULE = r"""
#include <Python.h>

#include "olivine/olivine.h"

static PyObject* sum_to(PyObject*, PyObject* arg) {
  int n = static_cast<int>(PyLong_AsLong(arg));
  return PyLong_FromLong(olivine::sum(olivine::arange(n + OFFSET)).item<int>());
}
static PyMethodDef methods[] = {{"sum_to", sum_to, METH_O, nullptr}, {}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_NAME() { return PyModule_Create(&module); }
"""

SETUP = """
from setuptools import Extension, setup
from olivine.extension import *
setup(name="sums", version="1", py_modules=[], {arguments})
"""

CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(sums CXX)
find_package(Python 3 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(olivine CONFIG REQUIRED)
Python_add_library(sums MODULE WITH_SOABI sums.cpp)
target_link_libraries(sums PRIVATE olivine::olivine)
target_compile_definitions(sums PRIVATE OFFSET=1)
"""


def build(folder, arguments, expect=0):
    (folder / "sums.cpp").write_text(MODULE.replace("NAME", "sums"))
    (folder / "setup.py").write_text(SETUP.format(arguments=textwrap.dedent(arguments)))
    bin_ = os.path.dirname(sys.executable)  # cmake and ninja of the virtual environment
    env = {**os.environ, "PATH": bin_ + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode == 0) == (expect == 0), done.stdout + done.stderr
    return done.stdout + done.stderr


def call(folder, name="sums"):
    code = f"import {name}; print({name}.sum_to(9))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("ninja", [True, False])
def test_build_extension(tmp_path, ninja):
    build(
        tmp_path,
        f"""ext_modules=[Extension("sums", ["sums.cpp"], define_macros=[("OFFSET", "1")])],
        cmdclass={{"build_ext": BuildExtension.with_options(
            use_ninja={ninja}, generate_stubs={ninja})}}""",
    )
    assert call(tmp_path) == "45"
    assert bool(list((tmp_path / "build").rglob("build.ninja"))) == ninja
    assert (tmp_path / "sums.pyi").exists() == ninja
    if ninja:
        assert "def sum_to(" in (tmp_path / "sums.pyi").read_text()


@pytest.mark.slow
def test_cmake_build(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    build(
        tmp_path,
        """ext_modules=[CMakeExtension("sums", ".")], cmdclass={"build_ext": CMakeBuild}""",
    )
    assert call(tmp_path) == "45"


def test_a_cmake_project_that_is_not_there(tmp_path):
    text = build(
        tmp_path,
        """ext_modules=[CMakeExtension("sums", "src")], cmdclass={"build_ext": CMakeBuild}""",
        expect=1,
    )
    assert "[CMakeBuild] expected a CMakeLists.txt in" in text


def test_metal_kernels_are_refused(tmp_path):
    text = build(
        tmp_path,
        """ext_modules=[MetalExtension("sums", ["sums.cpp", "k.metal"])],
        cmdclass={"build_ext": BuildExtension}""",
        expect=1,
    )
    assert "Olivine has no Metal device" in text


def test_descriptions():
    library = extension.MetalLibrary("k", ["a.metal"], extra_compile_args=("-O3",))
    described = extension.MetalExtension("a.b", ["x.cpp", "y.metal"], metal_libraries=[library])
    assert described.sources == ["x.cpp"]
    assert described.metal_library_name == "b"
    assert [lib.name for lib in described.metal_libraries] == ["k", "b"]
    assert described.metal_libraries[1].sources == ["y.metal"]
    assert os.path.isabs(extension.CMakeExtension("a").sourcedir)


def test_an_unknown_option():
    with pytest.raises(
        TypeError, match="expected an option of use_ninja, generate_stubs; got jobs"
    ):
        extension.BuildExtension.with_options(jobs=2)
