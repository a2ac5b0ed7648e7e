"""Teaching a LoRA: the loss falls, only adapters change, and the file does the same again."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.image import load
from olivine.image.finetune import LoRATrainer
from olivine.utils import tree_flatten
from tests.image.fixtures.pipeline_cases import SIZE, image
from tests.image.folders import write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write("sd", tmp_path_factory.mktemp("sd"))


def latents(pipeline):
    return np.array(pipeline("a cat", steps=2, size=SIZE, seed=1).latents)


def test_the_loss_falls_and_the_file_does_the_same(folder, tmp_path):
    pipeline = load(folder)
    before = latents(pipeline)
    full = {path: np.array(w) for path, w in tree_flatten(pipeline.model.parameters())}
    trainer = LoRATrainer(
        pipeline, [image()], "a photo of a cat", learning_rate=1e-2, targets=("to_v", "to_out.0")
    )
    np.testing.assert_array_equal(latents(pipeline), before)  # adapters begin as nothing
    losses = list(trainer.run(60))
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 0.05
    kept = dict(tree_flatten(pipeline.model.parameters()))
    for path, weight in full.items():
        inside = path if path in kept else ".linear.".join(path.rsplit(".", 1))
        np.testing.assert_array_equal(kept[inside], weight)
    after = latents(pipeline)
    assert np.abs(after - before).max() > 1e-3
    trainer.save(tmp_path / "cat.safetensors")
    again = load(folder)
    again.add_lora(tmp_path / "cat.safetensors")
    np.testing.assert_allclose(latents(again), after, atol=1e-4 * np.abs(after).max())


def test_images_of_the_class_count_too(tmp_path_factory):
    pipeline = load(write("sdxl", tmp_path_factory.mktemp("sdxl")))
    trainer = LoRATrainer(
        pipeline,
        [image(), image()[::-1]],
        "a photo of sks cat",
        class_images=[image()[:, ::-1]],
        class_prompt="a photo of a cat",
        prior_weight=0.5,
    )
    assert len(trainer.sets) == 2 and np.isfinite(list(trainer.run(2))).all()


def test_the_same_seed_teaches_the_same(folder):
    losses = [list(LoRATrainer(load(folder), [image()], "a cat", seed=3).run(3)) for _ in range(2)]
    assert losses[0] == losses[1]


def test_packed_weights_can_be_taught(folder):
    pipeline = load(folder)
    pipeline.quantize(8, group_size=32, parts=["unet"])
    trainer = LoRATrainer(pipeline, [image()], "a cat", targets=("ff.net.2",), learning_rate=1e-2)
    losses = list(trainer.run(4))
    assert np.isfinite(losses).all() and mx.get_active_memory() > 0


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("sd", {"images": []}, "expected images"),
        ("sd", {"class_prompt": "a cat"}, "a class's images with its prompt"),
        ("sd", {"images": [image()[:5]]}, "multiples of 2"),
        ("sd", {"rank": 1000}, "expected a rank"),
        ("inpaint", {}, "makes whole images"),
        ("flux_dev", {}, "expected a Stable Diffusion"),
    ],
)
def test_what_can_not_be_taught_is_refused(name, options, message, tmp_path):
    given = {"images": [image()], "prompt": "a cat", **options}
    with pytest.raises(ValueError, match=message):
        LoRATrainer(load(write(name, tmp_path)), **given)
