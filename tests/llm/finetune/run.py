"""Fine-tuning runs: they learn, stop and go on, in every form."""

import math
import os
import signal
import threading

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.adapters import AdapterSettings, adapter_layers
from olivine.llm.finetune.data import Dataset, Encoder
from olivine.llm.finetune.run import FineTuningError, Run, Settings, fine_tune
from olivine.train.progress import PlainProgress
from olivine.utils import tree_flatten
from tests.llm.tiny_chat import ByteTokenizer, tiny_llama

ENCODE = Encoder(ByteTokenizer())
ANSWERS = Dataset([ENCODE({"prompt": f"say {i}:", "completion": f"it is {i}"}) for i in range(12)])
PAIRS = Dataset(
    [ENCODE({"prompt": f"{i}?", "chosen": "yes", "rejected": "no no"}) for i in range(8)]
)


def settings(**changes):
    defaults = {
        "steps": 12,
        "batch_size": 2,
        "learning_rate": 1e-2,
        "warmup": 1,
        "evaluate_every": 6,
        "adapter": AdapterSettings(rank=4, targets="all"),
    }
    return Settings(**{**defaults, **changes})


def tuned(tmp_path, data=ANSWERS, resume=False, **changes):
    run = Run(tiny_llama(), data, data, settings(**changes))
    fine_tune(run, tmp_path, PlainProgress(), resume)
    return run


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adapter": AdapterSettings(rank=4, dora=True, dropout=0.1)},
        {"adapter": None, "learning_rate": 3e-3},
        {"accumulate": 2, "checkpoint_layers": True},
    ],
)
def test_the_validation_loss_falls(tmp_path, changes):
    run = tuned(tmp_path, **changes)
    (_, first), *_, (step, last) = run.validation_losses
    assert step == 12 and last < 0.8 * first
    assert (tmp_path / "log.csv").exists()


@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_preferences_are_learned(tmp_path, objective):
    run = tuned(tmp_path, PAIRS, objective=objective, beta=0.5)
    assert run.validation_losses[-1][1] < run.validation_losses[0][1] - 0.1
    if objective == "dpo":  # the untrained model is its own reference
        assert run.losses[0] == pytest.approx(math.log(2), rel=1e-5)


def test_accumulated_parts_are_one_batch():
    whole = Run(tiny_llama(), ANSWERS, None, settings(batch_size=12))
    parts = Run(tiny_llama(), ANSWERS, None, settings(batch_size=3, accumulate=4))
    for _ in range(3):
        whole.train_step()
        parts.train_step()
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-4)


def test_recomputed_layers_give_the_same(tmp_path):
    plain = tuned(tmp_path / "a")
    again = tuned(tmp_path / "b", checkpoint_layers=True)
    np.testing.assert_allclose(again.losses, plain.losses, rtol=1e-4)


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path):
    changes = {"adapter": AdapterSettings(rank=4, dropout=0.2)}
    whole = tuned(tmp_path / "whole", **changes)

    class Interrupting(PlainProgress):
        def update(self, step, **values):
            if step == 5:
                os.kill(os.getpid(), signal.SIGTERM)

    assert threading.current_thread() is threading.main_thread()
    run = Run(tiny_llama(), ANSWERS, ANSWERS, settings(**changes))
    assert fine_tune(run, tmp_path / "parts", Interrupting()) == "SIGTERM"
    assert run.step == 5
    resumed = tuned(tmp_path / "parts", resume=True, **changes)
    assert resumed.losses == whole.losses
    assert resumed.validation_losses == whole.validation_losses
    ours, theirs = (dict(tree_flatten(r.model.trainable_parameters())) for r in (resumed, whole))
    assert ours.keys() == theirs.keys()
    assert all(mx.array_equal(ours[k], theirs[k]) for k in ours)


def test_checkpoints_hold_the_adapters_only(tmp_path):
    tuned(tmp_path)
    (path,) = (tmp_path / "checkpoints").glob("*.safetensors")
    assert not any(".linear." in name for name in mx.load(str(path)))


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match="objective text, dpo or orpo; got 'ppo'"):
        Run(tiny_llama(), ANSWERS, None, settings(objective="ppo"))
    with pytest.raises(ValueError, match="dpo does not go with training data of single answers"):
        Run(tiny_llama(), ANSWERS, None, settings(objective="dpo"))
    run = Run(tiny_llama(), ANSWERS, None, settings(learning_rate=1e30, clip=1e30))
    with pytest.raises(FineTuningError, match="try a lower learning rate"):
        fine_tune(run, tmp_path, PlainProgress())


def test_an_adapter_that_was_loaded_is_trained_on():
    run = Run(tiny_llama(), ANSWERS, None, settings())
    model = run.model
    layers = adapter_layers(model)
    assert adapter_layers(Run(model, ANSWERS, None, settings()).model) == layers
