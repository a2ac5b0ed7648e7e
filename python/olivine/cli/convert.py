"""`olivine convert`: writes a model as a folder, quantized, unpacked, or as it is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from olivine.cli.errors import UsageError, real, whole

DESCRIPTION = """\
Convert a model to a folder that Olivine, MLX's tools and others read: config.json, safetensors and
tokenizer files. MODEL is a folder, a GGUF file, an installed package or a Hugging Face id.

Weights are packed with --bits or --mode. --method chooses how: plain rounds each weight; gptq and
awq look at how the model uses its weights on a calibration text and lose less at 2 to 4 bits; mixed
gives sensitive layers more bits so that --target-bits are stored per weight.
"""

EXAMPLES = """\
examples:
  olivine convert my-model --out my-model-4bit --bits 4
  olivine convert my-model --out my-model-3bit --bits 3 --method gptq
  olivine convert my-model --out my-model-mixed --method mixed --target-bits 4.5
  olivine convert my-model --out my-model-mxfp4 --mode mxfp4
  olivine convert model.gguf --out my-model                  keep it packed as it is
  olivine convert my-model-4bit --out full --dequantize --dtype bfloat16
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(the default model)")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if it has content")
    parser.add_argument(
        "--dtype", choices=("float16", "bfloat16", "float32"), help="of weights that are not packed"
    )
    parser.add_argument("--dequantize", action="store_true", help="unpack the weights first")
    pack = parser.add_argument_group("packing")
    pack.add_argument("--bits", type=int, choices=(2, 3, 4, 5, 6, 8), help="per weight")
    pack.add_argument(
        "--group-size", type=int, choices=(32, 64, 128), help="weights per scale (64)"
    )
    pack.add_argument(
        "--mode",
        choices=("affine", "mxfp4", "mxfp8", "nvfp4"),
        help="of the packed values (affine)",
    )
    pack.add_argument("--method", choices=("plain", "gptq", "awq", "mixed"), help="(plain)")
    pack.add_argument(
        "--target-bits", type=real(2, 9), metavar="X", help="stored bits per weight, of mixed"
    )
    pack.add_argument(
        "--text", metavar="FILE", help="calibration text (one that comes with Olivine)"
    )
    pack.add_argument(
        "--rows", type=whole(1, 10000), default=32, metavar="N", help="calibration rows (32)"
    )


def run(options: argparse.Namespace) -> int:
    """Convert; returns the exit status."""
    try:
        return _run(options)
    except FileExistsError as error:
        raise UsageError(f"{error.filename} has content; add --overwrite to replace it") from None
    except ValueError as error:
        raise UsageError(error) from None


def _run(options: argparse.Namespace) -> int:
    import olivine.core as mx
    from olivine.llm.convert import dequantize_model, quantize
    from olivine.llm.formats.find import find
    from olivine.llm.loading import assemble, read
    from olivine.llm.quantization import Format, bits_per_weight
    from olivine.llm.save import save_folder

    packs = options.bits or options.mode or options.method or options.target_bits
    if options.target_bits and options.method != "mixed":
        raise UsageError("argument --target-bits: it goes with --method mixed")
    out = Path(options.out)
    if out.exists() and not options.overwrite and (out.is_file() or any(out.iterdir())):
        raise FileExistsError(17, "has content", str(out))
    form = Format.of(options.mode or "affine", options.bits, options.group_size)
    checkpoint, tokenizer = read(find(options.model))
    dtype = getattr(mx, options.dtype) if options.dtype else None
    model = assemble(checkpoint, dtype)
    progress = Progress()
    quantization = checkpoint.quantization
    if options.dequantize:
        dequantize_model(model, dtype or mx.float16)
        quantization = None
    if packs:
        texts = []
        if options.method not in (None, "plain"):
            texts = _calibration(options, tokenizer, model)
        quantization = quantize(
            model, form, options.method or "plain", texts, options.target_bits, progress
        )
    save_folder(
        out,
        model,
        checkpoint.config,
        tokenizer,
        quantization,
        overwrite=options.overwrite,
        progress=progress,
    )
    progress.close()
    size = sum(f.stat().st_size for f in out.glob("*.safetensors"))
    print(f"{out}: {size / 1e6:,.0f} MB, {bits_per_weight(model):.2f} bits per weight")
    return 0


def _calibration(options: argparse.Namespace, tokenizer, model) -> list:
    from olivine.llm.convert import Calibration, bundled_text

    if options.text:
        try:
            text = Path(options.text).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{options.text} is no UTF-8 text") from None
    else:
        text = bundled_text()
    # A few characters a token; more would only take time to encode.
    return Calibration(text[: 10**6], options.rows).batches(tokenizer, model.config.vocab_size)


class Progress:
    """A line that says which layer is at work; on a terminal only."""

    def __init__(self):
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, total: int, name: str) -> None:
        if self._shown:
            print(f"\r\033[K[{done + 1}/{total}] {name}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
