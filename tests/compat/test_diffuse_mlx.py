"""MLX's stable_diffusion example, as diffuse-mlx packs it, runs on Olivine, unchanged: tiny models
give the latents that they give on MLX (fixtures/make_diffuse_mlx.py)."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.compat import tiny_diffusion

NEEDS = ("diffuse_mlx", "huggingface_hub", "regex", "typer", "tqdm", "PIL")
MISSING = [name for name in NEEDS if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}: pip install diffuse-mlx"),
]

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = np.load(FIXTURES / "diffuse_mlx.npz")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a program or an installed command, offline, with a cache of tiny models."""
    cache = tiny_diffusion.write(tmp_path_factory.mktemp("cache"))
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}

    def runs(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "olivine.compat.mlx", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return runs


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "latents.npz"
    run(FIXTURES / "diffuse_program.py", path)
    return np.load(path)


@pytest.mark.parametrize("case", EXPECTED.files)
def test_the_example_gives_what_it_gives_on_mlx(made, case):
    got, expected = made[case], EXPECTED[case]
    assert got.shape == expected.shape
    limit = 3e-2 if case == "half" else 1e-3
    assert np.abs(got - expected).max() < limit * np.abs(expected).max()


def test_its_command_writes_an_image_and_changes_it(run, tmp_path):
    from PIL import Image

    options = ("--model", "dalle2", "--n-images", 1, "--steps", 2, "--seed", 1)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    assert "Saved 1 image" in run("diffuse-mlx", "generate", "a cat", *options, "-o", first)
    with Image.open(first) as image:
        assert image.size == (128 + 16, 128 + 16)  # 64 latents, and a border
    run("diffuse-mlx", "img2img", first, "bad", *options, "--strength", 0.5, "-o", second)
    with Image.open(second) as image:
        assert image.size == (128 + 16, 128 + 16)
