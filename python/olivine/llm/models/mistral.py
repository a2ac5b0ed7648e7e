"""Mistral: Llama with a window that slides over the last positions.

Source: Jiang et al., "Mistral 7B" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from olivine.llm.models import llama


@dataclass
class Config(llama.Config):
    num_key_value_heads: int | None = 8
    sliding_window: int | None = None


class Model(llama.Model):
    """Llama's; the window is a field of the shared configuration."""
