"""A graph convolutional network labels the nodes of a graph from a few known labels."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np


class GCNLayer(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def __call__(self, x, adj):
        return adj @ self.linear(x)


class GCN(nn.Module):
    def __init__(self, x_dim, h_dim, out_dim, dropout=0.3):
        super().__init__()
        sizes = [(x_dim, h_dim), (h_dim, out_dim)]
        self.gcn_layers = [GCNLayer(i, o) for i, o in sizes]
        self.dropout = nn.Dropout(p=dropout)

    def __call__(self, x, adj):
        for layer in self.gcn_layers[:-1]:
            x = self.dropout(nn.relu(layer(x, adj)))
        return self.gcn_layers[-1](x, adj)


def make_graph(nodes=240, classes=4, features=32):
    """A stochastic block model with features that say little of the class on their own."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, nodes)
    same = labels[:, None] == labels[None]
    adjacency = np.triu(rng.random((nodes, nodes)) < np.where(same, 0.12, 0.01), 1)
    adjacency = adjacency | adjacency.T | np.eye(nodes, dtype=bool)
    degree = adjacency.sum(1) ** -0.5
    centers = rng.standard_normal((classes, features))
    x = 0.5 * centers[labels] + 1.5 * rng.standard_normal((nodes, features))
    return x.astype(np.float32), (adjacency * degree[:, None] * degree).astype(np.float32), labels


mx.random.seed(0)
x, adj, labels = (mx.array(a) for a in make_graph())
labels = labels.astype(mx.int32)
train_mask, test_mask = mx.arange(60), mx.arange(120, 240)
gcn = GCN(32, 16, 4)
optimizer = optim.Adam(learning_rate=1e-2)


def loss_fn(y_hat, y):
    return nn.losses.cross_entropy(y_hat, y, reduction="mean")


def forward_fn(gcn, x, adj, y, mask):
    y_hat = gcn(x, adj)
    return loss_fn(y_hat[mask], y[mask]), y_hat


for _ in range(100):
    (loss, y_hat), grads = nn.value_and_grad(gcn, forward_fn)(gcn, x, adj, labels, train_mask)
    optimizer.update(gcn, grads)
    mx.eval(gcn.parameters(), optimizer.state, loss)
gcn.eval()
y_hat = gcn(x, adj)
accuracy = mx.mean(mx.argmax(y_hat[test_mask], axis=-1) == labels[test_mask]).item()
print(f"loss {loss.item():.3f} accuracy {accuracy:.3f}")
assert accuracy > 0.9
