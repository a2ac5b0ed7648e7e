"""Cases of activations, linear, convolution, pooling, normalization, upsampling and the like."""

from . import constant, distinct, extreme, function, integers, layer, normal

ACTIVATIONS = {
    "sigmoid": "torch.sigmoid(a)",
    "tanh": "torch.tanh(a)",
    "relu": "F.relu(a)",
    "relu2": "F.relu(a) ** 2",
    "relu6": "F.relu6(a)",
    "leaky_relu": "F.leaky_relu(a)",
    "elu": "F.elu(a)",
    "celu": "F.celu(a)",
    "selu": "F.selu(a)",
    "gelu": "F.gelu(a)",
    "gelu_approx": "F.gelu(a, approximate='tanh')",
    "gelu_fast_approx": "a * torch.sigmoid(1.702 * a)",
    "silu": "F.silu(a)",
    "mish": "F.mish(a)",
    "glu": "F.glu(a)",
    "hardswish": "F.hardswish(a)",
    "hard_tanh": "F.hardtanh(a)",
    "hard_shrink": "F.hardshrink(a)",
    "softshrink": "F.softshrink(a)",
    "softplus": "F.softplus(a)",
    "softsign": "F.softsign(a)",
    "softmax": "F.softmax(a, -1)",
    "softmin": "F.softmin(a, -1)",
    "log_softmax": "F.log_softmax(a, -1)",
    "log_sigmoid": "F.logsigmoid(a)",
    "step": None,
}
# layer -> its PyTorch form.
ACTIVATION_LAYERS = {
    "Sigmoid()": "torch.sigmoid(a)",
    "Tanh()": "torch.tanh(a)",
    "ReLU()": "F.relu(a)",
    "ReLU2()": "F.relu(a) ** 2",
    "ReLU6()": "F.relu6(a)",
    "LeakyReLU()": "F.leaky_relu(a)",
    "LeakyReLU(negative_slope=0.3)": "F.leaky_relu(a, 0.3)",
    "LeakyReLU(1.5)": None,
    "ELU()": "F.elu(a)",
    "ELU(alpha=0.5)": "F.elu(a, 0.5)",
    "CELU()": "F.celu(a)",
    "CELU(alpha=2.0)": "F.celu(a, 2.0)",
    "SELU()": "F.selu(a)",
    "GELU()": "F.gelu(a)",
    "GELU(approx='precise')": "F.gelu(a, approximate='tanh')",
    "GELU(approx='tanh')": "F.gelu(a, approximate='tanh')",
    "GELU(approx='fast')": "a * torch.sigmoid(1.702 * a)",
    "SiLU()": "F.silu(a)",
    "Mish()": "F.mish(a)",
    "GLU()": "F.glu(a)",
    "GLU(axis=0)": "F.glu(a, 0)",
    "Hardswish()": "F.hardswish(a)",
    "HardTanh()": "F.hardtanh(a)",
    "HardShrink()": "F.hardshrink(a)",
    "HardShrink(lambd=1.0)": "F.hardshrink(a, 1.0)",
    "Softshrink()": "F.softshrink(a)",
    "Softshrink(lambd=1.0)": "F.softshrink(a, 1.0)",
    "Softmax()": "F.softmax(a, -1)",
    "Softmin()": "F.softmin(a, -1)",
    "LogSoftmax()": "F.log_softmax(a, -1)",
    "LogSigmoid()": "F.logsigmoid(a)",
    "Softplus()": "F.softplus(a)",
    "Softsign()": "F.softsign(a)",
    "Step()": None,
    "Step(threshold=0.5)": None,
    "PReLU()": "torch.where(a > 0, a, p['weight'] * a)",
    "PReLU(num_parameters=12)": "torch.where(a > 0, a, p['weight'] * a)",
    "PReLU(init=0.1)": "F.prelu(a.reshape(-1, 1), p['weight']).reshape(a.shape)",
}


