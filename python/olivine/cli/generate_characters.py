"""What `olivine generate` does with a run of `olivine train-lm`: text, character by character."""

from __future__ import annotations

import argparse
from pathlib import Path

from olivine.cli.errors import UsageError, encode_prompt


def run(options: argparse.Namespace) -> int:
    """Print the prompt and its continuation; returns the exit status."""
    from olivine.lm.checkpoint import CHECKPOINT, CheckpointError
    from olivine.lm.data import DataError
    from olivine.lm.generate import generate, load_model

    path = Path(options.model)
    try:
        model, tokenizer = load_model(path / CHECKPOINT if path.is_dir() else path)
        prompt = encode_prompt(options.prompt, tokenizer)
    except (CheckpointError, DataError) as error:
        raise UsageError(error) from None
    print(tokenizer.decode(prompt), end="", flush=True)
    temperature = 0.8 if options.temperature is None else options.temperature
    length, seed = options.length or 500, options.seed or 0
    for token in generate(model, prompt, length, temperature, options.top_k, seed):
        print(tokenizer.decode([token]), end="", flush=True)
    print()
    return 0
