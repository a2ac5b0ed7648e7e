"""Linear regression by stochastic gradient descent on random problems."""

import mlx.core as mx

features, examples, iterations, rate = 100, 1_000, 2_000, 0.01
mx.random.seed(0)
w_star = mx.random.normal((features,))
X = mx.random.normal((examples, features))
y = X @ w_star + 1e-2 * mx.random.normal((examples,))


def loss_fn(w):
    return 0.5 * mx.mean(mx.square(X @ w - y))


grad_fn = mx.grad(loss_fn)
w = 1e-2 * mx.random.normal((features,))
for _ in range(iterations):
    w = w - rate * grad_fn(w)
    mx.eval(w)
error = mx.sum(mx.square(w - w_star)).item() ** 0.5
print(f"loss {loss_fn(w).item():.6f} error {error:.5f}")
assert error < 0.02
