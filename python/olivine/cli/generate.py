"""`olivine generate`: continues a text with a language model, or with one of `olivine train-lm`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from olivine.cli.errors import UsageError, whole
from olivine.cli.models import add_model, add_sampling, load_model, read_text, sampling

DESCRIPTION = """\
Continue a text. MODEL is a language model (a folder, a GGUF file, an installed package or a Hugging
Face id), or a run of `olivine train-lm`, which writes character by character.

A model with a chat template answers the prompt; --raw continues it as it stands. A model that sees
(LLaVA) is asked about images with --image. The text goes to standard output, speed and memory to
standard error.
"""

EXAMPLES = """\
examples:
  olivine generate --prompt "What is the capital of France?"
  olivine generate my-model --raw --prompt "Once upon a time" --length 500 --temperature 0.8
  olivine generate my-model --prompt-file article.txt --prompt "Summarize this in one sentence."
  olivine generate my-model --prompt "A person, as JSON" --json-schema person.json
  olivine generate my-llava --image photo.jpg --prompt "What is shown?"
  olivine generate my-model --prompt "Repeat: ..." --draft prompt     guess from the text itself
  olivine generate runs/demo --prompt ROMEO:                          after `olivine train-lm`
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add_model(parser)
    parser.add_argument("--prompt", metavar="TEXT", help="what to answer or continue")
    parser.add_argument(
        "--prompt-file", metavar="FILE", help="a text before the prompt; - for stdin"
    )
    parser.add_argument(
        "--image",
        action="append",
        metavar="FILE",
        help="an image that the prompt is about; several in their order",
    )
    parser.add_argument("--system", metavar="TEXT", help="a system message")
    parser.add_argument("--raw", action="store_true", help="no chat template")
    parser.add_argument(
        "--length", type=whole(1), metavar="N", help="tokens at most (256); characters (500)"
    )
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before it")
    add_sampling(parser, "0; of characters 0.8")
    more = parser.add_argument_group("more")
    more.add_argument("--json-schema", metavar="FILE", help="the answer is JSON of this schema")
    more.add_argument("--regex", metavar="PATTERN", help="the answer matches this pattern")
    more.add_argument(
        "--draft", metavar="MODEL", help="a small model that guesses ahead; `prompt`: the text does"
    )
    more.add_argument(
        "--cache", choices=("growing", "quantized", "rotating"), default="growing", help="(growing)"
    )
    more.add_argument(
        "--window", type=whole(16), default=4096, metavar="N", help="of a rotating cache (4096)"
    )
    more.add_argument("--prompt-cache", metavar="FILE", help="reuse what FILE has read; update it")
    more.add_argument("--quiet", action="store_true", help="the text alone")


def run(options: argparse.Namespace) -> int:
    """Print the text as it comes; returns the exit status."""
    if options.model and _is_character_model(Path(options.model)):
        from olivine.cli.generate_characters import run as run_characters

        return run_characters(options)
    if options.prompt is None and options.prompt_file is None:
        raise UsageError("argument --prompt: expected a text to answer or continue")
    try:
        if options.image:
            from olivine.cli.generate_image import records

            return _show(options, records(options, _text(options), _constraint(options)))
        model, tokenizer = load_model(options)
        return _generate(options, model, tokenizer)
    except ValueError as error:
        hint = "; shorten the text" if "the model's context" in str(error) else ""
        raise UsageError(f"{error}{hint}") from None


def _is_character_model(path: Path) -> bool:
    from olivine.lm.checkpoint import CHECKPOINT

    return path.name == CHECKPOINT or (path / CHECKPOINT).exists()


def _generate(options: argparse.Namespace, model, tokenizer) -> int:
    from olivine.llm.generation import stream_generate

    cache = _cache(options, model)
    records = stream_generate(
        model,
        tokenizer,
        _prompt(options, tokenizer),
        max_tokens=options.length or 256,
        sampler=sampling(options),
        stop=options.stop,
        constraint=_constraint(options),
        draft=_draft(options),
        cache=cache,
    )
    _show(options, records)
    if options.prompt_cache:
        cache.save(options.prompt_cache, model)
    return 0


def _show(options: argparse.Namespace, records) -> int:
    """Print the text as it comes, then its speed; returns the exit status."""
    record = None
    for record in records:
        print(record.text, end="", flush=True)
    print()
    if not options.quiet and record is not None:
        known = f" ({record.cached_tokens:,} known)" if record.cached_tokens else ""
        print(
            f"prompt: {record.prompt_tokens:,} tokens{known}, {record.prompt_tps:,.1f} per second; "
            f"answer: {record.generated_tokens:,} tokens, {record.generation_tps:,.1f} per second; "
            f"peak memory {record.peak_memory / 1e6:,.0f} MB",
            file=sys.stderr,
        )
    return 0


def _text(options: argparse.Namespace) -> str:
    parts = [read_text(options.prompt_file)] if options.prompt_file else []
    parts += [options.prompt] if options.prompt is not None else []
    return "\n\n".join(parts)


def _prompt(options: argparse.Namespace, tokenizer) -> list[int]:
    text = _text(options)
    if options.raw or not tokenizer.has_chat_template:
        if options.system:
            raise UsageError("argument --system: it goes with a model that has a chat template")
        return tokenizer.encode(text)
    messages = [{"role": "system", "content": options.system}] if options.system else []
    return tokenizer.apply_chat_template([*messages, {"role": "user", "content": text}])


def _constraint(options: argparse.Namespace):
    if options.json_schema and options.regex:
        raise UsageError("argument --regex: not together with --json-schema")
    if options.json_schema:
        from olivine.llm.constraints import json_schema

        try:
            schema = json.loads(read_text(options.json_schema))
        except ValueError as error:
            raise UsageError(f"{options.json_schema} is no JSON: {error}") from None
        return json_schema(schema)
    if options.regex:
        from olivine.llm.constraints import regex

        return regex(options.regex)
    return None


def _draft(options: argparse.Namespace):
    if options.draft is None:
        return None
    from olivine.llm.speculative import DraftModel, PromptLookup

    if options.draft == "prompt":
        return PromptLookup()
    from olivine.llm.loading import load

    return DraftModel(load(options.draft)[0])


def _cache(options: argparse.Namespace, model):
    from olivine.llm.cache import PromptCache, make_cache
    from olivine.llm.caches.prompt import cache_file

    if options.prompt_cache and cache_file(options.prompt_cache).exists():
        return PromptCache.load(options.prompt_cache, model)[0]
    extra = {"max_size": options.window} if options.cache == "rotating" else {}
    return PromptCache(make_cache(model, options.cache, **extra))
