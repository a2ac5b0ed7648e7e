"""`olivine convert`: writes a model as a folder or a GGUF file: packed, unpacked, or as it is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from olivine.cli.errors import UsageError, real, whole
from olivine.cli.line import ProgressLine

DESCRIPTION = """\
Convert a model to a folder that Olivine, MLX's tools and others read (config.json, safetensors and
tokenizer files), to a folder for transformers, or to a GGUF file for llama.cpp. MODEL is a folder,
a GGUF file, an installed package or a Hugging Face id.

Weights are packed with --bits or --mode. --method chooses how: plain rounds each weight; gptq and
awq look at how the model uses its weights on a calibration text and lose less at 2 to 4 bits; mixed
gives sensitive layers more bits so that --target-bits are stored per weight.

What is written appears whole or not at all: stopped at any moment, or on a full disk, it leaves
what was there. The same command again starts over.
"""

EXAMPLES = """\
examples:
  olivine convert my-model --out my-model-4bit --bits 4
  olivine convert my-model --out my-model-3bit --bits 3 --method gptq
  olivine convert my-model --out my-model-mixed --method mixed --target-bits 4.5
  olivine convert my-model --out my-model-mxfp4 --mode mxfp4
  olivine convert model.gguf --out my-model                  keep it packed as it is
  olivine convert my-model-4bit --out full --dequantize --dtype bfloat16
  olivine convert my-model --out my-model.gguf --type q8_0   for llama.cpp
  olivine convert my-model-4bit --out my-model.gguf          the same packed values
  olivine convert model.gguf --out for-transformers --to hf
"""


# Of a model that sees, what says how images are prepared.
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(the default model)")
    parser.add_argument(
        "--out", metavar="PATH", required=True, help="folder to write, or a file NAME.gguf"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace PATH if it has content")
    parser.add_argument(
        "--to",
        choices=("mlx", "hf", "gguf"),
        help="layout: MLX's, Hugging Face's (in full), or a GGUF file (mlx; gguf for *.gguf)",
    )
    parser.add_argument(
        "--type",
        choices=("keep", "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"),
        help="of a GGUF file's matrices (keep: as they are)",
    )
    parser.add_argument(
        "--dtype", choices=("float16", "bfloat16", "float32"), help="of weights that are not packed"
    )
    parser.add_argument("--dequantize", action="store_true", help="unpack the weights first")
    pack = parser.add_argument_group("packing")
    pack.add_argument("--bits", type=int, choices=(2, 3, 4, 5, 6, 8), help="bits of a weight (4)")
    pack.add_argument(
        "--group-size", type=int, choices=(32, 64, 128), help="weights that share a scale (64)"
    )
    pack.add_argument(
        "--mode",
        choices=("affine", "mxfp4", "mxfp8", "nvfp4"),
        help="kind of packed values (affine: integers with scale and minimum)",
    )
    pack.add_argument(
        "--method", choices=("plain", "gptq", "awq", "mixed"), help="how values are chosen (plain)"
    )
    pack.add_argument(
        "--target-bits",
        type=real(2, 9),
        metavar="X",
        help="stored bits per weight, of mixed (as many as plain)",
    )
    pack.add_argument(
        "--text",
        metavar="FILE",
        help="calibration text: like what the model will be used for (Shakespeare)",
    )
    pack.add_argument(
        "--rows",
        type=whole(1, 10000),
        default=32,
        metavar="N",
        help="rows of 256 tokens of it (32)",
    )


def run(options: argparse.Namespace) -> int:
    """Convert; returns the exit status."""
    try:
        return _run(options)
    except FileExistsError as error:
        if Path(error.filename).is_dir() and str(error.filename).endswith(".gguf"):
            raise UsageError(f"{error.filename} is a folder; name a file") from None
        raise UsageError(f"{error.filename} has content; add --overwrite to replace it") from None
    except ValueError as error:
        raise UsageError(error) from None


def _run(options: argparse.Namespace) -> int:
    import olivine.core as mx
    from olivine.llm.atomic import check_free
    from olivine.llm.convert import dequantize_model
    from olivine.llm.formats.find import find
    from olivine.llm.loading import assemble, read
    from olivine.llm.quantization import bits_per_weight

    _check(options)
    out = check_free(options.out, options.overwrite)
    checkpoint, tokenizer = read(find(options.model))
    dtype = getattr(mx, options.dtype) if options.dtype else None
    model = assemble(checkpoint, dtype)
    tokenizer.check_model(model.config.vocab_size, checkpoint.origin)
    quantization = checkpoint.quantization
    with ProgressLine("packing") as line:
        if options.dequantize or (options.to == "hf" and quantization):
            dequantize_model(model, dtype or mx.float16)
            quantization = None
        if options.packs:
            if quantization:
                raise UsageError(
                    f"{checkpoint.origin} is packed already: add --dequantize to unpack it first "
                    "(better, start from the model in full)"
                )
            quantization = _pack(options, model, tokenizer, line)
        line.begin("writing")
        if options.to == "gguf":
            report = _write_gguf(options, model, checkpoint, tokenizer, line)
        else:
            _write_folder(options, model, checkpoint, tokenizer, quantization, line)
    if options.to == "gguf":
        _tell(options, report)
    else:
        size = sum(f.stat().st_size for f in out.glob("*.safetensors"))
        print(f"{out}: {size / 1e6:,.0f} MB, {bits_per_weight(model):.2f} bits per weight")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Fills in what follows from other options; UsageError for those that do not go together."""
    options.to = options.to or ("gguf" if options.out.endswith(".gguf") else "mlx")
    options.packs = bool(options.bits or options.mode or options.method or options.target_bits)
    if options.target_bits and options.method != "mixed":
        raise UsageError("argument --target-bits: it goes with --method mixed")
    if options.type and options.to != "gguf":
        raise UsageError("argument --type: it goes with a GGUF file, as in --out my-model.gguf")
    if options.packs and options.to == "hf":
        raise UsageError(
            "argument --to hf: transformers does not read packed weights; leave out --bits, --mode "
            "and --method"
        )
    if options.method in ("gptq", "mixed") and (options.mode or "affine") != "affine":
        raise UsageError(f"argument --method {options.method}: it goes with --mode affine")


