"""`olivine perplexity`: how well a model predicts a text."""

from __future__ import annotations

import argparse
from pathlib import Path

from olivine.cli.errors import UsageError, whole
from olivine.cli.line import ProgressLine
from olivine.cli.models import add_model, load_model, read_text

DESCRIPTION = """\
Measure how well a language model predicts a text: the loss in nats per token, its exponential, the
perplexity, and bits per byte, which compare models of different vocabularies.

Without TEXT, the first 200,000 characters of the Shakespeare that comes with Olivine.
"""

EXAMPLES = """\
examples:
  olivine perplexity my-model --text wiki.test.raw
  olivine perplexity my-model-4bit --text wiki.test.raw --window 512 --stride 256
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add_model(parser)
    parser.add_argument("--text", metavar="FILE", help="a UTF-8 text; - for standard input")
    parser.add_argument("--window", type=whole(2), metavar="N", help="tokens seen at once (2048)")
    parser.add_argument("--stride", type=whole(1), metavar="N", help="between windows (half of it)")


def run(options: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    from olivine.llm.scoring import perplexity

    if options.text:
        text = read_text(options.text)
    else:
        from olivine.lm.data import BUNDLED_TEXT

        text = Path(BUNDLED_TEXT).read_text(encoding="utf-8")[:200_000]
    model, tokenizer = load_model(options)
    line = ProgressLine("predicting")
    try:
        found = perplexity(
            model, tokenizer, text, window=options.window, stride=options.stride, progress=line
        )
    except ValueError as error:
        raise UsageError(error) from None
    finally:
        line.close()
    print(f"perplexity      {found.perplexity:.4f}")
    print(f"loss            {found.loss:.4f} +- {found.standard_error:.4f} nats per token")
    print(f"bits per byte   {found.bits_per_byte:.4f}")
    print(f"tokens          {found.tokens:,}, read at {found.tps:,.0f} per second")
    return 0
