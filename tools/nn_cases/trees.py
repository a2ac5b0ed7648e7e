"""Cases of the module tree: each function here runs in both libraries and returns plain data.

Results must be equal as they are. An exception counts as its type; the texts of errors are each
library's own.
"""

import os
import re
import tempfile

import numpy as np

from . import Case


class Tools:
    """Shorthands over one library."""

    def __init__(self, lib):
        self.mx, self.nn, self.optim, self.utils = lib.mx, lib.nn, lib.optim, lib.utils

    def names(self, tree):
        return [name for name, _ in self.utils.tree_flatten(tree)]

    def plain(self, tree):
        """Arrays as lists, modules as their types, containers as they are."""
        if isinstance(tree, self.mx.array):
            return tree.tolist()
        if isinstance(tree, self.nn.Module):
            return type(tree).__name__
        if isinstance(tree, dict):
            return {key: self.plain(value) for key, value in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [self.plain(value) for value in tree]
        if callable(tree):
            return "a function"
        return tree

    def attempt(self, call):
        """What `call` returns, or the type of what it raises."""
        try:
            return self.plain(call())
        except Exception as error:  # its type is the result
            return f"raises {type(error).__name__}"

    def model(self):
        """A model with lists, dictionaries, shared arrays, plain values and a private array."""
        nn, mx = self.nn, self.mx

        class Block(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.norm = nn.LayerNorm(size)
                self.heads = {"left": nn.Linear(size, 2), "right": nn.Linear(size, 2, bias=False)}
                self.scale = mx.array([1.0, 2.0])
                self.size, self.note, self.nothing = size, "text", None

            def __call__(self, x):
                return self.heads["left"](self.norm(x)) + self.heads["right"](x) * self.scale

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Linear(4, 3)
                self.blocks = [Block(3), Block(3)]
                self.rest = [mx.array(1.0), [mx.array([2.0]), nn.Dropout(0.2)]]
                self.table = {"a": mx.array(3.0), "b": {"c": mx.array([4])}}
                self._hidden = mx.array([5.0])
                self.batch = nn.BatchNorm(2)
                self.pair = (nn.Linear(2, 2), mx.array(7.0))

            def __call__(self, x):
                x = self.first(x)
                return sum(block(x) for block in self.blocks)

        mx.random.seed(6)
        return Model()


def names_of_parameters(t):
    model = t.model()
    return [
        t.names(model.parameters()),
        t.names(model.trainable_parameters()),
        t.names(dict(model)),
        sorted(model.keys()),
        t.plain(model.parameters()["rest"]),
    ]


def children_and_leaves(t):
    model = t.model()
    return [t.plain(model.children()), t.plain(model.leaf_modules())]


def named_modules(t):
    model = t.model()
    return [
        [(name, type(module).__name__) for name, module in model.named_modules()],
        [type(module).__name__ for module in model.modules()],
        [name for name, _ in t.nn.Linear(2, 2).named_modules()],
    ]


def order_of_apply_to_modules(t):
    model, seen = t.model(), []
    returned = model.apply_to_modules(
        lambda name, module: seen.append((name, type(module).__name__))
    )
    return [seen, returned is model]


def representations(t):
    nn = t.nn
    nested = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Dropout(0.1))
    return [re.sub(r"0x[0-9a-f]+", "0x", repr(m)) for m in (t.model(), nested, nn.Module())]


def state(t):
    model = t.model()
    optimizer = t.optim.Adam(0.1)
    optimizer.init(model.trainable_parameters())
    return [
        type(model.state).__name__,
        model.state is model,
        t.names(model.state),
        t.names(optimizer.state),
        t.plain(optimizer.state["step"]),
    ]


def freezing(t):
    results = []
    for change in (
        lambda m: m.freeze(),
        lambda m: m.freeze(recurse=False),
        lambda m: m.freeze(keys="bias"),
        lambda m: m.freeze(keys=["weight", "scale"]),
        lambda m: m.freeze(keys="bias", recurse=False),
        lambda m: m.freeze(keys="other"),
        lambda m: m.freeze().unfreeze(),
        lambda m: m.freeze().unfreeze(recurse=False),
        lambda m: m.freeze().unfreeze(keys="bias"),
        lambda m: m.freeze().unfreeze(keys=["weight"], recurse=False),
        lambda m: m.blocks[0].freeze(),
        lambda m: m.batch.unfreeze(),
        lambda m: m.batch.unfreeze(keys="running_mean"),
        lambda m: m.unfreeze(keys=["running_mean", "running_var"]),
        lambda m: m.freeze(keys="first"),
        lambda m: m.freeze(keys="a"),
        lambda m: m.freeze(keys="table"),
        lambda m: m.freeze(keys="blocks", recurse=False),
    ):
        model = t.model()
        change(model)
        results.append(t.names(model.trainable_parameters()))
    return results


def strict_freezing(t):
    model = t.model()
    return [
        t.attempt(lambda: model.freeze(keys="bias", strict=True)),
        t.attempt(lambda: model.freeze(keys="nothing there", strict=True)),
        t.attempt(lambda: model.first.freeze(keys="bias", strict=True) is model.first),
        t.attempt(lambda: model.unfreeze(keys="bias", strict=True)),
        t.attempt(lambda: model.first.unfreeze(keys="bias", strict=True) is model.first),
        t.attempt(lambda: model.batch.unfreeze() is model.batch),
        t.attempt(lambda: model.freeze() is model),
    ]


def strict_keys(t):
    nn, results = t.nn, []
    for keys in ("bias", "weight", "other", ["bias", "weight"], ["weight", "other"], "layers"):
        for recurse in (True, False):
            for change in ("freeze", "unfreeze"):
                model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
                call = getattr(model, change)
                done = t.attempt(
                    lambda c=call, k=keys, r=recurse: c(keys=k, recurse=r, strict=True)
                )
                results.append([done, t.names(model.trainable_parameters())])
    return results


def training_mode(t):
    model = t.model()
    results = [model.training, model.train(False) is model, model.blocks[0].training]
    results += [model.rest[1][1].training, model.eval() is model, model.train() is model]
    model.blocks[1].eval()
    results += [model.training, [m.training for m in model.modules()]]
    return results


def updates(t):
    mx, results = t.mx, []
    new = mx.zeros((2,))
    for tree in (
        {"first": {"bias": mx.zeros((3,))}},
        {"first": {"bias": mx.zeros((7,))}},
        {"blocks": [{}, {"scale": new}]},
        {"blocks": [{"scale": new}]},
        {"blocks": [{"scale": new}, {"scale": new}, {"scale": new}]},
        {"blocks": {"0": {"scale": new}}},
        {"first": {"other": new}},
        {"other": new},
        {"first": new},
        {"first": {"bias": 1.0}},
        {"first": {"bias": {"x": new}}},
        {"table": {"a": new, "b": {"c": new}}},
        {"table": {"new": new}},
        {"rest": [new, [new]]},
        {"rest": [new, [new, {}]]},
        {"_hidden": new},
        {"batch": {"running_mean": new}},
        {"pair": [{}, new]},
        {"blocks": [{"heads": {"left": {"weight": new}}}]},
        {"blocks": [{"size": new}]},
        {"first": {"weight": None}},
        {},
    ):
        for strict in (True, False):
            model = t.model()
            results.append(t.attempt(lambda m=model, x=tree, s=strict: m.update(x, strict=s) is m))
            results.append(t.plain(model.parameters()))
    return results


def module_updates(t):
    nn, results = t.nn, []
    for tree in (
        {"first": nn.Linear(5, 5)},
        {"first": nn.ReLU()},
        {"blocks": [{}, {"norm": nn.RMSNorm(3)}]},
        {"blocks": [nn.ReLU()]},
        {"blocks": [{}, {}, nn.ReLU()]},
        {"blocks": [{"heads": {"left": nn.ReLU()}}]},
        {"other": nn.ReLU()},
        {"first": t.mx.zeros((2,))},
        {"rest": [{}, [{}, nn.ReLU()]]},
        {"rest": [nn.ReLU()]},
        {"first": {"weight": nn.ReLU()}},
        {"first": None},
        {"table": {"a": nn.ReLU()}},
        {},
    ):
        for strict in (True, False):
            model = t.model()
            call = lambda m=model, x=tree, s=strict: m.update_modules(x, strict=s) is m  # noqa: E731
            results.append(t.attempt(call))
            results.append([(n, type(m).__name__) for n, m in model.named_modules()])
    return results


def loading(t):
    mx, results = t.mx, []
    full = t.utils.tree_flatten(t.model().parameters())
    zeros = [(name, mx.zeros_like(x)) for name, x in full]
    other = [(n, mx.zeros((9,)) if n == "first.bias" else x) for n, x in zeros]
    for weights in (
        zeros,
        zeros[1:],
        [*zeros, ("extra", mx.zeros((1,)))],
        [*zeros, ("first.extra", mx.zeros((1,)))],
        other,
        [("first.bias", mx.zeros((3,)))],
        [("blocks.1.scale", mx.zeros((2,)))],
        [("first.bias", 1.0)],
        [(n, np.zeros(x.shape, np.float32)) for n, x in zeros],
        [(n, x.astype(mx.float16)) for n, x in zeros],
        [],
    ):
        for strict in (True, False):
            model = t.model()
            call = lambda m=model, w=weights, s=strict: m.load_weights(w, strict=s) is m  # noqa: E731
            results.append(t.attempt(call))
            results.append(
                [
                    (n, str(x.dtype).rsplit(".", 1)[-1], list(x.shape))
                    for n, x in t.utils.tree_flatten(model.parameters())
                    if isinstance(x, mx.array)
                ]
            )
    return results


def files(t):
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("w.npz", "w.safetensors", "w.bin", "w"):
            path = os.path.join(folder, name)
            model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.LayerNorm(2))
            results.append(t.attempt(lambda m=model, p=path: m.save_weights(p)))
            results.append(sorted(os.listdir(folder)))
            if results[-2] is None:
                names = sorted(t.mx.load(path))
                twin = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.LayerNorm(2))
                twin.load_weights(path)
                same = t.mx.array_equal(twin.layers[0].weight, model.layers[0].weight)
                results.append([names, same.item()])
        results.append(t.attempt(lambda: model.load_weights(os.path.join(folder, "none.npz"))))
        results.append(t.attempt(lambda: model.load_weights(os.path.join(folder, "none.bin"))))
    return results


