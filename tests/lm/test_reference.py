"""Fifty training steps give the losses that PyTorch found from the same weights and batches."""

import ast
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.lm.data import CharTokenizer, Corpus
from olivine.lm.settings import GPTConfig, TrainConfig
from olivine.lm.train import Trainer, learning_rate

FIXTURE = Path(__file__).parents[1] / "fixtures" / "lm_reference.npz"


class GivenBatches:
    """Stands in for the sampler."""

    def __init__(self, batches):
        self.batches = batches.astype(np.int32)
        self.step = 0

    def next(self):
        batch = self.batches[self.step]
        self.step += 1
        return mx.array(batch[:, :-1]), mx.array(batch[:, 1:])


@pytest.fixture(scope="module")
def reference():
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.fixture
def trainer(reference):
    settings = ast.literal_eval(str(reference["settings"]))
    model, training = GPTConfig(**settings["model"]), TrainConfig(**settings["training"])
    tokens = reference["batches"].reshape(-1)
    corpus = Corpus(Path("given"), "", CharTokenizer(""), tokens, tokens[:0])
    trainer = Trainer(model, training, corpus)
    trainer.sampler = GivenBatches(reference["batches"])
    weights = [
        (name.removeprefix("weights."), mx.array(value))
        for name, value in reference.items()
        if name.startswith("weights.")
    ]
    trainer.model.load_weights(weights)
    trainer.compile()
    return trainer


def test_fifty_steps_give_the_reference_losses(trainer, reference):
    schedule = learning_rate(trainer.config, len(reference["losses"]))
    losses = [trainer.train_step(schedule(step)) for step in range(len(reference["losses"]))]
    np.testing.assert_allclose(losses, reference["losses"], rtol=1e-3)
    assert losses[-1] < 0.8 * losses[0]
    # Clipping was at work in some steps and not in others, so both ways are covered.
    norms = reference["norms"]
    assert (norms > trainer.config.clip).any() and (norms < trainer.config.clip).any()
