"""Language models: load, run, convert and fine-tune them.

    from olivine.llm import load
    model, tokenizer = load("user/model")    # or a folder, a GGUF file, an installed package

Where to start reading: `models/llama.py` is one architecture, whole; `blocks/` is what
architectures share; `cache.py` holds what attention remembers between calls; `load.py` and
`formats/` make models and tokenizers of files.
"""

from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.load import load, load_tokenizer
from olivine.llm.tokenizer import Tokenizer

__all__ = ["ModelError", "Tokenizer", "load", "load_tokenizer"]
