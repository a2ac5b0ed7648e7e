#!/usr/bin/env python3
"""Compares Olivine with MLX over names, dtypes and layouts: values, dtypes, shapes and errors.

    tools/differential_mlx.py --mlx PYTHON [--ours PYTHON] [--only NAME] [--examples N]

Each PYTHON is an interpreter that can import the one library (mlx 0.32 needs its wheel; nothing of
it is needed otherwise). Both run the same cases in a process of their own and write what came out;
differences are grouped by function and kind. docs/differences.md lists those that are meant.
"""

import argparse
import collections
import functools
import importlib
import itertools
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FLOATS = ("float16", "bfloat16", "float32")
INTS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
DTYPES = ("bool_", *INTS, *FLOATS, "complex64")
SOME = ("bool_", "uint8", "int32", "bfloat16", "float32", "complex64")
TOLERANCE = {
    "float16": 4e-3,
    "bfloat16": 3e-2,
    "float32": 3e-5,
    "complex64": 3e-5,
    "float64": 1e-12,
}

UNARY = """
    abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conj cos cosh
    degrees erf erfinv exp expm1 floor imag isfinite isinf isnan isneginf isposinf log log10
    log1p log2 logical_not negative positive radians real reciprocal round rsqrt sigmoid
    sign sin sinh sqrt square stop_gradient tan tanh trunc nan_to_num zeros_like ones_like
    flatten squeeze transpose atleast_1d atleast_2d atleast_3d
""".split()
BINARY = """
    add arctan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater
    greater_equal left_shift less less_equal logaddexp logical_and logical_or logical_xor
    maximum minimum multiply not_equal power remainder right_shift subtract array_equal
    divmod outer kron isclose allclose
""".split()
REDUCE = """
    all any argmax argmin count_nonzero logsumexp max mean median min minmax prod std sum
    var softmax
""".split()
CATEGORIES = """complexfloating floating inexact signedinteger unsignedinteger integer number
    generic""".split()
SCANS = "cumsum cumprod cummax cummin logcumsumexp".split()
SORTS = "sort argsort".split()


# ---- Values and layouts.
def values(name, shape, seed=0):
    rng = np.random.default_rng([seed, len(shape), *shape])
    x = rng.normal(0, 3, shape)
    if name == "bool_":
        return x > 0
    if name in INTS:
        x = np.round(x)
        return np.abs(x) if name.startswith("u") else x
    return x + 1j * rng.normal(0, 3, shape) if name == "complex64" else np.round(x, 2)