def mapping(t):
    model, mx, Module = t.model(), t.mx, t.nn.Module
    arrays = lambda m, k, v: isinstance(v, mx.array)  # noqa: E731
    results = [
        t.plain(model.filter_and_map(arrays)),
        t.plain(model.filter_and_map(Module.valid_parameter_filter, lambda x: list(x.shape))),
        t.plain(
            model.filter_and_map(Module.valid_child_filter, is_leaf_fn=lambda m, k, v: k == "b")
        ),
        t.attempt(lambda: model.filter_and_map(lambda m, k, v: True, lambda x: x)),
        t.attempt(
            lambda: model.filter_and_map(
                lambda m, k, v: True, lambda x: "leaf", lambda m, k, v: isinstance(v, Module)
            )
        ),
        t.plain(
            model.filter_and_map(
                Module.valid_parameter_filter,
                lambda x: "leaf",
                lambda m, k, v: isinstance(v, (Module, mx.array)),
            )
        ),
    ]
    keys = []
    model.filter_and_map(
        lambda m, k, v: keys.append((type(m).__name__, k)) or True,
        lambda x: x,
        lambda m, k, v: not isinstance(v, (dict, list)),
    )
    results.append(keys)
    for static in (Module.valid_child_filter, Module.valid_parameter_filter):
        results.append([bool(static(model, k, v)) for k, v in model.items()])
    results.append([Module.is_module(x) for x in (model, {}, [], 1)])
    return results


