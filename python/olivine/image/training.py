"""Training a diffusion model on pixels: the U-Net, what a step changes, and its folder.

The model learns `v`, a mixture of image and noise (Salimans and Ho, "Progressive Distillation for
Fast Sampling of Diffusion Models", 2022), under the cosine schedule (Nichol and Dhariwal, "Improved
Denoising Diffusion Probabilistic Models", 2021). Classes are left out of some examples, so that
guidance can lead away from what is common to all (Ho and Salimans, "Classifier-Free Diffusion
Guidance", 2022). Images are made with averaged weights.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from functools import partial

import numpy as np

import olivine.core as mx
import olivine.nn as nn
from olivine.image.image_set import ImageSet
from olivine.image.models.pixel_unet import Model
from olivine.image.pipelines.pixels import PixelDiffusion
from olivine.image.save import checkpoint_of
from olivine.image.schedulers import make
from olivine.image.training_settings import HEAD, Settings
from olivine.llm.atomic import whole_folder, write_json
from olivine.optimizers import AdamW, clip_grad_norm, cosine_decay, join_schedules, linear_schedule
from olivine.train.ema import EMA

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": True,
    "set_alpha_to_one": True,
    "eta": 1.0,  # fresh noise at every step corrects what guidance overdoes; diffusers ignores it
}
GROUPS = 8  # of channels, for norms
LEVELS = 4  # at most


def unet_settings(data: ImageSet, settings: Settings) -> dict:
    """The config.json of a U-Net for these images: levels as long as sides can be halved to 4."""
    height, width, channels = data.images.shape[1:]
    levels = 1
    while levels < LEVELS and not (height | width) % 2**levels and min(height, width) >> levels > 3:
        levels += 1
    return {
        "_class_name": "UNet2DModel",
        "sample_size": height if height == width else [height, width],
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": [settings.width] + [2 * settings.width] * (levels - 1),
        "down_block_types": ["DownBlock2D"] * (levels - 1) + ["AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D"] + ["UpBlock2D"] * (levels - 1),
        "layers_per_block": settings.layers,
        "norm_num_groups": GROUPS,
        "attention_head_dim": HEAD,
        "num_class_embeds": len(data.names) + 1 if data.names else None,
        "dropout": settings.dropout,
    }


def learning_rate(settings: Settings):
    """Up within a hundredth of the steps, at least 20, then down along half a wave."""
    rise = min(max(settings.steps // 100, 20), settings.steps)
    fall = cosine_decay(settings.learning_rate, max(settings.steps - rise, 1))
    return join_schedules([linear_schedule(0.0, settings.learning_rate, rise), fall], [rise])


class DiffusionTrainer:
    """A model, and steps that teach it; `step()` takes one, `pipeline()` makes images.

    `state` is for a `Checkpointer`: a run that is restored goes on as if it had never stopped.
    """

    def __init__(self, data: ImageSet, settings: Settings | None = None):
        self.data = data
        self.settings = settings = Settings() if settings is None else settings
        self.config = unet_settings(data, settings)
        mx.random.seed(settings.seed)
        self.model = Model.from_dict(self.config)
        # A constant at first, so that the loss begins near the variance of what is learned.
        self.model.conv_out.weight = mx.zeros_like(self.model.conv_out.weight)
        self.scheduler = make("ddim", SCHEDULER)
        self.optimizer = AdamW(learning_rate(settings), weight_decay=1e-2)
        self.optimizer.init(self.model.trainable_parameters())
        self.ema = EMA(self.model, settings.average)
        self.state = {
            "model": self.model,
            "optimizer": self.optimizer,
            "average": self.ema,
            "random": mx.random.state,
        }
        self._images = mx.array(data.images)
        self._labels = None if data.labels is None else mx.array(data.labels)
        self._compiled = self._compile()

    def _compile(self):
        slope = nn.value_and_grad(self.model, self._loss)
        state = [self.model.state, self.optimizer.state, self.ema.state, mx.random.state]

        @partial(mx.compile, inputs=state, outputs=state)
        def step():
            loss, gradient = slope(*self._draw())
            gradient, _ = clip_grad_norm(gradient, 1.0)
            self.optimizer.update(self.model, gradient)
            self.ema.update(self.model)
            return loss

        return step

    def _draw(self) -> tuple[mx.array, mx.array, mx.array, mx.array | None]:
        """Noisy images, their steps, what the model should say, and their classes."""
        count = self.settings.batch_size
        at = mx.random.randint(0, len(self.data.images), (count,))
        clean = self._images[at].astype(mx.float32) / 127.5 - 1.0
        steps = mx.random.randint(0, self.scheduler.settings.num_train_timesteps, (count,))
        x, target = self.scheduler.taught(clean, mx.random.normal(clean.shape), steps)
        if self._labels is None:
            return x, steps, target, None
        hidden = mx.random.bernoulli(self.settings.unlabelled, (count,))
        return x, steps, target, mx.where(hidden, len(self.data.names), self._labels[at])

    def _loss(self, x, steps, target, classes) -> mx.array:
        return (self.model(x, steps, classes) - target).square().mean()

    @property
    def steps(self) -> int:
        """How many were taken."""
        return int(self.optimizer.step.item())

    def step(self) -> float:
        """Take a step; returns the loss before it, which has to be a number to go on."""
        self.model.train()
        loss = self._compiled()
        mx.eval(loss, self.model.state, self.optimizer.state, self.ema.state, mx.random.state)
        value = loss.item()
        if not math.isfinite(value):
            raise ArithmeticError(f"[image] the loss is {value} at step {self.steps}")
        return value

    def pipeline(self) -> PixelDiffusion:
        """What makes images of the classes, with weights averaged until now."""
        key = mx.random.state[0]  # that of the run, which goes on as if no model had been made
        model = Model.from_dict(self.config)
        mx.random.state[0] = key
        self.ema.copy_to(model)
        model.eval()
        made = PixelDiffusion({"unet": model}, {}, make("ddim", SCHEDULER))
        made.read_index(self._index())
        return made

    def _index(self) -> dict:
        """Of model_index.json. What has no classes is a pipeline that diffusers has, too."""
        names = {str(i): name for i, name in enumerate(self.data.names)}
        return {
            "_class_name": "ClassConditionalPipeline" if names else "DDIMPipeline",
            "scheduler": ["diffusers", "DDIMScheduler"],
            "unet": ["diffusers", "UNet2DModel"],
        } | ({"id2label": names} if names else {})

    def save(self, target: str | os.PathLike, dtype: mx.Dtype = mx.float16) -> None:
        """Write a folder that `olivine.image.load` reads; the one that is there is replaced."""
        weights = checkpoint_of(self.pipeline().model)
        weights = {name: weight.astype(dtype) for name, weight in weights.items()}
        with whole_folder(target, overwrite=True) as draft:
            for part in ("unet", "scheduler"):
                (draft / part).mkdir()
            write_json(draft / "model_index.json", self._index())
            write_json(draft / "scheduler" / "scheduler_config.json", SCHEDULER)
            write_json(draft / "unet" / "config.json", self.config)
            path = draft / "unet" / "diffusion_pytorch_model.safetensors"
            mx.save_safetensors(str(path), weights, {"format": "pt"})

    def samples(self, count: int, seed: int, steps: int = 25) -> np.ndarray:
        """`count` images, of all classes in turn, as uint8."""
        pipeline = self.pipeline()
        names = self.data.names
        prompts = [names[i % len(names)].split(",")[0] if names else "" for i in range(count)]
        return np.array(pipeline(prompts, seed=seed, steps=steps).pixels)

    def about(self) -> dict:
        """What has to be the same in a run that goes on."""
        return {"settings": asdict(self.settings), "sha256": self.data.sha256}
