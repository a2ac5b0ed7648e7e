"""Sequential: layers called one after the other."""

from __future__ import annotations

from olivine.nn.layers.base import Module


class Sequential(Module):
    """Calls each of `modules` (layers or any callables) on the result of the one before."""

    def __init__(self, *modules):
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
