"""`olivine generate`: writes text with a model that `olivine train-lm` made."""

from __future__ import annotations

import argparse
from pathlib import Path

from olivine.cli.errors import UsageError, encode_prompt, real, whole

DESCRIPTION = """\
Write text with a model that `olivine train-lm` has trained, character by character.

CHECKPOINT is a run's folder or its checkpoint.safetensors. The same seed gives the same text.
"""

EXAMPLES = """\
examples:
  olivine generate runs/demo
  olivine generate runs/demo --prompt "ROMEO:" --length 1000
  olivine generate runs/demo --temperature 0.5 --top-k 5 --seed 3
  olivine generate runs/demo --temperature 0        always the most likely character
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a run's folder or its file")
    parser.add_argument("--prompt", metavar="TEXT", help="text to continue (a line break)")
    parser.add_argument(
        "--length", type=whole(1), default=500, metavar="N", help="characters to write (500)"
    )
    parser.add_argument(
        "--temperature",
        type=real(0, 100),
        default=0.8,
        metavar="X",
        help="below 1 bets on likely characters, above 1 takes risks (0.8)",
    )
    parser.add_argument(
        "--top-k", type=whole(1), metavar="K", help="choose among the K likeliest only"
    )
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="fixes the text (0)")


def run(options: argparse.Namespace) -> int:
    """Print the prompt and its continuation; returns the exit status."""
    from olivine.lm.checkpoint import CHECKPOINT, CheckpointError
    from olivine.lm.data import DataError
    from olivine.lm.generate import generate, load_model

    path = Path(options.checkpoint)
    try:
        model, tokenizer = load_model(path / CHECKPOINT if path.is_dir() else path)
        prompt = encode_prompt(options.prompt, tokenizer)
    except (CheckpointError, DataError) as error:
        raise UsageError(error) from None
    print(tokenizer.decode(prompt), end="", flush=True)
    for token in generate(
        model, prompt, options.length, options.temperature, options.top_k, options.seed
    ):
        print(tokenizer.decode([token]), end="", flush=True)
    print()
    return 0
