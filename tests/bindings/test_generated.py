"""The checked-in bindings are what bindings/generate.py makes of api/*.pyi."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_regenerating_changes_nothing():
    run = subprocess.run(
        [sys.executable, str(ROOT / "bindings/generate.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
