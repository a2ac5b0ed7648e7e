"""Language models: load, run, serve, convert and fine-tune them.

>>> from olivine.llm import generate, load
>>> model, tokenizer = load("my-model")
>>> print(generate(model, tokenizer, "Once upon a time"))

Where to start reading: `models/llama.py` is one architecture, whole; `blocks/` is what
architectures share; `loading.py` makes a model of files; `generation.py` writes text with one,
`batch.py` many at once; `caches/` is what attention remembers between calls; `adapters/` and
`finetune/` teach a model, `quantization/` packs it, `server/` serves it.
"""

from olivine._lazy import lazy_names

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "Batch": "batch",
    "Embedder": "embed",
    "ModelError": "formats.checkpoint",
    "PromptCache": "cache",
    "Record": "generation",
    "Sampling": "sampling",
    "add_adapters": "adapters",
    "batch_generate": "batch",
    "export_gguf": "export.gguf",
    "fuse_adapters": "adapters",
    "generate": "generation",
    "load": "loading",
    "load_adapters": "adapters",
    "load_tokenizer": "loading",
    "make_cache": "cache",
    "perplexity": "scoring",
    "Tokenizer": "tokenizer",
    "save_adapters": "adapters",
    "save_folder": "save",
    "stream_generate": "generation",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