def activations():
    for name, torch in ACTIVATIONS.items():
        yield function("activation", f"nn.{name}(a)", torch, a=normal(6, 12, scale=2.5))
    for call, torch in {
        "nn.leaky_relu(a, 0.2)": "F.leaky_relu(a, 0.2)",
        "nn.elu(a, 2.0)": "F.elu(a, 2.0)",
        "nn.celu(a, 0.5)": "F.celu(a, 0.5)",
        "nn.hard_tanh(a, -2.0, 0.5)": "F.hardtanh(a, -2.0, 0.5)",
        "nn.hard_shrink(a, 1.5)": "F.hardshrink(a, 1.5)",
        "nn.softshrink(a, 1.5)": "F.softshrink(a, 1.5)",
        "nn.softmax(a, axis=0)": "F.softmax(a, 0)",
        "nn.softmin(a, axis=0)": "F.softmin(a, 0)",
        "nn.log_softmax(a, axis=0)": "F.log_softmax(a, 0)",
        "nn.glu(a, axis=0)": "F.glu(a, 0)",
        "nn.step(a, 1.0)": None,
    }.items():
        yield function("activation", call, torch, a=normal(6, 12, scale=2.5))
    yield function(
        "activation",
        "nn.prelu(a, b)",
        "torch.where(a > 0, a, b * a)",
        a=normal(6, 12),
        b=normal(12),
    )
    for make, torch in ACTIVATION_LAYERS.items():
        yield layer("activation", f"nn.{make}", torch=torch, a=normal(6, 12, scale=2.5))
    for name in ACTIVATIONS:
        if name not in ("softmax", "softmin", "log_softmax"):
            half = "mx.concatenate([a, a])" if name == "glu" else "a"
            yield function("extremes", f"nn.{name}({half})", None, a=extreme())
    yield function("extremes", "nn.prelu(a, mx.array(0.25, a.dtype))", a=extreme())


def linear():
    for bias in (True, False):
        torch = "F.linear(a, p['weight'], p.get('bias'))"
        for shape in ((5,), (3, 5), (2, 4, 5)):
            make = f"nn.Linear(5, 7, bias={bias})"
            yield layer("linear", make, torch=torch, a=normal(*shape))
        yield layer(
            "linear",
            f"nn.Bilinear(4, 5, 3, bias={bias})",
            "layer(a, b)",
            "F.bilinear(a, b, p['weight'].permute(0, 2, 1), p.get('bias'))",
            a=normal(2, 6, 4),
            b=normal(2, 6, 5),
        )
        for name in ("AllToShardedLinear", "ShardedToAllLinear"):
            make = f"nn.{name}(8, 4, bias={bias})"
            yield layer("linear", make, torch=torch, a=normal(3, 8))
            make = f"nn.{name}.from_linear(nn.Linear(8, 4, bias={bias}))"
            yield layer("linear", make, torch=torch, a=normal(3, 8))
    yield layer("linear", "nn.Identity(3, other=4)", torch="a", a=normal(3, 4))
    yield layer("linear", "nn.Linear(160, 96)", torch=torch, a=normal(33, 160))
    table = "F.embedding(a, p['weight'])"
    yield layer("embedding", "nn.Embedding(10, 4)", torch=table, a=integers(10, 3, 5))
    yield layer("embedding", "nn.Embedding(10, 4)", torch=table, a=integers(10))
    yield layer(
        "embedding",
        "nn.Embedding(10, 4)",
        "layer.as_linear(a)",
        "a @ p['weight'].T",
        a=normal(3, 4),
    )
    yield layer(
        "linear",
        "nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3), nn.tanh)",
        torch="torch.tanh(F.linear(F.relu(F.linear(a, p['layers.0.weight'], p['layers.0.bias'])),"
        " p['layers.2.weight'], p['layers.2.bias']))",
        a=normal(4, 5),
    )
    yield layer("linear", "nn.fully_shard(nn.Linear(8, 4))", a=normal(3, 8))
    yield layer("linear", "nn.FullyShardedModule(nn.Linear(8, 4))", a=normal(3, 8))
    yield layer(
        "linear",
        "nn.FullyShardedModule(nn.Embedding(8, 4))",
        "layer.as_linear(layer(a))",
        a=integers(8, 3),
    )
    compute = "nn.FullyShardedModule(nn.Linear(8, 4), compute_dtype=mx.bfloat16)"
    yield layer("linear", compute, a=normal(3, 8), note="computes in bfloat16")


