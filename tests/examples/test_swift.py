"""The examples in Swift, built by its package manager; the MLP's losses are Python's."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.support import ROOT

SWIFT = shutil.which("swift") or shutil.which("/opt/swift/usr/bin/swift")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SWIFT, reason="no swift in PATH or /opt/swift/usr/bin"),
    pytest.mark.xdist_group("swift"),
]


def run(*command):
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=600, cwd=ROOT
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-1000:]}\n{result.stderr[-3000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with mlp.safetensors, digits.olivine and, in mlp.txt, what Python printed."""
    out = tmp_path_factory.mktemp("mlp")
    run(sys.executable, "examples/mlp_init.py", out / "mlp.safetensors")
    export = "--export", out / "digits.olivine"
    printed = run(sys.executable, "examples/mlp.py", out / "mlp.safetensors", *export)
    (out / "mlp.txt").write_text(printed)
    return out


def example(name, *arguments):
    return run(SWIFT, "run", "-j", "2", name, *arguments)


def test_swift_examples(folder):
    # One test: SwiftPM locks its build folder.
    assert example("mlp", folder / "mlp.safetensors") == (folder / "mlp.txt").read_text()
    fitted = example("linear_regression")
    assert float(re.search(r"largest error (\S+)", fitted)[1]) < 2e-3
    printed = example("imported_function", folder / "digits.olivine", folder / "mlp.safetensors")
    digits, labels = (json.loads(line.split(" ", 1)[1]) for line in printed.splitlines())
    assert sum(a == b for a, b in zip(digits, labels, strict=True)) >= 6
