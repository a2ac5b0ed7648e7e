"""Runs the cases in MLX or in Olivine: both have the same names, so one program serves.

Results are named arrays: `out.0`, `grad.p.weight`, `grad.a`, `state.running_mean`; with each goes
its dtype. Texts (the representation, the names of parameters in order) are compared as they are.
"""

import importlib
import re
import sys
import traceback

import numpy as np

from . import draw, draw_parameter, training, trees

STEPS = 5


class Library:
    """MLX or Olivine by its package's name, with the values that the cases share."""

    def __init__(self, package, values):
        load = importlib.import_module
        self.mx, self.nn = load(f"{package}.core"), load(f"{package}.nn")
        self.optim, self.utils = load(f"{package}.optimizers"), load(f"{package}.utils")
        load(f"{package}.nn.layers.upsample")
        if hasattr(self.mx, "set_default_device"):
            self.mx.set_default_device(self.mx.cpu)
        self.values, self.package, self.truth = values, package, False
        self.exact = values  # what is quantized is rounded afterwards
        self.version = self.mx.__version__

    def scope(self, **names):
        return {"mx": self.mx, "nn": self.nn, "optim": self.optim, **names}

    def flatten(self, tree):
        return self.utils.tree_flatten(tree)

    def array(self, x, dtype):
        mx = self.mx
        x = mx.array(x)
        return x.astype(dtype) if x.dtype == mx.float32 else x

    def plain(self, x):
        """(array, name of the dtype)."""
        mx = self.mx
        name = str(x.dtype).rsplit(".", 1)[-1]
        return np.array(x.astype(mx.float32) if name == "bfloat16" else x), name


class Values:
    """Named arrays: made where they are not known yet."""

    def __init__(self, known, rounded=None):
        self.arrays = known

    def get(self, case, name, make):
        key = f"{case.kind}|{case.name}|{name}"
        if key not in self.arrays:
            self.arrays[key] = make(f"{case.make}|{case.call}|{name}")
        return self.arrays[key]

    def input(self, case, name, spec):
        return self.get(case, name, lambda key: draw(key, spec))

    def parameter(self, case, name, shape):
        value = self.get(case, f"p.{name}", lambda key: draw_parameter(key, name, shape))
        if value.shape != tuple(shape):
            raise ValueError(f"parameter {name} has shape {tuple(shape)}, not {value.shape}")
        return value


class Outcome:
    """What one case gave in one library."""

    def __init__(self, lib):
        self.lib, self.arrays, self.dtypes, self.texts = lib, {}, {}, {}

    def put(self, name, x):
        self.arrays[name], self.dtypes[name] = self.lib.plain(x)

    def put_tree(self, prefix, tree):
        for path, x in self.lib.flatten(tree):
            if isinstance(x, self.lib.mx.array):
                self.put(f"{prefix}{path}", x)


def _outputs(lib, out):
    return [x for _, x in lib.flatten(out)] if isinstance(out, (list, tuple, dict)) else [out]


def _fill(lib, case, layer, prefix=""):
    """Gives a layer the shared parameters."""
    named = lib.flatten(layer.parameters())
    floats = [(n, x) for n, x in named if x.dtype == lib.mx.float32]
    values = lib.exact if prefix else lib.values
    pairs = [(n, lib.mx.array(values.parameter(case, prefix + n, x.shape))) for n, x in floats]
    layer.update(lib.utils.tree_unflatten(pairs)) if pairs else None
    return layer


def text_of(lib, layer):
    """A representation without addresses and without the library's name."""
    text = repr(layer).replace(f"{lib.package}.", "")
    return re.sub(r"nonlinearity=<.*?>", "nonlinearity=<function>", text)


def _build(lib, case, outcome, dtype):
    def given(layer):
        return _fill(lib, case, layer, "source.")

    def quantized(model):
        lib.nn.quantize(model)
        return model

    lib.mx.random.seed(1)
    layer = eval(case.make, lib.scope(given=given, quantized=quantized))
    if case.family != "quantized":
        _fill(lib, case, layer)
    else:
        outcome.put_tree("quantized.", layer.parameters())
    layer.set_dtype(dtype)
    layer.train(case.training)
    outcome.texts["repr"] = text_of(lib, layer)
    outcome.texts["parameters"] = [n for n, _ in lib.flatten(layer.parameters())]
    outcome.texts["trainable"] = [n for n, _ in lib.flatten(layer.trainable_parameters())]
    return layer


def differentiate(lib, case, outcome, layer, inputs, code):
    """Outputs and gradients of their sum, weighted by shared cotangents."""
    mx = lib.mx
    fixed = {k: v for k, v in inputs.items() if not case.inputs[k].differentiable}
    floats = {k: v for k, v in inputs.items() if k not in fixed}
    results = []

    def call(tree):
        if layer is not None and tree["p"]:
            layer.update(tree["p"])
        mx.random.seed(2)
        out = _outputs(lib, eval(code, lib.scope(layer=layer, **tree["x"], **fixed)))
        results[:] = out
        total = mx.array(0.0)
        for i, x in enumerate(out):
            weight = lib.values.get(case, f"cotangent.{i}", lambda key, x=x: _cotangent(key, x))
            total = total + (x.astype(mx.float32) * mx.array(weight)).sum()
        return total

    def both(tree):
        total = call(tree)
        return total, list(results)

    named = lib.flatten(layer.trainable_parameters()) if layer is not None else []
    named = [(n, x) for n, x in named if mx.issubdtype(x.dtype, mx.floating)]
    params = lib.utils.tree_unflatten(named) if named else {}
    tree = {"p": params, "x": floats}
    has_any = floats or lib.flatten(params)
    out, gradients = mx.value_and_grad(both)(tree) if has_any else (both(tree), {})
    for i, x in enumerate(out[1]):
        outcome.put(f"out.{i}", x)
    if gradients:
        outcome.put_tree("grad.p.", gradients["p"])
        outcome.put_tree("grad.", gradients["x"])


