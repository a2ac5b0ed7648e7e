"""`olivine serve`: answers OpenAI's clients with a language model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from olivine.cli.errors import RunError, UsageError, real, whole

DESCRIPTION = """\
Serve a language model over HTTP in OpenAI's protocol: chat completions, completions, embeddings,
models; streaming, tools, JSON answers, log probabilities. All clients share one batch, and prompts
that begin alike are read once. A chat page is at /, metrics for Prometheus at /metrics.

Ctrl-C (or SIGTERM) stops taking requests, lets the running ones finish, and ends.
"""

EXAMPLES = """\
examples:
  olivine serve                                   the default model on http://127.0.0.1:8080
  olivine serve my-model --port 9000 --context 8192
  olivine serve my-model --host 0.0.0.0 --api-keys keys.txt      one key per line
  olivine serve my-model --adapter runs/finetune --embedding-model my-encoder

  from openai import OpenAI
  client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(the default model)")
    parser.add_argument("--adapter", metavar="DIR", help="of `olivine finetune`")
    parser.add_argument("--embedding-model", metavar="MODEL", help="an encoder for /v1/embeddings")
    parser.add_argument("--name", metavar="NAME", help="what clients call the model (its file's)")
    where = parser.add_argument_group("where")
    where.add_argument("--host", default="127.0.0.1", metavar="HOST", help="(127.0.0.1)")
    where.add_argument("--port", type=whole(0, 65535), default=8080, metavar="N", help="(8080)")
    where.add_argument(
        "--api-keys", metavar="FILE", help="accept these keys only; OLIVINE_API_KEY adds one"
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument("--context", type=whole(1), metavar="N", help="tokens (the model's own)")
    limits.add_argument("--max-tokens", type=whole(1), default=4096, metavar="N", help="(4096)")
    limits.add_argument(
        "--max-rows", type=whole(1, 4096), default=32, metavar="N", help="at once (32)"
    )
    limits.add_argument(
        "--max-queue", type=whole(0), default=256, metavar="N", help="waiting (256)"
    )
    limits.add_argument(
        "--max-seconds", type=real(0, above=True), default=600, metavar="S", help="a request (600)"
    )
    limits.add_argument(
        "--max-body", type=whole(1), default=4, metavar="MIB", help="of a request (4)"
    )
    limits.add_argument(
        "--cache",
        type=whole(1),
        metavar="MIB",
        help="keys and values of all sequences (a quarter of the memory)",
    )
    limits.add_argument(
        "--prefix-cache", type=whole(0), default=512, metavar="MIB", help="shared beginnings (512)"
    )
    limits.add_argument(
        "--compact-cache",
        action="store_true",
        help="keys and values of packed models in float16: half as large, but where two "
        "continuations are as likely, what is served beside a text may decide",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit status."""
    from olivine.llm.heap import limit_heaps

    limit_heaps(2)
    try:
        from olivine.llm.server.app import make_app
        from olivine.llm.server.guard import Limits
        from olivine.llm.server.http import serve
    except ModuleNotFoundError as error:
        raise RunError(f"serving needs {error.name}: pip install 'olivine[serve]'") from None
    from olivine.llm.server.engine import Engine

    keys = _keys(options.api_keys)
    try:
        model, tokenizer, name = _load(options)
        embed = _embedder(options.embedding_model)
    except ValueError as error:
        raise UsageError(error) from None
    engine = Engine(
        model,
        tokenizer,
        max_rows=options.max_rows,
        max_queue=options.max_queue,
        max_seconds=options.max_seconds,
        prefix_bytes=options.prefix_cache << 20,
        cache_bytes=options.cache << 20 if options.cache else None,
        context=options.context,
    ).start()
    limits = Limits(options.max_body << 20, options.max_tokens, min(1024, options.max_tokens))
    app = make_app(engine, name, keys=keys, limits=limits, embed=embed)
    shown = f"[{options.host}]" if ":" in options.host else options.host

    def ready(port: int) -> None:
        print(f"{name} on http://{shown}:{port}  (Ctrl-C ends)", flush=True)

    return 0 if serve(app, engine, options.host, options.port, ready=ready) else 1


def _load(options: argparse.Namespace):
    from olivine.llm.loading import load

    model, tokenizer = load(options.model)
    if options.adapter:
        from olivine.llm.adapters import load_adapters

        load_adapters(options.adapter, model)
        model.eval()
    if not options.compact_cache:
        model.cache_dtype = None  # rounded, they would show in what order sums were made
    return model, tokenizer, options.name or Path(options.model or "smollm2").name


def _embedder(name: str | None):
    if name is None:
        return None
    from olivine.llm.embed import Embedder

    return Embedder.load(name)


def _keys(path: str | None) -> list[str]:
    keys = []
    if path is not None:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not keys:
            raise UsageError(f"{path} has no keys: one per line")
    if os.environ.get("OLIVINE_API_KEY"):
        keys.append(os.environ["OLIVINE_API_KEY"])
    return keys
