"""A multi-layer perceptron classifies digits, with a compiled training step."""

import argparse
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from data import digits


class MLP(nn.Module):
    def __init__(self, num_layers, input_dim, hidden_dim, output_dim):
        super().__init__()
        sizes = [input_dim] + [hidden_dim] * num_layers + [output_dim]
        self.layers = [nn.Linear(i, o) for i, o in zip(sizes[:-1], sizes[1:], strict=True)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x))
        return self.layers[-1](x)


def batches(size, X, y):
    order = mx.array(np.random.permutation(y.size))
    for s in range(0, y.size, size):
        ids = order[s : s + size]
        yield X[ids], y[ids]


def main(epochs):
    np.random.seed(0)
    mx.random.seed(0)
    train_x, train_y, test_x, test_y = (mx.array(a) for a in digits())
    train_x, test_x = train_x.reshape(-1, 64), test_x.reshape(-1, 64)
    model = MLP(2, 64, 32, 10)
    mx.eval(model.parameters())
    optimizer = optim.Adam(learning_rate=5e-3)

    def loss_fn(model, X, y):
        return nn.losses.cross_entropy(model(X), y, reduction="mean")

    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(X, y):
        loss, grads = nn.value_and_grad(model, loss_fn)(model, X, y)
        optimizer.update(model, grads)
        return loss

    for _ in range(epochs):
        for X, y in batches(100, train_x, train_y):
            loss = step(X, y)
            mx.eval(state, loss)
    accuracy = mx.mean(mx.argmax(model(test_x), axis=1) == test_y).item()
    print(f"accuracy {accuracy:.3f}")
    assert accuracy > 0.93


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    main(parser.parse_args().epochs)
