"""The C API beside its ctest programs: names of MLX, and memory under valgrind."""

import subprocess
import sys

import pytest

from tests.support import ROOT


def run(*command):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT, timeout=300
    )


def test_mlx_names_are_those_of_the_headers():
    result = run("bindings/mlx_c.py", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("program", ["closures", "leaks"])
def test_no_memory_is_lost(program):
    result = run("tools/c_leaks.py", "--calls", 10, program)
    if result.returncode == 2:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout
