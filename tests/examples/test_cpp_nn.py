"""The C++ programs that train and run models give what Python gives."""

import re
import sys

import pytest

from tests.examples.cpp_programs import ROOT, programs, run


def test_the_mlp_has_the_losses_of_the_python_program(tmp_path):
    file = tmp_path / "mlp.safetensors"
    run(sys.executable, ROOT / "examples" / "mlp_init.py", file)
    expected = run(sys.executable, ROOT / "examples" / "mlp.py", file)
    assert expected.count("\n") == 100
    assert run(programs() / "mlp", file) == expected


def test_a_missing_file_is_one_line_of_text(tmp_path):
    error = run(programs() / "mlp", tmp_path / "none.safetensors", expect=1)
    assert error.startswith("mlp: ") and error.count("\n") == 1


# ---- The language model.
TEXT = "In the beginning was the array, and it was good: été, naïveté – and then some.\n" * 40


@pytest.fixture(scope="module")
def run_of_python(tmp_path_factory):
    """What `olivine train-lm` makes of the text in 40 steps: the losses, and the checkpoint."""
    from olivine.lm.data import load_corpus
    from olivine.lm.settings import GPTConfig, TrainConfig
    from olivine.lm.train import Trainer, learning_rate

    folder = tmp_path_factory.mktemp("lm")
    text = folder / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    corpus = load_corpus(text)
    trainer = Trainer(GPTConfig(corpus.tokenizer.vocab_size), TrainConfig(), corpus)
    rate = learning_rate(trainer.config, 1000)
    losses = [trainer.train_step(rate(step)) for step in range(40)]
    checkpoint = folder / "checkpoint.safetensors"
    trainer.save(checkpoint)
    return text, losses, checkpoint


def losses_of(output):
    lines = [re.fullmatch(r"step (\d+) loss (\S+)", line) for line in output.splitlines()]
    return [int(m[1]) for m in lines], [float(m[2]) for m in lines]


def test_the_language_model_learns_as_in_python(run_of_python, tmp_path):
    text, expected, _ = run_of_python
    checkpoint = tmp_path / "run.safetensors"
    steps, losses = losses_of(run(programs() / "transformer_lm", text, checkpoint, 40))
    assert steps == list(range(1, 41))
    assert losses[-1] < losses[0] - 1
    assert losses == [float(f"{loss:.9g}") for loss in expected]


def test_a_run_in_two_parts_has_the_losses_of_one(run_of_python, tmp_path):
    text, _, _ = run_of_python
    program = programs() / "transformer_lm"
    whole = run(program, text, tmp_path / "whole.safetensors", 20)
    parts = [run(program, text, tmp_path / "parts.safetensors", 10) for _ in range(2)]
    assert "".join(parts) == whole
    files = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]


def generated_by_python(checkpoint, prompt, count):
    from olivine.lm.generate import generate, load_model

    model, tokenizer = load_model(checkpoint)
    ids = generate(model, [int(i) for i in tokenizer.encode(prompt)], count, temperature=0)
    return prompt + tokenizer.decode(ids)


def test_text_is_that_of_python_from_its_checkpoint(run_of_python):
    _, _, checkpoint = run_of_python
    for prompt in ("I", "the array, naïveté "):
        # More than the context of 64, so that it is read again from the middle.
        expected = generated_by_python(checkpoint, prompt, 90)
        assert run(programs() / "generate", checkpoint, prompt, 90) == expected + "\n"


def test_python_reads_the_checkpoints_of_cpp(run_of_python, tmp_path):
    text, _, _ = run_of_python
    checkpoint = tmp_path / "run.safetensors"
    run(programs() / "transformer_lm", text, checkpoint, 5)
    expected = generated_by_python(checkpoint, "the", 20)
    assert run(programs() / "generate", checkpoint, "the", 20) == expected + "\n"


def test_unusable_checkpoints_and_prompts_are_one_line_of_text(run_of_python, tmp_path):
    text, _, checkpoint = run_of_python
    program = programs() / "generate"
    assert "no character '7'" in run(program, checkpoint, "7", 5, expect=1)
    weights = tmp_path / "weights.safetensors"
    run(sys.executable, ROOT / "examples" / "mlp_init.py", weights)
    assert "no checkpoint of olivine" in run(program, weights, "a", 5, expect=1)
    assert "random keys" in run(programs() / "transformer_lm", text, checkpoint, 5, expect=1)
