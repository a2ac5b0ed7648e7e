"""A small U-Net learns to denoise digits; samples come from its reverse process."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits

STEPS = 50


class ResnetBlock2D(nn.Module):
    def __init__(self, in_channels, out_channels, temb_channels):
        super().__init__()
        self.norm1 = nn.GroupNorm(4, in_channels, pytorch_compatible=True)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(temb_channels, out_channels)
        self.norm2 = nn.GroupNorm(4, out_channels, pytorch_compatible=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Linear(in_channels, out_channels)

    def __call__(self, x, temb):
        y = self.conv1(nn.silu(self.norm1(x)))
        y = y + self.time_emb_proj(nn.silu(temb))[:, None, None, :]
        y = self.conv2(nn.silu(self.norm2(y)))
        return y + (self.conv_shortcut(x) if "conv_shortcut" in self else x)


class UNet(nn.Module):
    def __init__(self, channels=16, classes=10):
        super().__init__()
        self.timesteps = nn.SinusoidalPositionalEncoding(
            channels, max_freq=1, min_freq=1e-3, scale=1.0, cos_first=True, full_turns=False
        )
        self.time_embedding = nn.Linear(channels, 2 * channels)
        self.class_embedding = nn.Embedding(classes, 2 * channels)
        self.conv_in = nn.Conv2d(1, channels, 3, padding=1)
        self.down = ResnetBlock2D(channels, channels, 2 * channels)
        self.downsample = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.mid = ResnetBlock2D(2 * channels, 2 * channels, 2 * channels)
        self.upsample = nn.Upsample(2, mode="nearest")
        self.up = ResnetBlock2D(3 * channels, channels, 2 * channels)
        self.conv_norm_out = nn.GroupNorm(4, channels, pytorch_compatible=True)
        self.conv_out = nn.Conv2d(channels, 1, 3, padding=1)

    def __call__(self, x, t, y):
        temb = self.time_embedding(self.timesteps(t)) + self.class_embedding(y)
        x = self.conv_in(x)
        skip = self.down(x, temb)
        x = self.mid(self.downsample(skip), temb)
        x = mx.concatenate([self.upsample(x), skip], axis=-1)
        x = self.up(x, temb)
        return self.conv_out(nn.silu(self.conv_norm_out(x)))


betas = mx.linspace(1e-3, 0.2, STEPS)
alphas = 1 - betas
alphas_cumprod = mx.cumprod(alphas)


def loss_fn(model, x0, t, y, noise):
    a = alphas_cumprod[t].reshape(-1, 1, 1, 1)
    xt = mx.sqrt(a) * x0 + mx.sqrt(1 - a) * noise
    return nn.losses.mse_loss(model(xt, t, y), noise)


def sample(model, y):
    x = mx.random.normal((y.shape[0], 8, 8, 1))
    for i in reversed(range(STEPS)):
        t = mx.full((y.shape[0],), i)
        eps = model(x, t, y)
        x = (x - betas[i] / mx.sqrt(1 - alphas_cumprod[i]) * eps) / mx.sqrt(alphas[i])
        if i > 0:
            x = x + mx.sqrt(betas[i]) * mx.random.normal(x.shape)
        mx.eval(x)
    return x


mx.random.seed(0)
np.random.seed(0)
images, labels, _, _ = digits()
images = 2 * images - 1
model = UNet()
optimizer = optim.AdamW(learning_rate=4e-3)
step = nn.value_and_grad(model, loss_fn)
losses = []
for _ in range(200):
    ids = np.random.choice(len(labels), 64)
    t = mx.random.randint(0, STEPS, (64,))
    x0, y = mx.array(images[ids]), mx.array(labels[ids])
    loss, grads = step(model, x0, t, y, mx.random.normal(x0.shape))
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
    losses.append(loss.item())
generated = np.array(sample(model, mx.arange(10)))
means = np.stack([images[labels == d].mean(0) for d in range(10)])
closest = [int(np.argmin(((means - g) ** 2).sum((1, 2, 3)))) for g in generated]
right = sum(a == b for a, b in zip(closest, range(10), strict=True))
print(f"loss {losses[0]:.3f} to {np.mean(losses[-20:]):.3f}; {right} of 10 look like their class")
assert np.mean(losses[-20:]) < 0.3 and right >= 3
