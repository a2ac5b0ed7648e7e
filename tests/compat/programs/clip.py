"""Contrastive training of an image and a text tower, then classification by captions."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits

NAMES = "zero one two three four five six seven eight nine".split()
CHARS = sorted(set("".join(NAMES)))
LENGTH = 6


def tokenize(word):
    return [1 + CHARS.index(c) for c in word] + [0] * (LENGTH - len(word))


class VisionTower(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.patch_embedding = nn.Conv2d(1, dims, kernel_size=2, stride=2, bias=False)
        self.class_embedding = mx.zeros((dims,))
        self.position_embedding = nn.Embedding(17, dims)
        self.encoder = nn.TransformerEncoder(2, dims, 4, mlp_dims=2 * dims)

    def __call__(self, x):
        patches = self.patch_embedding(x).flatten(start_axis=1, end_axis=2)
        cls = mx.broadcast_to(self.class_embedding, (x.shape[0], 1, patches.shape[-1]))
        tokens = mx.concatenate([cls, patches], axis=1)
        return self.encoder(tokens + self.position_embedding.weight, None)[:, 0]


class TextTower(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.token_embedding = nn.Embedding(len(CHARS) + 1, dims)
        self.position_embedding = nn.Embedding(LENGTH, dims)
        self.encoder = nn.TransformerEncoder(1, dims, 4, mlp_dims=2 * dims)

    def __call__(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding.weight
        keep = (tokens > 0)[:, None, None, :]
        mask = mx.where(keep, 0.0, -1e9)
        weights = (tokens > 0)[..., None]
        return mx.sum(self.encoder(x, mask) * weights, axis=1) / mx.sum(weights, axis=1)


class CLIP(nn.Module):
    def __init__(self, dims=48):
        super().__init__()
        self.vision, self.text = VisionTower(dims), TextTower(dims)
        self.visual_projection = nn.Linear(dims, dims, bias=False)
        self.text_projection = nn.Linear(dims, dims, bias=False)
        self.logit_scale = mx.array(2.0)

    def embed(self, images, tokens):
        i = self.visual_projection(self.vision(images))
        t = self.text_projection(self.text(tokens))
        i = i / mx.linalg.norm(i, axis=-1, keepdims=True)
        return i, t / mx.linalg.norm(t, axis=-1, keepdims=True)

    def logits(self, images, tokens):
        i, t = self.embed(images, tokens)
        return (i @ t.T) * mx.exp(self.logit_scale)


def loss_fn(model, images, tokens, same):
    # An image fits each caption of its class.
    logits = model.logits(images, tokens)
    targets = same / mx.sum(same, axis=-1, keepdims=True)
    return 0.5 * mx.mean(
        nn.losses.cross_entropy(logits, targets) + nn.losses.cross_entropy(logits.T, targets)
    )


np.random.seed(0)
mx.random.seed(0)
images, labels, test_images, test_labels = digits()
captions = np.array([tokenize(n) for n in NAMES], dtype=np.int32)
model = CLIP()
optimizer = optim.AdamW(learning_rate=1e-3)
step = nn.value_and_grad(model, loss_fn)
for _ in range(350):
    ids = np.random.choice(len(labels), 64, replace=False)
    same = (labels[ids][:, None] == labels[ids]).astype(np.float32)
    loss, grads = step(
        model, mx.array(images[ids]), mx.array(captions[labels[ids]]), mx.array(same)
    )
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
logits = model.logits(mx.array(test_images), mx.array(captions))
accuracy = mx.mean(mx.argmax(logits, axis=-1) == mx.array(test_labels)).item()
print(f"loss {loss.item():.3f} zero-shot accuracy {accuracy:.3f}")
assert accuracy > 0.8
