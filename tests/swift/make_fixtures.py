"""Writes what the Swift layers, losses and optimizers are compared to: Python's own numbers.

    python tests/swift/make_fixtures.py

Each case is some entries `CASE|KIND|NAME` of tests/fixtures/swift/nn.safetensors: a layer's
`parameter`s under Python's names, its `input`s and `output`s by place, and the `gradient` of
`sum(output * cos(arange))` by every trainable parameter and (`inputGradient`) by the first input.
An optimizer's case has `parameter`s, the `gradient`s of steps (`STEP.NAME`) and the `output`s after
them.
"""

from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.utils import tree_flatten, tree_unflatten

FILE = Path(__file__).resolve().parent.parent / "fixtures" / "swift" / "nn.safetensors"
RNG = np.random.default_rng(0)


def normal(*shape):
    return mx.array(RNG.normal(size=shape).astype(np.float32))


def integers(high, *shape):
    return mx.array(RNG.integers(0, high, shape).astype(np.int32))


def weighted_sum(outputs):
    return sum(
        mx.sum(y * mx.cos(mx.arange(y.size).astype(mx.float32)).reshape(y.shape)) for y in outputs
    )


def listed(outputs):
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def randomize(layer):
    """Values that differ from the initial ones, so that every parameter matters."""
    for name, value in tree_flatten(layer.parameters()):
        if value.dtype != mx.float32 or name.endswith(("scales", "biases")):
            continue
        new = 0.5 * normal(*value.shape)
        if name.endswith("running_var"):
            new = mx.abs(new) + 0.5
        layer.update(tree_unflatten([(name, new)]))
    return layer


def layer_case(name, layer, *inputs, train=False):
    randomize(layer).train(train)
    out = {f"{name}|parameter|{path}": p for path, p in tree_flatten(layer.parameters())}
    # Copies: training changes running statistics.
    out = {key: mx.array(np.array(value)) for key, value in out.items()}
    out |= {f"{name}|input|{i}": x for i, x in enumerate(inputs)}
    if tree_flatten(layer.trainable_parameters()):
        _, gradients = nn.value_and_grad(layer, lambda: weighted_sum(listed(layer(*inputs))))()
        out |= {f"{name}|gradient|{path}": g for path, g in tree_flatten(gradients)}
    if mx.issubdtype(inputs[0].dtype, mx.floating):
        by_input = mx.grad(lambda x: weighted_sum(listed(layer(x, *inputs[1:]))))
        out[f"{name}|inputGradient|0"] = by_input(inputs[0])
    if train:
        restored = [(k.split("|")[2], v) for k, v in out.items() if "|parameter|" in k]
        layer.load_weights(restored)
    out |= {f"{name}|output|{i}": y for i, y in enumerate(listed(layer(*inputs)))}
    return out


def function_case(name, function, *inputs):
    out = {f"{name}|input|{i}": x for i, x in enumerate(inputs)}
    out[f"{name}|output|0"] = function(*inputs)
    out[f"{name}|inputGradient|0"] = mx.grad(lambda x: weighted_sum([function(x, *inputs[1:])]))(
        inputs[0]
    )
    return out


def optimizer_case(name, optimizer, steps=3):
    parameters = {"weight": normal(4, 3), "bias": normal(3)}
    out = {f"{name}|parameter|{path}": p for path, p in parameters.items()}
    for step in range(steps):
        gradients = {path: normal(*p.shape) for path, p in parameters.items()}
        out |= {f"{name}|gradient|{step}.{path}": g for path, g in gradients.items()}
        parameters = optimizer.apply_gradients(gradients, parameters)
    return out | {f"{name}|output|{path}": p for path, p in parameters.items()}


def activations():
    x = normal(3, 4)
    layers = {
        "Sigmoid": nn.Sigmoid(),
        "Mish": nn.Mish(),
        "ReLU": nn.ReLU(),
        "LeakyReLU": nn.LeakyReLU(0.2),
        "ReLU6": nn.ReLU6(),
        "ReLUSquared": nn.ReLU2(),
        "Softmax": nn.Softmax(),
        "Softmin": nn.Softmin(),
        "Softplus": nn.Softplus(),
        "Softsign": nn.Softsign(),
        "Softshrink": nn.Softshrink(0.3),
        "ELU": nn.ELU(0.7),
        "CELU": nn.CELU(0.7),
        "SiLU": nn.SiLU(),
        "LogSoftmax": nn.LogSoftmax(),
        "LogSigmoid": nn.LogSigmoid(),
        "PReLU": nn.PReLU(4),
        "GELU": nn.GELU(),
        "GELUPrecise": nn.GELU("precise"),
        "GELUFast": nn.GELU("fast"),
        "Tanh": nn.Tanh(),
        "HardSwish": nn.Hardswish(),
        "HardTanh": nn.HardTanh(),
        "HardShrink": nn.HardShrink(0.3),
        "SELU": nn.SELU(),
        "GLU": nn.GLU(),
    }
    out = {}
    for name, layer in layers.items():
        out |= layer_case(name, layer, 2 * x)
    return out


