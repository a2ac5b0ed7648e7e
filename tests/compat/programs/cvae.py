"""A convolutional variational autoencoder of digits."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits


class Encoder(nn.Module):
    def __init__(self, latent_dims):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm(16), nn.BatchNorm(32)
        self.proj_mu = nn.Linear(2 * 2 * 32, latent_dims)
        self.proj_log_var = nn.Linear(2 * 2 * 32, latent_dims)

    def __call__(self, x):
        x = nn.leaky_relu(self.bn1(self.conv1(x)))
        x = nn.leaky_relu(self.bn2(self.conv2(x)))
        x = mx.flatten(x, 1)
        mu, logvar = self.proj_mu(x), self.proj_log_var(x)
        return mu + mx.random.normal(mu.shape) * mx.exp(logvar * 0.5), mu, logvar


class Decoder(nn.Module):
    def __init__(self, latent_dims):
        super().__init__()
        self.lin1 = nn.Linear(latent_dims, 2 * 2 * 32)
        self.upconv = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1)
        self.upsample = nn.Upsample(scale_factor=(2.0, 2.0), mode="nearest")
        self.conv = nn.Conv2d(16, 1, 3, padding=1)

    def __call__(self, z):
        x = self.lin1(z).reshape(-1, 2, 2, 32)
        x = nn.leaky_relu(self.upconv(x))
        return mx.sigmoid(self.conv(self.upsample(x)))


class CVAE(nn.Module):
    def __init__(self, latent_dims=8):
        super().__init__()
        self.encoder, self.decoder = Encoder(latent_dims), Decoder(latent_dims)

    def __call__(self, x):
        z, mu, logvar = self.encoder(x)
        return self.decoder(z), mu, logvar


def loss_fn(model, x):
    out, mu, logvar = model(x)
    reconstruction = nn.losses.mse_loss(out, x, reduction="sum")
    divergence = -0.5 * mx.sum(1 + logvar - mu.square() - logvar.exp())
    return (reconstruction + 0.05 * divergence) / x.shape[0]


mx.random.seed(0)
np.random.seed(0)
images, _, test_images, _ = digits()
model = CVAE()
optimizer = optim.AdamW(learning_rate=3e-3)
step = nn.value_and_grad(model, loss_fn)
losses = []
for _ in range(6):
    order = np.random.permutation(len(images))
    for s in range(0, len(order), 100):
        loss, grads = step(model, mx.array(images[order[s : s + 100]]))
        optimizer.update(model, grads)
        mx.eval(model.state, optimizer.state)
        losses.append(loss.item())
model.eval()
test = mx.array(test_images)
error = nn.losses.mse_loss(model(test)[0], test).item()
baseline = mx.mean(mx.var(test, axis=0)).item()
samples = model.decoder(mx.random.normal((16, 8)))
print(f"loss {losses[0]:.2f} to {losses[-1]:.2f}; error {error:.4f}, variance {baseline:.4f}")
assert samples.shape == (16, 8, 8, 1) and math.isfinite(losses[-1])
assert error < 0.5 * baseline
