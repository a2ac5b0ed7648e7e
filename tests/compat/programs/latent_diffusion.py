"""A latent diffusion model with random weights: a text's encoder, a U-Net that attends to it, a
sampler and a decoder give the numbers in latent_diffusion.json, which MLX made (`--write`)."""

import json
import math
import sys
import tempfile
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

EXPECTED = Path(__file__).with_suffix(".json")
STEPS, WORDS = 1000, 8


class TextLayer(nn.Module):
    def __init__(self, dims, heads):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dims), nn.LayerNorm(dims)
        self.attention = nn.MultiHeadAttention(dims, heads, bias=True)
        self.linear1, self.linear2 = nn.Linear(dims, 4 * dims), nn.Linear(4 * dims, dims)

    def __call__(self, x, mask):
        y = self.layer_norm1(x)
        x = x + self.attention(y, y, y, mask)
        return x + self.linear2(nn.gelu_fast_approx(self.linear1(self.layer_norm2(x))))


class TextEncoder(nn.Module):
    def __init__(self, vocabulary=50, dims=32, depth=2):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dims)
        self.position_embedding = nn.Embedding(WORDS, dims)
        self.layers = [TextLayer(dims, 4) for _ in range(depth)]
        self.final_layer_norm = nn.LayerNorm(dims)

    def __call__(self, tokens):
        length = tokens.shape[1]
        x = self.token_embedding(tokens) + self.position_embedding.weight[:length]
        mask = nn.MultiHeadAttention.create_additive_causal_mask(length, x.dtype)
        for layer in self.layers:
            x = layer(x, mask)
        x = self.final_layer_norm(x)
        return x, x[mx.arange(len(x)), tokens.argmax(-1)]


class Attention(nn.Module):
    def __init__(self, dims, heads, memory_dims):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dims, dims, bias=False)
        self.to_k = nn.Linear(memory_dims, dims, bias=False)
        self.to_v = nn.Linear(memory_dims, dims, bias=False)
        self.to_out = nn.Linear(dims, dims)

    def __call__(self, x, memory):
        batch, length, dims = x.shape
        q, k, v = (
            layer(given).reshape(batch, -1, self.heads, dims // self.heads).transpose(0, 2, 1, 3)
            for layer, given in ((self.to_q, x), (self.to_k, memory), (self.to_v, memory))
        )
        scale = math.sqrt(self.heads / dims)
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale)
        return self.to_out(y.transpose(0, 2, 1, 3).reshape(batch, length, dims))


class SpatialTransformer(nn.Module):
    def __init__(self, dims, heads, memory_dims):
        super().__init__()
        self.norm = nn.GroupNorm(8, dims, pytorch_compatible=True)
        self.norms = [nn.LayerNorm(dims) for _ in range(3)]
        self.own, self.cross = Attention(dims, heads, dims), Attention(dims, heads, memory_dims)
        self.gate, self.wide = nn.Linear(dims, 4 * dims), nn.Linear(dims, 4 * dims)
        self.narrow = nn.Linear(4 * dims, dims)

    def __call__(self, x, memory):
        batch, height, width, dims = x.shape
        y = self.norm(x).reshape(batch, -1, dims)
        z = self.norms[0](y)
        y = y + self.own(z, z)
        y = y + self.cross(self.norms[1](y), memory)
        z = self.norms[2](y)
        y = y + self.narrow(self.wide(z) * nn.gelu(self.gate(z)))
        return x + y.reshape(x.shape)


class ResnetBlock2D(nn.Module):
    def __init__(self, dims, out, time_dims=None):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, dims, pytorch_compatible=True)
        self.conv1 = nn.Conv2d(dims, out, kernel_size=3, stride=1, padding=1)
        if time_dims is not None:
            self.time_emb_proj = nn.Linear(time_dims, out)
        self.norm2 = nn.GroupNorm(8, out, pytorch_compatible=True)
        self.conv2 = nn.Conv2d(out, out, kernel_size=3, stride=1, padding=1)
        if dims != out:
            self.conv_shortcut = nn.Linear(dims, out)

    def __call__(self, x, time=None):
        y = self.conv1(nn.silu(self.norm1(x)))
        if time is not None:
            y = y + self.time_emb_proj(nn.silu(time))[:, None, None, :]
        y = self.conv2(nn.silu(self.norm2(y)))
        return y + (self.conv_shortcut(x) if "conv_shortcut" in self else x)


def twice(x, scale=2):
    batch, height, width, dims = x.shape
    wide = (batch, height, scale, width, scale, dims)
    x = mx.broadcast_to(x[:, :, None, :, None, :], wide)
    return x.reshape(batch, height * scale, width * scale, dims)


class UNet(nn.Module):
    def __init__(self, channels=(32, 64), memory_dims=32):
        super().__init__()
        first, second = channels
        lowest = math.exp(-math.log(10000) + 2 * math.log(10000) / first)
        self.timesteps = nn.SinusoidalPositionalEncoding(
            first, min_freq=lowest, max_freq=1, scale=1.0, cos_first=True, full_turns=False
        )
        time = 4 * first
        self.time_embedding = nn.Sequential(
            nn.Linear(first, time), nn.SiLU(), nn.Linear(time, time)
        )
        self.conv_in = nn.Conv2d(4, first, 3, padding=1)
        self.down = ResnetBlock2D(first, first, time)
        self.down_attention = SpatialTransformer(first, 4, memory_dims)
        self.downsample = nn.Conv2d(first, first, 3, stride=2, padding=1)
        self.mid = [
            ResnetBlock2D(first, second, time),
            SpatialTransformer(second, 8, memory_dims),
            ResnetBlock2D(second, second, time),
        ]
        self.upsample = nn.Conv2d(second, second, 3, padding=1)
        self.up = ResnetBlock2D(second + first, first, time)
        self.conv_norm_out = nn.GroupNorm(8, first, pytorch_compatible=True)
        self.conv_out = nn.Conv2d(first, 4, 3, padding=1)

    def __call__(self, x, step, memory):
        time = self.time_embedding(self.timesteps(step).astype(x.dtype))
        x = self.conv_in(x)
        x = skip = self.down_attention(self.down(x, time), memory)
        x = self.mid[0](self.downsample(x), time)
        x = self.mid[2](self.mid[1](x, memory), time)
        x = mx.concatenate([self.upsample(twice(x)), skip], axis=-1)
        return self.conv_out(nn.silu(self.conv_norm_out(self.up(x, time))))