def _cotangent(key, x):
    from . import normal

    return draw(key, normal(*x.shape))


def _inputs(lib, case, dtype):
    return {
        name: lib.array(lib.values.input(case, name, spec), dtype)
        for name, spec in case.inputs.items()
    }


def run_layer(lib, case, outcome, dtype):
    layer = _build(lib, case, outcome, dtype)
    if lib.truth:  # what can be rounded is rounded, then computed with in float32
        layer.set_dtype(lib.mx.bfloat16)
        layer.set_dtype(dtype)
    differentiate(lib, case, outcome, layer, _inputs(lib, case, dtype), case.call)
    trained = {n for n, _ in lib.flatten(layer.trainable_parameters())}
    for name, x in lib.flatten(layer.parameters()):
        if name not in trained and case.family != "quantized":
            outcome.put(f"state.{name}", x)


def run_function(lib, case, outcome, dtype):
    differentiate(lib, case, outcome, None, _inputs(lib, case, dtype), case.call)


def run_optimizer(lib, case, outcome, dtype):
    mx = lib.mx
    optimizer = eval(case.make, lib.scope())
    pairs = list(_inputs(lib, case, dtype).items())
    parameters = lib.utils.tree_unflatten(pairs)
    optimizer.init(parameters)
    outcome.texts["state names"] = [n for n, _ in lib.flatten(optimizer.state)]
    for step in range(STEPS):
        drawn = [
            (n, lib.array(lib.values.input(case, f"{n}.{step}", case.inputs[n]), dtype))
            for n, _ in pairs
        ]
        g = lib.utils.tree_unflatten(drawn)
        g = eval(case.call, lib.scope(g=g)) if case.call else g
        parameters = optimizer.apply_gradients(g, parameters)
        mx.eval(parameters, optimizer.state)
        if step in (0, STEPS - 1):
            outcome.put_tree(f"step {step + 1}.", parameters)
    outcome.put_tree("state.", optimizer.state)


def run_schedule(lib, case, outcome, dtype):
    schedule = eval(case.make, lib.scope())
    for step in range(12):
        outcome.put(f"step {step}", lib.mx.array(schedule(lib.mx.array(step))))
        outcome.put(f"step {step} of an int", lib.mx.array(schedule(step)))


def run_initializer(lib, case, outcome, dtype):
    mx = lib.mx
    mx.random.seed(3)
    init = eval(case.make, lib.scope())
    x = eval(case.call, lib.scope(init=init))
    outcome.put("exact", x)
    y = lib.plain(x)[0].astype(np.float64)
    rows = y.reshape(y.shape[0], -1)
    for name, value in {
        "mean": y.mean(),
        "std": y.std(),
        "min": y.min(),
        "max": y.max(),
        "zeros of a row": (rows == 0).sum(1).max(),
        "products of rows": np.abs(rows[:40] @ rows[:40].T).mean(),
    }.items():
        outcome.arrays[name], outcome.dtypes[name] = np.float64(value), "float64"


def run_new(lib, case, outcome, dtype):
    lib.mx.random.seed(4)
    layer = eval(case.make, lib.scope())
    outcome.texts["repr"] = text_of(lib, layer)
    outcome.texts["parameters"] = [n for n, _ in lib.flatten(layer.parameters())]
    outcome.texts["trainable"] = [n for n, _ in lib.flatten(layer.trainable_parameters())]
    entries = [n for n, _ in lib.flatten(dict(layer)) if not n.startswith("_")]
    outcome.texts["entries"] = sorted(entries)
    plain = {
        k: v
        for k, v in vars(layer).items()
        if not k.startswith("_") and isinstance(v, (int, float, str, bool, tuple, type(None)))
    }
    outcome.texts["attributes"] = sorted(f"{k}={v!r}" for k, v in plain.items())
    outcome.put_tree("initial.", layer.parameters())


RUNNERS = {
    "layer": run_layer,
    "function": run_function,
    "optimizer": run_optimizer,
    "schedule": run_schedule,
    "initializer": run_initializer,
    "new": run_new,
    "training": training.run,
    "tree": trees.run,
}


def run_case(lib, case, dtype_name):
    outcome = Outcome(lib)
    try:
        RUNNERS[case.kind](lib, case, outcome, getattr(lib.mx, dtype_name))
    except Exception as error:  # whatever it is, it is compared
        lines = str(error).splitlines() or [""]
        outcome.texts["error"] = [type(error).__name__, lines[0][:160]]
        outcome.texts["trace"] = traceback.format_exc()[-1200:]
        outcome.arrays.clear()
    return outcome


def rounded(lib, values):
    """The values as bfloat16 has them, in float32."""
    arrays = {}
    for key, x in values.items():
        if x.dtype == np.float32:
            x = np.array(lib.mx.array(x).astype(lib.mx.bfloat16).astype(lib.mx.float32))
        arrays[key] = x
    return arrays


def progress(what, done, total):
    if sys.stderr.isatty() or done == total:
        end = "\n" if done == total else "\r"
        print(f"{what}: {done}/{total} cases", end=end, file=sys.stderr, flush=True)
