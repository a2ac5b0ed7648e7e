"""The digits examples on short runs: they learn, say what they measured, and draw a picture."""

import re
import subprocess
import sys

import pytest

from tests.support import ROOT


def run(example, *options):
    for package in ("rich", "matplotlib"):
        pytest.importorskip(package)
    process = subprocess.run(
        [sys.executable, ROOT / "examples" / example / "main.py", *map(str, options)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


@pytest.mark.parametrize("example", ["digits_mlp", "digits_cnn"])
def test_it_learns_and_draws(example, tmp_path):
    picture = tmp_path / "picture.png"
    output = run(example, "--epochs", 4, "--picture", picture)
    assert float(re.search(r"test accuracy (\S+);", output)[1]) > 0.94
    assert picture.read_bytes().startswith(b"\x89PNG")
    if example == "digits_cnn":
        assert 0 <= float(re.search(r"waited for data (\S+)%", output)[1]) < 90


@pytest.mark.parametrize("example", ["digits_mlp", "digits_cnn"])
def test_it_says_what_it_can_do(example):
    assert "--epochs" in run(example, "--help")