class Decoder(nn.Module):
    def __init__(self, channels=(32, 16)):
        super().__init__()
        first, second = channels
        self.post_quant_proj = nn.Linear(4, 4)
        self.conv_in = nn.Conv2d(4, first, 3, padding=1)
        self.resnets = [ResnetBlock2D(first, first), ResnetBlock2D(first, second)]
        self.upsample = nn.Conv2d(first, first, 3, padding=1)
        self.conv_norm_out = nn.GroupNorm(8, second, pytorch_compatible=True)
        self.conv_out = nn.Conv2d(second, 3, 3, padding=1)

    def __call__(self, z):
        x = self.resnets[0](self.conv_in(self.post_quant_proj(z / 0.18215)))
        x = self.resnets[1](self.upsample(twice(x)))
        x = self.conv_out(nn.silu(self.conv_norm_out(x)))
        return mx.clip(x / 2 + 0.5, 0, 1)


class Sampler:
    """Euler's method, and the one that adds noise at every step."""

    def __init__(self):
        betas = mx.linspace(0.00085**0.5, 0.012**0.5, STEPS).square()
        kept = mx.cumprod(1 - betas)
        self._sigmas = mx.concatenate([mx.zeros(1), ((1 - kept) / kept).sqrt()])

    def sigma(self, step):
        low = step.astype(mx.int32)
        high = mx.minimum(low + 1, len(self._sigmas) - 1)
        share = step - low
        return self._sigmas[low] * (1 - share) + share * self._sigmas[high]

    def prior(self, shape, key=None):
        top = self._sigmas[-1]
        return mx.random.normal(shape, key=key) * top * (top.square() + 1).rsqrt()

    def steps(self, count):
        times = mx.linspace(STEPS, 0, count + 1)
        return list(zip(times, times[1:], strict=False))

    def step(self, noise, x, step, after, fresh):
        sigma, end = self.sigma(step), self.sigma(after)
        up = (end.square() * (sigma.square() - end.square()) / sigma.square()).sqrt()
        up = up if fresh else mx.zeros_like(up)
        down = (end.square() - up.square()).sqrt()
        x = (sigma.square() + 1).sqrt() * x + noise * (down - sigma)
        if fresh:
            x = x + mx.random.normal(x.shape) * up
        return x * (end.square() + 1).rsqrt()


def sample(unet, sampler, memory, fresh=False, guidance=5.0, seed=7):
    mx.random.seed(seed)
    state = [unet.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x, now, after):
        both = mx.concatenate([x] * 2)
        text, empty = unet(both, mx.broadcast_to(now, [len(both)]), memory).split(2)
        return sampler.step(empty + guidance * (text - empty), x, now, after, fresh)

    x = sampler.prior((1, 8, 12, 4))
    for now, after in sampler.steps(4):
        x = step(x, now, after)
        mx.eval(x)
    return x


def reloaded(model, make):
    """The same weights in another model, by way of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/weights.safetensors"
        mx.save_safetensors(path, dict(tree_flatten(model.parameters())))
        other = make()
        other.load_weights(path, strict=True)
        mx.eval(other.parameters())
    return other


def numbers():
    mx.random.seed(0)
    encoder, unet, decoder, sampler = TextEncoder(), UNet(), Decoder(), Sampler()
    tokens = mx.array([[1, 7, 20, 33, 49, 0], [1, 49, 0, 0, 0, 0]])
    memory, pooled = encoder(tokens)
    x = sample(unet, sampler, memory)
    out = {"memory": memory, "pooled": pooled, "latents": x, "image": decoder(x)}
    out["ancestral"] = sample(unet, sampler, memory, fresh=True)
    again = reloaded(unet, UNet)
    assert mx.array_equal(sample(again, sampler, memory), x).item()
    moved = tree_map(lambda p: p + 0.01, unet.trainable_parameters())
    again.update(tree_unflatten(tree_flatten(moved)))
    out["moved"] = again(x, mx.array([400.0]), memory[:1])
    again.update(unet.parameters())
    again.apply(lambda p: p.astype(mx.float16))
    out["half"] = again(x.astype(mx.float16), mx.array([400.0]), memory[:1].astype(mx.float16))
    nn.quantize(unet, group_size=32, bits=8)
    assert isinstance(unet.mid[1].wide, nn.QuantizedLinear)
    out["packed"] = sample(unet, sampler, memory)
    return {name: np.array(value.astype(mx.float32)) for name, value in out.items()}


found = numbers()
if "--write" in sys.argv:
    rounded = {name: value.ravel()[::7].round(5).tolist() for name, value in found.items()}
    EXPECTED.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
else:
    for name, expected in json.loads(EXPECTED.read_text()).items():
        got, limit = found[name].ravel()[::7], 2e-2 if name == "half" else 1e-4
        away = np.abs(got - expected).max() / np.abs(expected).max()
        print(f"{name}: {away:.1e} away from MLX")
        assert away < limit, name
