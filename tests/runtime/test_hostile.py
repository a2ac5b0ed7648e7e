"""A few thousand random calls with hostile arguments: no signal, no hang, every error a sentence."""

import subprocess
import sys

import pytest

from tests.support import ROOT, SANITIZED


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's memory cannot be limited")
@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_arguments_get_clear_errors(seed):
    tool = [sys.executable, "tools/hostile_api.py", "--calls", "4000", "--slice", "4000"]
    done = subprocess.run(
        [*tool, "--seed", str(seed), "--jobs", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
