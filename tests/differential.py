"""Random programs give the same bits step by step, lazily at once, and compiled.

A program is a list of steps on a growing list of arrays; each step's op and operands are drawn from
what fits. Fusion, donation, common subexpressions and buffer reuse may not change a single bit.
"""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_same, to_mx

UNARY = (
    "abs",
    "exp",
    "sin",
    "tanh",
    "sigmoid",
    "square",
    "negative",
    "floor",
    "sign",
    "logical_not",
    "erf",
    "round",
)
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "divide", "less", "equal", "logical_and", "remainder",
          "logaddexp", "not_equal", "power")  # fmt: skip
REDUCE = ("sum", "max", "mean", "prod", "any", "argmax", "logsumexp", "min", "all")
DTYPES = (
    "float32",
    "float32",
    "float32",
    "float16",
    "bfloat16",
    "float64",
    "int32",
    "uint8",
    "int64",
    "bool_",
    "complex64",
)
REAL = ("int32", "float32", "float16", "bfloat16", "float64")
BATCHES = 20
SEEDS = 10


class Program:
    """Draws a program step by step; `run` replays it on fresh inputs with any way of evaluating."""

    def __init__(self, seed, dtypes=DTYPES, scale=2.0):
        self.rng, self.casts = np.random.default_rng(seed), len(dtypes) > 1
        shapes = [
            (),
            (1,),
            (5,),
            (3, 5),
            (3, 1),
            (2, 3, 5),
            (1, 3, 1),
            (4, 5),
            (5, 5),
            (0, 5),
            (67, 130),
            (2, 3, 33000),
        ]
        large = self.rng.uniform() < 0.15
        self.inputs = []
        for _ in range(int(self.rng.integers(2, 5))):
            shape = shapes[int(self.rng.integers(0, len(shapes) if large else len(shapes) - 2))]
            name = str(self.rng.choice(dtypes))
            x = self.rng.normal(0, scale, shape)
            self.inputs.append((np.abs(x) if name == "uint8" else x, name))
        self.steps = []
        arrays = self.arrays()
        for _ in range(int(self.rng.integers(5, 25))):
            for _ in range(20):
                try:
                    step = self.draw(arrays)
                    out = step(arrays)
                    mx.eval(out)
                except (ValueError, TypeError, IndexError):
                    continue  # these operands don't fit; draw others
                if all(o.size < 500_000 for o in out):
                    self.steps.append(step)
                    arrays.extend(out)
                    break

    def arrays(self):
        return [to_mx(x, name) for x, name in self.inputs]

    def pick(self, arrays):
        """Late arrays are likelier: programs get deep rather than wide."""
        n = len(arrays)
        return (
            int(n - 1 - min(n - 1, self.rng.geometric(0.35) - 1))
            if self.rng.uniform() < 0.7
            else int(self.rng.integers(n))
        )

    def draw(self, arrays):
        rng, i, j, k = self.rng, self.pick(arrays), self.pick(arrays), self.pick(arrays)
        a = arrays[i]
        axis = int(rng.integers(-a.ndim, a.ndim)) if a.ndim else None
        kind = rng.choice(["unary", "binary", "binary", "scalar", "reduce", "shape", "cast", "where", "matmul", "index",
                           "softmax", "scan", "join", "write", "sort", "select", "loop", "special"])  # fmt: skip
        if kind == "unary":
            op = getattr(mx, str(rng.choice(UNARY)))
            return lambda v: [op(v[i])]
        if kind == "binary":
            op = getattr(mx, str(rng.choice(BINARY)))
            return lambda v: [op(v[i], v[j])]
        if kind == "scalar":
            op, c = (
                getattr(mx, str(rng.choice(BINARY[:6]))),
                float(rng.choice([0.5, 2.0, -1.0, 3.0])),
            )
            return (lambda v: [op(v[i], c)]) if rng.uniform() < 0.5 else (lambda v: [op(c, v[i])])
        if kind == "reduce":
            op, keep = getattr(mx, str(rng.choice(REDUCE))), bool(rng.integers(2))
            return lambda v: [op(v[i], axis=axis, keepdims=keep)]
        if kind == "shape":
            return self.draw_shape(i, axis, a.ndim)
        if kind == "cast":
            if not self.casts:  # casts round gradients and tangents at different places
                raise TypeError
            dtype = getattr(mx, str(rng.choice(REAL)))
            return lambda v: [v[i].astype(dtype)]
        if kind == "where":
            return lambda v: [
                mx.where(v[k] > 0 if v[k].dtype != mx.complex64 else True, v[i], v[j])
            ]
        if kind == "matmul":
            return lambda v: [v[i] @ (mx.swapaxes(v[j], -1, -2) if v[j].ndim > 1 else v[j])]
        if kind == "select":
            return self.draw_selection(i, j)
        if kind == "loop":
            return self.draw_loop(i, j)
        if kind == "special":
            name = str(rng.choice(["gammaln", "erfcx", "log_ndtr", "i0e", "j1", "sinc"]))
            return lambda v: [getattr(mx.special, name)(mx.tanh(v[i]) + 1.5)]
        return self.draw_other(kind, i, j, k, axis)

    def draw_selection(self, i, j):
        size = int(self.rng.integers(1, 9))
        choices = [
            lambda v: [mx.extract(v[i] > 0, v[i], size=size)],
            lambda v: list(mx.nonzero(v[i] > 1, size=size)),
            lambda v: [mx.unique(v[i], size=size)],
            lambda v: [mx.repeat(v[i], mx.sum(v[j] > 0) % 4, 0, total_repeat_length=size)],
            lambda v: [v[i][mx.nonzero(v[i] > 0, size=size)]],
        ]
        return choices[int(self.rng.integers(len(choices)))]

    def draw_loop(self, i, j):
        n = int(self.rng.integers(1, 5))
        choices = [
            lambda v: list(mx.scan(lambda c, x: (c * 0.5 + x, c), v[i][0], v[i])),
            lambda v: [mx.fori_loop(0, n, lambda _, c: mx.sin(c) + v[j], v[i])],
            lambda v: [
                mx.while_loop(lambda c: mx.any(c > 1), lambda c: c * 0.5, v[i], max_steps=n)
            ],
            lambda v: [mx.cond(mx.any(v[j] > 1), mx.sin, mx.tanh, v[i])],
            lambda v: [mx.map(lambda x: mx.sum(x) * x, v[i])],
        ]
        return choices[int(self.rng.integers(len(choices)))]

    def draw_shape(self, i, axis, ndim):
        pad = int(self.rng.integers(0, 3))
        order = tuple(int(p) for p in self.rng.permutation(ndim))
        choices = [
            lambda v: [mx.transpose(v[i], order)],
            lambda v: [mx.reshape(v[i], (-1,))],
            lambda v: [mx.expand_dims(v[i], 0)],
            lambda v: [v[i][..., ::-1]],
            lambda v: [v[i][1:]],
            lambda v: [mx.broadcast_to(v[i], (2, *v[i].shape))],
            lambda v: [mx.pad(v[i], pad)],
            lambda v: [mx.repeat(v[i], 2, axis=axis)],
            lambda v: list(mx.split(v[i], 2, axis=axis)),
            lambda v: [mx.flip(v[i], axis=axis)],
            lambda v: [mx.roll(v[i], pad, axis)],
        ]
        return choices[int(self.rng.integers(len(choices)))]

    def draw_other(self, kind, i, j, k, axis):
        at = [int(p) for p in self.rng.integers(0, 3, 4)]
        if kind == "index":
            return lambda v: [mx.take(v[i], mx.array(at) % max(v[i].shape[axis], 1), axis=axis)]
        if kind == "softmax":
            return lambda v: [
                mx.softmax(v[i], axis=axis),
                v[i] - mx.mean(v[i], axis=axis, keepdims=True),
            ]
        if kind == "scan":
            return lambda v: [mx.cumsum(v[i], axis=axis)]
        if kind == "join":
            return lambda v: [mx.concatenate([v[i], v[j], v[i]], axis=axis), mx.stack([v[i], v[i]])]
        if kind == "sort":
            return lambda v: [mx.sort(v[i], axis=axis)]

        def write(v):
            w = v[i] * 1
            w[..., : at[0] + 1] = v[k] if v[k].ndim == 0 else 2
            return [w, w + v[i]]

        return write

    def run(self, step_by_step):
        arrays = self.arrays()
        return self.replay(arrays, step_by_step)

    def replay(self, arrays, step_by_step=False):
        arrays = list(arrays)
        for step in self.steps:
            out = step(arrays)
            if step_by_step:
                mx.eval(out)
            arrays.extend(out)
        return arrays[len(self.inputs) :]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs_give_equal_bits_however_they_run(batch):
    for seed in range(batch * SEEDS, (batch + 1) * SEEDS):
        program = Program(seed)
        want = program.run(True)
        lazy = program.run(False)
        mx.eval(lazy)
        assert_same(lazy, want, f"seed {seed}, lazily at once")
        last = program.run(False)[-1:]
        assert_same(last, want[-1:], f"seed {seed}, the last result only")
        keep = np.random.default_rng(seed).permutation(len(want))[:3]
        compiled = mx.compile(lambda *a, p=program, keep=keep: [p.replay(a)[i] for i in keep])
        for _ in range(2):
            inputs = program.arrays()
            assert_same(compiled(*inputs), [want[i] for i in keep], f"seed {seed}, compiled")
            assert_same(inputs, program.arrays(), f"seed {seed}, the inputs")


