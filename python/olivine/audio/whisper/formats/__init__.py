"""Where a Whisper model is found and what its files hold.

`find.py` turns a name into files; `openai.py` (over `pickled.py`) reads OpenAI's checkpoints,
`folders.py` Hugging Face's and MLX's folders, `ctranslate2.py` those of CTranslate2, `ranks.py`
OpenAI's vocabularies. Readers of models give a `Checkpoint` whose config has `Dims` and whose
weights carry the model's own names.
"""
