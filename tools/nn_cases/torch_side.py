"""Runs in PyTorch the cases that have an equivalent there, on the same values.

Parameters come in MLX's layout and stay in it: the equivalents move axes as part of what is
differentiated, so that gradients come back in MLX's layout as well.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from . import draw, normal
from .run import STEPS, Outcome

torch.set_num_threads(2)


class TorchLibrary:
    """What Outcome and the runs below need of a library."""

    package = "torch"

    def __init__(self, values):
        self.values, self.version = values, torch.__version__.split("+")[0]

    def plain(self, x):
        name = str(x.dtype).rsplit(".", 1)[-1]
        return x.detach().float().numpy() if name == "bfloat16" else x.detach().numpy(), name


def first(x):
    """Channels first."""
    return x.movedim(-1, 1)


def last(x):
    """Channels last."""
    return x.movedim(1, -1)


# ---- Equivalents that are more than an expression.
def _module(kind, p, weights, biases, a, states, batched, **options):
    inputs, hidden = a.shape[-1], p[weights[1]].shape[1]
    module = kind(inputs, hidden, bias=biases[0] is not None, batch_first=True, **options)
    named = {"weight_ih_l0": p[weights[0]], "weight_hh_l0": p[weights[1]]}
    if biases[0] is not None:
        named |= {"bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
    states = [s.unsqueeze(0) for s in states]
    state = tuple(states) if len(states) > 1 else states[0] if states else None
    return torch.func.functional_call(module.to(a.dtype), named, (a, state))[0]


def rnn(p, a, *states, nonlinearity="tanh"):
    bias = p.get("bias")
    biases = (bias, None if bias is None else torch.zeros_like(bias))
    weights = ("Wxh", "Whh")
    return _module(torch.nn.RNN, p, weights, biases, a, states, True, nonlinearity=nonlinearity)


def lstm(p, a, *states):
    bias = p.get("bias")
    biases = (bias, None if bias is None else torch.zeros_like(bias))
    return _module(torch.nn.LSTM, p, ("Wx", "Wh"), biases, a, states, True)


def gru(p, a, *states):
    biases = (None, None)
    if "b" in p:
        zeros = torch.zeros_like(p["b"][: -p["bhn"].shape[0]])
        biases = (p["b"], torch.cat([zeros, p["bhn"]]))
    return _module(torch.nn.GRU, p, ("Wx", "Wh"), biases, a, states, True)


def causal(a):
    size = a.shape[1]
    future = torch.ones(size, size).triu(1)
    return (future * torch.finfo(a.dtype).min).to(a.dtype)


def mha(p, queries, keys, values, heads, mask=None, prefix=""):
    def project(name, x):
        return F.linear(x, p[f"{prefix}{name}.weight"], p.get(f"{prefix}{name}.bias"))

    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    q, k = split(project("query_proj", queries)), split(project("key_proj", keys))
    v = split(project("value_proj", values))
    scores = q @ k.transpose(-1, -2) * math.sqrt(1 / q.shape[-1])
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    out = torch.softmax(scores, -1) @ v
    return project("out_proj", out.transpose(1, 2).flatten(-2))


def _norm(p, name, x):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])


def _mlp(p, prefix, x, activation):
    y = activation(F.linear(x, p[f"{prefix}linear1.weight"], p[f"{prefix}linear1.bias"]))
    return F.linear(y, p[f"{prefix}linear2.weight"], p[f"{prefix}linear2.bias"])


def encoder_layer(p, prefix, x, mask, heads, norm_first, activation):
    def attend(y):
        return mha(p, y, y, y, heads, mask, f"{prefix}attention.")

    if norm_first:
        x = x + attend(_norm(p, f"{prefix}ln1", x))
        return x + _mlp(p, prefix, _norm(p, f"{prefix}ln2", x), activation)
    x = _norm(p, f"{prefix}ln1", x + attend(x))
    return _norm(p, f"{prefix}ln2", x + _mlp(p, prefix, x, activation))


def decoder_layer(p, prefix, x, memory, x_mask, memory_mask, heads, norm_first, activation):
    def own(y):
        return mha(p, y, y, y, heads, x_mask, f"{prefix}self_attention.")

    def cross(y):
        return mha(p, y, memory, memory, heads, memory_mask, f"{prefix}cross_attention.")

    if norm_first:
        x = x + own(_norm(p, f"{prefix}ln1", x))
        x = x + cross(_norm(p, f"{prefix}ln2", x))
        return x + _mlp(p, prefix, _norm(p, f"{prefix}ln3", x), activation)
    x = _norm(p, f"{prefix}ln1", x + own(x))
    x = _norm(p, f"{prefix}ln2", x + cross(x))
    return _norm(p, f"{prefix}ln3", x + _mlp(p, prefix, x, activation))


def encoder(p, prefix, x, mask, count, *settings):
    for i in range(count):
        x = encoder_layer(p, f"{prefix}layers.{i}.", x, mask, *settings)
    return _norm(p, f"{prefix}ln", x)


def decoder(p, prefix, x, memory, x_mask, memory_mask, count, *settings):
    for i in range(count):
        x = decoder_layer(p, f"{prefix}layers.{i}.", x, memory, x_mask, memory_mask, *settings)
    return _norm(p, f"{prefix}ln", x)


def transformer(p, source, target, source_mask, target_mask, memory_mask, encoders, decoders, *s):
    memory = encoder(p, "encoder.", source, source_mask, encoders, *s)
    return decoder(p, "decoder.", target, memory, target_mask, memory_mask, decoders, *s)


def clipped(gradients, limit):
    """Scaled gradients and their norm, differentiably."""
    norm = torch.linalg.vector_norm(torch.cat([g.ravel() for g in gradients]))
    factor = torch.clamp(limit / (norm + 1e-6), max=1.0)
    return [*(g * factor for g in gradients), norm]


# ---- Runs.
def _tensor(x, dtype):
    x = torch.from_numpy(np.array(x))
    if x.dtype == torch.int32:
        return x.long()
    return x.to(dtype) if x.dtype == torch.float32 else x


def _parameters(lib, case, dtype):
    start = f"{case.kind}|{case.name}|p."
    named = {}
    for key, x in lib.values.arrays.items():
        if key.startswith(start):
            name = key[len(start) :]
            learned = "running" not in name
            named[name] = _tensor(x, dtype).requires_grad_(learned)
    return named


def run_expression(lib, case, outcome, dtype):
    parameters = _parameters(lib, case, dtype)
    inputs = {}
    for name, spec in case.inputs.items():
        x = _tensor(lib.values.input(case, name, spec), dtype)
        inputs[name] = x.requires_grad_(True) if spec.differentiable else x
    out = eval(case.torch, {**globals(), "p": parameters, **inputs})
    total = 0.0
    for i, x in enumerate(out if isinstance(out, (list, tuple)) else [out]):
        weight = lib.values.get(
            case, f"cotangent.{i}", lambda key, x=x: draw(key, normal(*x.shape))
        )
        total = total + (x.float() * torch.from_numpy(np.array(weight))).sum()
        outcome.put(f"out.{i}", x)
    total.backward()
    for name, x in parameters.items():
        if not x.requires_grad:
            outcome.put(f"state.{name}", x)
        elif x.grad is not None:
            outcome.put(f"grad.p.{name}", x.grad)
    for name, x in inputs.items():
        if x.requires_grad and x.grad is not None:
            outcome.put(f"grad.{name}", x.grad)


def run_optimizer(lib, case, outcome, dtype):
    inputs = {
        name: _tensor(lib.values.input(case, name, spec), dtype).requires_grad_(True)
        for name, spec in case.inputs.items()
    }
    optimizer = eval(case.torch, {"torch": torch, "params": list(inputs.values())})
    for step in range(STEPS):
        for name, x in inputs.items():
            spec = case.inputs[name]
            x.grad = _tensor(lib.values.input(case, f"{name}.{step}", spec), dtype)
        optimizer.step()
        if step in (0, STEPS - 1):
            for name, x in inputs.items():
                outcome.put(f"step {step + 1}.{name}", x.clone())


def run_case(lib, case, dtype_name):
    outcome = Outcome(lib)
    run = run_optimizer if case.kind == "optimizer" else run_expression
    try:
        run(lib, case, outcome, getattr(torch, dtype_name))
    except Exception as error:  # it is reported
        lines = str(error).splitlines() or [""]
        outcome.texts["error"] = [type(error).__name__, lines[0][:160]]
        outcome.arrays.clear()
    return outcome
