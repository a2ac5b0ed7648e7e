"""Low-rank adapters on a frozen model: train, save, load, and fuse them."""

import math
import tempfile
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits
from mlx.utils import tree_flatten, tree_unflatten


class LoRALinear(nn.Module):
    @staticmethod
    def from_linear(linear, rank=8):
        output_dims, input_dims = linear.weight.shape
        lora = LoRALinear(input_dims, output_dims, rank)
        lora.linear = linear
        return lora

    def __init__(self, input_dims, output_dims, rank, scale=4.0):
        super().__init__()
        self.linear = nn.Linear(input_dims, output_dims)
        self.scale = scale
        bound = 1 / math.sqrt(input_dims)
        self.lora_a = mx.random.uniform(low=-bound, high=bound, shape=(input_dims, rank))
        self.lora_b = mx.zeros(shape=(rank, output_dims))

    def fused(self):
        self.linear.weight = self.linear.weight + (self.scale * self.lora_a @ self.lora_b).T
        return self.linear

    def __call__(self, x):
        dtype = self.linear.weight.dtype
        y = self.linear(x.astype(dtype))
        return y + self.scale * (x @ self.lora_a) @ self.lora_b


def loss_fn(model, x, y):
    return nn.losses.cross_entropy(model(x), y, reduction="mean")


def train(model, x, y, rate, steps):
    optimizer = optim.Adam(learning_rate=rate)
    step = nn.value_and_grad(model, loss_fn)
    for _ in range(steps):
        loss, grads = step(model, x, y)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state, loss)
    return loss.item()


mx.random.seed(0)
images, labels, test_images, test_labels = digits()
x, y = mx.array(images.reshape(-1, 64)), mx.array(labels)
test_x, test_y = mx.array(test_images.reshape(-1, 64)), mx.array(test_labels)
model = nn.Sequential(nn.Linear(64, 64), nn.relu, nn.Linear(64, 64), nn.relu, nn.Linear(64, 10))
train(model, x, y, 3e-3, 60)

# The task changes: the classes are renamed. Only the adapters learn it.
renamed, test_renamed = (3 * y + 1) % 10, (3 * test_y + 1) % 10
model.freeze()
adapted = [
    (name, LoRALinear.from_linear(m))
    for name, m in model.named_modules()
    if isinstance(m, nn.Linear)
]
model.update_modules(tree_unflatten(adapted))
for name, _ in tree_flatten(model.trainable_parameters()):
    assert "lora" in name, name
before = {k: np.array(v) for k, v in tree_flatten(model.parameters()) if "lora" not in k}
train(model, x, renamed, 2e-3, 300)
for name, value in tree_flatten(model.parameters()):
    assert "lora" in name or np.array_equal(before[name], np.array(value)), name

accuracy = mx.mean(mx.argmax(model(test_x), axis=1) == test_renamed).item()
with tempfile.TemporaryDirectory() as folder:
    file = str(Path(folder) / "adapters.safetensors")
    mx.save_safetensors(file, dict(tree_flatten(model.trainable_parameters())))
    kept = np.array(model(test_x))
    model.apply(
        lambda p: p * 0, lambda m, k, v: k.startswith("lora") or isinstance(v, (dict, list))
    )
    model.load_weights(file, strict=False)
    assert np.array_equal(np.array(model(test_x)), kept)
fused = [(n, m.fused()) for n, m in model.named_modules() if isinstance(m, LoRALinear)]
model.update_modules(tree_unflatten(fused))
assert np.allclose(np.array(model(test_x)), kept, atol=1e-3)
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.9
