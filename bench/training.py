"""A whole training step: a transformer language model of 6 layers, width 384, 8 sequences of 256.

Pre-norm blocks with 6 heads, causal attention, a GELU of four times the width, learned positions,
cross entropy over 4,096 tokens; AdamW. Weights and data are the same in every library.
"""

import importlib

import numpy as np

from bench.runner import workload

LAYERS, WIDTH, HEADS, LENGTH, BATCH, TOKENS = 6, 384, 6, 256, 8, 4096
RATE, DECAY, BETA1, BETA2, EPSILON = 3e-4, 0.1, 0.9, 0.999, 1e-8

train = workload("transformer_training_step", work=BATCH * LENGTH, unit="token", slow=True)


def initial_weights():
    rng = np.random.default_rng(7)

    def matrix(rows, columns):
        return (0.02 * rng.standard_normal((rows, columns))).astype(np.float32)

    def norm():
        return [np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)]

    layers = [
        {
            "before_attention": norm(),
            "qkv": matrix(WIDTH, 3 * WIDTH),
            "out": matrix(WIDTH, WIDTH),
            "before_mlp": norm(),
            "up": matrix(WIDTH, 4 * WIDTH),
            "down": matrix(4 * WIDTH, WIDTH),
        }
        for _ in range(LAYERS)
    ]
    return {
        "tokens": matrix(TOKENS, WIDTH),
        "positions": matrix(LENGTH, WIDTH),
        "layers": layers,
        "last": norm(),
        "head": matrix(WIDTH, TOKENS),
    }


def batch():
    text = np.random.default_rng(8).integers(0, TOKENS, (BATCH, LENGTH + 1)).astype(np.int32)
    return np.ascontiguousarray(text[:, :-1]), np.ascontiguousarray(text[:, 1:])


def tree_map(f, *trees):
    if isinstance(trees[0], dict):
        return {k: tree_map(f, *(t[k] for t in trees)) for k in trees[0]}
    if isinstance(trees[0], list):
        return [tree_map(f, *parts) for parts in zip(*trees, strict=True)]
    return f(*trees)


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, list):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def forward(ops, p, x):
    """The model in terms of a library's five functions: the same arithmetic everywhere."""
    h = p["tokens"][x] + p["positions"]
    for layer in p["layers"]:
        parts = ops.split(ops.norm(h, *layer["before_attention"]) @ layer["qkv"])
        q, k, v = (ops.heads(part) for part in parts)
        h = h + ops.join(ops.attention(q, k, v, (WIDTH // HEADS) ** -0.5)) @ layer["out"]
        h = h + ops.gelu(ops.norm(h, *layer["before_mlp"]) @ layer["up"]) @ layer["down"]
    return ops.norm(h, *p["last"]) @ p["head"]


class LazyOps:
    def __init__(self, mx, gelu):
        self.mx, self.gelu = mx, gelu

    def norm(self, x, weight, bias):
        return self.mx.fast.layer_norm(x, weight, bias, 1e-5)

    def split(self, x):
        return self.mx.split(x, 3, axis=-1)

    def heads(self, x):
        return self.mx.transpose(self.mx.reshape(x, (BATCH, LENGTH, HEADS, -1)), (0, 2, 1, 3))

    def join(self, x):
        return self.mx.reshape(self.mx.transpose(x, (0, 2, 1, 3)), (BATCH, LENGTH, WIDTH))

    def attention(self, q, k, v, scale):
        return self.mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal")


@train.on("olivine", "mlx")
def _(library):
    mx, nn = (importlib.import_module(f"{library}.{part}") for part in ("core", "nn"))
    optim = importlib.import_module(f"{library}.optimizers")
    ops = LazyOps(mx, nn.gelu_approx)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = tree_map(mx.array, initial_weights())

        def __call__(self, x):
            return forward(ops, self.p, x)

    model, (x, y) = Model(), map(mx.array, batch())
    optimizer = optim.AdamW(
        learning_rate=RATE, weight_decay=DECAY, betas=[BETA1, BETA2], eps=EPSILON
    )

    def loss(model, x, y):
        return nn.losses.cross_entropy(model(x), y, reduction="mean")

    state = [model.state, optimizer.state]
    gradient = nn.value_and_grad(model, loss)

    def update(x, y):
        value, grads = gradient(model, x, y)
        optimizer.update(model, grads)
        return value

    optimizer.init(model.trainable_parameters())
    mx.eval(state)
    update = mx.compile(update, inputs=state, outputs=state)

    def step():
        mx.eval(update(x, y), state)

    return step


@train.on("jax")
def _(library):
    import jax
    import jax.numpy as jnp

    class Ops:
        gelu = staticmethod(lambda x: jax.nn.gelu(x, approximate=True))
        split = staticmethod(lambda x: jnp.split(x, 3, axis=-1))
        heads = staticmethod(lambda x: x.reshape(BATCH, LENGTH, HEADS, -1))
        join = staticmethod(lambda x: x.reshape(BATCH, LENGTH, WIDTH))

        @staticmethod
        def norm(x, weight, bias):
            centred = x - x.mean(-1, keepdims=True)
            return (
                centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
            )

        @staticmethod
        def attention(q, k, v, scale):
            return jax.nn.dot_product_attention(q, k, v, scale=scale, is_causal=True)

    def loss(p, x, y):
        logits = forward(Ops, p, x)
        picked = jnp.take_along_axis(logits, y[..., None], -1)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)

    def update(p, m, v, x, y):
        value, g = jax.value_and_grad(loss)(p, x, y)
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
        p = jax.tree.map(
            lambda p, m, v: p * (1 - RATE * DECAY) - RATE * m / (jnp.sqrt(v) + EPSILON), p, m, v
        )
        return value, p, m, v

    update = jax.jit(update, donate_argnums=(0, 1, 2))
    p = jax.tree.map(jnp.asarray, initial_weights())
    state = [p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)]
    x, y = map(jnp.asarray, batch())

    def step():
        _, *state[:] = update(*state, x, y)
        jax.block_until_ready(state)

    return step


@train.on("torch")
def _(library):
    import torch
    import torch.nn.functional as F

    class Ops:
        gelu = staticmethod(lambda x: F.gelu(x, approximate="tanh"))
        norm = staticmethod(lambda x, weight, bias: F.layer_norm(x, (WIDTH,), weight, bias))
        split = staticmethod(lambda x: x.chunk(3, dim=-1))
        heads = staticmethod(lambda x: x.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2))
        join = staticmethod(lambda x: x.transpose(1, 2).reshape(BATCH, LENGTH, WIDTH))

        @staticmethod
        def attention(q, k, v, scale):
            return F.scaled_dot_product_attention(q, k, v, scale=scale, is_causal=True)

    p = tree_map(lambda a: torch.from_numpy(a).requires_grad_(), initial_weights())
    x, y = (torch.from_numpy(a).long() for a in batch())
    optimizer = torch.optim.AdamW(
        leaves(p), lr=RATE, weight_decay=DECAY, betas=(BETA1, BETA2), eps=EPSILON
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(Ops, p, x).view(-1, TOKENS), y.view(-1)).backward()
        optimizer.step()

    return step
