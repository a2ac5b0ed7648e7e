"""Writes a cache of Hugging Face's hub with a tiny Stable Diffusion and a tiny SDXL, of random
weights, under the names that MLX's stable_diffusion example knows."""

import json
from pathlib import Path

import olivine.core as mx
from olivine.image.models import unet
from olivine.utils import tree_flatten
from tests.image.fixtures.weights import weights
from tests.image.folders import write as write_pipeline

NAMES = {"sd": "snwy/SD1.5-DALLE-2", "sdxl": "stabilityai/sdxl-turbo"}
# The example's transformers have 32 groups, whatever the model says.
WIDER = {"block_out_channels": [32, 64], "norm_num_groups": 32}
REVISION = "0" * 40


def write(cache: Path) -> Path:
    for pipeline, name in NAMES.items():
        home = cache / f"models--{name.replace('/', '--')}"
        folder = home / "snapshots" / REVISION
        folder.mkdir(parents=True)
        (home / "refs").mkdir()
        (home / "refs/main").write_text(REVISION)
        write_pipeline(pipeline, folder)
        widen(folder / "unet")
    return cache


def widen(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | WIDER
    (folder / "config.json").write_text(json.dumps(config))
    model = unet.Model.from_dict(config)
    shapes = {}
    for name, value in tree_flatten(model.parameters()):
        shape = value.shape
        shapes[name] = (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape
    arrays = {name: mx.array(value) for name, value in weights(shapes).items()}
    mx.save_safetensors(str(folder / "diffusion_pytorch_model.safetensors"), arrays)
