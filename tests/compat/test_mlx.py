"""olivine.compat.mlx: MLX's module names mean Olivine, in this process and for whole programs."""

import subprocess
import sys

import pytest


def run(*arguments, code=None, cwd=None):
    command = [sys.executable, *(["-c", code] if code else []), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def succeeds(code):
    result = run(code=code)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_modules_are_the_same_objects():
    succeeds("""
import olivine.compat.mlx
import mlx.core as mx, mlx.nn as nn, mlx.optimizers, mlx.utils
import mlx.nn.layers.base
import olivine.core, olivine.nn, olivine.optimizers, olivine.utils
assert mx is olivine.core and nn is olivine.nn
assert mlx.optimizers is olivine.optimizers and mlx.utils is olivine.utils
assert mlx.nn.layers.base.Module is nn.Module
from mlx.nn.layers.linear import Linear
from mlx.utils import tree_flatten, tree_map
assert nn.Linear is Linear
""")


def test_submodules_of_core_can_be_imported_by_name():
    succeeds("""
import olivine.compat.mlx
import mlx.core.fast
from mlx.core.random import normal
from mlx.core import linalg
import mlx.core as mx
assert mlx.core.fast is mx.fast and normal is mx.random.normal and linalg is mx.linalg
""")


def test_olivine_modules_keep_their_own_names():
    out = succeeds("""
import olivine.compat.mlx, mlx.nn
print(mlx.nn.__name__, mlx.nn.__spec__.name)
import importlib
importlib.reload(mlx.nn.losses)
""")
    assert out.split() == ["olivine.nn", "olivine.nn"]


def test_a_module_that_mlx_lacks_is_not_found():
    out = succeeds("""
import olivine.compat.mlx
for name in ("mlx.nothing", "mlx.nn.nothing", "mlx.core.nothing"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error.name)
""")
    assert out.split() == ["mlx.nothing", "mlx.nn.nothing", "mlx.core.nothing"]


def test_nothing_changes_without_the_import():
    result = run(code="import olivine.core, sys; assert 'mlx' not in sys.modules")
    assert result.returncode == 0, result.stderr


def test_an_mlx_imported_before_is_an_error():
    result = run(
        code="""
import sys, types
sys.modules["mlx.core"] = types.ModuleType("mlx.core")
import olivine.compat.mlx
"""
    )
    assert result.returncode == 1
    assert "expected to be imported before mlx" in result.stderr


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("""
import sys
import helper
import mlx.core as mx
import mlx.nn as nn
print(__name__, sys.argv[1:], helper.VALUE, nn.Linear(2, 3)(mx.ones((1, 2))).shape)
""")
    (tmp_path / "helper.py").write_text("VALUE = 7\n")
    return path


def test_a_program_runs_with_its_own_arguments_and_neighbours(program):
    result = run("-m", "olivine.compat.mlx", program, "--lr", "0.1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "__main__ ['--lr', '0.1'] 7 (1, 3)"


def test_a_module_runs(program):
    result = run("-m", "olivine.compat.mlx", "-m", "program", "-x", cwd=program.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "__main__ ['-x'] 7 (1, 3)"


def test_an_installed_command_runs(tmp_path):
    info = tmp_path / "tool-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[console_scripts]\ntool.run = tool:main\n")
    (tmp_path / "tool.py").write_text("""
import sys
import mlx.core as mx
def main():
    print(sys.argv, mx.ones((2,)).sum().item())
    return 3
""")
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "sys.argv = ['x', 'tool.run', '--n', '1']; runpy.run_module('olivine.compat.mlx')"
    result = run(code=code)
    assert result.returncode == 3, result.stderr
    assert result.stdout.strip() == "['tool.run', '--n', '1'] 2.0"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "expected a program to run; got none"),
        (("-m",), "expected the name of a module after -m; got none"),
        (("--what",), "expected a program, -m MODULE or --help; got --what"),
        (("no/such.py",), "got no/such.py, which does not exist"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(arguments, message):
    result = run("-m", "olivine.compat.mlx", *arguments)
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr


def test_help_teaches():
    result = run("-m", "olivine.compat.mlx", "--help")
    assert result.returncode == 0 and "examples:" in result.stdout
