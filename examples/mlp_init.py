"""Writes what the MLP examples of all languages start from: weights and digits, as safetensors.

    python examples/mlp_init.py mlp.safetensors

Weights w1, w2, w3 are (outputs, inputs) and biases b1, b2, b3 (outputs,), as of nn.Linear; x holds
1,500 digits of 64 pixels in [0, 1], y their labels. All float32, the labels int32. The numbers come
from NumPy's generator with a fixed seed, so that every run writes the same file.
"""

import argparse

import numpy as np

import olivine.core as mx
from olivine import data

SIZES = (64, 128, 128, 10)


def tensors():
    rng = np.random.default_rng(0)
    out = {}
    for layer, (inputs, outputs) in enumerate(zip(SIZES[:-1], SIZES[1:], strict=True), start=1):
        bound = inputs**-0.5
        out[f"w{layer}"] = rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
        out[f"b{layer}"] = rng.uniform(-bound, bound, outputs).astype(np.float32)
    images, labels = data.gather(data.digits())
    out["x"] = np.array(images, np.float32).reshape(-1, SIZES[0])[:1500]
    out["y"] = np.array(labels, np.int32)[:1500]
    return {name: mx.array(values) for name, values in out.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="safetensors file to write")
    mx.save_safetensors(parser.parse_args().file, tensors())


if __name__ == "__main__":
    main()
