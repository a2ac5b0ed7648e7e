"""`olivine finetune`: teaches a language model from a file of examples."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from olivine.cli.errors import RunError, UsageError, real, whole

DESCRIPTION = """\
Teach a language model from examples: by LoRA or DoRA adapters beside frozen weights (QLoRA if the
model is quantized), or by training every weight.

DATA is a folder with train.jsonl and, if you like, valid.jsonl, or one JSON-lines file. A line is
  {"text": ...}                       everything is learned
  {"prompt": ..., "completion": ...}  the completion is learned
  {"messages": [...]}                 what the assistant says is learned
  {"prompt": ..., "chosen": ..., "rejected": ...}   for --objective dpo or orpo

The run's folder gets the adapter, checkpoints, log.csv and loss.png. Ctrl-C saves and stops; the
same command with --resume goes on as if nothing had happened.
"""

EXAMPLES = """\
examples:
  olivine finetune --data mydata                       the default model, on a folder of examples
  olivine finetune my-model --data mydata --steps 300 --rank 16 --targets all
  olivine finetune my-model --data pairs.jsonl --objective dpo --learning-rate 2e-5
  olivine finetune my-model --data mydata --out runs/mine --resume
  olivine generate my-model --adapter runs/mine --prompt "..."
  olivine fuse my-model --adapter runs/mine --out my-tuned-model
