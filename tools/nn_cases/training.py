"""Cases of whole training loops: losses of every step, and parameters and state after the last."""

import numpy as np

from . import Case, integers, normal

STEPS = 12
MODELS = {
    "mlp": (
        "nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(0.2), nn.LayerNorm(16),"
        " nn.Linear(16, 4))",
        (normal(8, 6), integers(4, 8)),
    ),
    "cnn": (
        "nn.Sequential(nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm(6), nn.ReLU(),"
        " nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, groups=2), nn.SiLU(), nn.AvgPool2d(2),"
        " nn.Dropout2d(0.1), lambda x: x.reshape(x.shape[0], -1), nn.Linear(8, 4))",
        (normal(6, 8, 8, 2), integers(4, 6)),
    ),
    "gru": (
        "nn.Sequential(nn.Embedding(12, 8), nn.GRU(8, 10), nn.RMSNorm(10),"
        " lambda x: x[:, -1], nn.Linear(10, 4))",
        (integers(12, 5, 7), integers(4, 5)),
    ),
    "transformer": (
        "nn.Sequential(nn.Embedding(12, 8), lambda x: encoder(x, None),"
        " lambda x: x.mean(axis=1), nn.Linear(8, 4))",
        (integers(12, 5, 7), integers(4, 5)),
    ),
}
OPTIMIZERS = (
    "optim.SGD(0.05, momentum=0.9, weight_decay=0.01, nesterov=True)",
    "optim.AdamW(optim.join_schedules([optim.linear_schedule(0.0, 0.02, 4),"
    " optim.cosine_decay(0.02, 8)], [4]), bias_correction=True)",
    "optim.Adafactor()",
    "optim.MultiOptimizer([optim.Muon(0.02), optim.Lion(0.002)], [lambda n, g: g.ndim == 2])",
)


def cases():
    for name, (_, (x, y)) in MODELS.items():
        for optimizer in OPTIMIZERS:
            inputs = {"x": x, "y": y}
            for compiled in ("", "compiled"):
                if compiled and "SGD" not in optimizer:
                    continue
                call = f"{name} {compiled}".strip()
                yield Case("training", "training", optimizer, call, inputs, dtypes=("float32",))


def _step_of(lib, case, model, optimizer):
    """A function that takes one step, compiled or not."""
    mx, nn = lib.mx, lib.nn

    def loss_of(x, y):
        return nn.losses.cross_entropy(model(x), y, reduction="mean", label_smoothing=0.1)

    loss_and_grad = nn.value_and_grad(model, loss_of)

    def step(x, y):
        loss, grads = loss_and_grad(x, y)
        grads, norm = lib.optim.clip_grad_norm(grads, 1.0)
        optimizer.update(model, grads)
        return loss, norm

    if "compiled" not in case.call:
        return step
    state = [model.state, optimizer.state, mx.random.state]
    return mx.compile(step, inputs=state, outputs=state)


def run(lib, case, outcome, dtype):
    mx = lib.mx
    mx.random.seed(8)
    encoder = lib.nn.TransformerEncoder(2, 8, 2, dropout=0.1)
    text = MODELS[case.call.split()[0]][0]
    model = eval(text, lib.scope(encoder=encoder))
    if "encoder" in text:
        model.encoder = encoder
    optimizer = eval(case.make, lib.scope())
    optimizer.init(model.trainable_parameters())
    step = _step_of(lib, case, model, optimizer)
    losses = []
    for i in range(STEPS):
        x, y = (
            mx.array(lib.values.input(case, f"{name}.{i}", spec))
            for name, spec in case.inputs.items()
        )
        loss, norm = step(x, y)
        mx.eval(model.state, optimizer.state)
        losses.append([loss.item(), norm.item()])
    outcome.put("losses and norms", mx.array(np.array(losses, np.float32)))
    outcome.put_tree("p.", model.parameters())
    outcome.put_tree("state.", optimizer.state)
    model.eval()
    outcome.put("evaluation", model(x))