def layers():
    image, sequence = normal(2, 6, 5, 4), normal(2, 7, 4)
    out = {}
    for name, layer, inputs in [
        ("Linear", nn.Linear(4, 3), [sequence]),
        ("LinearNoBias", nn.Linear(4, 3, bias=False), [sequence]),
        ("Bilinear", nn.Bilinear(4, 5, 3), [normal(2, 4), normal(2, 5)]),
        ("Embedding", nn.Embedding(6, 4), [integers(6, 2, 3)]),
        ("Sequential", nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), [sequence]),
        ("Conv1d", nn.Conv1d(4, 6, 3, 2, 1, groups=2), [sequence]),
        ("Conv2d", nn.Conv2d(4, 3, (3, 2), (2, 1), 1), [image]),
        ("Conv3d", nn.Conv3d(2, 3, 2), [normal(1, 3, 4, 3, 2)]),
        ("ConvTransposed1d", nn.ConvTranspose1d(4, 3, 3, 2, 1, output_padding=1), [sequence]),
        ("ConvTransposed2d", nn.ConvTranspose2d(4, 3, 3, 2), [normal(1, 3, 3, 4)]),
        ("ConvTransposed3d", nn.ConvTranspose3d(2, 3, 2), [normal(1, 2, 3, 2, 2)]),
        ("InstanceNorm", nn.InstanceNorm(4, affine=True), [image]),
        ("LayerNorm", nn.LayerNorm(4), [sequence]),
        ("LayerNormPlain", nn.LayerNorm(4, affine=False), [sequence]),
        ("RMSNorm", nn.RMSNorm(4), [sequence]),
        ("GroupNorm", nn.GroupNorm(2, 4), [image]),
        ("GroupNormPytorch", nn.GroupNorm(2, 4, pytorch_compatible=True), [image]),
        ("BatchNorm", nn.BatchNorm(4), [image]),
        ("MaxPool1d", nn.MaxPool1d(3, 2, 1), [sequence]),
        ("MaxPool2d", nn.MaxPool2d((3, 2), (3, 2)), [image]),
        ("MaxPool3d", nn.MaxPool3d(2, 1), [normal(1, 3, 3, 3, 2)]),
        ("AvgPool1d", nn.AvgPool1d(2, 2), [sequence]),
        ("AvgPool2d", nn.AvgPool2d(2, 1, 1), [image]),
        ("AvgPool3d", nn.AvgPool3d(2, 2), [normal(1, 4, 4, 4, 2)]),
        ("RoPE", nn.RoPE(4), [normal(1, 2, 3, 6)]),
        (
            "RoPETraditional",
            nn.RoPE(4, traditional=True, base=100, scale=0.5),
            [normal(1, 2, 3, 4)],
        ),
        ("SinusoidalPositionalEncoding", nn.SinusoidalPositionalEncoding(8), [normal(2, 3)]),
        ("ALiBi", nn.ALiBi(), [normal(1, 6, 3, 3)]),
        ("RNN", nn.RNN(4, 3), [sequence]),
        ("GRU", nn.GRU(4, 3), [sequence]),
        ("GRUNoBias", nn.GRU(4, 3, bias=False), [sequence]),
        ("LSTM", nn.LSTM(4, 3), [sequence]),
        ("UpsampleNearest", nn.Upsample(2), [sequence]),
        ("UpsampleNearestPart", nn.Upsample((1.5, 0.6)), [image]),
        ("UpsampleLinear", nn.Upsample(1.5, "linear"), [sequence]),
        ("UpsampleLinearCorners", nn.Upsample(2.0, "linear", align_corners=True), [image]),
        ("UpsampleCubic", nn.Upsample((2.0, 1.4), "cubic"), [image]),
    ]:
        out |= layer_case(name, layer, *inputs)
    out |= layer_case("BatchNormTraining", nn.BatchNorm(4), image, train=True)
    return out


def transformers():
    source, target = normal(1, 3, 8), normal(1, 4, 8)
    mask = nn.MultiHeadAttention.create_additive_causal_mask
    out = layer_case(
        "MultiHeadAttention",
        nn.MultiHeadAttention(8, 2, bias=True),
        source,
        source,
        source,
        mask(3),
    )
    for name, first in [("Transformer", False), ("TransformerNormFirst", True)]:
        model = nn.Transformer(8, 2, 2, 1, 12, norm_first=first)
        out |= layer_case(name, model, source, target, mask(3), mask(4), mx.zeros((4, 3)))
    return out