def specials(name):
    if name == "complex64":
        return np.array([0, 1, -1, 1j, -1j, np.inf, complex(np.nan, 1), complex(0, np.inf)])
    if name in FLOATS:
        return np.array(
            [0.0, -0.0, 1, -1, 0.5, -0.5, 2.5, -2.5, 1e4, 1e-4, np.inf, -np.inf, np.nan]
        )
    if name == "bool_":
        return np.array([False, True])
    bits = 8 * np.dtype(name).itemsize
    low, high = (
        (0, 2**bits - 1) if name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return np.array([0, 1, 2, 3, 7, high, high - 1, low, low + 1, 100], object)


class Maker:
    """Arrays of one library."""

    def __init__(self, mx):
        self.mx = mx

    def array(self, x, name):
        if name == "complex64":
            return self.mx.array(np.asarray(x, np.complex64))
        if name in INTS:
            x = np.asarray(x)
            integers = x.dtype == object or x.dtype.kind in "iu"
            return self.mx.array(x.astype(name) if integers else x.astype(np.int64).astype(name))
        return self.mx.array(np.asarray(x, np.float32)).astype(getattr(self.mx, name))

    def layouts(self, name):
        """(label, array) of one dtype: plain, empty, transposed, reversed, repeated."""
        mx, of = self.mx, self.array
        matrix = values(name, (3, 4))
        yield "special", of(specials(name), name)
        yield "0-d", of(values(name, ()), name)
        yield "empty", of(values(name, (0, 3)), name)
        yield "matrix", of(matrix, name)
        yield "transposed", mx.transpose(of(matrix, name))
        yield "reversed", of(matrix, name)[::-1, ::-2]
        yield "repeated", mx.broadcast_to(of(values(name, (4,)), name), (2, 3, 4))

    def pairs(self, name):
        mx, of = self.mx, self.array
        a, b = values(name, (3, 4)), values(name, (3, 4), 1)
        s = specials(name)
        yield "special", of(s[:, None], name), of(s[None, :], name)
        yield "0-d", of(values(name, ()), name), of(values(name, (), 3), name)
        yield "empty", of(values(name, (0, 4)), name), of(b[:1], name)
        yield "matrix", of(a, name), of(b, name)
        yield "broadcast", of(a[:, :1], name), of(b[0], name)
        yield "transposed", mx.transpose(of(a, name)), mx.transpose(of(b, name))
        yield "reversed", of(a, name)[::-1], of(b, name)[:, ::-1]
        yield "unfit", of(a, name), of(values(name, (3, 5)), name)


# ---- Cases: (function, what, thunk).
def elementwise_cases(mx, make):
    for name in DTYPES:
        for what, x in make.layouts(name):
            for f in UNARY:
                yield f, f"{name} {what}", lambda f=f, x=x: getattr(mx, f)(x)
            for f in (
                "float16",
                "float32",
                "int8",
                "uint8",
                "int32",
                "uint32",
                "int64",
                "bool_",
                "complex64",
            ):
                if what != "special" or name not in (*FLOATS, "complex64"):
                    yield (
                        "astype",
                        f"{name} {what} to {f}",
                        lambda f=f, x=x: x.astype(getattr(mx, f)),
                    )
            yield "clip", f"{name} {what}", lambda x=x: mx.clip(x, -1, 2)
            yield "view", f"{name} {what}", lambda x=x: mx.view(x, mx.uint8)
        for what, x, y in make.pairs(name):
            for f in BINARY:
                if (
                    f in ("power", "left_shift", "right_shift")
                    and what == "special"
                    and name in INTS
                ):
                    continue  # overflow and shifts beyond the width: undefined in C++
                yield f, f"{name} {what}", lambda f=f, x=x, y=y: getattr(mx, f)(x, y)
            yield "where", f"{name} {what}", lambda x=x, y=y: mx.where(x > y, x, y)
        for other in DTYPES:
            x, y = make.array([1, 0, 1], name), make.array([1, 1, 0], other)
            for f in (
                "add",
                "divide",
                "multiply",
                "less",
                "power",
                "bitwise_and",
                "floor_divide",
                "arctan2",
            ):
                yield f, f"{name} and {other}", lambda f=f, x=x, y=y: getattr(mx, f)(x, y)
            yield "concatenate", f"{name} and {other}", lambda x=x, y=y: mx.concatenate([x, y])
            yield "where", f"{name} and {other}", lambda x=x, y=y: mx.where(x > 0, x, y)
        for scalar in (True, 2, -3, 2.5, 1j, 300, 2**31, 2**40):
            for f in ("add", "multiply", "maximum", "divide"):
                x = make.array([1, 0, 1], name)
                yield f, f"{name} and {scalar!r}", lambda f=f, x=x, s=scalar: getattr(mx, f)(x, s)


def reduction_cases(mx, make):
    for name in DTYPES:
        for what, x in make.layouts(name):
            axes = [{}, {"axis": 0}, {"axis": -1}, {"axis": 5}, {"axis": 0, "keepdims": True}]
            for f in REDUCE:
                for kwargs in [*axes, *([{"axis": (0, 1)}] if not f.startswith("arg") else [])]:
                    if f == "softmax" and "keepdims" in kwargs:
                        continue
                    call = lambda f=f, x=x, k=kwargs: getattr(mx, f)(x, **k)  # noqa: E731
                    yield f, f"{name} {what} {kwargs}", call
            for f in SCANS:
                for kwargs in (
                    {},
                    {"axis": 0},
                    {"axis": -1, "reverse": True},
                    {"axis": 1, "inclusive": False},
                ):
                    yield (
                        f,
                        f"{name} {what} {kwargs}",
                        lambda f=f, x=x, k=kwargs: getattr(mx, f)(x, **k),
                    )
            for f in SORTS:
                for kwargs in ({}, {"axis": 0}, {"axis": None}, {"axis": 3}):
                    if what == "special" and name == "complex64":
                        continue
                    yield (
                        f,
                        f"{name} {what} {kwargs}",
                        lambda f=f, x=x, k=kwargs: getattr(mx, f)(x, **k),
                    )
            yield "diff", f"{name} {what}", lambda x=x: mx.diff(x)
            if what not in ("empty", "special"):
                yield (
                    "unique",
                    f"{name} {what}",
                    lambda x=x: mx.unique(x, size=6, return_inverse=True, return_counts=True),
                )
                yield "topk", f"{name} {what}", lambda x=x: mx.sort(mx.topk(x, 2))


def shape_cases(mx, make):
    for name in SOME:
        for what, x in make.layouts(name):
            forms = {
                "reshape": [((-1,),), ((2, -1),), ((x.size,),), ((0, 5),), ((-1, -1),), ((5, 7),)],
                "expand_dims": [(0,), (-1,), ((0, 2),), (9,), ((0, 0),)],
                "squeeze": [(0,), ((0, 1),), (-1,)],
                "moveaxis": [(0, -1), (-1, 0), (0, 7)],
                "swapaxes": [(0, 1), (0, -1), (3, 0)],
                "repeat": [(2,), (2, 0), (0, 0), (3, -1), (-1, 0)],
                "tile": [(2,), ((2, 1),), ((1, 2, 3),), ((0,),)],
                "roll": [(1,), (2, 0), (-1, -1), ((1, 2), (0, 1))],
                "flip": [(), (0,), (-1,), (5,)],
                "pad": [(1,), ((1, 2),), (((1, 0), (0, 2)),), (-1,)],
                "split": [(2,), (3, 0), ([1, 2],), (0,), (5,)],
                "unstack": [()],
                "diagonal": [(), (1,), (-1, 0, 1), (0, 0, 0)],
                "diag": [(), (1,)],
                "trace": [(), (1,)],
                "tril": [(), (1,), (-1,)],
                "triu": [(), (-1,)],
                "broadcast_to": [((2, 3, 4),), ((3,),), ((),), ((7, *x.shape),)],
                "matrix_transpose": [()],
                "as_strided": [((x.size,),)],
                "contiguous": [()],
                "unflatten": [(-1, (2, -1)), (0, (1, -1)), (0, (5, 5))],
                "view": [(mx.uint8,), (mx.uint16,), (mx.complex64,)],
                "permute_dims": [((1, 0),), ((0, 0),), ((0,),)],
            }
            for f, arguments in forms.items():
                for args in arguments:
                    text = str(args).replace(mx.__name__, "mx")
                    yield f, f"{name} {what} {text}", lambda f=f, x=x, a=args: getattr(mx, f)(x, *a)
            for f in ("stack", "concatenate"):
                for axis in (0, -1, 1, 4):
                    yield (
                        f,
                        f"{name} {what} {axis}",
                        lambda f=f, x=x, a=axis: getattr(mx, f)([x, x], a),
                    )
            yield "len", f"{name} {what}", lambda x=x: len(x)
            yield "repr", f"{name} {what}", lambda x=x: repr(x).replace("-nan", "nan")
            yield "tolist", f"{name} {what}", lambda x=x: repr(x.tolist()).replace("-nan", "nan")
            yield "item", f"{name} {what}", lambda x=x: x.item()
            yield "bool", f"{name} {what}", lambda x=x: bool(x)
            yield "int", f"{name} {what}", lambda x=x: int(x)
            yield "float", f"{name} {what}", lambda x=x: float(x)
            yield "iter", f"{name} {what}", lambda x=x: list(x)
            yield "format", f"{name} {what}", lambda x=x: f"{x}".replace("-nan", "nan")


def indexing_cases(mx, make):
    x = make.array(np.arange(24).reshape(2, 3, 4), "int32")
    at = mx.array([0, 1, -1])
    indices = {
        "[0]": 0,
        "[-1]": -1,
        "[...]": ...,
        "[None]": None,
        "[()]": (),
        "[1:]": slice(1, None),
        "[::-1]": slice(None, None, -1),
        "[:, 1]": (slice(None), 1),
        "[..., 0]": (..., 0),
        "[0, 1, 2]": (0, 1, 2),
        "[at0]": at % 2,
        "[:, at]": (slice(None), at),
        "[at, at]": (at % 2, at),
        "[0, :, at]": (0, slice(None), at),
        "[at, :, at]": (at % 2, slice(None), at),
        "[None, at]": (None, at % 2),
        "[1, None, ::2]": (1, None, slice(None, None, 2)),
        "[at2d]": mx.array([[0, 1], [1, 0]]),
        "[0, 1, 2, 3]": (0, 1, 2, 3),
        "['a']": "a",
        "[1.5]": 1.5,
        "[..., ...]": (..., ...),
        "[5:2]": slice(5, 2),
        "[-3:-1, 5:]": (slice(-3, -1), slice(5, None)),
        "[True]": True,
        "[list]": [0, 1],
        "[float array]": mx.array([0.0]),
    }
    for label, index in indices.items():
        yield "getitem", label, lambda i=index: x[i]

        def put(value, i=index):
            y = mx.array(x)
            y[i] = value
            return y

        for name, value in {
            "5": 5,
            "1.5": 1.5,
            "array": mx.array([1, 2, 3, 4]),
            "2d": mx.ones((3, 4)),
        }.items():
            yield "setitem", f"{label} = {name}", lambda put=put, v=value: put(v)
        for f in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
            yield f"at.{f}", label, lambda i=index, f=f: getattr(x.at[i], f)(2)
    mask = x[0] % 2 == 0

    def put_mask(value):
        y = mx.array(x[0])
        y[mask] = value
        return y

    yield "setitem", "mask = 1", lambda: put_mask(1)
    pick = mx.zeros(x.shape, mx.int32)
    for axis in (None, 0, 1, -1, 3):
        yield "take", f"{axis}", lambda a=axis: mx.take(x, at % 2, axis=a)
        yield "take int", f"{axis}", lambda a=axis: mx.take(x, 1, axis=a)
        yield (
            "take_along_axis",
            f"{axis}",
            lambda a=axis: mx.take_along_axis(x, pick if a is not None else pick.flatten(), a),
        )
        yield (
            "put_along_axis",
            f"{axis}",
            lambda a=axis: mx.put_along_axis(x, pick[:1], mx.array(7), a),
        )
    yield "take", "floats", lambda: mx.take(x, mx.array([0.0]))
    for side in ("left", "right", "middle"):
        yield (
            "searchsorted",
            side,
            lambda s=side: mx.searchsorted(mx.array([1.0, 2.0, 4.0]), mx.array([0.5, 2.0, 9.0]), s),
        )


def product_cases(mx, make):
    shapes = [
        ((3, 4), (4, 2)),
        ((4,), (4,)),
        ((2, 3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((3, 0), (0, 2)),
        ((3, 4), (3, 2)),
        ((), (3,)),
        ((0, 4), (4, 2)),
        ((1, 4), (4, 1)),
    ]
    for name in DTYPES:
        for a, b in shapes:
            x, y = make.array(values(name, a), name), make.array(values(name, b, 1), name)
            for f in ("matmul", "inner", "tensordot", "vecdot"):
                yield f, f"{name} {a} {b}", lambda f=f, x=x, y=y: getattr(mx, f)(x, y)
            yield "addmm", f"{name} {a} {b}", lambda x=x, y=y: mx.addmm(x[..., :1], x, y, 0.5, 2.0)
        for text, *operands in (
            ("ij,jk->ik", (3, 4), (4, 2)),
            ("ij->j", (3, 4)),
            ("ii", (3, 3)),
            ("i,j", (2,), (3,)),
            ("ij,ij->", (2, 3), (2, 3)),
            ("...i,i", (2, 3, 4), (4,)),
            ("ij->ji", (3, 4)),
            ("i->", (3,)),
            ("ij,kl", (2, 2), (2,)),
        ):
            arrays = [make.array(values(name, s, i), name) for i, s in enumerate(operands)]
            yield "einsum", f"{name} {text} {operands}", lambda t=text, a=arrays: mx.einsum(t, *a)
    x = make.array(values("float32", (2, 4, 6, 8)), "float32")
    w = make.array(values("float32", (8,)), "float32")
    for name in FLOATS:
        y, v = x.astype(getattr(mx, name)), w.astype(getattr(mx, name))
        yield "rms_norm", name, lambda y=y, v=v: mx.fast.rms_norm(y, v, 1e-5)
        yield "rms_norm", f"{name} None", lambda y=y: mx.fast.rms_norm(y, None, 1e-5)
        yield "rms_norm", f"{name} wrong", lambda y=y, v=v: mx.fast.rms_norm(y, v[:3], 1e-5)
        yield "layer_norm", name, lambda y=y, v=v: mx.fast.layer_norm(y, v, v, 1e-5)
        for traditional in (False, True):
            rope = functools.partial(
                mx.fast.rope, y, 8, traditional=traditional, base=100.0, scale=1.0, offset=2
            )
            yield "rope", f"{name} {traditional}", rope
        yield "sdpa", name, lambda y=y: mx.fast.scaled_dot_product_attention(y, y, y, scale=0.1)
        yield (
            "sdpa",
            f"{name} causal",
            lambda y=y: mx.fast.scaled_dot_product_attention(y, y, y, scale=0.1, mask="causal"),
        )
        yield (
            "cross_entropy",
            name,
            lambda y=y: mx.fast.cross_entropy(y, mx.zeros((2, 4, 6), mx.int32)),
        )


def creation_cases(mx, make):
    for f, arguments in {
        "arange": [(5,), (2, 9, 3), (0, 1, 0.25), (5, 0, -1), (0,), (5.5,), (1, 5, 0), (0, 3, -1)],
        "linspace": [(0, 1, 5), (0, 1, 1), (0, 1, 0), (3, -3, 7), (0, 1, -1)],
        "eye": [(3,), (2, 4), (3, 3, 1), (0,), (-1,)],
        "identity": [(3,)],
        "tri": [(3,), (3, 4), (3, 3, -1)],
        "full": [((2, 3), 7), ((2,), 1.5), ((), True), ((2,), [1, 2])],
        "zeros": [((2, 3),), (4,), ((),), ((-1,),)],
        "ones": [((2, 3),), (4,)],
        "hanning": [(5,), (1,), (0,)],
        "hamming": [(5,), (1,)],
        "blackman": [(5,), (1,)],
        "bartlett": [(5,), (1,)],
        "array": [
            ([1, 2],),
            ([1.5, 2],),
            ([True, 2],),
            ([],),
            ([[1], [2, 3]],),
            (1j,),
            ([1, 2j],),
            (2**31,),
            (2**63,),
            (2**64,),
            ("a",),
            (None,),
            ([[]],),
            ([[1, 2], [3, 4]],),
            ((1, 2),),
            ([None],),
            (np.array([1.5]),),
            (np.float16(2),),
            (np.int64(3),),
            ([np.float64(2)],),
        ],
        "asarray": [([1, 2],), (3.5,)],
        "broadcast_shapes": [((2, 1), (3,)), ((2,), (3,))],
        "meshgrid": [(mx.array([1, 2]), mx.array([3, 4, 5]))],
    }.items():
        for args in arguments:
            yield f, f"{args}", lambda f=f, a=args: getattr(mx, f)(*a)
    for name in DTYPES:
        dtype = getattr(mx, name)
        yield "arange", name, lambda t=dtype: mx.arange(0, 5, 1, t)
        yield "linspace", name, lambda t=dtype: mx.linspace(0, 5, 6, dtype=t)
        yield "full", name, lambda t=dtype: mx.full((2,), 1.5, t)
        yield "eye", name, lambda t=dtype: mx.eye(2, dtype=t)
        yield "finfo", name, lambda t=dtype: [mx.finfo(t).max, mx.finfo(t).min, mx.finfo(t).eps]
        yield "iinfo", name, lambda t=dtype: [mx.iinfo(t).max, mx.iinfo(t).min]
        for category in CATEGORIES:
            yield (
                "issubdtype",
                f"{name} {category}",
                lambda t=dtype, c=category: mx.issubdtype(t, getattr(mx, c)),
            )
        for other in DTYPES:
            yield (
                "result_type",
                f"{name} {other}",
                lambda t=dtype, o=other: str(mx.result_type(t, getattr(mx, o))).split(".")[-1],
            )
            yield (
                "can_cast",
                f"{name} {other}",
                lambda t=dtype, o=other: mx.can_cast(t, getattr(mx, o)),
            )


def gradient_cases(mx, make):
    x = mx.array([[0.5, -1.5, 2.0], [0.25, 3.0, -0.75]])
    for f in UNARY:
        if f in (
            "arccosh",
            "isfinite",
            "isinf",
            "isnan",
            "isneginf",
            "isposinf",
            "logical_not",
            "bitwise_invert",
            "real",
            "imag",
        ):
            continue
        yield (
            f"grad {f}",
            "",
            lambda f=f: mx.grad(lambda y: getattr(mx, f)(y).sum())(mx.abs(x) * 0.3),
        )
    for f in (
        "max",
        "min",
        "prod",
        "std",
        "var",
        "logsumexp",
        "mean",
        "median",
        "cumsum",
        "cumprod",
        "cummax",
        "softmax",
        "sort",
    ):
        for kwargs in ({}, {"axis": 0}, {"axis": -1}):
            call = lambda f=f, k=kwargs: mx.grad(lambda y: (getattr(mx, f)(y, **k) ** 2).sum())(x)  # noqa: E731
            yield f"grad {f}", f"{kwargs}", call
    for f in (
        "add",
        "multiply",
        "divide",
        "power",
        "maximum",
        "minimum",
        "arctan2",
        "logaddexp",
        "remainder",
    ):
        yield (
            f"grad {f}",
            "both",
            lambda f=f: mx.grad(lambda a, b: getattr(mx, f)(a, b).sum(), (0, 1))(
                mx.abs(x), x * 0 + 2
            ),
        )
    yield "grad maximum", "ties", lambda: mx.grad(lambda a, b: mx.maximum(a, b).sum(), (0, 1))(x, x)
    yield "grad max", "ties", lambda: mx.grad(lambda a: a.max())(mx.array([1.0, 1.0, 0.0]))
    yield "grad abs", "zero", lambda: mx.grad(lambda a: mx.abs(a).sum())(mx.array([0.0, -0.0]))
    yield "grad", "of an int", lambda: mx.grad(lambda a: a.sum())(mx.array([1, 2]))
    yield "grad", "not a scalar", lambda: mx.grad(lambda a: a)(x)


def cases(mx):
    make = Maker(mx)
    for family in (
        creation_cases,
        elementwise_cases,
        reduction_cases,
        shape_cases,
        indexing_cases,
        product_cases,
        gradient_cases,
    ):
        yield from family(mx, make)


# ---- Running: every result becomes plain data.
def plain(mx, value):
    if isinstance(value, mx.array):
        mx.eval(value)
        dtype = str(value.dtype).rsplit(".", 1)[-1]
        return (
            dtype,
            tuple(value.shape),
            np.array(value.astype(mx.float32) if dtype == "bfloat16" else value),
        )
    if isinstance(value, (list, tuple)):
        return [plain(mx, v) for v in value]
    return value


def run(module, out, only, first):
    """Appends (key, result) per case from number `first` on; the key alone before a case runs."""
    mx = importlib.import_module(module)
    mx.set_default_device(mx.cpu)
    with open(out, "ab") as file:
        chosen = (c for c in cases(mx) if only in c[0])
        for function, what, thunk in itertools.islice(chosen, first, None):
            pickle.dump((function, what), file)
            file.flush()
            try:
                result = ("ok", plain(mx, thunk()))
            except Exception as error:  # whatever it is, it is compared
                text = str(error).splitlines() or [""]
                result = ("error", type(error).__name__, text[0][:160])
            pickle.dump(result, file)


def read(path):
    """The results, and how many cases were begun; one without a result ended the process."""
    results, begun = {}, 0
    with open(path, "rb") as file:
        try:
            while True:
                key = pickle.load(file)
                begun += 1
                results[key] = ("error", "the process", "dies")
                results[key] = pickle.load(file)
        except EOFError:
            return results, begun


def run_all(python, module, out, only):
    """Runs the cases in processes of their own, a new one after each that dies."""
    out.touch()
    while True:
        _, begun = read(out)
        command = [python, __file__, "--run", module, out, str(begun), "--only", only]
        status = subprocess.run(
            [*map(str, command)], stderr=subprocess.PIPE, text=True, check=False
        )
        results, now = read(out)
        if status.returncode == 0:
            return results
        if status.returncode > 0 or now == begun:
            sys.exit(f"{module}: {status.stderr[-2000:]}")
        # Its last case has no result; one is written, so that the next process goes on behind it.
        with open(out, "ab") as file:
            pickle.dump(("error", "the process", f"died of signal {-status.returncode}"), file)


# ---- Comparing.
def compare(ours, theirs):
    """The kind of difference and a text, or None."""
    if ours[0] != theirs[0]:
        kind = "we raise, MLX does not" if ours[0] == "error" else "MLX raises, we do not"
        return kind, f"{show(ours)}  MLX: {show(theirs)}"
    if ours[0] == "error":
        return (
            ("exception type", f"{show(ours)}  MLX: {show(theirs)}")
            if ours[1] != theirs[1]
            else None
        )
    return compare_values(ours[1], theirs[1])


def compare_values(a, b):
    if isinstance(a, list) or isinstance(b, list):
        if type(a) is not type(b) or len(a) != len(b):
            return "structure", f"{show(a)}  MLX: {show(b)}"
        return next((d for d in map(compare_values, a, b) if d), None)
    if not (isinstance(a, tuple) and isinstance(b, tuple)):
        same = (
            a == b
            or (a != a and b != b)
            or isinstance(a, (float, complex))
            and abs(a - b) <= 1e-5 * abs(b)
        )
        return None if same else ("value", f"{show(a)}  MLX: {show(b)}")
    if a[0] != b[0]:
        return "dtype", f"{a[0]}  MLX: {b[0]}"
    if a[1] != b[1]:
        return "shape", f"{a[1]}  MLX: {b[1]}"
    if a[0] not in TOLERANCE:
        same = np.array_equal(a[2], b[2])
    else:
        x, y = (v[2].astype(np.complex128) for v in (a, b))
        same = all(
            np.allclose(p, q, TOLERANCE[a[0]], 0.1 * TOLERANCE[a[0]], equal_nan=True)
            for p, q in ((x.real, y.real), (x.imag, y.imag))
        )
    return None if same else ("value", f"{show(a)}  MLX: {show(b)}")


def show(value):
    text = " ".join(
        str(
            value[2]
            if isinstance(value, tuple) and len(value) == 3 and value[0] != "error"
            else value
        ).split()
    )
    return text if len(text) < 170 else text[:170] + "…"


def report(ours, theirs, examples):
    groups = collections.defaultdict(list)
    for key in ours.keys() | theirs.keys():
        if key not in ours or key not in theirs:
            groups[key[0], "case of one library"].append((key[1], ""))
            continue
        difference = compare(ours[key], theirs[key])
        if difference:
            groups[key[0], difference[0]].append((key[1], difference[1]))
    for (function, kind), found in sorted(groups.items()):
        print(f"{function}: {kind} ({len(found)})")
        for what, text in sorted(found)[:examples]:
            print(f"    {what}: {text}")
    total = sum(map(len, groups.values()))
    print(f"{len(ours)} cases, {total} differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlx", help="a Python with mlx")
    parser.add_argument("--ours", default=sys.executable, help="a Python with olivine")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="functions whose names hold this"
    )
    parser.add_argument("--examples", type=int, default=2)
    parser.add_argument(
        "--run", nargs=3, metavar=("MODULE", "OUT", "FIRST"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.run:
        return run(args.run[0], args.run[1], args.only, int(args.run[2]))
    if not args.mlx:
        parser.error("--mlx is needed")
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for python, module in ((args.ours, "olivine.core"), (args.mlx, "mlx.core")):
            results.append(run_all(python, module, Path(folder) / module, args.only))
    report(*results, args.examples)


if __name__ == "__main__":
    main()
