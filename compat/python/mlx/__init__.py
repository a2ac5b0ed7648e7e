"""MLX's package name for Olivine, so that programs written for MLX run unchanged."""

import importlib
import sys

for _name in ("core", "nn", "optimizers", "utils"):
    _module = importlib.import_module(f"olivine.{_name}")
    sys.modules[f"{__name__}.{_name}"] = _module
    globals()[_name] = _module
for _name, _module in list(sys.modules.items()):
    if _name.startswith(("olivine.core.", "olivine.nn.", "olivine.optimizers.")):
        sys.modules[__name__ + _name.removeprefix("olivine")] = _module