def convolutions():
    spatial = {1: (11,), 2: (9, 8), 3: (6, 5, 7)}
    options = (
        "",
        "stride=2",
        "padding=1",
        "dilation=2",
        "stride=2, padding=2, dilation=2",
        "bias=False",
    )
    for n, sizes in spatial.items():
        own = [*options, "groups=2", "groups=4, stride=2, padding=1"] if n < 3 else [*options]
        if n > 1:
            one, two = str((1, 2, 1)[:n]), str((2, 0, 1)[:n])
            own += [f"stride={one}", f"padding={two}", f"stride={one}, padding={two}, bias=False"]
        for option in own:
            kernel = 3 if n < 2 or "bias" in option else (3, 2, 3)[:n]
            arguments = option.replace("bias=False", "").strip(", ")
            call = f"F.conv{n}d(first(a), first(p['weight']), p.get('bias'), {arguments})"
            make = ", ".join(filter(None, ("4, 8", str(kernel), option)))
            a = normal(2, *sizes, 4)
            yield layer("convolution", f"nn.Conv{n}d({make})", torch=f"last({call})", a=a)
        options_transposed = [*options, "stride=3, output_padding=1", "stride=2, output_padding=1"]
        if n > 1:
            options_transposed.append(f"stride={(2, 3, 2)[:n]}, padding={(1, 0, 1)[:n]}")
        for option in options_transposed:
            kernel = 3 if n < 2 or "bias" in option else (3, 2, 3)[:n]
            arguments = option.replace("bias=False", "").strip(", ")
            weight = "first(p['weight']).transpose(0, 1)"
            call = f"F.conv_transpose{n}d(first(a), {weight}, p.get('bias'), {arguments})"
            make = ", ".join(filter(None, ("4, 6", str(kernel), option)))
            a = normal(2, *(5, 4, 3)[:n], 4)
            make = f"nn.ConvTranspose{n}d({make})"
            yield layer("convolution", make, torch=f"last({call})", a=a)


def pooling():
    spatial = {1: (12,), 2: (8, 9), 3: (6, 6, 7)}
    for n, sizes in spatial.items():
        options = ["2", "3", "3, stride=1", "3, stride=2, padding=1", "4, 2, 2"]
        if n > 1:
            options += [
                f"{(2, 3, 1)[:n]}",
                f"{(3, 2, 2)[:n]}, stride={(1, 2, 1)[:n]}, padding={(1, 0, 1)[:n]}",
            ]
        for option in options:
            for kind in ("max", "avg"):
                make = f"nn.{kind.title()}Pool{n}d({option})"
                torch = f"last(F.{kind}_pool{n}d(first(a), {option}))"
                yield layer("pooling", make, torch=torch, a=distinct(2, *sizes, 3))


