"""`olivine train-images`: trains a diffusion model on small images."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import asdict, fields
from pathlib import Path

from olivine.cli.errors import RunError, UsageError, real, whole
from olivine.image.training_settings import Settings

DESCRIPTION = """\
Train a diffusion model on images: it learns to turn noise into images of the class it is asked for.

Without IMAGES it learns from 1,797 handwritten digits that come with Olivine. IMAGES is a folder
with a folder of images for each class (or images alone), which are cut to squares and scaled to
--size; or an .npz with an array `images` and, if there are classes, `labels` and `names`.

The run's folder gets samples.png, which shows every class and is drawn anew as the run goes on;
model, a folder that `olivine imagine` and olivine.image.load read; and checkpoints. Ctrl-C saves
and stops; the same command with --resume goes on as if nothing had happened.
"""

EXAMPLES = """\
examples:
  olivine train-images --out runs/digits        a quarter of an hour, then a grid of samples
  olivine imagine runs/digits/model seven --scale 16
  olivine train-images --out runs/digits --resume
                                                go on after Ctrl-C, a crash or a power cut
  olivine train-images --out runs/digits --resume --steps 20000
                                                give a run more steps
  olivine train-images my-photos --size 32 --width 64 --dropout 0.1
                                                a folder with a folder of photos for each class
