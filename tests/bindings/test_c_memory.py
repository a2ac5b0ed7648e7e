"""C programs under valgrind: no memory is lost, none is touched that is not theirs."""

import subprocess
import sys

import pytest

from tests.support import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("program", ["closures", "leaks"])
def test_no_memory_is_lost(program):
    result = subprocess.run(
        [sys.executable, "tools/c_leaks.py", "--calls", "10", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    if result.returncode == 2:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout
