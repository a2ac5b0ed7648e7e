"""A character-level transformer language model with dropout and gradient clipping."""

import math
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import text
from mlx.utils import tree_flatten


class TransformerLM(nn.Module):
    def __init__(self, vocab_size, num_layers, dims, num_heads):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dims)
        self.pe = nn.SinusoidalPositionalEncoding(dims)
        self.transformer = nn.TransformerEncoder(
            num_layers, dims, num_heads, dropout=0.1, norm_first=True, checkpoint=True
        )
        self.out_proj = nn.Linear(dims, vocab_size)

    def __call__(self, x):
        L = x.shape[1]
        mask = nn.MultiHeadAttention.create_additive_causal_mask(L)
        x = self.embedding(x) + self.pe(mx.arange(L))
        return self.out_proj(self.transformer(x, mask))


context, batch = 32, 16
np.random.seed(0)
mx.random.seed(0)
data, vocab = text(50_000)
model = TransformerLM(vocab, 2, 64, 4)
mx.eval(model.parameters())
count = sum(x.size for k, x in tree_flatten(model.parameters()) if "embedding" not in k)
optimizer = optim.AdamW(
    optim.join_schedules([optim.linear_schedule(0, 3e-3, 20), optim.cosine_decay(3e-3, 100)], [20])
)


def loss_fn(model, x, y, reduce=True):
    losses = nn.losses.cross_entropy(model(x), y)
    return mx.mean(losses) if reduce else mx.mean(losses, axis=(-1, -2))


state = [model.state, optimizer.state, mx.random.state]


@partial(mx.compile, inputs=state, outputs=state)
def step(inputs, targets):
    loss, grads = nn.value_and_grad(model, loss_fn)(model, inputs, targets)
    grads, norm = optim.clip_grad_norm(grads, max_norm=1.0)
    optimizer.update(model, grads)
    return loss, norm


losses = []
for _ in range(120):
    starts = np.random.randint(0, len(data) - context - 1, batch)
    window = mx.array(np.stack([data[s : s + context + 1] for s in starts]))
    loss, norm = step(window[:, :-1], window[:, 1:])
    mx.eval(state)
    losses.append(loss.item())
    assert math.isfinite(norm.item())
model.eval()
print(f"parameters {count} loss {losses[0]:.3f} to {np.mean(losses[-10:]):.3f}")
assert np.mean(losses[-10:]) < 2.7
