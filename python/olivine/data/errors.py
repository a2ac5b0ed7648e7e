"""What goes wrong with data: a message for its user, and which item a failure belongs to."""

from __future__ import annotations

import importlib


class DataError(ValueError):
    """Data that cannot be used; the message is for the person who named it."""


class ItemError(RuntimeError):
    """Reading or transforming one item failed; `index` says which, `__cause__` how."""

    def __init__(self, index: int | list[int], error: BaseException):
        if isinstance(index, list):
            shown = ", ".join(map(str, index[:8])) + (", ..." if len(index) > 8 else "")
            which = f"one of the items {shown}"
        else:
            which = f"item {index}"
        super().__init__(f"{which} of the dataset failed: {type(error).__name__}: {error}")
        self.index = index


def optional(module: str, extra: str, purpose: str):
    """Import a package that is not required, or say with which command to install it."""
    package = module.split(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs a package that is not installed: pip install 'olivine[{extra}]'",
            name=error.name,
        ) from None