def applying(t):
    model, mx = t.model(), t.mx
    returned = model.apply(lambda x: x * 0 + 1)
    results = [returned is model, t.plain(model.parameters())]
    model = t.model()
    model.apply(lambda x: x * 0, lambda m, k, v: isinstance(v, (dict, list)) or k == "bias")
    results.append(t.plain(model.parameters()))
    for dtype, predicate in (
        ("float16", "default"),
        ("bfloat16", None),
        ("float16", lambda d: d == mx.float32),
        ("int32", "default"),
    ):
        model = t.model()
        extra = {} if predicate == "default" else {"predicate": predicate}
        returned = model.set_dtype(getattr(mx, dtype), **extra)
        named = t.utils.tree_flatten(model.parameters())
        results.append([returned is model, returned is None])
        results.append([(n, str(x.dtype).rsplit(".", 1)[-1]) for n, x in named])
    return results


def attributes(t):
    model, mx = t.model(), t.mx
    results = ["first" in model, "size" in model.blocks[0], hasattr(model, "nothing there")]
    results.append(t.attempt(lambda: model.missing))
    model.first = 3
    results += ["first" in model, model.first, t.names(model.parameters())]
    model.first = mx.array(1.0)
    results += ["first" in model, t.names(model.parameters())]
    del model.first
    results += [t.attempt(lambda: model.first), t.names(model.parameters())]
    results.append(t.attempt(lambda: delattr(model, "missing")))
    model.note = "x"
    del model.note
    results.append(t.attempt(lambda: model.note))
    model["added"] = mx.array([1.0])
    results += [t.plain(model.added), "added" in t.names(model.parameters())]
    model.pair = None
    results += [model.pair, "pair" in model, list(vars(model).keys())[:1]]
    return results


def gradients(t):
    mx, nn, model = t.mx, t.nn, t.model()
    model.freeze(keys="bias")
    x = mx.ones((2, 4))
    step = nn.value_and_grad(model, lambda x: (model(x).sum(), model(x)))
    (value, out), grads = step(x)
    results = [list(out.shape), t.names(grads)]
    step = nn.value_and_grad(model, lambda x: model(x))
    results.append(t.attempt(lambda: step(x)))
    results.append(t.attempt(lambda: nn.value_and_grad(lambda x: x, lambda x: x)(x)))
    optimizer = t.optim.SGD(0.1)
    before = t.names(model.parameters())
    results.append(t.attempt(lambda: optimizer.update(model, grads)))
    results.append(t.names(model.parameters()) == before)
    return results


def optimizer_state(t):
    optim, mx, results = t.optim, t.mx, []
    for optimizer in (
        optim.SGD(0.1, 0.9),
        optim.Adam(0.1),
        optim.Adafactor(),
        optim.Muon(0.1),
        optim.Lion(0.1),
        optim.AdaDelta(1.0),
        optim.Adagrad(0.1),
        optim.RMSprop(0.1),
        optim.Adamax(0.1),
        optim.Adam(optim.linear_schedule(0.1, 0.0, 3)),
        optim.MultiOptimizer([optim.Adam(0.1), optim.SGD(0.2)], [lambda n, g: "w" in n]),
    ):
        tree = {"w": mx.ones((2, 3)), "b": mx.ones((3,)), "l": [mx.ones((2,)), {"x": mx.ones(())}]}
        results.append(t.names(optimizer.state))
        optimizer.init(tree)
        results.append(t.names(optimizer.state))
        results.append(t.plain(optimizer.learning_rate) if hasattr(optimizer, "rho") else None)
        out = optimizer.apply_gradients(tree, tree)
        results.append([sorted(t.names(out)), t.names(optimizer.state)])
        named = t.utils.tree_flatten(optimizer.state)
        results.append([(n, str(x.dtype).rsplit(".", 1)[-1], list(x.shape)) for n, x in named])
        optimizer.learning_rate = 0.5
        results.append(t.plain(optimizer.learning_rate))
        kept = optimizer.state
        optimizer.state = kept
        results.append(
            t.attempt(lambda o=optimizer, x=tree: sorted(t.names(o.apply_gradients(x, x))))
        )
    return results


