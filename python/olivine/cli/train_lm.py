"""`olivine train-lm`: trains a character-level language model on a text file."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict, fields
from pathlib import Path

from olivine.cli.errors import RunError, UsageError, encode_prompt, real, whole
from olivine.lm.settings import GPTConfig, TrainConfig, training_memory

DESCRIPTION = """\
Train a small language model, a GPT that reads characters, on a text file.

Without TEXT it learns from a million characters of Shakespeare that come with Olivine. The run's
folder gets checkpoint.safetensors, from which it can be resumed, and loss.png, the loss curve.
Ctrl-C saves and stops; the same command with --resume goes on as if nothing had happened.
"""

EXAMPLES = """\
examples:
  olivine train-lm --out runs/demo              about two minutes on two cores, then a sample
  olivine train-lm mytext.txt --minutes 10      as many steps as fit into ten minutes
  olivine train-lm --out runs/demo --resume     go on after Ctrl-C, a crash or a power cut
  olivine train-lm --out runs/demo --resume --steps 5000
                                                give a finished run more steps
  olivine train-lm book.txt --layers 6 --dims 192 --heads 6 --context 256 --minutes 60
                                                a larger model, which needs more time
"""

DEFAULT_STEPS = 2400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("text", nargs="?", metavar="TEXT", help="a UTF-8 text file")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the run (default: runs/ and the text's name)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from DIR's checkpoint")
    parser.add_argument("--plain", action="store_true", help="print lines instead of a live bar")

    budget = parser.add_argument_group("how long").add_mutually_exclusive_group()
    budget.add_argument(
        "--steps", type=whole(1), metavar="N", help=f"number of steps (default: {DEFAULT_STEPS})"
    )
    budget.add_argument(
        "--minutes", type=real(0, above=True), metavar="M", help="as many steps as fit into M"
    )

    model = parser.add_argument_group("the model")
    _option(model, "--layers", whole(1, 1000), "number of transformer blocks")
    _option(model, "--heads", whole(1, 10000), "attention heads per block")
    _option(model, "--dims", whole(1, 2**20), "size of a character's vector")
    _option(model, "--context", whole(2), "characters the model can look back at")
    _option(model, "--dropout", real(0, 0.99), "share of activations to drop while training")
    model.add_argument(
        "--untied",
        action="store_false",
        dest="tied",
        default=None,
        help="give the output its own matrix instead of sharing the input's",
    )

    training = parser.add_argument_group("training")
    _option(training, "--batch-size", whole(1), "windows of text per step")
    _option(training, "--learning-rate", real(0, above=True), "peak of the schedule")
    _option(training, "--warmup", whole(0), "steps until the peak, at most a tenth of all")
    _option(training, "--weight-decay", real(0), "AdamW's decay")
    _option(training, "--clip", real(0, above=True), "largest norm of the gradient")
    _option(training, "--evaluate-every", whole(1), "steps between evaluations, which also save")
    _option(training, "--seed", whole(0), "fixes weights, batches and dropout")
    training.add_argument(
        "--bf16",
        action="store_true",
        default=None,
        help="compute in bfloat16, from weights that stay float32",
    )

    text = parser.add_argument_group("the sample at the end")
    text.add_argument(
        "--sample", type=whole(0, 10**6), default=500, metavar="N", help="its length (500)"
    )
    text.add_argument("--prompt", metavar="TEXT", help="its beginning (a line break)")


def _option(group, name: str, parse, help: str) -> None:
    """An option of the model or of training; None means that it was not given."""
    field = name.removeprefix("--").replace("-", "_")
    default = _defaults()[field]
    metavar = "N" if isinstance(default, int) else "X"
    group.add_argument(name, type=parse, metavar=metavar, help=f"{help} (default: {default:g})")


def _defaults() -> dict:
    return {f.name: f.default for config in (GPTConfig, TrainConfig) for f in fields(config)}


def run(options: argparse.Namespace) -> int:
    """Train, draw the loss curve and print a sample; returns the exit status."""
    from olivine.lm.checkpoint import CheckpointError, RunFolder
    from olivine.lm.data import BUNDLED_TEXT, DataError

    out = Path(options.out or Path("runs") / Path(options.text or BUNDLED_TEXT).stem)
    try:
        if not options.resume:
            # Everything is checked before the folder is made or changed.
            trainer = _new_trainer(options)
            with RunFolder(out) as folder:
                budget, note = _start(folder, options)
                return _train(folder, trainer, budget, note, options)
        if not out.is_dir():
            raise CheckpointError(f"there is no run in {out} to resume")
        with RunFolder(out) as folder:
            trainer, budget = _resume(folder, options)
            if budget.is_spent(trainer.step):
                print(
                    f"The run in {out} is complete after {trainer.step:,} steps; "
                    "give it more with --steps or --minutes."
                )
                return 0
            note = f"going on after step {trainer.step:,} of the run in {out}"
            return _train(folder, trainer, budget, note, options)
    except (CheckpointError, DataError) as error:
        raise UsageError(error) from None


def _new_trainer(options: argparse.Namespace):
    from olivine.lm.data import BUNDLED_TEXT, load_corpus
    from olivine.lm.train import Trainer

    corpus = load_corpus(options.text or BUNDLED_TEXT)
    values = {**_defaults(), **_given(options), "vocab_size": corpus.tokenizer.vocab_size}
    try:
        model = GPTConfig(**{f.name: values[f.name] for f in fields(GPTConfig)})
        training = TrainConfig(**{f.name: values[f.name] for f in fields(TrainConfig)})
    except ValueError as error:
        raise UsageError(error) from None
    _check_memory(model, training)
    _prompt(options, corpus)
    return Trainer(model, training, corpus)


def _start(folder, options: argparse.Namespace):
    """Make room for a new run. Returns its budget and what to tell the user."""
    from olivine.lm import checkpoint
    from olivine.lm.train import Budget

    note = f"a new run in {folder.path}"
    if folder.checkpoint.exists():
        _, settings = checkpoint.load(folder.checkpoint)
        if not settings.get("finished"):
            raise checkpoint.CheckpointError(
                f"{folder.path} holds an unfinished run (step {settings.get('step')}): "
                "go on with --resume, or choose another --out"
            )
        note += f"; the finished one that was there is now {folder.set_aside().name}"
    if options.minutes is not None:
        return Budget(minutes=options.minutes), note
    return Budget(steps=options.steps or DEFAULT_STEPS), note


def _resume(folder, options: argparse.Namespace):
    """Trainer and budget of the run in `folder`, as its checkpoint left them."""
    from olivine.lm import checkpoint
    from olivine.lm.data import BUNDLED_TEXT, DataError, load_corpus
    from olivine.lm.train import Budget, Trainer

    arrays, settings = checkpoint.load(folder.checkpoint)
    try:
        model = GPTConfig(**settings["model"])
        training = TrainConfig(**settings["training"])
        text, sha256 = settings["text"]["path"], settings["text"]["sha256"]
        budget = Budget.of_settings(settings, options.steps, options.minutes)
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointError(
            f"{folder.checkpoint} has damaged settings: {error!r}"
        ) from None

    saved = {**asdict(model), **asdict(training)}
    for name, value in _given(options).items():
        if value != saved[name]:
            raise UsageError(
                f"argument --{name.replace('_', '-')}: the run in {folder.path} has "
                f"{saved[name]}; got {value}; leave the option out to resume"
            )
    corpus = load_corpus(options.text or text or BUNDLED_TEXT)
    if corpus.sha256 != sha256:
        raise DataError(f"{corpus.path} is not the text that the run in {folder.path} began with")
    _prompt(options, corpus)
    trainer = Trainer(model, training, corpus)
    trainer.restore(arrays, settings)
    return trainer, budget


def _train(folder, trainer, budget, note: str, options: argparse.Namespace) -> int:
    from olivine.cli.progress import duration, progress, shown
    from olivine.lm.train import TrainingError, train

    with progress(options.plain) as reporter:
        reporter.message(f"{_describe(trainer)}\n{note}")
        try:
            signal = train(trainer, budget, folder.checkpoint, reporter)
        except TrainingError as error:
            raise RunError(f"{error}; {_after_failure(folder)}") from None
    if signal:
        print(
            f"{signal}: saved after step {trainer.step:,} and stopped. To go on:\n"
            f"  olivine train-lm --out {shlex.quote(str(folder.path))} --resume"
        )
        return 0
    print(
        f"Done after {trainer.step:,} steps in {duration(budget.seconds())}: "
        f"validation loss {shown(trainer.history.validation_loss[-1])}\n"
        f"checkpoint {folder.checkpoint}{_draw(trainer, folder)}",
        flush=True,
    )
    if options.sample:
        _print_sample(trainer, _prompt(options, trainer.corpus), options.sample)
    return 0


def _prompt(options: argparse.Namespace, corpus) -> list[int]:
    return encode_prompt(options.prompt, corpus.tokenizer)


def _given(options: argparse.Namespace) -> dict:
    """The options of the model and of training that are on the command line."""
    names = [name for name in _defaults() if getattr(options, name, None) is not None]
    return {name: getattr(options, name) for name in names}


def _check_memory(model: GPTConfig, training: TrainConfig) -> None:
    from olivine.cli.machine import memory_limit

    needed, limit = training_memory(model, training), memory_limit()
    if needed > limit:
        raise UsageError(
            f"training a model of this size takes about {needed / 2**30:,.1f} GiB, and this "
            f"machine gives {limit / 2**30:,.1f} GiB; lower --dims, --layers, --context or "
            "--batch-size"
        )


def _describe(trainer) -> str:
    model, corpus = trainer.model_config, trainer.corpus
    size = len(corpus.training) + len(corpus.validation)
    return (
        f"{corpus.path.name}: {size:,} characters, {model.vocab_size} different\n"
        f"model: {model.parameter_count():,} parameters in {model.layers} blocks of "
        f"{model.dims} dims and {model.heads} heads; context {model.context}"
    )


def _after_failure(folder) -> str:
    advice = "try again with a lower --learning-rate"
    if folder.checkpoint.exists():
        return f"{advice}; the last checkpoint is kept in {folder.checkpoint}"
    return advice


def _draw(trainer, folder) -> str:
    from olivine.lm.plot import loss_curve

    path = folder.path / "loss.png"
    try:
        loss_curve(trainer.history, path, f"Learning {trainer.corpus.path.stem}")
    except ModuleNotFoundError:
        return "\n(no loss curve: matplotlib is not installed)"
    return f"\nloss curve {path}"


def _print_sample(trainer, prompt: list[int], count: int) -> None:
    from olivine.lm.generate import generate

    print("A sample:\n")
    decode = trainer.corpus.tokenizer.decode
    print(decode(prompt).lstrip("\n"), end="")
    for token in generate(trainer.model, prompt, count, seed=trainer.config.seed):
        print(decode([token]), end="", flush=True)
    print()
