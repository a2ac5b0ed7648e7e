"""Hand-made calls: indexing, construction, chains of ops, transformations, layers, odd Python."""

import copy
import pickle

import numpy as np

import olivine.core as mx
import olivine.nn as nn

from . import values as v
from .calls import Target

UNARY = (
    "sin cos exp log sqrt abs negative square sigmoid tanh erf reciprocal floor sign softmax cumsum "
    "sort argsort logsumexp transpose flatten squeeze stop_gradient isnan logical_not conj real"
).split()
BINARY = "add subtract multiply divide maximum minimum power remainder matmul arctan2 equal less where3".split()
REDUCTIONS = "sum mean prod max min var logsumexp any argmax median".split()


def file_name(rng):
    names = [f"file.{end}" for end in ("npy", "npz", "safetensors", "gguf", "olv", "dot")]
    return rng.choice(names) if rng.random() < 0.7 else rng.choice(v.HOSTILE_TEXTS)


# ---- Functions for transformations.
class Chain:
    """A function made of a few random ops, ended by a reduction or not."""

    def __init__(self, values):
        rng = values.rng
        self.steps = [rng.choice(UNARY + BINARY) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        self.end = rng.choice(REDUCTIONS) if rng.random() < 0.6 else None
        self.extra = values.array() if rng.random() < 0.4 else None

    def __repr__(self):
        return f"Chain({self.steps}, {self.end})"

    def __call__(self, *args, **kwargs):
        args = [*args, *kwargs.values()]
        x = args[0] if args else mx.array(1.0)
        y = self.extra if self.extra is not None else args[-1] if args else x
        for step in self.steps:
            if step == "where3":
                x = mx.where(x, y, x)
            elif step in BINARY:
                x = getattr(mx, step)(x, y)
            else:
                x = getattr(mx, step)(x)
        return getattr(mx, self.end)(x) if self.end else x


def raises(*args, **kwargs):
    raise v.HostileError("raised by a hostile function")


def writes(x, *rest):
    """Changes its argument in place."""
    x[0] = 7
    return mx.sum(x)


def evaluates(x, *rest):
    mx.eval(x)
    return mx.sum(x)


def nested(x, *rest):
    return mx.grad(lambda z: mx.sum(mx.sin(z)))(x) if rest else mx.vmap(mx.exp)(x)


def reads(x, *rest):
    return mx.array(x.tolist()) * x.item()


def function(values):
    rng = values.rng
    if rng.random() < 0.6:
        return Chain(values)
    result = values.hostile() if rng.random() < 0.3 else None
    return rng.choice(
        (
            raises,
            writes,
            evaluates,
            nested,
            reads,
            lambda *a, **k: result,
            lambda *a, **k: a,
            lambda *a, **k: list(a) * 3,
            lambda *a, **k: {"a": a, "b": k},
            lambda: mx.array(1.0),
            lambda x, y=2: x * y,
            lambda x: x.astype(rng.choice(v.DTYPES)),
            lambda x: mx.compile(mx.exp)(x),
            lambda x: x[mx.array([0, 5])],
            lambda x: mx.take(x, x),
            lambda x: (mx.sum(x), "aux"),
            mx.sin,
            mx.sum,
            mx.matmul,
            mx.linalg.inv,
            mx.random.normal,
            mx.eval,
            mx.checkpoint(mx.exp),
            mx.custom_function(lambda x: x * 2),
        )
    )


def operand(values):
    return values.array() if values.rng.random() < 0.85 else values.hostile()


def transform(values):
    """A transformed function, called; now and then transformed twice."""
    rng = values.rng
    fun = function(values) if rng.random() < 0.97 else values.hostile()
    args = [operand(values) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))]
    kwargs = {"y": operand(values)} if rng.random() < 0.1 else {}
    axes = lambda: rng.choice((0, 0, 1, -1, None, values.sizes(), values.hostile()))  # noqa: E731
    numbers = lambda: rng.choice((0, 0, None, 1, -1, [0], [0, 1], [0, 0], values.hostile()))  # noqa: E731

    def wrap(f):
        way = rng.randrange(7)
        if way == 0:
            return mx.grad(f, numbers(), *([values.hostile()] if rng.random() < 0.1 else []))
        if way == 1:
            return mx.value_and_grad(f, numbers())
        if way == 2:
            return mx.vmap(f, axes(), axes())
        if way == 3:
            return mx.compile(f, shapeless=rng.random() < 0.3)
        if way == 4:
            return mx.checkpoint(f)
        if way == 5:
            return custom(values, f)
        return (
            (lambda *a, **k: mx.vjp(f, list(a), [operand(values)]))
            if rng.random() < 0.5
            else (lambda *a, **k: mx.jvp(f, list(a), [operand(values) for _ in a]))
        )

    def run(*args, **kwargs):
        f = fun
        for _ in range(rng.choice((1, 1, 2, 3))):
            f = wrap(f)
        out = f(*args, **kwargs)
        return f(*args, **kwargs) if rng.random() < 0.2 else out

    run.__name__ = f"transform of {v.describe(fun)}"
    return run, args, kwargs