def optimizer_subtrees(t):
    """Gradients of fewer parameters than were initialized, and of more."""
    optim, mx, results = t.optim, t.mx, []
    tree = {"a": mx.ones((2,)), "b": [mx.ones((2,)), mx.ones((3,))]}
    for gradients in ({"a": tree["a"]}, {"b": tree["b"]}, {"b": [tree["b"][0]]}):
        optimizer = optim.Adam(0.1)
        optimizer.init(tree)
        results.append(
            t.attempt(lambda g=gradients, o=optimizer: t.names(o.apply_gradients(g, tree)))
        )
    optimizer = optim.Adam(0.1)
    optimizer.init({"a": tree["a"]})
    results.append(t.attempt(lambda: t.names(optimizer.apply_gradients(tree, tree))))
    results.append(t.attempt(lambda: optimizer.init(tree)))
    results.append(t.attempt(lambda: t.names(optimizer.apply_gradients(tree, tree))))
    return results


def wrong_settings(t):
    nn, optim = t.nn, t.optim
    calls = [
        lambda: nn.Dropout(1.0),
        lambda: nn.Dropout(-0.1),
        lambda: nn.Conv1d(3, 4, 3, groups=2),
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        lambda: nn.MultiHeadAttention(7, 2),
        lambda: nn.Upsample(2, mode="other"),
        lambda: nn.GELU("other"),
        lambda: nn.MaxPool1d("a"),
        lambda: nn.MaxPool2d((1, 2, 3)),
        lambda: nn.BatchNorm(3)(t.mx.ones((3,))),
        lambda: nn.init.identity()(t.mx.ones((2, 3))),
        lambda: nn.init.glorot_normal()(t.mx.ones((2,))),
        lambda: nn.init.he_normal()(t.mx.ones((2, 2)), mode="x"),
        lambda: nn.init.sparse(0.5)(t.mx.ones((2,))),
        lambda: nn.init.orthogonal()(t.mx.ones((2,))),
        lambda: nn.losses.mse_loss(t.mx.ones((2,)), t.mx.ones((3,))),
        lambda: nn.losses.mse_loss(t.mx.ones((2,)), t.mx.ones((2,)), reduction="x"),
        lambda: nn.losses.cross_entropy(t.mx.ones((2, 3)), t.mx.ones((2,)), label_smoothing=1.0),
        lambda: nn.losses.cross_entropy(t.mx.ones((2, 3)), t.mx.zeros((4,), t.mx.int32)),
        lambda: optim.SGD(0.1, nesterov=True),
        lambda: optim.RMSprop(0.1, alpha=-1.0),
        lambda: optim.RMSprop(0.1, eps=-1.0),
        lambda: optim.Adagrad(0.1, eps=-1.0),
        lambda: optim.AdaDelta(0.1, rho=-1.0),
        lambda: optim.AdaDelta(0.1, eps=-1.0),
        lambda: optim.Adamax(0.1, eps=-1.0),
        lambda: optim.MultiOptimizer([optim.SGD(0.1)], [1]),
        lambda: optim.linear_schedule(0, 1, 0),
        lambda: optim.join_schedules([], []),
        lambda: optim.join_schedules([optim.step_decay(1, 1, 1)], [3]),
        lambda: nn.RNN(2, 3, nonlinearity=3),
        lambda: nn.QuantizedLinear(60, 8),
        lambda: nn.quantize(nn.Sequential(nn.ReLU()), class_predicate=lambda p, m: True),
        lambda: nn.Embedding(8, 64).to_quantized(quantize_input=True),
    ]
    return [t.attempt(lambda c=call: type(c()).__name__) for call in calls]


