"""`olivine imagine`: images from a text, written as PNG files."""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

from olivine.cli.errors import UsageError, real, whole
from olivine.cli.line import ProgressLine

DESCRIPTION = """\
Make an image of a text. MODEL is a folder in Hugging Face's layout (model_index.json), or a Hugging
Face id: Stable Diffusion 1.5, 2.1 and XL, with their Turbo and LCM relatives, and FLUX.1; or a
model of `olivine train-images`, whose prompts are the names of its classes.

The same seed makes the same image. With --image, an image is changed; with --mask too, only where
the mask is white.
"""

EXAMPLES = """\
examples:
  olivine imagine my-model "a watercolour of a lighthouse" --out lighthouse.png
  olivine imagine my-model "a lighthouse" --negative "blurry, text" --steps 20 --scheduler dpm++
  olivine imagine my-model "the same in winter" --image lighthouse.png --strength 0.6
  olivine imagine my-model "a sailing boat" --image sea.png --mask where.png
  olivine imagine my-model "a lighthouse" --lora style.safetensors:0.8 --count 4 --seed 1
  olivine imagine runs/digits/model seven --scale 16             after `olivine train-images`
"""

DTYPES = ("float32", "float16", "bfloat16")
SCHEDULERS = ("ddim", "pndm", "euler", "euler-ancestral", "dpm++", "lcm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="folder or Hugging Face id")
    parser.add_argument("prompt", metavar="PROMPT", help="what the image shows")
    parser.add_argument("--out", default="image.png", metavar="FILE", help="(image.png)")
    parser.add_argument("--negative", metavar="TEXT", help="what it should not show")
    parser.add_argument("--steps", type=whole(1, 1000), metavar="N", help="(30; of FLUX 28)")
    parser.add_argument(
        "--guidance",
        type=real(0, 100),
        metavar="X",
        help="how much the prompt counts; up to 1, negatives do not (7.5; SDXL 5, FLUX 3.5)",
    )
    parser.add_argument("--seed", type=whole(0), metavar="N", help="the same seed, the same image")
    parser.add_argument("--count", type=whole(1, 1000), default=1, metavar="N", help="images (1)")
    parser.add_argument("--width", type=whole(8, 2**14), metavar="N", help="pixels")
    parser.add_argument("--height", type=whole(8, 2**14), metavar="N", help="pixels")
    parser.add_argument(
        "--scale", type=whole(1, 64), default=1, metavar="N", help="write pixels as N x N (1)"
    )
    more = parser.add_argument_group("beginning from an image")
    more.add_argument("--image", metavar="FILE", help="an image to change")
    more.add_argument("--mask", metavar="FILE", help="white where it is made anew")
    more.add_argument(
        "--strength",
        type=real(0, 1, above=True),
        metavar="X",
        help="how much of the image is replaced (0.8; with a mask 1)",
    )
    how = parser.add_argument_group("how it is made")
    how.add_argument("--scheduler", choices=SCHEDULERS, help="(what the folder says)")
    how.add_argument(
        "--lora", action="append", default=[], metavar="FILE[:SCALE]", help="add a LoRA (scale 1)"
    )
    how.add_argument("--bits", type=int, choices=(2, 3, 4, 6, 8), help="pack the linear layers")
    how.add_argument("--dtype", choices=DTYPES, help="of the denoiser and of texts (the files')")
    how.add_argument(
        "--tile", type=whole(8, 2**14), metavar="N", help="decode squares of N latents: less memory"
    )


def run(options: argparse.Namespace) -> int:
    """Make the images and write them; returns the exit status."""
    import olivine.core as mx
    from olivine.image import load, write_png

    _check_target(options.out)
    try:
        with ProgressLine("loading") as line:
            line(0, 1)
            dtype = getattr(mx, options.dtype) if options.dtype else None
            pipeline = load(options.model, dtype=dtype)
            for given in options.lora:
                pipeline.add_lora(*_lora(given))
            if options.bits:
                pipeline.quantize(options.bits)
            if options.scheduler:
                pipeline.use(options.scheduler)
        begun = time.perf_counter()
        with ProgressLine("imagining") as line:
            made = pipeline(
                options.prompt,
                options.negative,
                steps=options.steps,
                guidance=options.guidance,
                count=options.count,
                seed=options.seed,
                strength=options.strength,
                tile=options.tile,
                on_step=lambda done, total, _: line(done, total),
                **_given(pipeline, options),
            )
    except ValueError as error:
        raise UsageError(error) from None
    for pixels, seed, path in zip(made.pixels, made.seeds, _names(options), strict=True):
        enlarged = mx.repeat(mx.repeat(pixels, options.scale, axis=0), options.scale, axis=1)
        write_png(path, enlarged, {"prompt": options.prompt, "seed": str(seed)})
        print(path)
    height, width = made.pixels.shape[1:3]
    print(
        f"{width} x {height}, seed {made.seeds[0]}, {time.perf_counter() - begun:.1f} s, "
        f"peak memory {mx.get_peak_memory() / 2**20:,.0f} MiB",
        file=sys.stderr,
    )
    return 0


def _check_target(out: str) -> None:
    """Before minutes of work, that its result can be written."""
    if Path(out).suffix.lower() != ".png":
        raise UsageError(f"argument --out: expected a name that ends with .png; got {out!r}")
    if not Path(out).absolute().parent.is_dir():
        raise UsageError(f"argument --out: there is no folder {Path(out).parent}")


def _names(options: argparse.Namespace) -> list[Path]:
    """The files of the images: one, or numbered ones."""
    out = Path(options.out)
    if options.count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{i + 1}{out.suffix}") for i in range(options.count)]


def _lora(given: str) -> tuple[str, float]:
    """A file and a scale."""
    found = re.fullmatch(r"(.+):(-?\d*\.?\d+)", given)
    return (found[1], float(found[2])) if found else (given, 1.0)


def _given(pipeline, options: argparse.Namespace) -> dict:
    """The size, and the image and the mask in that size."""
    unit = pipeline.vae.factor * pipeline.cell
    height, width = pipeline.size
    if options.image is None:
        if options.mask is not None:
            raise UsageError("argument --mask: expected --image too")
        return {"size": (options.height or height, options.width or width)}
    import numpy as np

    from olivine.data.images import read_image

    def whole_cells(height: int, width: int) -> tuple[int, int]:
        return (
            options.height or max(unit, height // unit * unit),
            options.width or max(unit, width // unit * unit),
        )

    image = read_image(options.image, whole_cells)
    size = image.shape[:2]
    given = {"size": size, "image": image}
    if options.mask is not None:
        given["mask"] = np.ascontiguousarray(read_image(options.mask, size, "L"))
    return given
