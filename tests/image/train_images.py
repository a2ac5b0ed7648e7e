"""`olivine train-images`: files, going on, mistakes."""

import json

import numpy as np
import pytest

from olivine.cli import main
from olivine.image import load
from tests.image.cli import decoded

TINY = ["--width", "16", "--layers", "1", "--batch-size", "8", "--plain"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "halves.npz"
    images = np.zeros((8, 8, 8), np.uint8)
    images[::2, :4] = images[1::2, 4:] = 200
    np.savez(path, images=images, labels=np.arange(8) % 2, names=["above", "below"])
    return str(path)


def train(*arguments):
    return main(["train-images", *map(str, arguments)])


def test_a_run_leaves_a_model_and_samples(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(data, "--out", out, *TINY, "--steps", 3, "--save-every", 2) == 0
    shown = capsys.readouterr().out
    assert "8 images of 2 classes, 8 x 8, 1 channels" in shown and "Done after 3 steps" in shown
    assert (out / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert load(out / "model")("below", steps=2, seed=0).pixels.shape == (1, 8, 8, 3)
    picture = tmp_path / "below.png"
    given = ["imagine", str(out / "model"), "below", "--steps", "2", "--seed", "1"]
    assert main([*given, "--out", str(picture), "--scale", "3"]) == 0
    pixels = load(out / "model")("below", steps=2, seed=1).pixels[0]
    found, _ = decoded(picture.read_bytes())
    np.testing.assert_array_equal(found, np.kron(np.array(pixels), np.ones((3, 3, 1), np.uint8)))
    assert train("--out", out, "--resume") == 0
    assert "complete after 3 steps" in capsys.readouterr().out
    assert train("--out", out, "--resume", "--steps", 5, "--plain") == 0
    shown = capsys.readouterr().out
    assert "going on after step 3" in shown and "Done after 5 steps" in shown
    assert json.loads((out / "run.json").read_text())["settings"]["steps"] == 5


def test_what_was_stopped_ends_as_if_it_had_not_been(data, tmp_path, capsys, monkeypatch):
    from olivine.image.training import DiffusionTrainer
    from olivine.train import StopSignal

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(data, "--out", whole, *TINY, "--steps", 6) == 0
    taken = DiffusionTrainer.step

    with monkeypatch.context() as patch:
        stops = []
        entered = StopSignal.__enter__
        patch.setattr(StopSignal, "__enter__", lambda self: stops.append(self) or entered(self))

        def step(self):
            loss = taken(self)
            if self.steps == 3:
                stops[-1].received = "SIGINT"
            return loss

        patch.setattr(DiffusionTrainer, "step", step)
        assert train(data, "--out", parts, *TINY, "--steps", 6) == 0
    shown = capsys.readouterr().out
    assert "SIGINT: saved after step 3" in shown and "--resume" in shown
    assert train("--out", parts, "--resume", "--plain") == 0
    name = "model/unet/diffusion_pytorch_model.safetensors"
    assert (parts / name).read_bytes() == (whole / name).read_bytes()
    assert (parts / "samples.png").read_bytes() == (whole / "samples.png").read_bytes()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nothing.npz"], "a folder of images or an .npz"),
        (["--out", "full"], "has content: go on with --resume"),
        (["--out", "none", "--resume"], "there is no run in none"),
        (["--out", "full", "--resume"], "there is no run in full"),
        (["--width", "20"], "multiples of 16"),
        (["--steps", "0"], "a whole number from 1"),
        (["--size", "16"], "size 8 of the digits"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("kept")
    assert train(*arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_a_run_goes_on_with_what_it_began_with(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(data, "--out", out, *TINY, "--steps", 1) == 0
    for given, message in (
        (["--width", 32], "has 16; got 32"),
        ([], "are not the images"),
    ):
        if not given:
            about = json.loads((out / "run.json").read_text())
            (out / "run.json").write_text(json.dumps(about | {"sha256": "0"}))
        assert train("--out", out, "--resume", "--steps", 2, *given) == 2
        assert message in capsys.readouterr().err
    (out / "run.json").write_text("{}")
    assert train("--out", out, "--resume") == 2
    assert "is damaged" in capsys.readouterr().err
