"""The examples in C, built as their README says, and Python's part of them."""

import re
import subprocess
import sys

import pytest

from tests.examples.c_programs import compile_c
from tests.support import ROOT

EXAMPLES = ROOT / "examples"


def run(*command):
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, cwd=EXAMPLES
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-1000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def losses(output):
    return [float(loss) for loss in re.findall(r"^step \d+ loss (\S+)$", output, re.M)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with mlp.safetensors, digits.olivine and, in mlp.txt, what Python printed."""
    out = tmp_path_factory.mktemp("mlp")
    run(sys.executable, EXAMPLES / "mlp_init.py", out / "mlp.safetensors")
    export = "--export", out / "digits.olivine"
    printed = run(sys.executable, EXAMPLES / "mlp.py", out / "mlp.safetensors", *export)
    (out / "mlp.txt").write_text(printed)
    return out


@pytest.fixture
def build(tmp_path):
    def built(name):
        compile_c(EXAMPLES / "c" / f"{name}.c", tmp_path / name)
        return tmp_path / name

    return built


def test_python_learns(folder):
    found = losses((folder / "mlp.txt").read_text())
    assert len(found) == 100
    assert found[0] == pytest.approx(2.305, abs=2e-3)
    assert found[-1] < 1.3


def test_the_file_is_the_same_each_time(folder, tmp_path):
    run(sys.executable, EXAMPLES / "mlp_init.py", tmp_path / "again.safetensors")
    again = (tmp_path / "again.safetensors").read_bytes()
    assert again == (folder / "mlp.safetensors").read_bytes()


def test_c_has_pythons_losses(folder, build):
    assert run(build("mlp"), folder / "mlp.safetensors") == (folder / "mlp.txt").read_text()


def test_c_calls_what_python_exported(folder, build):
    network = build("imported_function")
    printed = run(network, folder / "digits.olivine", folder / "mlp.safetensors")
    loss, share = re.fullmatch(r"loss (\S+), (\S+) % recognised\n", printed).groups()
    assert float(loss) < 1.3
    assert float(share) > 60


def test_c_finds_the_weights(build):
    printed = run(build("linear_regression"))
    found = losses(printed)
    assert found[0] > 1 > found[-1]
    assert found[-1] == pytest.approx(1e-4, rel=0.2)  # the variance of the noise
    assert float(re.search(r"weight (\S+)", printed)[1]) < 2e-3


@pytest.mark.parametrize("name", ["linear_regression", "mlp", "imported_function"])
def test_examples_are_short(name):
    assert len((EXAMPLES / "c" / f"{name}.c").read_text().splitlines()) < 150