"""

HELP = {
    "width": (whole(16, 2**12), "channels of the first level, a multiple of 16"),
    "layers": (whole(1, 64), "residual blocks of a level"),
    "dropout": (real(0, 0.99), "share of activations to drop: more against mere copies"),
    "batch_size": (whole(1), "images per step"),
    "learning_rate": (real(0, above=True), "peak of the schedule"),
    "unlabelled": (real(0, 0.99), "share of images shown without their class, for guidance"),
    "average": (real(0, 0.999999), "decay of the averaged weights that make images"),
    "seed": (whole(0), "fixes weights, batches and noise"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    defaults = asdict(Settings())
    parser.add_argument("images", nargs="?", metavar="IMAGES", help="a folder or an .npz")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the run (default: runs/ and the images' name)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from DIR's last checkpoint")
    parser.add_argument("--plain", action="store_true", help="print lines instead of a live bar")
    parser.add_argument(
        "--steps", type=whole(1), metavar="N", help=f"of training (default: {defaults['steps']})"
    )
    parser.add_argument(
        "--save-every", type=whole(1), default=500, metavar="N", help="steps between saves (500)"
    )
    data = parser.add_argument_group("images of a folder")
    data.add_argument("--size", type=whole(4, 1024), metavar="N", help="their sides (32)")
    data.add_argument("--grey", action="store_true", help="take their brightness alone")
    group = parser.add_argument_group("the model and its training")
    for name, (kind, text) in HELP.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            metavar="N" if isinstance(defaults[name], int) else "X",
            help=f"{text} (default: {defaults[name]:g})",
        )


def run(options: argparse.Namespace) -> int:
    """Train, draw samples and write the model; returns the exit status."""
    from olivine.data.errors import DataError
    from olivine.train import CheckpointError

    out = Path(options.out or Path("runs") / Path(options.images or "digits").stem)
    try:
        trainer, about = (_resumed if options.resume else _begun)(out, options)
        return _train(trainer, about, out, options)
    except (CheckpointError, DataError, ModuleNotFoundError) as error:
        raise UsageError(error) from None


def _given(options: argparse.Namespace) -> dict:
    names = [*HELP, "steps"]
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _begun(out: Path, options: argparse.Namespace):
    """A new trainer, and what has to be remembered of the run; its folder must be new or empty."""
    from olivine.image.image_set import DIGITS, read_images
    from olivine.image.training import DiffusionTrainer

    if out.exists() and (not out.is_dir() or any(p.name != ".lock" for p in out.iterdir())):
        raise UsageError(f"{out} has content: go on with --resume, or choose another --out")
    try:
        settings = Settings(**_given(options))
    except ValueError as error:
        raise UsageError(error) from None
    source = {"images": options.images or DIGITS, "size": options.size, "grey": options.grey}
    if options.images is not None:
        source["images"] = str(Path(options.images).absolute())
    trainer = DiffusionTrainer(read_images(source["images"], options.size, options.grey), settings)
    return trainer, {**trainer.about(), "source": source}


def _resumed(out: Path, options: argparse.Namespace):
    """The trainer of the run in `out`, not restored yet, and what was remembered."""
    from olivine.image.image_set import read_images
    from olivine.image.training import DiffusionTrainer

    path = out / "run.json"
    if not path.is_file():
        raise UsageError(f"there is no run in {out} to resume")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        saved, source = about["settings"], about["source"]
        wrong = {f.name for f in fields(Settings)} ^ saved.keys()
        if wrong:
            raise KeyError(min(wrong))
        settings = Settings(**saved | ({"steps": options.steps} if options.steps else {}))
        images, size, grey = source["images"], source["size"], source["grey"]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged: {error!r}") from None
    for name, value in _given(options).items():
        if name != "steps" and value != saved[name]:
            raise UsageError(
                f"argument --{name.replace('_', '-')}: the run in {out} has {saved[name]}; "
                f"got {value}; leave the option out to resume"
            )
    data = read_images(options.images or images, size, grey)
    if data.sha256 != about.get("sha256"):
        raise UsageError(f"{images} are not the images that the run in {out} began with")
    return DiffusionTrainer(data, settings), about | {"settings": asdict(settings)}


def _train(trainer, about: dict, out: Path, options: argparse.Namespace) -> int:
    from olivine.llm.atomic import write_json
    from olivine.train import Checkpointer, StopSignal, progress

    total = trainer.settings.steps
    with Checkpointer(out / "checkpoints", trainer.state, keep=1) as checkpoints:
        done = (checkpoints.restore() or 0) if options.resume else 0
        if done >= total:
            print(f"The run in {out} is complete after {done:,} steps; give it more with --steps.")
            return 0
        write_json(out / "run.json", about)

        def save() -> None:
            checkpoints.save(trainer.steps)
            _write(trainer, out)

        with progress(total, options.plain) as bar, StopSignal() as stop:
            bar.message(_described(trainer, out, done))
            recent = None
            while trainer.steps < total and not stop.received:
                loss = _step(trainer, out)
                recent = loss if recent is None else 0.98 * recent + 0.02 * loss
                bar.update(trainer.steps, loss=recent)
                if trainer.steps % options.save_every == 0 and trainer.steps < total:
                    save()
            save()
    if stop.received and trainer.steps < total:
        print(
            f"{stop.received}: saved after step {trainer.steps:,} and stopped. To go on:\n"
            f"  olivine train-images --out {shlex.quote(str(out))} --resume"
        )
        return 0
    model = shlex.quote(str(out / "model"))
    prompt = trainer.data.names[0].split(",")[0] if trainer.data.names else ""
    print(
        f"Done after {trainer.steps:,} steps: loss {recent:.4f}\nsamples {out / 'samples.png'}\n"
        f"To make more:\n  olivine imagine {model} {shlex.quote(prompt)} --scale {_scale(trainer)}"
    )
    return 0


def _step(trainer, out: Path) -> float:
    try:
        return trainer.step()
    except ArithmeticError as error:
        raise RunError(
            f"{error}; go on from the last save in {out} with --resume, or begin anew with a lower "
            "--learning-rate"
        ) from None


def _write(trainer, out: Path) -> None:
    """The model as it is, and six rows of what it makes."""
    from olivine.image import grid, write_png

    trainer.save(out / "model")
    columns = min(len(trainer.data.names), 12) or 8
    pixels = trainer.samples(columns * 6, seed=0)  # the same noise every time
    write_png(out / "samples.png", grid(pixels, columns, _scale(trainer)))


def _scale(trainer) -> int:
    """How large pixels have to be for a person to see what there is."""
    return max(1, 64 // max(trainer.data.images.shape[1:3]))


def _described(trainer, out: Path, done: int) -> str:
    from olivine.utils import tree_flatten

    count, height, width, channels = trainer.data.images.shape
    names = trainer.data.names
    parameters = sum(p.size for _, p in tree_flatten(trainer.model.parameters()))
    kinds = f" of {len(names)} classes" if names else ""
    how = f"going on after step {done:,} of the run" if done else "a new run"
    return (
        f"{count:,} images{kinds}, {width} x {height}, {channels} channels\n"
        f"model: {parameters:,} parameters\n{how} in {out}"
    )
