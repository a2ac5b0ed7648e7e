"""An installed tree is complete, can be moved, and is found by CMake and by pkg-config."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import olivine.core as mx
from tests.examples.cpp_programs import build
from tests.support import ROOT

PACKAGE = Path(mx.__file__).parent
BUILD = PACKAGE.parents[1]
BIN = Path(sys.executable).parent  # cmake and ninja of the virtual environment
VERSION = re.search(r'OLIVINE_VERSION "(.*)"', (ROOT / "include/olivine/version.h").read_text())[1]
MINOR = ".".join(VERSION.split(".")[:2])

pytestmark = [
    pytest.mark.skipif(not (BUILD / "CMakeCache.txt").exists(), reason="not run from a build tree"),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers need more"),
]


def run(*command, env=None, **options):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **(env or {})},
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Installed once, then moved: nothing may know where it was."""
    first = tmp_path_factory.mktemp("install") / "first"
    run("cmake", "--install", BUILD, "--prefix", first)
    moved = first.with_name("moved")
    first.rename(moved)
    return moved


def package_config(prefix, *arguments):
    if not shutil.which("pkg-config"):
        pytest.skip("no pkg-config")
    return run(
        "pkg-config", *arguments, env={"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    ).split()


def soname(library):
    return re.search(r"SONAME.*\[(.*)\]", run("readelf", "-dW", library))[1]


def test_what_is_installed(prefix):
    names = {str(p.relative_to(prefix)) for p in prefix.rglob("*")}
    for name in (
        f"lib/libolivine.so.{MINOR}",
        "lib/libolivine.so",
        "lib/libolivine_c.so.0",
        "lib/libolivine_c.so",
        "lib/libscipy_openblas.so",
        "lib/pkgconfig/olivine.pc",
        "lib/pkgconfig/olivine-c.pc",
        "lib/cmake/olivine/olivineConfig.cmake",
        "lib/cmake/olivine/olivineConfigVersion.cmake",
        "include/olivine/olivine.h",
        "include/olivine/c/olivine.h",
        "include/olivine/compat/mlx/mlx.h",
    ):
        assert name in names, name
    assert not any(name.startswith("core.") for name in names), "the Python module is a wheel's"


def test_libraries_are_called_by_their_soname(prefix):
    assert soname(prefix / "lib" / "libolivine.so") == f"libolivine.so.{MINOR}"
    assert soname(prefix / "lib" / "libolivine_c.so") == "libolivine_c.so.0"


def test_the_c_library_shows_its_functions_only(prefix):
    text = run("nm", "-D", "--defined-only", prefix / "lib" / "libolivine_c.so")
    symbols = [line.split()[-1] for line in text.splitlines()]
    names = [s for s in symbols if s != "OLIVINE_C_0"]
    assert len(names) > 300
    assert [s for s in names if not re.fullmatch(r"_?olivine_\w+@@OLIVINE_C_0", s)] == []


def test_pkg_config_names_folders_beside_its_file(prefix, tmp_path):
    assert package_config(prefix, "--modversion", "olivine") == [VERSION]
    flags = package_config(prefix, "--cflags", "--libs", "olivine-c")
    assert all(str(prefix) in os.path.realpath(f[2:]) for f in flags if f.startswith(("-I", "-L")))
    (tmp_path / "main.c").write_text(
        "#include <olivine/c/olivine.h>\n"
        "int main(void) { olivine_array a = olivine_array_new(); return olivine_array_free(a); }\n"
    )
    run("cc", "-std=c99", tmp_path / "main.c", *flags, "-o", tmp_path / "main")
    run(tmp_path / "main")


@pytest.mark.slow
def test_pkg_config_builds_a_cpp_program(prefix, tmp_path):
    flags = package_config(prefix, "--cflags", "--libs", "olivine")
    source = ROOT / "examples" / "cpp" / "linear_regression.cpp"
    run("c++", "-std=c++20", source, *flags, "-o", tmp_path / "main")
    assert "largest error of a weight 0.00" in run(tmp_path / "main")


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    """Those of examples/cpp that need no layers, built on the installed package."""
    folder = tmp_path_factory.mktemp("examples")
    targets = ["linear_regression", "custom_op", "exported_function"]
    build(ROOT / "examples" / "cpp", folder, prefix, targets)
    return folder


@pytest.mark.slow
def test_linear_regression_finds_the_weights(examples):
    assert "largest error of a weight 0.00" in run(examples / "linear_regression")


def numbers(text, line):
    found = re.search(rf"{line}\s+array\((.*?)(?:, dtype.*?)?\)$", text, re.M | re.S)
    return [float(x) for x in re.findall(r"-?\d[\d.e+-]*", found[1])]


@pytest.mark.slow
def test_a_custom_op_has_its_derivatives(examples):
    text = run(examples / "custom_op").replace("\n       ", " ")
    x = mx.linspace(-2, 2, 5)
    logistic = mx.sigmoid(x)
    assert mx.allclose(mx.array(numbers(text, "softplus")), mx.logaddexp(x, 0 * x), atol=1e-4)
    assert mx.allclose(mx.array(numbers(text, "1st order")), logistic, atol=1e-4)
    assert mx.allclose(mx.array(numbers(text, "2nd order")), logistic * (1 - logistic), atol=1e-4)
    assert numbers(text, "axpy by x") == [3] * 5
    assert numbers(text, "axpy by y") == (2 * x).tolist()


@pytest.mark.slow
def test_a_function_that_python_exported_is_called(examples, tmp_path):
    def f(x, y):
        return [mx.exp(x) * y]

    x, y = mx.array([0.0, 1.0]), mx.array([2.0, 3.0])
    mx.export_function(str(tmp_path / "f"), f, x, y)
    mx.save_safetensors(str(tmp_path / "in.safetensors"), {"0": x, "1": y})
    text = run(examples / "exported_function", tmp_path / "f", tmp_path / "in.safetensors")
    assert text.splitlines()[0] == str(f(x, y)[0])
    assert "gradient " + str(f(x, y)[0]) in text


@pytest.mark.slow
def test_cmake_finds_every_target(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(targets LANGUAGES C CXX)\n"
        f"find_package(olivine {MINOR} REQUIRED)\n"
        "add_executable(in_c main.c)\ntarget_link_libraries(in_c PRIVATE olivine::olivine_c)\n"
        "add_executable(as_mlx main.cpp)\ntarget_link_libraries(as_mlx PRIVATE olivine::mlx)\n"
    )
    (tmp_path / "main.c").write_text(
        "#include <olivine/c/olivine.h>\nint main(void) { return sizeof(olivine_array) == 0; }\n"
    )
    (tmp_path / "main.cpp").write_text(
        "#include <mlx/array.h>\nint main() { return mlx::core::array(0).item<int>(); }\n"
    )
    build(tmp_path, tmp_path / "build", prefix)
    run(tmp_path / "build" / "in_c")
    run(tmp_path / "build" / "as_mlx")


@pytest.mark.slow
def test_a_bare_system_runs_the_package(prefix, tmp_path):
    spec = importlib.util.spec_from_file_location("check_wheel", ROOT / "tools" / "check_wheel.py")
    check_wheel = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_wheel)
    package = tmp_path / "olivine"
    shutil.copytree(ROOT / "python" / "olivine", package)
    shutil.copy2(mx.__file__, package)
    (package / "lib").mkdir()
    for file in (prefix / "lib").glob("*.so*"):
        if not file.is_symlink():
            shutil.copy2(file, package / "lib")
    assert check_wheel.check_libraries(package) == []
    assert check_wheel.policy(check_wheel.libraries(package))[0] != "none"
    if subprocess.run(["unshare", "--map-root-user", "--root=/", "true"]).returncode:
        pytest.skip("no new root allowed here")
    assert "imported and trained" in check_wheel.run_bare(package)
