"""Language models: load, run, convert and fine-tune them.

Where to start reading: `models/llama.py` is one architecture, whole; `blocks/` is what
architectures share; `cache.py` holds what attention remembers between calls.
"""
