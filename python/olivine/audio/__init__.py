"""Sound: speech recognition and translation with Whisper.

>>> from olivine.audio import decode, load, log_mel
>>> model, tokenizer = load()

Where to start reading: `mel.py` turns sound into spectrograms; `whisper/model.py` is the model;
`loading.py` makes one of files; `whisper/decoding.py` writes what is said in 30 seconds.
"""

import importlib

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "DecodingOptions": "whisper.decoding",
    "DecodingResult": "whisper.decoding",
    "Whisper": "whisper.model",
    "WhisperTokenizer": "whisper.tokenizer",
    "decode": "whisper.decoding",
    "detect_language": "whisper.decoding",
    "load": "loading",
    "log_mel": "mel",
    "pad_or_trim": "mel",
    "save": "whisper.save",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