"""

DEFAULT_TARGETS = "q_proj,k_proj,v_proj,o_proj"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", nargs="?", metavar="MODEL", help="folder, GGUF, package or hub id")
    parser.add_argument("--data", metavar="DATA", required=True, help="folder or JSON-lines file")
    parser.add_argument("--valid", metavar="FILE", help="validation examples (DATA/valid.jsonl)")
    parser.add_argument("--out", metavar="DIR", default="runs/finetune", help="(runs/finetune)")
    parser.add_argument("--resume", action="store_true", help="go on from DIR's checkpoint")
    parser.add_argument("--plain", action="store_true", help="print lines instead of a live bar")

    what = parser.add_argument_group("what is trained")
    what.add_argument(
        "--method", choices=("lora", "dora", "full"), default="lora", help="adapters or all (lora)"
    )
    what.add_argument("--rank", type=whole(1, 4096), default=8, metavar="N", help="(8)")
    what.add_argument(
        "--alpha",
        type=real(0, above=True),
        metavar="X",
        help="adapters count alpha / rank (2 rank)",
    )
    what.add_argument("--dropout", type=real(0, 0.99), default=0.0, metavar="P", help="(0)")
    what.add_argument(
        "--targets",
        default=DEFAULT_TARGETS,
        metavar="A,B",
        help=f"layers, or all ({DEFAULT_TARGETS})",
    )
    what.add_argument("--layers", type=whole(1), metavar="N", help="only the last N layers (all)")
    what.add_argument(
        "--layout", choices=("peft", "mlx"), default="peft", help="of the adapter's files (peft)"
    )

    how = parser.add_argument_group("how")
    how.add_argument("--objective", choices=("text", "dpo", "orpo"), default="text", help="(text)")
    how.add_argument("--beta", type=real(0), default=0.1, metavar="X", help="of dpo and orpo (0.1)")
    how.add_argument("--steps", type=whole(1), default=600, metavar="N", help="updates (600)")
    how.add_argument("--batch-size", type=whole(1), default=4, metavar="N", help="examples (4)")
    how.add_argument(
        "--accumulate", type=whole(1), default=1, metavar="N", help="batches per update (1)"
    )
    how.add_argument(
        "--learning-rate", type=real(0, above=True), default=1e-4, metavar="X", help="(1e-4)"
    )
    how.add_argument("--warmup", type=whole(0), default=20, metavar="N", help="steps (20)")
    how.add_argument("--weight-decay", type=real(0), default=0.0, metavar="X", help="(0)")
    how.add_argument("--max-length", type=whole(2), default=1024, metavar="N", help="tokens (1024)")
    how.add_argument(
        "--learn-prompts", action="store_true", help="learn prompts as well as answers"
    )
    how.add_argument("--pack", action="store_true", help="join short examples to full rows")
    how.add_argument(
        "--checkpoint-layers", action="store_true", help="less memory for a third more time"
    )
    how.add_argument("--evaluate-every", type=whole(1), default=100, metavar="N", help="(100)")
    how.add_argument("--seed", type=whole(0), default=0, metavar="N", help="(0)")


def run(options: argparse.Namespace) -> int:
    """Fine-tune, save what was learned, draw the losses; returns the exit status."""
    from olivine.llm.finetune.data import DataError
    from olivine.llm.finetune.run import FineTuningError
    from olivine.train import CheckpointError

    if options.method == "full" and options.pack and options.objective != "text":
        raise UsageError("argument --pack: preferences cannot be packed")
    try:
        return _run(options)
    except DataError as error:
        raise UsageError(error) from None
    except (CheckpointError, FineTuningError) as error:
        raise RunError(error) from None
    except ValueError as error:  # names and settings that do not fit the model
        raise UsageError(error) from None


def _run(options: argparse.Namespace) -> int:
    from olivine.llm.adapters import AdapterSettings
    from olivine.llm.finetune.data import load_data, pack
    from olivine.llm.finetune.run import Run, Settings, fine_tune
    from olivine.llm.formats.find import find
    from olivine.llm.loading import assemble, read
    from olivine.train import progress

    train_file, valid_file = _files(options)
    out = Path(options.out)
    if not options.resume and (out / "checkpoints").exists():
        raise UsageError(f"{out} holds a run already; add --resume, or give another --out")
    checkpoint, tokenizer = read(find(options.model))
    model = assemble(checkpoint)
    adapter = None
    if options.method != "full":
        adapter = AdapterSettings(
            rank=options.rank,
            scale=(options.alpha or 2 * options.rank) / options.rank,
            dropout=options.dropout,
            targets="all" if options.targets == "all" else tuple(options.targets.split(",")),
            layers=options.layers,
            dora=options.method == "dora",
        )

    def rows(path: Path):
        data = load_data(path, tokenizer, options.max_length, not options.learn_prompts)
        if options.pack and not data.is_preference:
            data.examples = pack(data.examples, options.max_length)
        note = (
            f" ({data.cut_short:,} cut to {options.max_length:,} tokens)" if data.cut_short else ""
        )
        print(f"{path}: {len(data):,} rows{note}")
        return data

    settings = Settings(
        steps=options.steps,
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        learning_rate=options.learning_rate,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        objective=options.objective,
        beta=options.beta,
        adapter=adapter,
        checkpoint_layers=options.checkpoint_layers,
        evaluate_every=options.evaluate_every,
        seed=options.seed,
    )
    training = rows(train_file)
    validation = rows(valid_file) if valid_file else None
    this = Run(model, training, validation, settings, tokenizer.eos_token_id or 0)
    out.mkdir(parents=True, exist_ok=True)
    with progress(options.steps, options.plain) as bar:
        stopped = fine_tune(this, out, bar, options.resume)
    _save(this, options, out, checkpoint, tokenizer)
    if stopped:
        print(f"stopped by {stopped} after {this.step:,} steps; --resume goes on")
        return 130 if stopped == "SIGINT" else 1
    return 0


def _files(options: argparse.Namespace) -> tuple[Path, Path | None]:
    data = Path(options.data)
    if data.is_dir():
        train, valid = data / "train.jsonl", data / "valid.jsonl"
    else:
        train, valid = data, None
    if options.valid:
        valid = Path(options.valid)
    elif valid is not None and not valid.exists():
        valid = None
    for path in (train, valid):
        if path is not None and not path.is_file():
            raise UsageError(f"expected JSON lines in {path}; there is no such file")
    return train, valid


def _save(this, options: argparse.Namespace, out: Path, checkpoint, tokenizer) -> None:
    from olivine.llm.adapters import save_adapters
    from olivine.llm.finetune.run import describe

    (out / "settings.json").write_text(
        json.dumps({"model": options.model, **describe(this.settings)}, indent=2) + "\n"
    )
    if this.settings.adapter is None:
        from olivine.llm.save import save_folder

        folder = out / "model"
        quantization = checkpoint.quantization
        save_folder(folder, this.model, checkpoint.config, tokenizer, quantization, overwrite=True)
        print(f"saved the model in {out / 'model'}")
    else:
        save_adapters(out, this.model, options.layout, options.model)
        print(f"saved the adapter in {out}")
    if this.validation_losses:
        first, last = this.validation_losses[0][1], this.validation_losses[-1][1]
        print(f"validation loss {first:.4f} -> {last:.4f}")
    _draw(this, out)


def _draw(this, out: Path) -> None:
    from olivine.train import plot_losses

    curves = {"training": this.losses}
    if this.validation_losses:
        steps, values = zip(*this.validation_losses, strict=True)
        curves["validation"] = (list(steps), list(values))
    try:
        plot_losses(out / "loss.png", curves, "Fine-tuning")
    except ModuleNotFoundError:
        print("no loss.png: matplotlib is not installed (pip install 'olivine[demo]')")
