"""Whisper: a speech recogniser and translator; `model.py` has its layers, `formats/` its files."""
