"""MLX's module names for Olivine, so that programs written for MLX run unchanged.

After `import olivine.compat.mlx`, `import mlx.core as mx` and every deeper module of the name `mlx`
give the module of Olivine: the same objects, not copies. `python -m olivine.compat.mlx PROGRAM`
does that for a whole program.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

__all__ = ["install"]


class _Loader(importlib.abc.Loader):
    """Hands out a module that exists already, and leaves it as it was."""

    def __init__(self, module):
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.spec  # the import system has just put the alias's in its place
        # Submodules of an extension module (core.fast) have no finder: they exist from its start.
        inner = module.__name__ + "."
        for name in [name for name in sys.modules if name.startswith(inner)]:
            sys.modules.setdefault("mlx" + name[len("olivine") :], sys.modules[name])


class _Finder(importlib.abc.MetaPathFinder):
    """Finds mlx.X as olivine.X."""

    def find_spec(self, name, path=None, target=None):
        if name != "mlx" and not name.startswith("mlx."):
            return None
        real = "olivine" + name[len("mlx") :]
        try:
            module = importlib.import_module(real)
        except ModuleNotFoundError as error:
            if error.name and (real == error.name or real.startswith(error.name + ".")):
                return None  # Python then says that there is no module mlx.X
            raise
        return importlib.machinery.ModuleSpec(
            name, _Loader(module), is_package=hasattr(module, "__path__")
        )


def install():
    """Makes the names `mlx` and `mlx.*` mean Olivine in this process; further calls do nothing.

    Raises ImportError if another package of that name has been imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    core = sys.modules.get("mlx.core")
    if core is not None:
        raise ImportError(
            "[compat.mlx] expected to be imported before mlx; got mlx.core loaded from "
            f"{getattr(core, '__file__', 'elsewhere')}. Import olivine.compat.mlx first."
        )
    sys.meta_path.insert(0, _Finder())


install()
