"""Neural-network building blocks: modules, layers, losses and initializers."""

from olivine.nn import init, layers, losses, utils
from olivine.nn.layers import *  # noqa: F403
from olivine.nn.layers import __all__ as _layer_names
from olivine.nn.utils import average_gradients, value_and_grad

__all__ = [
    "average_gradients",
    "init",
    "layers",
    "losses",
    "utils",
    "value_and_grad",
    *_layer_names,
]
