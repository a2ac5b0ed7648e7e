"""Architectures, one file each; parameters carry the names that Hugging Face's checkpoints use.

A file defines a dataclass of settings made by `from_dict` from a config.json, and modules made of
one. Images are `(batch, height, width, channels)` everywhere. `sanitize(weights)` turns a
checkpoint's names and layouts into the module's, lazily.
"""
