"""Every architecture beside transformers: the same logits from the same weights.

fixtures/make_architectures.py made the expected values; the weights follow from their names.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm import models
from olivine.utils import tree_flatten
from tests.llm.fixtures.weights import weights

# Relative to the largest logit, in float32.
LIMIT = 1e-5
FOLDER = Path(__file__).parent / "fixtures/architectures"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
ENCODERS = ("bert", "roberta")
DECODERS = [name for name in CASES if not name.startswith((*ENCODERS, "t5"))]
# Where wave lengths depend on the length of the text, keys in a cache keep those of their time.
STEADY = [name for name in DECODERS if name not in ("llama_dynamic", "phi3_longrope_long")]


def case(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def build(name):
    given = case(name)
    model = models.build(given["config"])
    checkpoint = {key: mx.array(value) for key, value in weights(given["shapes"]).items()}
    model.load_weights(list(model.sanitize(checkpoint).items()))
    return model, {key: mx.array(value) for key, value in given["inputs"].items()}


def run(name, model, inputs):
    """What the fixture has the values of."""
    if name in ENCODERS:
        return model(inputs["input_ids"], inputs["attention_mask"])
    if name.startswith("t5"):
        return model(inputs["input_ids"], inputs["decoder_input_ids"], inputs["attention_mask"])
    return model(inputs["input_ids"])


def distance(got, expected) -> float:
    """The largest difference relative to the largest value."""
    got, expected = np.array(got), np.array(expected)
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def difference(name) -> float:
    """How far a case's result is from transformers', for tests and for docs/llm-equality.md."""
    model, inputs = build(name)
    got, expected = np.array(run(name, model, inputs)), np.load(FOLDER / f"{name}.npy")
    if name in ENCODERS:  # what stands at padding has no meaning
        seen = np.array(inputs["attention_mask"]).astype(bool)
        got, expected = got[seen], expected[seen]
    return distance(got, expected)


def cached_difference(name) -> float:
    """As `difference`, of a text that came in two pieces and then token by token."""
    model, inputs = build(name)
    ids, cache = inputs["input_ids"], model.make_cache()
    pieces = [ids[:, :4], ids[:, 4:9], *(ids[:, i : i + 1] for i in range(9, ids.shape[1]))]
    got = mx.concatenate([model(piece, cache) for piece in pieces], axis=1)
    return distance(got, np.load(FOLDER / f"{name}.npy"))


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_those_of_transformers(name):
    assert difference(name) < LIMIT


@pytest.mark.parametrize("name", STEADY)
def test_a_cache_changes_nothing(name):
    assert cached_difference(name) < LIMIT


@pytest.mark.parametrize("name", CASES)
def test_a_quantized_model_runs_close_to_the_full_one(name):
    model, inputs = build(name)
    full = run(name, model, inputs)
    nn.quantize(
        model,
        group_size=32,
        bits=8,
        class_predicate=lambda _, m: hasattr(m, "to_quantized") and m.weight.shape[-1] % 32 == 0,
    )
    assert any(path.endswith(".scales") for path, _ in tree_flatten(model.parameters()))
    got = run(name, model, inputs)
    # A router may pick other experts after rounding.
    assert np.isfinite(np.array(got)).all()
    if not any("expert" in path for path, _ in tree_flatten(model.parameters())):
        assert distance(got, full) < 0.15


@pytest.mark.parametrize("name", CASES)
def test_every_parameter_has_a_gradient(name):
    model, inputs = build(name)
    _, gradients = nn.value_and_grad(model, lambda: run(name, model, inputs).square().mean())()
    for path, gradient in tree_flatten(gradients):
        assert np.isfinite(np.array(gradient)).all(), path


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_half_precision_stays_half(name, dtype):
    model, inputs = build(name)
    full = run(name, model, inputs)
    model.set_dtype(getattr(mx, dtype))
    got = run(name, model, inputs)
    assert got.dtype == getattr(mx, dtype)
    # A router may pick other experts after rounding.
    if not any("expert" in path for path, _ in tree_flatten(model.parameters())):
        assert distance(got.astype(mx.float32), full) < 0.1