def normalizations():
    group = "last(F.group_norm(first(a), {}, p.get('weight'), p.get('bias'), {}))"
    layer_norm = "F.layer_norm(a, (6,), p.get('weight'), p.get('bias'), {})"
    for options in ("", ", affine=False", ", bias=False", ", eps=0.1"):
        eps = 0.1 if "eps" in options else 1e-5
        make, torch = f"nn.LayerNorm(6{options})", layer_norm.format(eps)
        yield layer("normalization", make, torch=torch, a=normal(2, 5, 6))
    for eps in (1e-5, 0.1):
        make = f"nn.RMSNorm(6, eps={eps})"
        torch = f"F.rms_norm(a, (6,), p['weight'], {eps})"
        yield layer("normalization", make, torch=torch, a=normal(2, 5, 6))
    for options in ("", ", affine=True", ", eps=0.1"):
        for shape in ((2, 7, 6), (2, 5, 4, 6), (2, 3, 4, 2, 6)):
            eps = 0.1 if "eps" in options else 1e-5
            torch = "last(F.instance_norm(first(a), weight=p.get('weight'), bias=p.get('bias'), "
            torch += f"eps={eps}))"
            make = f"nn.InstanceNorm(6{options})"
            yield layer("normalization", make, torch=torch, a=normal(*shape))
    for groups in (1, 2, 3, 6):
        for options in ("", ", affine=False", ", pytorch_compatible=True", ", eps=0.1"):
            same = "pytorch" in options or groups in (1, 6)
            torch = group.format(groups, 0.1 if "eps" in options else 1e-5) if same else None
            make = f"nn.GroupNorm({groups}, 6{options})"
            yield layer("normalization", make, torch=torch, a=normal(2, 5, 4, 6))
    statistics = "p.get('running_mean'), p.get('running_var'), p.get('weight'), p.get('bias')"
    for options in (
        "",
        ", affine=False",
        ", momentum=0.3",
        ", eps=0.1",
        ", track_running_stats=False",
    ):
        for shape in ((8, 6), (4, 5, 6), (2, 5, 4, 6)):
            for training in (True, False):
                batch = training or "track" in options
                momentum = 0.3 if "momentum" in options else 0.1
                eps = 0.1 if "eps" in options else 1e-5
                arguments = f"{statistics}, {batch}, {momentum}, {eps}"
                torch = f"last(F.batch_norm(first(a), {arguments}))"
                make = f"nn.BatchNorm(6{options})"
                a = normal(*shape)
                yield layer("normalization", make, torch=torch, training=training, a=a)


def upsampling():
    modes = {1: ("nearest", "linear", None), 2: ("nearest", "bilinear", "bicubic")}
    modes[3] = ("nearest", "trilinear", None)
    spatial = {1: (7,), 2: (5, 6), 3: (3, 4, 5)}
    for n, sizes in spatial.items():
        factors = [2, 3, 1.5, 0.5, 2.3] + ([(2, 3, 1)[:n], (1.5, 0.6, 2.0)[:n]] if n > 1 else [])
        for factor in factors:
            for i, mode in enumerate(("nearest", "linear", "cubic")):
                for extra in ("", ", align_corners=True", ", antialias=True"):
                    if extra and mode == "nearest":
                        continue
                    if "antialias" in extra and n == 3:
                        continue
                    theirs = modes[n][i]
                    if "antialias" in extra and n != 2:
                        theirs = None
                    torch = None
                    if theirs:
                        torch = (
                            f"last(F.interpolate(first(a), scale_factor={factor}, "
                            f"mode={theirs!r}{extra}))"
                        )
                    make = f"nn.Upsample({factor}, mode={mode!r}{extra})"
                    yield layer("upsample", make, torch=torch, a=normal(2, *sizes, 3))
    prefix = "nn.layers.upsample"
    a = {"a": normal(2, 4, 5, 3)}
    yield function("upsample", f"{prefix}.upsample_nearest(a, (2, 3))", **a)
    yield function("upsample", f"{prefix}.upsample_linear(a, (2.0, 1.5))", **a)
    yield function("upsample", f"{prefix}.upsample_cubic(a, (2.0, 1.5))", **a)
    yield function("upsample", f"{prefix}.upsample_linear(a, (2.0, 1.5), True)", **a)


