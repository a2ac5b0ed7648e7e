"""Settings from the JSON files of a pipeline's folder, with every field checked."""

from __future__ import annotations

from typing import ClassVar

from olivine.llm.blocks.config import Config
from olivine.llm.formats.checkpoint import ModelError


class Settings(Config):
    """Fields of a config.json; subclasses are dataclasses. Errors are `ModelError`s."""

    # Names in files that stand for what is not implemented, unless they are false or null.
    refused: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_dict(cls, config: dict):
        try:
            for name in cls.refused:
                if config.get(name):
                    raise ModelError(
                        f"[image] {name} is not implemented; got {name} = {config[name]!r:.40}"
                    )
            return super().from_dict(config)
        except ModelError:
            raise
        except ValueError as error:
            raise ModelError(f"[image] {str(error).removeprefix('[llm] ')}") from None

    def require(self, name: str, among: tuple) -> None:
        """ModelError unless the field `name` has one of the values that are implemented."""
        value = getattr(self, name)
        if value not in among:
            known = ", ".join(repr(one) for one in among)
            raise ModelError(f"[image] expected {name} to be among {known}; got {value!r}")


def per_level(name: str, value: int | list, levels: int) -> list[int]:
    """`value` for each of `levels`, checked to be whole numbers above 0."""
    values = [value] * levels if isinstance(value, int) else list(value)
    ok = all(type(one) is int and 0 < one < 2**20 for one in values)
    if len(values) != levels or not ok:
        raise ModelError(
            f"[image] expected {name} to be {levels} whole numbers above 0; got {value!r}"
        )
    return values
