"""A step of image models beside PyTorch: `python -m bench.image [NAME...]`.

`unet_sd15` is one call of Stable Diffusion 1.5's U-Net at its real size: latents of 64 x 64, batch
2, texts of 77 tokens, random weights in f32. `decode_sd15` is its autoencoder on one image of
512 x 512 pixels. olivine has channels last, PyTorch's eager mode runs the same model of the package
diffusers. Memory is the peak of the whole process. With `--once`, one step of each after one that
warms up.
"""

import argparse
import os
import resource

from bench.runner import WORKLOADS, available, measure, workload

UNET = {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64}
AUTOENCODER = {
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "sample_size": 512,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}

unet_sd15 = workload("unet_sd15", work=1, unit="step", slow=True)
decode_sd15 = workload("decode_sd15", work=1, unit="image", slow=True)


@unet_sd15.on("olivine")
def _(library):
    import olivine.core as mx
    from olivine.image.models import unet

    model = unet.Model.from_dict(UNET)
    x, memory = mx.random.normal((2, 64, 64, 4)), mx.random.normal((2, 77, 768))
    mx.eval(model.parameters(), x, memory)
    return lambda: mx.eval(model(x, 500.0, memory))


@unet_sd15.on("torch")
def _(library):
    import torch
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(**UNET).eval().requires_grad_(False)
    x, memory = torch.randn(2, 4, 64, 64), torch.randn(2, 77, 768)
    return lambda: model(x, 500.0, memory).sample


@decode_sd15.on("olivine")
def _(library):
    import olivine.core as mx
    from olivine.image.models import autoencoder

    model = autoencoder.Model.from_dict(AUTOENCODER)
    x = mx.random.normal((1, 64, 64, 4))
    mx.eval(model.parameters(), x)
    return lambda: mx.eval(model.decode(x))


@decode_sd15.on("torch")
def _(library):
    import torch
    from diffusers import AutoencoderKL

    model = AutoencoderKL(**AUTOENCODER).eval().requires_grad_(False)
    x = torch.randn(1, 4, 64, 64)
    return lambda: model.decode(x).sample


def alone(name, library):
    """Seconds of one step after a first one, and the process's peak memory in MiB."""
    import time

    step = WORKLOADS[name].setups[library](library)
    step()
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(prog="bench.image", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["unet_sd15", "decode_sd15"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--once", metavar="LIBRARY", help="one step of this library alone")
    options = parser.parse_args()
    for name in options.names:
        if options.once:
            if options.once == "torch":
                import torch

                torch.set_num_threads(options.threads)
            seconds, peak = alone(name, options.once)
            print(f"{name} {options.once}: {seconds:.2f} s, peak memory {peak:,.0f} MiB")
            continue
        jobs = {library: (WORKLOADS[name], library) for library in available(["olivine", "torch"])}
        for library, result in measure(jobs, options.rounds, options.threads).items():
            if isinstance(result, str):
                print(f"{name} {library}: {result}")
            else:
                print(f"{name} {library}: {result[0]:.2f} s, spread {100 * result[1]:.0f} %")


if __name__ == "__main__":
    main()
