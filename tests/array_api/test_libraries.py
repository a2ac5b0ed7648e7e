"""SciPy and scikit-learn on arrays of Olivine: docs/array-api.md lists what runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "array-api.md"


def verdicts():
    """What programs.py prints, run by a Python that has both libraries."""
    python = os.environ.get("OLIVINE_SCIPY_PYTHON", sys.executable)
    probe = [python, "-c", "import scipy, sklearn"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("SciPy and scikit-learn are missing; OLIVINE_SCIPY_PYTHON names a Python")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [python, HERE / "programs.py"], capture_output=True, text=True, env=env, check=True
    )
    return dict(line.split(" ", 1)[::-1] for line in done.stdout.splitlines())


@pytest.mark.slow
def test_what_the_page_lists_runs():
    found = verdicts()
    page = PAGE.read_text()
    listed = re.findall(
        r"`((?:special|stats|fft|cluster|integrate|signal|optimize|sklearn)\.[\w.]+)`", page
    )
    assert len(listed) > 50
    assert [name for name in listed if found.get(name) != "ok"] == []
