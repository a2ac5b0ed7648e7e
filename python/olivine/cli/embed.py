"""`olivine embed`: texts to vectors, and how similar texts are."""

from __future__ import annotations

import argparse
import json
import sys

from olivine.cli.errors import UsageError

DESCRIPTION = """\
Turn texts into vectors of length 1 with an encoder such as MiniLM (or any language model). Each
line of standard input is a text unless texts are given; each line of output is a JSON list.

--similarity prints the cosines of all pairs of texts instead.
"""

EXAMPLES = """\
examples:
  olivine embed my-encoder "A man is eating food." "A man is eating bread." --similarity
  olivine embed my-encoder < sentences.txt > vectors.jsonl
  olivine embed my-encoder --out vectors.npy < sentences.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="folder, package or Hugging Face id")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="(lines of standard input)")
    parser.add_argument("--similarity", action="store_true", help="cosines of all pairs")
    parser.add_argument("--out", metavar="FILE", help="write an npy file of shape (texts, dims)")


def run(options: argparse.Namespace) -> int:
    """Embed and print; returns the exit status."""
    import olivine.core as mx
    from olivine.llm.embed import Embedder

    texts = options.texts or [line.rstrip("\n") for line in sys.stdin]
    texts = [text for text in texts if text]
    if not texts:
        raise UsageError("expected texts as arguments or lines of standard input; got none")
    try:
        vectors, _ = Embedder.load(options.model)(texts)
    except ValueError as error:
        raise UsageError(error) from None
    if options.out:
        mx.save(options.out, vectors)
    elif options.similarity:
        for row in (vectors @ vectors.T).tolist():
            print("  ".join(f"{value:7.4f}" for value in row))
    else:
        for vector in vectors.tolist():
            print(json.dumps([round(value, 7) for value in vector]))
    return 0
