"""Memory-bound work: element-wise, reductions, norms, copies, indexing, sorting, scans, random.

Every row is one function of arrays of 64 MiB in float32 or 32 MiB in bfloat16, unless its shapes
say otherwise; its bytes are counted once per array that is read or written. JAX compiles the
function, the others run it as it is written.
"""

import functools
import importlib
import math

import numpy as np

from bench.runner import workload

COUNT, ROWS = 1 << 24, 1 << 12
DTYPES = {"f32": "float32", "bf16": "bfloat16"}


@functools.lru_cache(maxsize=4)
def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def integers(high, count):
    return np.random.default_rng(3).integers(0, high, count).astype(np.int32)


def lazy_step(library, function, inputs, dtype):
    mx = importlib.import_module(f"{library}.core")
    args = [mx.array(a) for a in inputs]
    args = [a.astype(getattr(mx, dtype)) if a.dtype == mx.float32 else a for a in args]
    mx.eval(args)
    f = function(mx)
    return lambda: mx.eval(f(*args))


def jax_step(library, function, inputs, dtype):
    import jax

    args = [jax.numpy.asarray(a, dtype if a.dtype == np.float32 else None) for a in inputs]
    f = jax.jit(function(jax.numpy))
    return lambda: jax.block_until_ready(f(*args))


def torch_step(library, function, inputs, dtype):
    import torch

    args = [torch.from_numpy(np.ascontiguousarray(a)) for a in inputs]
    args = [a.to(getattr(torch, dtype)) if a.dtype == torch.float32 else a for a in args]
    f = function(torch)

    def step():
        with torch.inference_mode():
            f(*args)

    return step


def numpy_step(library, function, inputs, dtype):
    f = function(np)
    return lambda: f(*inputs)


STEPS = {
    "olivine": lazy_step,
    "mlx": lazy_step,
    "jax": jax_step,
    "torch": torch_step,
    "numpy": numpy_step,
}


def row(name, inputs, same=None, traffic=0, limit="copy", dtypes=DTYPES, without=(), **functions):
    """A workload per dtype. `same` is an expression that every library understands but those of
    `without`; `lazy`, `jax`, `torch` and `numpy` are those of one. `traffic`: values read and
    written."""
    functions = {library: same for library in ("lazy", "jax", "torch", "numpy") if same} | functions
    lazy = functions.pop("lazy")
    functions |= {"olivine": lazy, "mlx": lazy}
    for short in dtypes:
        size = 4 if short == "f32" else 2
        work = workload(
            f"{name}_{short}", work=traffic * size / 1e9, unit="GB" if traffic else "", limit=limit
        )
        for library, function in functions.items():
            if library in without or library == "numpy" and short != "f32":
                continue

            def setup(library, function=function, dtype=DTYPES[short]):
                return STEPS[library](library, function, inputs(), dtype)

            work.on(library)(setup)


def one():
    return [floats(COUNT)]


def two():
    return [floats(COUNT), floats(COUNT, seed=1)]


def matrix():
    return [floats(ROWS, ROWS)]


def matrix_and_row():
    return [floats(ROWS, ROWS), floats(ROWS, seed=1)]


# ---- Element by element

row("add", two, lambda m: lambda a, b: a + b, 3 * COUNT)
row("scale", one, lambda m: lambda a: a * 1.5, 2 * COUNT)
row("exp", one, lambda m: lambda a: m.exp(a), 2 * COUNT)
row("tanh", one, lambda m: lambda a: m.tanh(a), 2 * COUNT)
row("sin", one, lambda m: lambda a: m.sin(a), 2 * COUNT)
row("where", two, lambda m: lambda a, b: m.where(a > b, a, b), 3 * COUNT)
row("add_row", matrix_and_row, lambda m: lambda a, b: a + b, 2 * COUNT)
row(
    "outer_sum",
    lambda: [floats(ROWS, 1), floats(1, ROWS)],
    lambda m: lambda a, b: a + b,
    COUNT,
)


def tanh_gelu(m):
    k = math.sqrt(2 / math.pi)
    return lambda x: 0.5 * x * (1 + m.tanh(k * (x + 0.044715 * x * x * x)))