def quantized():
    out = {}
    for name, mode, group, bits in [("Affine", "affine", 32, 4), ("Mxfp8", "mxfp8", 32, 8)]:
        mx.random.seed(1)
        linear = nn.QuantizedLinear(64, 8, group_size=group, bits=bits, mode=mode)
        out |= layer_case(f"QuantizedLinear{name}", linear, normal(2, 64))
        table = nn.QuantizedEmbedding(5, 64, group_size=group, bits=bits, mode=mode)
        out |= layer_case(f"QuantizedEmbedding{name}", table, integers(5, 3))
    return out


def losses():
    a, b, c = normal(4, 5), normal(4, 5), normal(4, 5)
    classes, weights = integers(5, 4), mx.abs(normal(4))
    probabilities = mx.softmax(b, axis=-1)
    signs = mx.where(b > 0, 1.0, -1.0)
    yes = (b > 0).astype(mx.float32)
    log = nn.log_softmax
    loss = nn.losses
    cases = {
        "crossEntropy": (loss.cross_entropy, a, classes),
        "crossEntropyProbabilities": (loss.cross_entropy, a, probabilities),
        "crossEntropySmooth": (
            lambda x, y, w: loss.cross_entropy(x, y, w, label_smoothing=0.3, reduction="mean"),
            a,
            classes,
            weights,
        ),
        "binaryCrossEntropy": (loss.binary_cross_entropy, a, yes),
        "binaryCrossEntropyProbabilities": (
            lambda x, y: loss.binary_cross_entropy(x, y, with_logits=False, reduction="sum"),
            mx.sigmoid(a),
            yes,
        ),
        "l1Loss": (loss.l1_loss, a, b),
        "mseLoss": (loss.mse_loss, a, b),
        "nllLoss": (loss.nll_loss, log(a), classes),
        "klDivLoss": (loss.kl_div_loss, log(a), log(b)),
        "smoothL1Loss": (lambda x, y: loss.smooth_l1_loss(x, y, 0.7), a, b),
        "tripletLoss": (loss.triplet_loss, a, b, c),
        "hingeLoss": (loss.hinge_loss, a, signs),
        "huberLoss": (lambda x, y: loss.huber_loss(x, y, 0.7), a, b),
        "logCoshLoss": (loss.log_cosh_loss, a, b),
        "cosineSimilarityLoss": (loss.cosine_similarity_loss, a, b),
    }
    out = {}
    for name, (function, *inputs) in cases.items():
        out |= function_case(name, function, *inputs)
    return out


def optimizers():
    out = {}
    for name, optimizer in {
        "SGD": optim.SGD(0.1),
        "SGDMomentum": optim.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.2),
        "SGDNesterov": optim.SGD(0.1, momentum=0.9, nesterov=True),
        "RMSprop": optim.RMSprop(0.01),
        "AdaGrad": optim.Adagrad(0.1),
        "AdaDelta": optim.AdaDelta(1.0),
        "Adam": optim.Adam(0.01),
        "AdamCorrected": optim.Adam(0.01, bias_correction=True),
        "AdamW": optim.AdamW(0.01, weight_decay=0.1),
        "Adamax": optim.Adamax(0.01),
        "Lion": optim.Lion(0.01, betas=[0.9, 0.999], weight_decay=0.1),
        "Muon": optim.Muon(0.02),
        "Adafactor": optim.Adafactor(),
        "AdafactorSettings": optim.Adafactor(
            0.05, beta_1=0.9, weight_decay=0.1, scale_parameter=False, relative_step=False
        ),
        "AdafactorWarmup": optim.Adafactor(warmup_init=True),
    }.items():
        out |= optimizer_case(name, optimizer)
    return out


def schedules():
    steps = range(12)
    cases = {
        "exponentialDecay": optim.exponential_decay(0.1, 0.9),
        "stepDecay": optim.step_decay(0.1, 0.9, 3),
        "cosineDecay": optim.cosine_decay(0.1, 10, 0.01),
        "linearSchedule": optim.linear_schedule(0.0, 0.1, 8),
        "joinSchedules": optim.join_schedules(
            [optim.linear_schedule(0.0, 0.1, 4), optim.cosine_decay(0.1, 6)], [4]
        ),
    }
    return {
        f"{name}|output|0": mx.array([float(mx.array(schedule(mx.array(s)))) for s in steps])
        for name, schedule in cases.items()
    }


def main():
    mx.random.seed(0)
    arrays = {}
    for part in (
        activations,
        layers,
        transformers,
        quantized,
        losses,
        optimizers,
        schedules,
    ):
        arrays |= part()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(FILE), arrays)
    print(f"{FILE}: {len(arrays)} arrays, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
