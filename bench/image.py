"""A step of image models beside PyTorch and onnxruntime: `python -m bench.image [NAME...]`.

`unet_sd15` is one call of Stable Diffusion 1.5's U-Net at its real size: latents of 64 x 64, batch
2, texts of 77 tokens, random weights in f32. `decode_sd15` is its autoencoder on one image of
512 x 512 pixels. olivine has channels last, PyTorch's eager mode runs the same model of the package
diffusers, and onnxruntime what PyTorch exports of that one, in another process; `--onnx` names a
folder that keeps it. Memory is the peak of the whole process, with its weights being made or read.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.runner import WORKLOADS, Workers, available, measure, workload

LIBRARIES = ("olivine", "torch", "onnxruntime")

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

FOLDER = "BENCH_ONNX"  # the variable that names the folder of exported models, if they are kept


@unet_sd15.on("olivine")
def _(library):
    import olivine.core as mx
    from olivine.image.models import unet

    model = unet.Model.from_dict(UNET)
    x, memory = mx.random.normal((2, 64, 64, 4)), mx.random.normal((2, 77, 768))
    mx.eval(model.parameters(), x, memory)
    return lambda: mx.eval(model(x, 500.0, memory))


def torch_unet():
    """diffusers' model, and what a step gives it."""
    import torch
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(**UNET).eval().requires_grad_(False)
    return model, (torch.randn(2, 4, 64, 64), torch.tensor(500.0), torch.randn(2, 77, 768))


@unet_sd15.on("torch")
def _(library):
    model, inputs = torch_unet()
    return lambda: model(*inputs).sample


@decode_sd15.on("olivine")
def _(library):
    import olivine.core as mx
    from olivine.image.models import autoencoder

    model = autoencoder.Model.from_dict(AUTOENCODER)
    x = mx.random.normal((1, 64, 64, 4))
    mx.eval(model.parameters(), x)
    return lambda: mx.eval(model.decode(x))


def torch_decoder():
    import torch
    from diffusers import AutoencoderKL

    model = AutoencoderKL(**AUTOENCODER).eval().requires_grad_(False)
    model.forward = model.decode  # what is exported
    return model, (torch.randn(1, 4, 64, 64),)


@decode_sd15.on("torch")
def _(library):
    model, inputs = torch_decoder()
    return lambda: model(*inputs).sample


MODELS = {"unet_sd15": torch_unet, "decode_sd15": torch_decoder}


def export(name, path):
    """Write the model as ONNX, weights in a file beside it."""
    import torch

    model, inputs = MODELS[name]()
    torch.onnx.export(model, inputs, path, dynamo=True, external_data=True)


def onnx_session(name, folder):
    import onnxruntime

    path = Path(folder) / f"{name}.onnx"
    if not path.is_file():  # PyTorch's memory is to be another process's
        command = [sys.executable, "-m", "bench.image", name, "--export", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def onnx_setup(name):
    def setup(library):
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            session = onnx_session(name, os.environ.get(FOLDER, folder))
        random = np.random.default_rng(0)
        inputs = {
            i.name: np.array(random.standard_normal(i.shape) if i.shape else 500, np.float32)
            for i in session.get_inputs()
        }
        return lambda: session.run(None, inputs)

    return setup


for row in (unet_sd15, decode_sd15):
    row.on("onnxruntime")(onnx_setup(row.name))


def main():
    parser = argparse.ArgumentParser(prog="bench.image", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--libraries", nargs="+", default=LIBRARIES, choices=LIBRARIES)
    parser.add_argument("--onnx", metavar="FOLDER", help="keeps the exported models there")
    parser.add_argument("--export", metavar="FILE", help="only exports the first model")
    options = parser.parse_args()
    if options.onnx:
        os.environ[FOLDER] = options.onnx
    if options.export:
        export(options.names[0], options.export)
        return
    for name in options.names:
        compare(name, available(options.libraries), options.rounds, options.threads)


def compare(name, libraries, rounds, threads):
    jobs = {library: (WORKLOADS[name], library) for library in libraries}
    pool = Workers()
    try:
        results = measure(jobs, rounds, threads, pool)
        peaks = {worker.library: peak(worker.process.pid) for worker in pool.idle}
    finally:
        pool.close()
    for library, result in results.items():
        if isinstance(result, str):
            print(f"{name} {library}: {result}")
            continue
        seconds, spread = result
        print(
            f"{name} {library}: {seconds:.2f} s, spread {100 * spread:.0f} %, "
            f"peak memory {peaks[library]:,.0f} MiB",
            flush=True,
        )


def peak(pid):
    """The most memory that a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


if __name__ == "__main__":
    main()