def quantizing(t):
    nn, results = t.nn, []
    for options in (
        {},
        {"group_size": 32},
        {"bits": 8},
        {"mode": "mxfp4"},
        {"class_predicate": lambda path, m: path.endswith("0") and hasattr(m, "to_quantized")},
        {"class_predicate": lambda path, m: {"bits": 2} if hasattr(m, "to_quantized") else False},
    ):
        inner = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Embedding(4, 64))
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), inner)
        returned = nn.quantize(model, **options)
        results.append([returned is None, repr(model), t.names(model.parameters())])
        results.append(t.names(model.trainable_parameters()))
        model.unfreeze()
        results.append(t.names(model.trainable_parameters()))
    return results


def trees(t):
    u, results = t.utils, []
    tree = {"a": [1, {"b": 2}], "c": (3, [4, 5]), "d": {}, "e": [], "f": None}
    results.append(u.tree_flatten(tree))
    results.append(u.tree_flatten(tree, prefix=".x"))
    results.append(u.tree_flatten(tree, is_leaf=lambda x: isinstance(x, tuple)))
    results.append(u.tree_flatten(tree, destination={}))
    results.append(u.tree_flatten(5))
    results.append(u.tree_unflatten(u.tree_flatten(tree)))
    results.append(u.tree_unflatten([("a.2", 1), ("a.0", 2)]))
    results.append(u.tree_unflatten({"x.1": 1, "x.y": 2}))
    results.append(t.attempt(lambda: u.tree_unflatten([("", 3)])))
    results.append(t.attempt(lambda: u.tree_unflatten([])))
    results.append(repr(u.tree_map(lambda x: x and x * 2, tree)))
    results.append(repr(u.tree_map(lambda x, y: (x, y), [1, 2], [3, 4])))
    results.append(t.attempt(lambda: u.tree_map(lambda x, y: x, [1, 2], [3])))
    results.append(t.attempt(lambda: u.tree_map(lambda x, y: x, {"a": 1}, {"b": 1})))
    results.append(repr(u.tree_map(lambda x: 0, tree, is_leaf=lambda x: isinstance(x, list))))
    results.append(repr(u.tree_map_with_path(lambda p, x: p, tree)))
    results.append(repr(u.tree_map_with_path(lambda p, x: p, tree, path="z")))
    results.append(u.tree_reduce(lambda a, x: a + (x or 0), tree, 0))
    results.append(u.tree_reduce(lambda a, x: a + x, [1, 2, 3]))
    results.append(t.attempt(lambda: u.tree_reduce(lambda a, x: a + x, [], None)))
    merged = u.tree_merge({"a": {}, "b": 1}, {"a": {"x": 2}, "c": 3})
    results.append(dict(sorted(merged.items())))
    results.append(u.tree_merge([1, 2], [3, 4], lambda a, b: a + b))
    results.append(t.attempt(lambda: u.tree_merge({"a": 1}, {"a": 2})))
    results.append(t.attempt(lambda: u.tree_merge([1, None], [None, 2, 3])))
    results.append(t.attempt(lambda: u.tree_merge((1, {}), ({}, 2))))
    return results


SCENARIOS = (
    names_of_parameters, children_and_leaves, named_modules, order_of_apply_to_modules,
    representations, state, freezing, strict_freezing,
    strict_keys, training_mode, updates, module_updates,
    loading, files, mapping, applying, attributes, gradients, optimizer_state, optimizer_subtrees,
    wrong_settings, quantizing, trees,
)  # fmt: skip
BY_NAME = {scenario.__name__.replace("_", " "): scenario for scenario in SCENARIOS}


def cases():
    for name in BY_NAME:
        yield Case("module", "tree", name, "", {}, dtypes=("float32",))


def run(lib, case, outcome, dtype):
    tools = Tools(lib)
    result = BY_NAME[case.make](tools)
    items = result if isinstance(result, (list, tuple)) else [result]
    for i, item in enumerate(items):
        outcome.texts[f"result {i}"] = repr(item).replace(f"{lib.package}.", "")
