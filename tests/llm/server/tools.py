"""The tools that load and fuzz a server, in their short forms."""

import subprocess
import sys

import pytest

from tests.llm.test_cli import ENVIRONMENT
from tests.llm.tiny_folder import write_model

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
pytest.importorskip("llguidance", reason="the extra 'llm' is not installed")


def call(*args):
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_hostile_requests_are_answered():
    # Memory is judged over more requests than these.
    out = call("tools/server_fuzz.py", "--requests", 1200, "--seed", 7, "--growth", 200)
    assert "1200 requests" in out and "0 findings" in out


def test_clients_that_behave_badly_disturb_nobody(tmp_path):
    write_model(tmp_path / "m")
    options = ["--minutes", 0.08, "--clients", 24, "--growth", 200]
    out = call("tools/server_soak.py", tmp_path / "m", *options)
    assert "0 findings" in out and "control" in out
