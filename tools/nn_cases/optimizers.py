"""Cases of optimizers (parameters and state after several steps), schedules and clipping."""

from . import Case, function, normal

ADAM = "torch.optim.{}(params, lr=0.02, betas=(0.8, 0.95), eps=1e-6{})"
SCHEDULE = "optim.cosine_decay(0.05, 4, 0.01)"
OPTIMIZERS = {
    "SGD(0.1)": "torch.optim.SGD(params, lr=0.1)",
    "SGD(0.1, momentum=0.9)": "torch.optim.SGD(params, lr=0.1, momentum=0.9)",
    "SGD(0.1, 0.9, weight_decay=0.05)": "torch.optim.SGD(params, 0.1, 0.9, weight_decay=0.05)",
    "SGD(0.1, weight_decay=0.05)": "torch.optim.SGD(params, 0.1, weight_decay=0.05)",
    "SGD(0.1, momentum=0.9, dampening=0.3)": None,
    "SGD(0.1, momentum=0.9, nesterov=True)": "torch.optim.SGD(params, 0.1, 0.9, nesterov=True)",
    "SGD(0.1, momentum=0.9, weight_decay=0.01, nesterov=True)": "torch.optim.SGD(params, 0.1, 0.9,"
    " weight_decay=0.01, nesterov=True)",
    "RMSprop(0.01)": "torch.optim.RMSprop(params, 0.01)",
    "RMSprop(0.01, alpha=0.9, eps=1e-3)": "torch.optim.RMSprop(params, 0.01, 0.9, 1e-3)",
    "Adagrad(0.05)": "torch.optim.Adagrad(params, 0.05, eps=1e-8)",
    "Adagrad(0.05, eps=1e-2)": "torch.optim.Adagrad(params, 0.05, eps=1e-2)",
    "AdaDelta(1.0)": "torch.optim.Adadelta(params, 1.0, 0.9, 1e-6)",
    "AdaDelta(0.5, rho=0.8, eps=1e-3)": "torch.optim.Adadelta(params, 0.5, 0.8, 1e-3)",
    "Adam(0.02)": None,
    "Adam(0.02, betas=[0.8, 0.95], eps=1e-6)": None,
    "Adam(0.02, [0.8, 0.95], 1e-6, bias_correction=True)": ADAM.format("Adam", ""),
    "AdamW(0.02)": None,
    "AdamW(0.02, weight_decay=0.2)": None,
    "AdamW(0.02, [0.8, 0.95], 1e-6, 0.1, bias_correction=True)": ADAM.format(
        "AdamW", ", weight_decay=0.1"
    ),
    "AdamW(0.02, [0.8, 0.95], 1e-6, 0.0, bias_correction=True)": ADAM.format("Adam", ""),
    "Adamax(0.02)": None,
    "Adamax(0.02, betas=[0.8, 0.95], eps=1e-6)": None,
    "Lion(0.01)": None,
    "Lion(0.01, betas=[0.8, 0.95], weight_decay=0.1)": None,
    "Adafactor()": None,
    "Adafactor(warmup_init=True)": None,
    "Adafactor(scale_parameter=False)": None,
    "Adafactor(0.01, relative_step=False)": None,
    "Adafactor(0.01, relative_step=False, scale_parameter=False)": None,
    "Adafactor(0.01, relative_step=False, weight_decay=0.1)": None,
    "Adafactor(0.01, relative_step=False, beta_1=0.9)": None,
    "Adafactor(0.01, eps=(1e-8, 1e-2), clip_threshold=0.5, decay_rate=-0.5, beta_1=0.8,"
    " weight_decay=0.05, relative_step=False)": None,
    "Adafactor(0.01)": None,
    "Muon(0.02)": None,
    "Muon(0.02, momentum=0.8)": None,
    "Muon(0.02, weight_decay=0.0)": None,
    "Muon(0.02, nesterov=False)": None,
    "Muon(0.02, ns_steps=3)": None,
}
SCHEDULED = ("SGD", "RMSprop", "Adagrad", "AdaDelta", "Adam", "AdamW", "Adamax", "Lion", "Muon")
SCHEDULES = (
    "cosine_decay(0.1, 8)",
    "cosine_decay(0.1, 8, end=0.02)",
    "exponential_decay(0.1, 0.9)",
    "step_decay(0.1, 0.5, 3)",
    "linear_schedule(0.0, 0.1, 6)",
    "linear_schedule(0.2, 0.1, 1)",
    "join_schedules([optim.linear_schedule(0.0, 0.1, 4), optim.cosine_decay(0.1, 8)], [4])",
    "join_schedules([optim.linear_schedule(0.0, 0.1, 3), optim.step_decay(0.1, 0.5, 2),"
    " optim.exponential_decay(0.05, 0.8)], [3, 7])",
)
# A tree of parameters: matrices, vectors, a convolution, a list and a scalar.
PARAMETERS = {
    "linear.weight": (6, 4),
    "linear.bias": (6,),
    "wide.weight": (3, 8),
    "layers.0.weight": (5, 5),
    "layers.1.conv": (4, 3, 3, 2),
    "layers.1.gain": (),
}


def optimizer(make, torch=None, call="", note=""):
    inputs = {name: normal(*shape) for name, shape in PARAMETERS.items()}
    return Case("optimizer", "optimizer", make, call, inputs, torch, note=note)


def cases():
    for make, torch in OPTIMIZERS.items():
        yield optimizer(f"optim.{make}", torch)
    for name in SCHEDULED:
        yield optimizer(f"optim.{name}({SCHEDULE})")
    yield optimizer(f"optim.Adafactor({SCHEDULE}, relative_step=False)")
    yield optimizer(f"optim.Adam({SCHEDULE}, bias_correction=True)")
    yield optimizer(f"optim.AdamW({SCHEDULE}, weight_decay=0.1)")
    multi = "optim.MultiOptimizer([optim.Muon(0.02), {}], [lambda n, g: g.ndim >= 2])"
    yield optimizer(multi.format("optim.AdamW(0.01)"))
    yield optimizer(multi.format(f"optim.SGD({SCHEDULE}, momentum=0.9)"))
    three = (
        "optim.MultiOptimizer([optim.Adam(0.02), optim.Lion(0.01), optim.SGD(0.1)], "
        "[lambda n, g: 'layers' in n, lambda n, g: n.endswith('bias')])"
    )
    yield optimizer(three)
    yield optimizer("optim.SGD(0.1)", call="optim.clip_grad_norm(g, 0.5)[0]", note="clipped")
    yield optimizer("optim.Adam(0.02)", call="optim.clip_grad_norm(g, 1e6)[0]", note="not clipped")
    for text in SCHEDULES:
        yield Case("schedule", "schedule", f"optim.{text}", "", {}, dtypes=("float32",))
    inputs = {"a": normal(3, 4), "b": normal(5)}
    clip = "torch.nn.utils.clip_grad_norm_"
    for limit in (0.5, 100.0):
        for name in ("optim.clip_grad_norm", "nn.utils.clip_grad_norm_sharded"):
            call = f"{name}([a, b], {limit})"
            torch = f"clipped([a, b], {limit})" if "optim" in name else None
            yield function("clipping", call, torch, note=clip, **inputs)
    call = "list(nn.average_gradients({'x': a, 'y': b}).values())"
    yield function("clipping", call, **inputs)
    call = "nn.utils.checkpoint(nn.Identity(), lambda x: mx.tanh(x) * x)(a)"
    yield function("clipping", call, **inputs)
