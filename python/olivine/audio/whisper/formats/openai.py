"""Reading OpenAI's checkpoints: sizes under `dims`, tensors under `model_state_dict`."""

from __future__ import annotations

from pathlib import Path

import olivine.core as mx
from olivine.audio.whisper.formats.names import from_openai
from olivine.audio.whisper.formats.pickled import read_checkpoint
from olivine.llm.formats.checkpoint import Checkpoint, ModelError


def read_openai(path: Path) -> Checkpoint:
    """The checkpoint in a .pt file."""
    value = read_checkpoint(path)
    value = value if isinstance(value, dict) else {}
    dims, state = value.get("dims"), value.get("model_state_dict")
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise ModelError(
            f"[audio] expected dims and model_state_dict in {path}; got "
            f"{', '.join(map(str, list(value)[:4])) or 'neither'}"
        )
    wrong = next((n for n, v in state.items() if not isinstance(v, mx.array)), None)
    if wrong is not None:
        raise ModelError(f"[audio] expected a tensor as {wrong!r:.60} in {path}")
    # The mask of causal attention is stored by some converters; it is made here.
    weights = {str(n): v for n, v in state.items() if n != "decoder.mask"}
    return Checkpoint(str(path), dims, from_openai(weights))
