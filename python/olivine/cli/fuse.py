"""`olivine fuse`: makes an adapter part of its model's weights."""

from __future__ import annotations

import argparse

from olivine.cli.errors import UsageError
from olivine.cli.line import ProgressLine

DESCRIPTION = """\
Write the model that a fine-tuned adapter and its base make together, as one ordinary folder.

Packed layers are packed again as they were, which rounds once more; --dequantize leaves the layers
that the adapter changed in 16 bits instead.
"""

EXAMPLES = """\
examples:
  olivine fuse my-model --adapter runs/finetune --out my-tuned-model
  olivine fuse --adapter runs/finetune --out tuned --dequantize      of the default model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(the default model)")
    parser.add_argument("--adapter", metavar="DIR", required=True, help="of `olivine finetune`")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if it has content")
    parser.add_argument("--dequantize", action="store_true", help="leave changed layers in 16 bits")


def run(options: argparse.Namespace) -> int:
    """Fuse and save; returns the exit status."""
    from olivine.llm.adapters import fuse_adapters, load_adapters
    from olivine.llm.formats.find import find
    from olivine.llm.loading import assemble, read
    from olivine.llm.save import save_folder

    try:
        checkpoint, tokenizer = read(find(options.model))
        model = assemble(checkpoint)
        load_adapters(options.adapter, model)
        changed = fuse_adapters(model, options.dequantize)
        quantization = dict(checkpoint.quantization)
        if quantization and options.dequantize:
            quantization.update(dict.fromkeys(changed, False))
        with ProgressLine("writing") as line:
            save_folder(
                options.out,
                model,
                checkpoint.config,
                tokenizer,
                quantization,
                overwrite=options.overwrite,
                progress=line,
            )
    except FileExistsError as error:
        raise UsageError(f"{error.filename} has content; add --overwrite to replace it") from None
    except ValueError as error:
        raise UsageError(error) from None
    print(f"{options.out}: {len(changed)} layers changed")
    return 0
