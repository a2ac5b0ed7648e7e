"""What the language-model tests share: a small text, tiny settings and the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import olivine
from olivine.lm.data import load_corpus
from olivine.lm.settings import GPTConfig, TrainConfig
from olivine.lm.train import Trainer


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A file with a few thousand characters of the bundled text."""
    bundled = Path(olivine.__file__).parent / "data" / "shakespeare.txt"
    path = tmp_path_factory.mktemp("text") / "play.txt"
    path.write_text(bundled.read_text(encoding="utf-8")[:6000], encoding="utf-8")
    return path


@pytest.fixture
def make_trainer(text):
    """Makes trainers of a tiny model; dropout is on, so the random generator matters."""

    def make(**training):
        corpus = load_corpus(text)
        model = GPTConfig(
            vocab_size=corpus.tokenizer.vocab_size,
            context=16,
            layers=1,
            heads=2,
            dims=16,
            dropout=0.1,
        )
        return Trainer(model, TrainConfig(batch_size=4, evaluate_every=5, **training), corpus)

    return make


@pytest.fixture(scope="session")
def environment():
    """For other processes: they import the package under test, installed or not."""
    path = os.pathsep.join(
        [str(Path(olivine.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"}


@pytest.fixture
def start(tmp_path, environment):
    """Starts `python -m olivine` in an empty folder."""
    processes = []

    def run(*args):
        process = subprocess.Popen(
            [sys.executable, "-m", "olivine", *map(str, args)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()
