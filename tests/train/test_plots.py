"""Pictures: PNG files of any curves, and a clear error without matplotlib."""

import builtins
import math
import os

import numpy as np
import pytest

from olivine.train import LearningRates, plot_found_rates, plot_learning_rate, plot_losses


def test_pictures_of_any_curves(tmp_path):
    pytest.importorskip("matplotlib")
    curves = {
        "training": list(np.random.default_rng(0).normal(size=300)),
        "validation": ([100, 200, 300], [2.0, math.nan, 1.0]),
        "none": [],
        "nan": [math.nan],
    }
    path = tmp_path / "picture.png"
    for draw in (
        lambda: plot_losses(path, curves, title="A run"),
        lambda: plot_losses(str(path), {"pair": (1.0, 2.0)}),
        lambda: plot_learning_rate(path, np.geomspace(1e-3, 1, 50)),
        lambda: plot_found_rates(path, LearningRates([0.1, 0.2, 0.4], [3.0, 2.0, 5.0], 0.2)),
    ):
        path.unlink(missing_ok=True)
        draw()
        assert path.read_bytes().startswith(b"\x89PNG") and os.listdir(tmp_path) == [path.name]


def test_curves_of_unequal_parts_are_named(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        plot_losses(tmp_path / "a.png", {"a": ([1, 2], [1.0, 2.0, 3.0])})
    assert os.listdir(tmp_path) == []


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def fail(name, *rest):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="matplotlib")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(ModuleNotFoundError, match="pip install matplotlib"):
        plot_losses(tmp_path / "a.png", {"a": [1.0]})
