"""Writing models for other programs: `gguf.py` for llama.cpp, `huggingface.py` for transformers.

The tables of names are those of the readers (`olivine.llm.formats.gguf_names`), read backwards.
"""
