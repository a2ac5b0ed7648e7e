"""docs/cpp-coverage.md says what tools/check_cpp.py finds."""

import subprocess
import sys

import pytest

from tests.support import ROOT

# Beside the checkout, where there is one.
LIST = next(
    (p / "shared" / "api" / "cpp.txt" for p in ROOT.parents if (p / "shared/api/cpp.txt").exists()),
    None,
)


@pytest.mark.slow
@pytest.mark.skipif(LIST is None, reason="no list of MLX's declarations beside the checkout")
def test_every_absent_declaration_has_a_reason_on_the_page():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_cpp.py", LIST, "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
