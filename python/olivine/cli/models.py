"""What the commands of language models share: options, loading, sampling settings."""

from __future__ import annotations

import argparse
import sys

from olivine.cli.errors import UsageError, real, whole
from olivine.cli.line import ProgressLine


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="folder, GGUF file, installed package or Hugging Face id (SmolLM2, if installed)",
    )
    parser.add_argument("--adapter", metavar="DIR", help="an adapter of `olivine finetune`")


def add_sampling(parser: argparse.ArgumentParser, shown: str, min_p: float = 0.0) -> None:
    """Options of `Sampling`; `shown` says what the temperature is if it is not given."""
    group = parser.add_argument_group("how tokens are chosen")
    group.add_argument(
        "--temperature",
        type=real(0, 100),
        metavar="X",
        help=f"0 takes the most likely; above 1 takes risks ({shown})",
    )
    group.add_argument("--top-k", type=whole(1), metavar="K", help="choose among the K likeliest")
    group.add_argument(
        "--top-p",
        type=real(0, 1, above=True),
        default=1.0,
        metavar="P",
        help="choose among the likeliest that together have probability P (1)",
    )
    group.add_argument(
        "--min-p",
        type=real(0, 1),
        default=min_p,
        metavar="P",
        help=f"at least P times as likely as the likeliest ({min_p:g})",
    )
    group.add_argument(
        "--repetition-penalty",
        type=real(0, above=True),
        default=1.0,
        metavar="X",
        help="above 1 repeats itself less (1)",
    )
    group.add_argument("--seed", type=whole(0), metavar="N", help="the same seed, the same text")


def sampling(options: argparse.Namespace):
    """The `Sampling` that the options ask for."""
    from olivine.llm.sampling import Sampling

    return Sampling(
        temperature=options.temperature or 0.0,
        top_k=options.top_k or 0,
        top_p=options.top_p,
        min_p=options.min_p,
        repetition_penalty=options.repetition_penalty,
        seed=options.seed,
    )


def load_model(options: argparse.Namespace):
    """The model, with its adapter, and the tokenizer; UsageError if there is none such."""
    from olivine.llm.loading import load

    try:
        model, tokenizer = load(options.model, lazy=True)
        read_weights(model, options.model or "the default model")
        if getattr(options, "adapter", None):
            from olivine.llm.adapters import load_adapters

            load_adapters(options.adapter, model)
            model.eval()
    except ValueError as error:
        raise UsageError(error) from None
    return model, tokenizer


def read_weights(model, origin: str) -> None:
    """Read a lazily loaded model's weights, with a line of progress if it takes its time."""
    from olivine.llm.loading import evaluate

    layers = [module for _, module in model.named_modules() if not module.children()]
    with ProgressLine("loading") as line:
        for done, layer in enumerate(layers):
            line(done, len(layers))
            evaluate(layer, origin)
    evaluate(model, origin)  # what belongs to no layer


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`."""
    if path == "-":
        return sys.stdin.read()
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no UTF-8 text") from None