def _pack(options: argparse.Namespace, model, tokenizer, line: ProgressLine) -> dict:
    from olivine.llm.convert import quantize
    from olivine.llm.quantization import Format

    form = Format.of(options.mode or "affine", options.bits, options.group_size)
    texts = []
    if options.method not in (None, "plain"):
        texts = _calibration(options, tokenizer, model)
    method = options.method or "plain"
    return quantize(model, form, method, texts, options.target_bits, line)


def _write_folder(options, model, checkpoint, tokenizer, quantization, line) -> None:
    from olivine.llm.save import save_folder

    save_folder(
        options.out,
        model,
        checkpoint.config,
        tokenizer,
        quantization,
        layout=options.to,
        overwrite=options.overwrite,
        beside=[p for name in PROCESSOR_FILES if (p := Path(checkpoint.origin) / name).is_file()],
        progress=line,
    )


def _write_gguf(options, model, checkpoint, tokenizer, line):
    from olivine.llm.export.gguf import export_gguf

    return export_gguf(
        options.out,
        model,
        checkpoint.config,
        tokenizer,
        options.type or "keep",
        overwrite=options.overwrite,
        progress=line,
    )


def _tell(options: argparse.Namespace, report) -> None:
    types = ", ".join(f"{count} {name}" for name, count in sorted(report.types.items()))
    print(f"{options.out}: {report.nbytes / 1e6:,.0f} MB, matrices: {types}")
    if report.rounded:
        print(
            f"note: {len(report.rounded)} packed layers have no equal in the types asked for and "
            "were rounded once more",
            file=sys.stderr,
        )


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
