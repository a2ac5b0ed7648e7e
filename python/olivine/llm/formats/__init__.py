"""Where a model is found and what its files hold.

`find.py` turns a name into files; `folder.py` reads Hugging Face's and MLX's folders, `gguf.py`
GGUF files (`gguf_config.py` and `gguf_names.py` say what their metadata and tensors are called).
All give a `Checkpoint`: a config.json, weights under Hugging Face's names, and what is packed.
"""
