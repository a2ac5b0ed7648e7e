"""A Llama-style model: trained briefly, quantized, and sampled with a key-value cache."""

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import text
from mlx.utils import tree_flatten, tree_map


@dataclass
class ModelArgs:
    vocab_size: int
    hidden_size: int = 64
    num_hidden_layers: int = 2
    intermediate_size: int = 128
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    rms_norm_eps: float = 1e-5


class Attention(nn.Module):
    def __init__(self, args):
        super().__init__()
        dim, self.n_heads, self.n_kv_heads = (
            args.hidden_size,
            args.num_attention_heads,
            args.num_key_value_heads,
        )
        head_dim = dim // self.n_heads
        self.scale = head_dim**-0.5
        self.q_proj = nn.Linear(dim, self.n_heads * head_dim, bias=False)
        self.k_proj = nn.Linear(dim, self.n_kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(dim, self.n_kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(self.n_heads * head_dim, dim, bias=False)
        self.rope = nn.RoPE(head_dim, traditional=False)

    def __call__(self, x, mask=None, cache=None):
        B, L, _ = x.shape
        q = self.q_proj(x).reshape(B, L, self.n_heads, -1).transpose(0, 2, 1, 3)
        k = self.k_proj(x).reshape(B, L, self.n_kv_heads, -1).transpose(0, 2, 1, 3)
        v = self.v_proj(x).reshape(B, L, self.n_kv_heads, -1).transpose(0, 2, 1, 3)
        if cache is not None:
            offset = cache[0].shape[2]
            q, k = self.rope(q, offset=offset), self.rope(k, offset=offset)
            k, v = mx.concatenate([cache[0], k], axis=2), mx.concatenate([cache[1], v], axis=2)
        else:
            q, k = self.rope(q), self.rope(k)
        out = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.scale, mask=mask)
        return self.o_proj(out.transpose(0, 2, 1, 3).reshape(B, L, -1)), (k, v)


class MLP(nn.Module):
    def __init__(self, dim, hidden_dim):
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden_dim, bias=False)
        self.down_proj = nn.Linear(hidden_dim, dim, bias=False)
        self.up_proj = nn.Linear(dim, hidden_dim, bias=False)

    def __call__(self, x):
        return self.down_proj(nn.silu(self.gate_proj(x)) * self.up_proj(x))


class TransformerBlock(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.self_attn = Attention(args)
        self.mlp = MLP(args.hidden_size, args.intermediate_size)
        self.input_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)

    def __call__(self, x, mask=None, cache=None):
        r, cache = self.self_attn(self.input_layernorm(x), mask, cache)
        h = x + r
        return h + self.mlp(self.post_attention_layernorm(h)), cache


class Model(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.embed_tokens = nn.Embedding(args.vocab_size, args.hidden_size)
        self.layers = [TransformerBlock(args) for _ in range(args.num_hidden_layers)]
        self.norm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)

    def __call__(self, tokens, cache=None):
        h = self.embed_tokens(tokens)
        mask = "causal" if h.shape[1] > 1 else None
        cache = cache or [None] * len(self.layers)
        for i, layer in enumerate(self.layers):
            h, cache[i] = layer(h, mask, cache[i])
        return self.embed_tokens.as_linear(self.norm(h)), cache


def generate(model, prompt, count, temp=0.0):
    def sample(logits):
        return mx.argmax(logits, -1) if temp == 0 else mx.random.categorical(logits * (1 / temp))

    logits, cache = model(prompt[None])
    y = sample(logits[:, -1, :])
    mx.async_eval(y)
    for _ in range(count):
        logits, cache = model(y[:, None], cache)
        following = sample(logits[:, -1, :])
        mx.async_eval(following)
        yield y.item()
        y = following


np.random.seed(0)
mx.random.seed(0)
data, vocab = text(30_000)
vocab += -vocab % 32
model = Model(ModelArgs(vocab))
optimizer = optim.AdamW(learning_rate=4e-3)


def loss_fn(model, x, y):
    return nn.losses.cross_entropy(model(x)[0], y, reduction="mean")


step = nn.value_and_grad(model, loss_fn)
for _ in range(100):
    starts = np.random.randint(0, len(data) - 33, 16)
    window = mx.array(np.stack([data[s : s + 33] for s in starts]))
    loss, grads = step(model, window[:, :-1], window[:, 1:])
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
print(f"loss {loss.item():.3f}")
assert loss.item() < 2.7

prompt = mx.array(data[:16])
greedy = list(generate(model, prompt, 24))
tokens = data[:16].tolist()
for token in greedy:  # without the cache, the same text
    assert mx.argmax(model(mx.array([tokens]))[0][0, -1]).item() == token
    tokens.append(token)
size = sum(v.nbytes for _, v in tree_flatten(model.parameters()))
nn.quantize(model, group_size=32, bits=8)
quantized = sum(v.nbytes for _, v in tree_flatten(model.parameters()))
assert quantized < 0.35 * size
agree = np.mean([a == b for a, b in zip(generate(model, prompt, 24), greedy, strict=True)])
model.update(
    tree_map(lambda p: p.astype(mx.bfloat16) if p.dtype == mx.float32 else p, model.parameters())
)
sampled = list(generate(model, prompt, 16, temp=0.8))
print(f"8 bits: {quantized / size:.2f} of the bytes, {agree:.2f} of the tokens agree; {sampled}")
assert agree > 0.5 and all(0 <= t < vocab for t in sampled)
