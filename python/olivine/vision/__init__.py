"""Models that see: answers about images (LLaVA, SmolVLM), images found by texts (CLIP).

>>> from olivine.vision import load, stream_generate
>>> model, processor = load("my-llava")
>>> for record in stream_generate(model, processor, "What is shown?", "photo.jpg"):
...     print(record.text, end="")

Where to start reading: `llm/models/llava.py` is one architecture; `processor.py` lays out prompts
and prepares images; `generation.py` answers; `matching.py` compares images with texts.
"""

from olivine._lazy import lazy_names

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "Matcher": "matching",
    "Processor": "processor",
    "batch_generate": "generation",
    "generate": "generation",
    "load": "loading",
    "stream_generate": "generation",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
