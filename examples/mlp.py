"""Trains an MLP on digits for 100 steps from a file; in C, C++ and Swift the losses are the same.

python examples/mlp_init.py mlp.safetensors
python examples/mlp.py mlp.safetensors [--export digits.olivine]
"""

import argparse

import olivine.core as mx

NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")
STEPS, BATCH, LEARNING_RATE = 100, 50, 0.1


def forward(parameters, x):
    """Logits: three affine layers, with ReLU after the first two."""
    w1, b1, w2, b2, w3, b3 = parameters
    h = mx.maximum(mx.addmm(b1, x, w1.T), 0)
    h = mx.maximum(mx.addmm(b2, h, w2.T), 0)
    return mx.addmm(b3, h, w3.T)


def loss_of(parameters, x, y):
    """Mean cross entropy."""
    logits = forward(parameters, x)
    score = mx.take_along_axis(logits, mx.expand_dims(y, -1), axis=-1).squeeze(-1)
    return mx.mean(mx.logsumexp(logits, axis=-1) - score)


def train(file):
    """The trained parameters, and the loss of each step's batch before the step."""
    tensors = mx.load(file)
    parameters = [tensors[name] for name in NAMES]
    x, y = tensors["x"], tensors["y"]
    rate = mx.array(LEARNING_RATE)
    losses = []
    for step in range(STEPS):
        start = step * BATCH % len(x)
        batch = x[start : start + BATCH], y[start : start + BATCH]
        loss, gradients = mx.value_and_grad(loss_of)(parameters, *batch)
        parameters = [p - rate * g for p, g in zip(parameters, gradients, strict=True)]
        mx.eval(loss, parameters)
        losses.append(loss.item())
    return parameters, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="what mlp_init.py wrote")
    parser.add_argument("--export", metavar="FILE", help="write the trained network as a function")
    options = parser.parse_args()
    parameters, losses = train(options.file)
    for step, loss in enumerate(losses, start=1):
        print(f"step {step} loss {loss:.9g}")
    if options.export:
        digits = mx.zeros((BATCH, 64))
        mx.export_function(options.export, lambda x: forward(parameters, x), digits, shapeless=True)


if __name__ == "__main__":
    main()