def custom(values, f):
    rng = values.rng
    out = mx.custom_function(f)
    if rng.random() < 0.5:
        out.vjp(function(values))
    if rng.random() < 0.3:
        out.jvp(function(values))
    if rng.random() < 0.3:
        out.vmap(function(values))
    return out


# ---- Indexing.
def index(values, depth=0):
    rng = values.rng
    pick = rng.randrange(12)
    if pick < 3 and depth == 0:
        return tuple(index(values, 1) for _ in range(rng.choice((0, 1, 2, 2, 3, 6))))
    if pick < 5:
        ends = [rng.choice((None, values.integer(), rng.randrange(-5, 9))) for _ in range(3)]
        return slice(*ends)
    return rng.choice(
        (
            values.integer,
            values.integer,
            values.indices,
            values.indices,
            lambda: None,
            lambda: Ellipsis,
            lambda: values.array(dtype=mx.bool_),
            lambda: [values.integer() for _ in range(3)],
            lambda: np.array([0, 1, -1]),
            values.hostile,
        )
    )()


def get_item(values):
    return (lambda a, i: a[i]), [values.array(), index(values)], {}


def set_item(values):
    def set_item(a, i, x):
        a[i] = x
        return a

    return (
        set_item,
        [
            values.array(),
            index(values),
            operand(values) if values.rng.random() < 0.6 else values.scalar(),
        ],
        {},
    )


def at_update(values):
    name = values.rng.choice(("add", "subtract", "multiply", "divide", "maximum", "minimum"))

    def at(a, i, x):
        return getattr(a.at[i], name)(x)

    return at, [values.array(), index(values), operand(values)], {}


# ---- Construction and Python's own protocols.
def construct(values):
    rng = values.rng
    kwargs = (
        {"dtype": rng.choice((None, values.dtype, values.hostile()))} if rng.random() < 0.4 else {}
    )
    data = values.hostile() if rng.random() < 0.7 else values.buffer()
    return rng.choice((mx.array, mx.array, mx.asarray, mx.from_dlpack)), [data], kwargs


