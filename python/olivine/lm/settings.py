"""The settings of a language model and of its training; their defaults are the demo's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a model. `context` is the most tokens it can look at."""

    vocab_size: int
    context: int = 64
    layers: int = 4
    heads: int = 4
    dims: int = 128
    dropout: float = 0.0
    tied: bool = True

    def __post_init__(self):
        for name in ("vocab_size", "context", "layers", "heads", "dims"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1; got {getattr(self, name)}")
        if self.dims % self.heads:
            raise ValueError(f"expected dims divisible by heads; got {self.dims} and {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected dropout from 0 to below 1; got {self.dropout}")

    def parameter_count(self) -> int:
        """How many numbers a model of these sizes learns."""
        block = 12 * self.dims**2 + 13 * self.dims
        tables = (self.vocab_size * (1 if self.tied else 2) + self.context) * self.dims
        return tables + self.layers * block + 2 * self.dims


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. With `bf16` it computes in bfloat16, from weights kept in float32."""

    batch_size: int = 16
    learning_rate: float = 4e-3
    warmup: int = 100
    weight_decay: float = 0.1
    beta2: float = 0.99
    clip: float = 1.0
    evaluate_every: int = 250
    seed: int = 0
    bf16: bool = False


def training_memory(model: GPTConfig, training: TrainConfig) -> int:
    """Bytes that training takes, roughly: weights, gradients, Adam's averages, activations."""
    tokens = training.batch_size * model.context
    per_layer = 40 * model.dims + 2 * model.heads * model.context
    activations = tokens * (model.layers * per_layer + 4 * model.vocab_size)
    return 4 * (5 * model.parameter_count() + activations)