row("gelu_of_eight_ops", one, tanh_gelu, 2 * COUNT)


def horner(m):
    def polynomial(x):
        y = x
        for i in range(12):
            y = y * x + 0.1 * i
        return y

    return polynomial


def complex_squares(m):
    def iterate(x):
        a, b, c, d = x * 0.1, x * 0.2, x * 0.1, x * 0.2
        for _ in range(10):
            a, b = a * a - b * b + c, 2 * a * b + d
        return a + b

    return iterate


row("polynomial_of_24_ops", one, horner, 2 * COUNT)
row("chain_of_75_ops", one, complex_squares, 2 * COUNT)
row("swiglu", two, lambda m: lambda x, y: x / (1 + m.exp(-x)) * y, 3 * COUNT)


def cast(m, to):
    def jax_or_lazy(a):
        return a.astype(getattr(m, to))

    return jax_or_lazy


row(
    "cast_to_bf16",
    one,
    traffic=1.5 * COUNT,
    dtypes=["f32"],
    lazy=lambda m: cast(m, "bfloat16"),
    jax=lambda m: cast(m, "bfloat16"),
    torch=lambda m: lambda a: a.to(m.bfloat16),
)

# ---- Reductions and norms

for name, axis in (("all", None), ("rows", -1), ("columns", 0)):
    row(f"sum_of_{name}", matrix, lambda m, axis=axis: lambda a: a.sum(axis), COUNT, limit="read")
row("max_of_rows", matrix, lambda m: lambda a: m.amax(a, -1) if hasattr(m, "amax") else a.max(-1),
    COUNT, limit="read")  # fmt: skip
row("argmax_of_rows", matrix, lambda m: lambda a: a.argmax(-1), COUNT, limit="read")


def jax_function(path):
    def of(_):
        *parents, name = path.split(".")
        return getattr(importlib.import_module(".".join(["jax", *parents])), name)

    return of


