"""Configurations: dataclasses made from the dict of a config.json, with every field checked."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields

# What a field's annotation means for a value from JSON.
_KINDS = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "dict": dict,
    "list": list,
    "None": type(None),
}


def _fits(value, annotation: str) -> bool:
    names = [name.split("[")[0] for name in annotation.split(" | ")]
    if isinstance(value, bool):
        return "bool" in names
    return isinstance(value, tuple(t for n in names for t in _as_tuple(_KINDS[n])))


def _as_tuple(kinds) -> tuple:
    return kinds if isinstance(kinds, tuple) else (kinds,)


# Where 0 means that there is none, or the first; elsewhere a number is a size.
_MAY_BE_ZERO = {
    "sliding_window",
    "max_window_layers",
    "first_k_dense_replace",
    "n_shared_experts",
    "n_routed_experts",
    "num_experts",
    "pad_token_id",
    "decoder_start_token_id",
}


def _most(name: str) -> int:
    """The largest number that a field may have: far above any model's, small enough to build."""
    if "layer" in name:
        return 2**12
    return 2**14 if "head" in name else 2**24


@dataclass
class Config:
    """Fields of config.json, under the names they have there."""

    def __post_init__(self):
        self.check()

    def check(self) -> None:
        """ValueError if a field has a value of another kind, or one that is out of all bounds."""
        for field in fields(self):
            self._check(field)

    def _check(self, field) -> None:
        value = getattr(self, field.name)
        if not _fits(value, field.type):
            raise ValueError(
                f"[llm] expected config.json's {field.name} to be {field.type}; got {value!r}"
            )
        least, most = int(field.name not in _MAY_BE_ZERO), _most(field.name)
        if type(value) is int and "int" in field.type and not least <= value <= most:
            raise ValueError(
                f"[llm] expected config.json's {field.name} to be from {least} to {most}; "
                f"got {value}"
            )
        if "float" in field.type and value is not None and not 0 <= value < math.inf:
            raise ValueError(
                f"[llm] expected config.json's {field.name} to be a number from 0; got {value}"
            )

    def require_no_more(self, name: str, than: str) -> None:
        """ValueError if the field `name` is larger than the field `than`."""
        if getattr(self, name) > getattr(self, than):
            raise ValueError(
                f"[llm] expected config.json's {name} to be no more than {than}; "
                f"got {getattr(self, name)} and {getattr(self, than)}"
            )

    def require_divisible(self, name: str, by: str) -> None:
        """ValueError unless the field `name` is a multiple of the field `by`."""
        if getattr(self, name) % getattr(self, by):
            raise ValueError(
                f"[llm] expected config.json's {name} to be a multiple of {by}; "
                f"got {getattr(self, name)} and {getattr(self, by)}"
            )

    @classmethod
    def from_dict(cls, config: dict):
        """From the dict of a config.json; fields that the architecture does not use are ignored."""
        if not isinstance(config, dict):
            raise ValueError(f"[llm] expected config.json to be an object; got {config!r:.60}")
        known = {field.name: field for field in fields(cls)}
        given = {name: value for name, value in cls.normalized(config).items() if name in known}
        for name, field in known.items():
            # Older files write null where they mean the default.
            if given.get(name, 0) is None and "None" not in field.type:
                del given[name]
        missing = [
            name
            for name, field in known.items()
            if field.default is MISSING and field.default_factory is MISSING and name not in given
        ]
        if missing:
            raise ValueError(f"[llm] expected config.json to have {', '.join(missing)}; it has not")
        return cls(**given)

    @classmethod
    def normalized(cls, config: dict) -> dict:
        """The same under the names that the fields have."""
        return config


@dataclass
class DecoderConfig(Config):
    """What most decoders have in common."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    partial_rotary_factor: float = 1.0
    original_max_position_embeddings: int | None = None
    hidden_act: str = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    sliding_window: int | None = None
    layer_types: list[str] | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        self.require_divisible("num_attention_heads", by="num_key_value_heads")
        if self.head_dim is None:
            self.require_divisible("hidden_size", by="num_attention_heads")
            self.head_dim = self.hidden_size // self.num_attention_heads
            self.check()
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"[llm] expected config.json's layer_types to have num_hidden_layers = "
                f"{self.num_hidden_layers} entries; got {len(self.layer_types)}"
            )

    @classmethod
    def normalized(cls, config: dict) -> dict:
        # transformers 5 writes one dict where earlier versions wrote several fields.
        rope = config.get("rope_parameters")
        if not isinstance(rope, dict) or any(isinstance(value, dict) for value in rope.values()):
            return config
        moved = ("rope_theta", "partial_rotary_factor", "original_max_position_embeddings")
        return {**config, **{name: rope[name] for name in moved if name in rope}} | {
            "rope_scaling": rope
        }

    def sliding(self, index: int) -> bool:
        """Whether `layer_types` has a sliding window at layer `index`."""
        return self.layer_types is not None and self.layer_types[index] == "sliding_attention"

    @property
    def windows(self) -> list[int | None]:
        """How many positions each layer sees, None for all."""
        if self.layer_types is None:
            return [self.sliding_window or None] * self.num_hidden_layers
        return [
            self.sliding_window if self.sliding(i) else None for i in range(self.num_hidden_layers)
        ]
