"""`olivine bench`: how fast a language model reads and writes on this machine."""

from __future__ import annotations

import argparse
import statistics

from olivine.cli.errors import whole
from olivine.cli.models import add_model, load_model

DESCRIPTION = """\
Measure a language model: tokens per second of prompts and of answers, for one sequence and for
several at once, and the share of the machine's memory bandwidth that reading the weights takes.
"""

EXAMPLES = """\
examples:
  olivine bench
  olivine bench my-model --prompt 1024 --length 128 --batch 1 4 16
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add_model(parser)
    parser.add_argument("--prompt", type=whole(1), default=512, metavar="N", help="tokens (512)")
    parser.add_argument("--length", type=whole(2), default=64, metavar="N", help="tokens (64)")
    parser.add_argument(
        "--batch", type=whole(1, 1024), nargs="+", default=[1, 8], metavar="N", help="(1 8)"
    )
    parser.add_argument("--rounds", type=whole(1), default=3, metavar="N", help="medians of (3)")


def run(options: argparse.Namespace) -> int:
    """Measure and print a table; returns the exit status."""
    import olivine.core as mx
    from olivine.utils import tree_flatten

    model, _ = load_model(options)
    weights = sum(x.nbytes for _, x in tree_flatten(model.parameters()))
    print(f"{weights / 1e6:,.0f} MB of weights, {mx.device_info()['device_name']}")
    print("batch   prompt tok/s   answer tok/s   weights read GB/s")
    for batch in options.batch:
        measure(model, batch, 16, 4)  # buffers and machine code are made here
        found = [
            measure(model, batch, options.prompt, options.length) for _ in range(options.rounds)
        ]
        read, written = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{batch:5}   {read:12,.1f}   {written:12,.1f}   "
            f"{weights * written / batch / 1e9:17.1f}"
        )
    print(f"peak memory {mx.get_peak_memory() / 1e6:,.0f} MB")
    return 0


def measure(model, batch: int, prompt: int, length: int) -> tuple[float, float]:
    """Tokens per second of `batch` prompts, and of the `length` tokens that follow each."""
    import time

    import olivine.core as mx
    from olivine.llm.cache import make_cache
    from olivine.llm.generation import last_logits

    size = model.config.vocab_size
    tokens = mx.random.randint(0, size, (batch, prompt), key=mx.random.key(0))
    layers = make_cache(model)
    mx.eval(tokens)
    start = time.perf_counter()
    following = mx.argmax(last_logits(model, tokens, layers), axis=-1)
    mx.eval(following)
    middle = time.perf_counter()
    for _ in range(length):
        ahead = mx.argmax(model(following[:, None], layers)[:, -1], axis=-1)
        mx.async_eval(ahead)
        mx.eval(following)
        following = ahead
    mx.eval(following)
    end = time.perf_counter()
    return batch * prompt / (middle - start), batch * length / (end - middle)
