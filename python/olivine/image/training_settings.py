"""The settings of a diffusion model's training, which the command's help needs without the core."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = 16  # channels of a head of attention


@dataclass
class Settings:
    """What a run is made with. `width` is the channels of the first level, a multiple of 16; those
    below have twice as many. `unlabelled` is the share of examples whose class is left out."""

    width: int = 32
    layers: int = 1
    dropout: float = 0.1
    batch_size: int = 32
    learning_rate: float = 2e-3
    steps: int = 7000
    unlabelled: float = 0.1
    average: float = 0.999
    seed: int = 0

    def __post_init__(self):
        if self.width < HEAD or self.width % HEAD:
            raise ValueError(f"[image] expected a width of multiples of {HEAD}; got {self.width}")
        for name in ("layers", "batch_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"[image] expected {name} from 1; got {getattr(self, name)}")
        for name in ("dropout", "unlabelled", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"[image] expected {name} from 0 to below 1; got {getattr(self, name)}"
                )
