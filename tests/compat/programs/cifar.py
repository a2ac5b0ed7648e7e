"""A small residual network classifies images, with batch normalization and augmentation."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits
from mlx.utils import tree_flatten


class Block(nn.Module):
    def __init__(self, in_dims, dims, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_dims, dims, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm(dims)
        self.conv2 = nn.Conv2d(dims, dims, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm(dims)
        self.shortcut = None
        if stride != 1 or in_dims != dims:
            self.shortcut = nn.Conv2d(in_dims, dims, kernel_size=1, stride=stride, bias=False)

    def __call__(self, x):
        out = nn.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return nn.relu(out + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm(16)
        self.blocks = nn.Sequential(Block(16, 16), Block(16, 32, stride=2))
        self.pool = nn.AvgPool2d(4)
        self.linear = nn.Linear(32, num_classes)

    def num_params(self):
        return sum(x.size for _, x in tree_flatten(self.parameters()))

    def __call__(self, x):
        x = self.blocks(nn.relu(self.bn1(self.conv1(x))))
        return self.linear(self.pool(x).reshape(x.shape[0], -1))


def loss_fn(model, X, y):
    logits = model(X)
    accuracy = mx.mean(mx.argmax(logits, axis=1) == y)
    return mx.mean(nn.losses.cross_entropy(logits, y)), accuracy


np.random.seed(0)
mx.random.seed(0)
train_x, train_y, test_x, test_y = digits()
model = ResNet()
print(f"parameters {model.num_params()}")
optimizer = optim.AdamW(learning_rate=optim.cosine_decay(3e-3, 75), weight_decay=1e-2)
step = nn.value_and_grad(model, loss_fn)
model.train()
for _ in range(5):
    order = np.random.permutation(len(train_y))
    for s in range(0, len(order), 100):
        ids = order[s : s + 100]
        moved = np.roll(train_x[ids], np.random.randint(-1, 2), axis=2)
        (loss, accuracy), grads = step(model, mx.array(moved), mx.array(train_y[ids]))
        optimizer.update(model, grads)
        mx.eval(model.state, optimizer.state, loss)
model.eval()
_, accuracy = loss_fn(model, mx.array(test_x), mx.array(test_y))
print(f"accuracy {accuracy.item():.3f}")
assert accuracy.item() > 0.93