def odd(values):
    """What Python code does to arrays besides calling their methods."""
    rng = values.rng

    def attribute(a, name, x):
        setattr(a, name, x)
        return a

    def state(a, x):
        a.__setstate__(x)
        return a

    def bad_state(a, x):
        s = list(a.__getstate__()) if isinstance(a.__getstate__(), tuple) else [a.__getstate__()]
        s[rng.randrange(len(s))] = x
        a.__setstate__(tuple(s))
        return a

    choices = (
        lambda: (attribute, [values.array(), rng.choice(("dtype", "shape", "T", "new", "é")), values.hostile()]),
        lambda: (state, [values.array(), values.hostile()]),
        lambda: (bad_state, [values.array(), values.hostile()]),
        lambda: (lambda a: pickle.loads(pickle.dumps(a)), [values.array()]),
        lambda: (copy.deepcopy, [values.array()]),
        lambda: (lambda a: list(a), [values.array()]),
        lambda: (lambda a, x: format(a, x), [values.array(), rng.choice(v.HOSTILE_TEXTS + (".2f", "d", "10", "é"))]),
        lambda: (lambda a: memoryview(a).tobytes(), [values.array()]),
        lambda: (lambda a: np.asarray(a), [values.array()]),
        lambda: (lambda a: np.from_dlpack(a), [values.array()]),
        lambda: (lambda a, x: x in a, [values.array(), values.hostile()]),
        lambda: (lambda a, x: np.add(a, x), [values.array(), values.array()]),
        lambda: (lambda a: int(a) + float(a) + bool(a) + len(a), [values.array()]),
        lambda: (lambda c, x: c.__new__(c, x), [rng.choice((mx.array, mx.Dtype, mx.Stream, mx.Device, mx.StreamContext, mx.ArrayAt, mx.ArrayIterator)), values.hostile()]),
        lambda: (lambda c: c(), [rng.choice((mx.array, mx.Dtype, mx.Stream, mx.Device, mx.StreamContext, mx.ArrayAt, mx.ArrayIterator, mx.FunctionExporter))]),
        lambda: (lambda c: repr(c.__new__(c)), [rng.choice((mx.array, mx.Dtype, mx.Stream, mx.Device, mx.StreamContext, mx.ArrayAt, mx.ArrayIterator, mx.FunctionExporter))]),
        lambda: (lambda x: mx.eval(x), [values.hostile()]),
        lambda: (lambda x: mx.async_eval(x), [values.hostile()]),
    )  # fmt: skip
    return (*rng.choice(choices)(), {})


# ---- Graphs of several ops, evaluated at once, so that fusion, views and donation meet.
def chain(values):
    rng = values.rng
    arrays = [values.array() for _ in range(rng.choice((1, 2, 3)))]
    steps = [
        (rng.choice(UNARY + BINARY + REDUCTIONS + ["index", "reshape", "set"]), rng.random())
        for _ in range(rng.choice((2, 4, 8, 15)))
    ]
    where = index(values)

    def chain(*arrays):
        pool = list(arrays)
        for name, r in steps:
            x, y = pool[int(r * len(pool))], pool[int(r * 7919) % len(pool)]
            try:
                if name == "index":
                    z = x[where]
                elif name == "set":
                    z = mx.array(x)
                    z[where] = y
                elif name == "reshape":
                    z = mx.reshape(x, (-1, 2) if r < 0.5 else (-1,))
                elif name == "where3":
                    z = mx.where(x, y, x)
                else:
                    z = getattr(mx, name)(x, y) if name in BINARY else getattr(mx, name)(x)
            except (ValueError, TypeError, IndexError, v.HostileError):
                continue
            pool.append(z)
        return pool

    return chain, arrays, {}


# ---- Layers.
def layer(values):
    rng = values.rng
    name = rng.choice(LAYERS)
    size = lambda: values.hostile() if rng.random() < 0.2 else rng.choice((0, 1, 2, 3, 4, 8, -1))  # noqa: E731

    def layer(*args):
        return getattr(nn, name)(*sizes)(*args)

    sizes = [size() for _ in range(rng.choice((0, 1, 2, 2, 3)))]
    layer.__name__ = f"nn.{name}({', '.join(map(v.describe, sizes))})"
    return layer, [operand(values) for _ in range(rng.choice((1, 1, 2)))], {}


LAYERS = [
    n
    for n in dir(nn)
    if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module) and n != "Module"
]


def targets():
    """The hand-made targets; those of `weight` n are drawn as often as n functions."""
    rows = (
        ("index.get", get_item, 25),
        ("index.set", set_item, 25),
        ("index.at", at_update, 12),
        ("construct", construct, 25),
        ("odd", odd, 20),
        ("transform", transform, 50),
        ("chain", chain, 20),
        ("nn", layer, 15),
    )
    return [
        Target(name, None, [], "hand-made", prefixed=False, build=make, weight=weight)
        for name, make, weight in rows
    ]