@pytest.mark.parametrize("batch", range(4))
def test_gradients_of_random_programs_agree(batch):
    """Reverse mode, compiled or not, and forward mode give the same directional derivative."""
    for seed in range(1000 + batch * 10, 1010 + batch * 10):
        program = Program(seed, ("float64",), 0.6)

        def loss(*arrays, program=program):
            outs = [o for o in program.replay(arrays) if o.dtype == mx.float64]
            return sum(
                (mx.sum(mx.tanh(o) * 0.1) for o in outs[-4:]), mx.array(0.0, dtype=mx.float64)
            )

        xs = program.arrays()
        rng = np.random.default_rng(seed)
        vs = [to_mx(rng.standard_normal(x.shape), "float64") for x in xs]
        value = loss(*xs).item()
        nums = list(range(len(xs)))
        grads = mx.grad(loss, argnums=nums)(*xs)
        grads = list(grads) if isinstance(grads, list | tuple) else [grads]
        again = mx.compile(mx.grad(loss, argnums=nums))(*xs)
        assert_same(again, grads, f"seed {seed}, compiled gradient")
        tangent = mx.jvp(loss, xs, vs)[1][0].item()
        slope = sum(mx.sum(g * v).item() for g, v in zip(grads, vs, strict=True))
        if np.isfinite(value) and np.isfinite(tangent) and np.isfinite(slope):
            assert abs(slope - tangent) <= 1e-8 * max(1.0, abs(slope), abs(tangent)), f"seed {seed}"