def numpy_softmax(_):
    def softmax(a):
        e = np.exp(a - a.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    return softmax


row(
    "softmax_of_rows",
    matrix,
    traffic=2 * COUNT,
    lazy=lambda m: lambda a: m.softmax(a, axis=-1),
    jax=jax_function("nn.softmax"),
    torch=lambda m: lambda a: m.softmax(a, -1),
    numpy=numpy_softmax,
)
row(
    "logsumexp_of_rows",
    matrix,
    traffic=COUNT,
    limit="read",
    lazy=lambda m: lambda a: m.logsumexp(a, axis=-1),
    jax=lambda m: lambda a: jax_function("nn.logsumexp")(m)(a, axis=-1),
    torch=lambda m: lambda a: m.logsumexp(a, -1),
)


def jax_norm(m, centred):
    def norm(a, w):
        from jax.lax import rsqrt

        a = a - a.mean(-1, keepdims=True) if centred else a
        return a * rsqrt((a * a).mean(-1, keepdims=True) + 1e-5) * w

    return norm


row(
    "layer_norm",
    matrix_and_row,
    traffic=2 * COUNT,
    lazy=lambda m: lambda a, w: m.fast.layer_norm(a, w, None, 1e-5),
    jax=lambda m: jax_norm(m, True),
    torch=lambda m: lambda a, w: m.nn.functional.layer_norm(a, (ROWS,), w, None, 1e-5),
)
row(
    "rms_norm",
    matrix_and_row,
    traffic=2 * COUNT,
    lazy=lambda m: lambda a, w: m.fast.rms_norm(a, w, 1e-5),
    jax=lambda m: jax_norm(m, False),
    torch=lambda m: lambda a, w: m.nn.functional.rms_norm(a, (ROWS,), w, 1e-5),
)

# ---- Copies in another order

row(
    "transpose",
    matrix,
    traffic=2 * COUNT,
    lazy=lambda m: lambda a: m.contiguous(a.T),
    jax=lambda m: lambda a: a.T,
    torch=lambda m: lambda a: a.t().contiguous(),
    numpy=lambda m: lambda a: m.ascontiguousarray(a.T),
)
row(
    "swap_middle_axes",
    lambda: [floats(64, 512, 16, 32)],
    traffic=2 * COUNT,
    lazy=lambda m: lambda a: m.contiguous(a.transpose(0, 2, 1, 3)),
    jax=lambda m: lambda a: a.transpose(0, 2, 1, 3),
    torch=lambda m: lambda a: a.permute(0, 2, 1, 3).contiguous(),
    numpy=lambda m: lambda a: m.ascontiguousarray(a.transpose(0, 2, 1, 3)),
)
row(
    "concatenate",
    two,
    traffic=4 * COUNT,
    same=lambda m: lambda a, b: m.concatenate([a, b]),
)

# ---- Indexing

row(
    "gather_rows",
    lambda: [floats(50000, 512), integers(50000, 1 << 14)],
    lambda m: lambda t, i: t[i],
    2 * 512 << 14,
)
row(
    "gather_million",
    lambda: [floats(COUNT), integers(COUNT, 1 << 20)],
    lambda m: lambda t, i: t[i],
)


def numpy_scatter(_):
    def scatter(t, i, v):
        t = t.copy()
        np.add.at(t, i, v)
        return t

    return scatter


for name, table, count in (("rows", (1 << 15, 512), 1 << 13), ("million", (1 << 22,), 1 << 20)):

    def scatter_inputs(table=table, count=count):
        return [floats(*table), integers(table[0], count), floats(count, *table[1:])]

    row(
        f"scatter_add_{name}",
        scatter_inputs,
        traffic=(2 * (1 << 15) + 3 * count) * 512 if name == "rows" else 0,
        lazy=lambda m: lambda t, i, v: t.at[i].add(v),
        jax=lambda m: lambda t, i, v: t.at[i].add(v),
        torch=lambda m: lambda t, i, v: t.index_add(0, i, v),
        numpy=numpy_scatter,
    )

# ---- Masks


def half_of_them():
    return [np.random.default_rng(4).random(COUNT) < 0.5]


row(
    "masked_half",
    lambda: [floats(COUNT), *half_of_them()],
    lambda m: lambda a, mask: a[mask],
    COUNT + COUNT // 2 + COUNT // 4,
    without=("mlx", "jax"),
)
row(
    "nonzero_half",
    half_of_them,
    lambda m: lambda mask: m.nonzero(mask),
    COUNT // 2 + COUNT // 4,
    dtypes=["f32"],
    without=("mlx", "jax"),
)

# ---- Sorting and scans

SORTED = 1 << 22


def for_sorting():
    return [floats(SORTED)]


def rows_for_sorting():
    return [floats(1024, SORTED // 1024)]


row(
    "sort_4M",
    for_sorting,
    lambda m: lambda a: m.sort(a),
    torch=lambda m: lambda a: m.sort(a)[0],
)
row("argsort_rows", rows_for_sorting, lambda m: lambda a: m.argsort(a, -1))
row(
    "top_8_of_rows",
    rows_for_sorting,
    lazy=lambda m: lambda a: m.topk(a, 8, -1),
    jax=lambda m: lambda a: jax_function("lax.top_k")(m)(a, 8)[0],
    torch=lambda m: lambda a: m.topk(a, 8, -1)[0],
    numpy=lambda m: lambda a: m.partition(a, -8, -1)[..., -8:],
)
row("cumsum", one, lambda m: lambda a: m.cumsum(a, 0), 2 * COUNT)
row("cumsum_of_rows", matrix, lambda m: lambda a: m.cumsum(a, -1), 2 * COUNT)

# ---- Random numbers

for name in ("uniform", "normal"):

    def lazy_random(m, name=name):
        return lambda: getattr(m.random, name)(shape=(SORTED,))

    def jax_random(m, name=name):
        import jax

        key = jax.random.key(0)
        return lambda: getattr(jax.random, name)(key, (SORTED,))

    row(
        f"random_{name}_4M",
        list,
        dtypes=["f32"],
        lazy=lazy_random,
        jax=jax_random,
        torch=lambda m, name=name: lambda: (m.rand if name == "uniform" else m.randn)(SORTED),
        numpy=lambda m, name=name: functools.partial(
            getattr(m.random.default_rng(0), "random" if name == "uniform" else "standard_normal"),
            SORTED,
            np.float32,
        ),
    )
