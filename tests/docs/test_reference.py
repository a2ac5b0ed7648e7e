"""docs/reference/ is what tools/reference.py makes of api/, the headers and the Swift sources."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_regenerating_changes_nothing():
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools/reference.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
