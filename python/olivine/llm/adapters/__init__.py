"""Adapters: small trainable matrices beside frozen weights, their files, and fusing them.

>>> add_adapters(model, rank=8, targets=("q_proj", "v_proj"))
>>> ...                                    # train model.trainable_parameters()
>>> save_adapters("my-adapter", model)
>>> fuse_adapters(model)                   # an ordinary model again
"""

from olivine.llm.adapters.files import load_adapters, save_adapters
from olivine.llm.adapters.layers import DoRALinear, LoRALinear
from olivine.llm.adapters.model import (
    AdapterSettings,
    adapter_layers,
    add_adapters,
    fuse_adapters,
    without_adapters,
)

__all__ = [
    "AdapterSettings",
    "DoRALinear",
    "LoRALinear",
    "adapter_layers",
    "add_adapters",
    "fuse_adapters",
    "load_adapters",
    "save_adapters",
    "without_adapters",
]
