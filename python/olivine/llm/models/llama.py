"""Llama 1 to 3, SmolLM, Mistral and what else is built alike.

Sources: Touvron et al., "LLaMA" (2023); Jiang et al., "Mistral 7B" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from olivine.llm.blocks.decoder import CausalLM, DecoderConfig


@dataclass
class Config(DecoderConfig):
    """As in config.json; every field of the shared decoder is one of Llama's."""


class Model(CausalLM):
    """The shared decoder as it is."""
