"""The generative examples on digits: short runs learn, and what they promise to be exact is."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import load_example

PNG = b"\x89PNG"


def test_the_autoencoder_learns(tmp_path):
    pytest.importorskip("matplotlib")
    result = load_example("digits_vae").run(epochs=10, picture=tmp_path / "result.png")
    assert result["nats per image"] < 32 < result["nats per image, untrained"]
    assert (tmp_path / "result.png").read_bytes().startswith(PNG)


def test_the_flow_beats_independent_pixels(tmp_path):
    pytest.importorskip("matplotlib")
    result = load_example("digits_flow").run(epochs=14, picture=tmp_path / "result.png")
    assert result["bits per pixel"] < result["of each pixel alone"]
    assert result["error of the inverse"] < 1e-3
    assert (tmp_path / "result.png").read_bytes().startswith(PNG)


def test_the_flows_density_is_that_of_its_derivative():
    flow = load_example("digits_flow")
    mx.random.seed(1)
    model = flow.Flow(couplings=4, width=16)

    def forward(x):
        for coupling in model.couplings:
            x = coupling(x[None])[0][0]
        return x

    x = mx.random.normal((64,))
    derivative = np.array(mx.jacobian(forward)(x), np.float64)
    z = np.array(forward(x), np.float64)
    expected = np.linalg.slogdet(derivative)[1] - (z @ z + 64 * np.log(2 * np.pi)) / 2
    assert model.log_density(x[None]).item() == pytest.approx(expected, abs=1e-3)


def test_the_diffusion_model_learns(tmp_path):
    pytest.importorskip("matplotlib")
    example, losses = load_example("digits_diffusion"), []
    result = example.run(
        steps=50, batch=64, drawn=20, picture=tmp_path / "result.png",
        report=lambda _, loss: losses.append(loss.item()),
    )  # fmt: skip
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert 0 <= result["read as asked for"] <= 1
    assert (tmp_path / "result.png").read_bytes().startswith(PNG)


def test_the_judge_of_drawn_digits_reads_real_ones():
    example = load_example("digits_diffusion")
    from olivine.data import digits

    images, labels = (np.stack(x) for x in zip(*digits(), strict=True))
    images, labels = mx.array(images) * 2 - 1, mx.array(labels)
    read = example.train_judge(images[:1200], labels[:1200])
    assert mx.mean(read(images[1200:]) == labels[1200:]).item() > 0.85