def quantized():
    """Weights are quantized by each library itself, from the same floating ones."""
    modes = [
        "",
        ", group_size=32",
        ", group_size=128",
        ", bits=2",
        ", bits=3",
        ", bits=5",
        ", bits=6",
        ", bits=8",
        ", mode='mxfp4'",
        ", mode='nvfp4'",
        ", mode='mxfp8'",
    ]
    for options in modes:
        for bias in (True, False):
            source = f"nn.Linear(128, 32, bias={bias})"
            make = f"nn.QuantizedLinear.from_linear(given({source}){options})"
            yield layer("quantized", make, a=normal(5, 128))
        yield layer(
            "quantized",
            f"nn.QuantizedEmbedding.from_embedding(given(nn.Embedding(24, 128)){options})",
            a=integers(24, 7),
        )
        yield layer(
            "quantized",
            f"nn.QuantizedEmbedding.from_embedding(given(nn.Embedding(24, 128)){options})",
            "layer.as_linear(a)",
            a=normal(3, 128),
        )
    for options in ("", "mode='mxfp8'", "32, 8"):
        for source in ("nn.Linear(128, 32)", "nn.Embedding(32, 128)"):
            make = f"given({source}).to_quantized({options})"
            a = normal(3, 128) if "Linear" in source else integers(32, 5)
            yield layer("quantized", make, a=a)
    for mode in ("nvfp4", "mxfp8"):
        make = f"nn.QQLinear.from_linear(given(nn.Linear(128, 32, bias=False)), mode={mode!r})"
        yield layer("quantized", make, a=normal(32, 128), training=True)
        yield layer("quantized", make, a=constant(32, 128))
        settings = "group_size=layer.group_size, bits=layer.bits, mode=layer.mode"
        stored = f"mx.dequantize(layer.weight, layer.scales, None, {settings})"
        yield layer("quantized", make, stored)
    for name in ("QuantizedAllToShardedLinear", "QuantizedShardedToAllLinear"):
        source = "nn.QuantizedLinear.from_linear(given(nn.Linear(128, 32)))"
        make = f"nn.{name}.from_quantized_linear({source})"
        yield layer("quantized", make, a=normal(5, 128))
    make = "quantized(given(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))))"
    yield layer("quantized", make, a=normal(5, 64), note="nn.quantize")


def positions():
    for options in (
        "8",
        "8, traditional=True",
        "6",
        "8, base=100.0",
        "8, scale=0.5",
        "4, traditional=True, base=50.0, scale=2.0",
    ):
        for call in ("layer(a)", "layer(a, offset=3)"):
            for shape in ((2, 5, 8), (2, 3, 5, 8)):
                yield layer("position", f"nn.RoPE({options})", call, a=normal(*shape))
    for options in (
        "8",
        "8, min_freq=0.01, max_freq=2.0",
        "8, scale=1.0",
        "8, scale=3.0",
        "8, cos_first=True",
        "8, full_turns=True",
        "12, 0.001, 0.5, 2.0, True, True",
    ):
        yield layer("position", f"nn.SinusoidalPositionalEncoding({options})", a=normal(3, 5))
    for call in ("layer(a)", "layer(a, offset=2)", "layer(a, mask=b)"):
        extra = {"b": constant(5, 5)} if "b" in call else {}
        if "offset" in call:
            yield layer("position", "nn.ALiBi()", call, a=normal(2, 4, 3, 5))
        else:
            yield layer("position", "nn.ALiBi()", call, a=normal(2, 4, 5, 5), **extra)
    yield layer("position", "nn.ALiBi()", "layer(a)", a=normal(1, 6, 2, 5))
    yield function("position", "nn.ALiBi.create_alibi_matrix(4, 6, 3) + a", a=normal(1))
    yield function("position", "nn.ALiBi.create_alibi_matrix(6, 6, 3, 2) + a", a=normal(1))
    yield function("position", "nn.ALiBi.create_alibi_slope(6, mx.float16) + a", a=normal(1))


def dropouts():
    for name, shape in {"": (4, 6), "2d": (2, 3, 4, 5), "3d": (2, 2, 3, 4, 5)}.items():
        for options in ("", "0.0", "p=0.3"):
            make = f"nn.Dropout{name}({options})"
            yield layer("dropout", make, torch="a", a=normal(*shape))
            torch = "a" if options == "0.0" else None
            yield layer("dropout", make, torch=torch, training=True, a=normal(*shape))
        if name:
            make = f"nn.Dropout{name}()"
            yield layer("dropout", make, training=True, a=normal(*shape[1:]))


def cases():
    for family in (
        activations,
        linear,
        convolutions,
        pooling,
        normalizations,
        upsampling,
        quantized,
        positions,
        dropouts,
    ):
        yield from family()
