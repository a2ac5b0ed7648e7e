"""Keyword spotting: log-mel features of sounds, convolutions in time and a recurrent layer."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

RATE, FFT, HOP, MELS = 4000, 128, 64, 20


def mel_filters():
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return mx.array(np.maximum(0, np.minimum(up, down)).astype(np.float32))


def stft(x, window):
    """Frames of `x`, of shape (batch, samples), overlapping by FFT - HOP samples."""
    count = (x.shape[1] - FFT) // HOP + 1
    x = mx.contiguous(x)
    frames = mx.as_strided(x, (x.shape[0], count, FFT), (x.shape[1], HOP, 1))
    return mx.fft.rfft(frames * window)


def log_mel(x):
    window = mx.array(np.hanning(FFT + 1)[:-1].astype(np.float32))
    power = mx.abs(stft(x, window)).square()
    return mx.log10(mx.maximum(power @ mel_filters().T, 1e-6))


class Spotter(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, 32, 3, padding=1)
        self.conv2 = nn.Conv1d(32, 32, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(32)
        self.gru = nn.GRU(32, 32)
        self.out = nn.Linear(32, classes)

    def __call__(self, x):
        x = nn.gelu(self.conv2(nn.gelu(self.conv1(x))))
        return self.out(self.gru(self.norm(x))[:, -1])


def sounds(count, rng):
    """Tones that rise, fall, rise then fall, or stay, at random pitches and in noise."""
    t = np.linspace(0, 1, RATE // 2)
    shapes = [t, 1 - t, 1 - np.abs(2 * t - 1), np.full_like(t, 0.5)]
    labels = rng.integers(0, len(shapes), count)
    pitch = rng.uniform(250, 450, (count, 1)) + 500 * np.stack([shapes[i] for i in labels])
    phase = 2 * np.pi * np.cumsum(pitch, axis=1) / RATE
    x = np.sin(phase) + 0.3 * rng.standard_normal(phase.shape)
    return mx.array(x.astype(np.float32)), mx.array(labels.astype(np.int32))


mx.random.seed(0)
rng = np.random.default_rng(0)
model = Spotter(4)
optimizer = optim.Adam(learning_rate=3e-3)


def loss_fn(x, y):
    return nn.losses.cross_entropy(model(x), y, reduction="mean")


step = nn.value_and_grad(model, loss_fn)
for _ in range(60):
    x, y = sounds(32, rng)
    loss, grads = step(log_mel(x), y)
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
x, y = sounds(200, rng)
accuracy = mx.mean(mx.argmax(model(log_mel(x)), axis=-1) == y).item()
print(f"loss {loss.item():.3f} accuracy {accuracy:.3f}")
assert accuracy > 0.9
