"""The examples that need no images: short runs reach what their README promises in part."""

import math
import subprocess
import sys

import pytest

from tests.support import ROOT, load_example

NAMES = [
    "gaussian_process",
    "graph_attention",
    "graph_network",
    "physics_informed",
    "policy_gradient",
]
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("name", NAMES)
def test_help_teaches(name):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name / "main.py", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "--picture" in done.stdout


def test_the_gaussian_process_beats_least_squares(tmp_path):
    pytest.importorskip("matplotlib")
    result = load_example("gaussian_process").run(picture=tmp_path / "result.png")
    assert result["error of the process, cm"] < 0.85 * result["error of least squares, cm"]
    assert result["nats per flower, last"] < result["nats per flower, first"] - 0.5
    assert 0.85 < result["inside two deviations"] <= 1
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_the_exact_solution_obeys_the_equation():
    burgers, h = load_example("physics_informed"), 1e-4
    import numpy as np

    for x, t in ((-0.6, 0.2), (0.3, 0.4), (0.7, 0.9)):
        at = np.array([x - h, x, x + h])
        u = burgers.exact(at, t)
        u_t = (burgers.exact(at[1:2], t + h) - burgers.exact(at[1:2], t - h))[0] / (2 * h)
        u_x, u_xx = (u[2] - u[0]) / (2 * h), (u[2] - 2 * u[1] + u[0]) / h**2
        assert math.isclose(u_t + u[1] * u_x, burgers.VISCOSITY * u_xx, abs_tol=1e-4)


def test_the_physics_informed_network_learns():
    burgers, losses = load_example("physics_informed"), []
    result = burgers.run(steps=400, report=lambda _, loss: losses.append(loss.item()))
    assert sum(losses[-20:]) < 0.4 * sum(losses[:20])
    assert result["relative error"] < 0.5


def test_the_policy_learns_to_balance(tmp_path):
    pytest.importorskip("matplotlib")
    result = load_example("policy_gradient").run(
        rounds=25, ticks=200, picture=tmp_path / "result.png"
    )
    assert result["ticks, first round"] < 40
    assert result["ticks, after training"] > 120
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_the_graph_network_finds_the_sides(tmp_path):
    pytest.importorskip("matplotlib")
    example = load_example("graph_network")
    assert sum(len(others) for others in example.FRIENDS.values()) == 78
    result = example.run(seeds=3, picture=tmp_path / "result.png")
    assert result["right of 32, mean"] > 28
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_graph_attention_finds_the_groups(tmp_path):
    pytest.importorskip("matplotlib")
    result = load_example("graph_attention").run(picture=tmp_path / "result.png")
    assert result["alone"] < 0.7
    assert result["convolution"] > result["alone"] + 0.15
    assert result["attention"] > result["alone"] + 0.15
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")
