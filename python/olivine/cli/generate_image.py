"""`olivine generate --image`: answers about images, with a model that sees."""

from __future__ import annotations

import argparse

from olivine.cli.errors import UsageError
from olivine.cli.models import read_weights, sampling


def records(options: argparse.Namespace, text: str, constraint):
    """The records of the answer; UsageError for options that do not go with images."""
    import olivine.vision as vision
    from olivine.llm.cache import make_cache

    for name in ("draft", "prompt_cache", "adapter"):
        if getattr(options, name):
            raise UsageError(f"argument --{name.replace('_', '-')}: not together with --image")
    if options.model is None:
        raise UsageError("argument --image: expected a MODEL that sees; the default model does not")
    model, processor = vision.load(options.model, lazy=True)
    read_weights(model, options.model)
    extra = {"max_size": options.window} if options.cache == "rotating" else {}
    return vision.stream_generate(
        model,
        processor,
        text,
        options.image,
        system=options.system,
        raw=options.raw,
        max_tokens=options.length or 256,
        sampler=sampling(options),
        stop=options.stop,
        constraint=constraint,
        cache=make_cache(model, options.cache, **extra),
    )
