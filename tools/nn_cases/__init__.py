"""The cases of tools/nn_equality.py: what is built, what it is fed, and PyTorch's equivalent.

A case is text that every library evaluates: `make` builds a layer or an optimizer with the
library's `nn` or `optim` in scope, `call` applies it to the named inputs, `torch` says the same in
PyTorch, on parameters `p` in MLX's layout. Inputs and parameters are drawn once, by the MLX
process; the others read them.
"""

import dataclasses
import re
import zlib

import numpy as np

EXTREMES = (-np.inf, -1e30, -1e4, -100, -30, -8, -1, -1e-4, -0.0)
EXTREMES = (*EXTREMES, *(-x for x in reversed(EXTREMES)))
FLOATS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Input:
    """A kind of random values, and whether gradients are taken with respect to them."""

    kind: str
    shape: tuple
    limit: float = 1.0

    @property
    def is_float(self):
        return self.kind not in ("integers", "mask")

    @property
    def differentiable(self):
        return self.kind not in ("integers", "mask", "constant", "signs", "probabilities")


def normal(*shape, scale=1.0):
    return Input("normal", shape, scale)


def uniform(*shape):
    """Within (0.05, 0.95)."""
    return Input("uniform", shape)


def positive(*shape):
    return Input("positive", shape)


def distinct(*shape):
    """No two equal values in any channel, in bfloat16 too: no ties for a maximum."""
    return Input("distinct", shape)


def extreme():
    """Infinities, large and small values, zeros of both signs."""
    return Input("extreme", (len(EXTREMES),))


def integers(limit, *shape):
    return Input("integers", shape, limit)


def mask(*shape):
    """True with probability 3/4, and at least once in every row."""
    return Input("mask", shape)


def signs(*shape):
    return Input("signs", shape)


def constant(*shape):
    """Normal, and not differentiated: weights of losses, additive masks."""
    return Input("constant", shape)


def log_probabilities(*shape):
    return Input("log_probabilities", shape)


def probabilities(*shape):
    return Input("probabilities", shape)


def draw(key, spec):
    """The values of an input; `key` alone seeds them."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    shape = spec.shape
    if spec.kind in ("normal", "constant"):
        x = spec.limit * rng.standard_normal(shape)
    elif spec.kind == "uniform":
        x = rng.uniform(0.05, 0.95, shape)
    elif spec.kind == "positive":
        x = rng.uniform(0.2, 2, shape)
    elif spec.kind == "extreme":
        x = np.array(EXTREMES)
    elif spec.kind == "signs":
        x = rng.choice([-1.0, 1.0], shape)
    elif spec.kind == "integers":
        return rng.integers(0, spec.limit, shape).astype(np.int32)
    elif spec.kind == "mask":
        x = rng.random(shape) < 0.75
        x[..., 0] = True
        return x
    elif spec.kind == "distinct":
        count = int(np.prod(shape[1:-1]))
        rows = [rng.permutation(count) - count // 2 for _ in range(shape[0] * shape[-1])]
        x = np.stack(rows).reshape(shape[0], shape[-1], *shape[1:-1]) / 32
        x = np.moveaxis(x, 1, -1)
    else:
        x = np.exp(rng.standard_normal(shape))
        x = x / x.sum(-1, keepdims=True)
        x = np.log(x) if spec.kind == "log_probabilities" else x
    return np.asarray(x, np.float32)


def draw_parameter(key, name, shape):
    """Values of a parameter of about the size that keeps activations near 1."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return draw(key, positive(*shape))
    x = draw(key, normal(*shape))
    if name.endswith("linear1.bias"):
        # Keeps the inputs of a transformer's ReLU off 0, where rounding would decide its slope.
        return np.float32(4) * np.sign(x) + np.float32(0.2) * x
    if len(shape) < 2:
        return np.float32(0.2) * x + np.float32(leaf == "weight")
    return (x / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison; `kind` says how it runs (see run.py), `family` which tolerance holds."""

    family: str
    kind: str
    make: str
    call: str
    inputs: dict
    torch: str | None = None
    training: bool = False
    note: str = ""
    dtypes: tuple = FLOATS

    @property
    def name(self):
        parts = [self.make] if self.make else []
        if self.call not in ("", "layer(a)"):
            parts.append(self.call)
        shapes = "; ".join(
            f"{name} {'x'.join(map(str, spec.shape)) or 'scalar'}"
            + (f" {spec.kind}" if spec.kind in ("mask", "probabilities", "extreme") else "")
            for name, spec in self.inputs.items()
        )
        return " | ".join([*parts, shapes] + (["training"] if self.training else []))


def layer(family, make, call="layer(a)", torch=None, training=False, note="", **inputs):
    return Case(family, "layer", make, call, inputs, torch, training, note)


def function(family, call, torch=None, note="", **inputs):
    return Case(family, "function", "", call, inputs, torch, note=note)


def all_cases():
    from . import attention, layers, losses, optimizers, seeded, training, trees

    cases = [
        *layers.cases(),
        *attention.cases(),
        *losses.cases(),
        *optimizers.cases(),
        *seeded.cases(),
        *training.cases(),
        *trees.cases(),
    ]
    names = [(case.kind, case.name) for case in cases]
    doubles = {name for name in names if names.count(name) > 1}
    assert not doubles, doubles
    return cases


def surface(nn, optim):
    """The public names of each kind, to see that none is forgotten."""

    def classes(module, base):
        found = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, base)]
        return sorted({v.__name__ for v in found if v is not base})

    def functions(module):
        public = (n for n, v in vars(module).items() if not n.startswith("_") and n.islower())
        return sorted(
            n
            for n in public
            if callable(getattr(module, n)) and not isinstance(getattr(module, n), type)
        )

    return {
        "layers": classes(nn, nn.Module),
        "losses": [n for n in functions(nn.losses)],
        "initializers": functions(nn.init),
        "functions of nn": functions(nn),
        "optimizers": classes(optim, optim.Optimizer),
        "schedules": functions(optim.schedulers),
    }


def coverage(names, cases):
    """How many names of each kind the cases have, as text, and which they lack."""
    text = "\n".join(f"{case.make} {case.call}" for case in cases) + trees_text()
    has = {kind: [n for n in own if re.search(rf"\b{n}\b", text)] for kind, own in names.items()}
    forgotten = [n for kind, own in names.items() for n in own if n not in has[kind]]
    return ", ".join(f"{len(own)} {kind}" for kind, own in has.items()), forgotten


def trees_text():
    """The program of the module tree's cases, which names what it calls."""
    from . import trees

    with open(trees.__file__) as file:
        return file.read()
