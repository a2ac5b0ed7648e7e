"""Names of a package that are imported when asked for, so that importing it costs little."""

from __future__ import annotations

import importlib


def lazy_names(package: str, homes: dict[str, str]):
    """`__getattr__`, `__dir__` and `__all__` of a package; `homes` has the module of each name."""
    space = vars(importlib.import_module(package))
    names = sorted(homes)

    def get(name: str):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        space[name] = value
        return value

    return get, lambda: sorted([*space, *names]), names
