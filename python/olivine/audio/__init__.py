"""Sound: speech recognition and translation with Whisper.

>>> from olivine.audio import load, load_audio, transcribe
>>> model, tokenizer = load()
>>> print(transcribe(model, tokenizer, load_audio("talk.wav")).text)

Where to start reading: `files.py` reads sound, `mel.py` turns it into spectrograms;
`whisper/model.py` is the model, `loading.py` makes one of files, `whisper/decoding.py` writes what
is said in 30 seconds; `transcription.py` goes through sound of any length, `live.py` through sound
that goes on.
"""

from olivine._lazy import lazy_names

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "AudioError": "errors",
    "DecodingOptions": "whisper.decoding",
    "DecodingResult": "whisper.decoding",
    "Raw": "wav",
    "Segment": "segments",
    "TranscribeOptions": "transcription",
    "Transcriber": "transcription",
    "Transcription": "segments",
    "VoiceActivity": "voice_activity",
    "Whisper": "whisper.model",
    "WhisperTokenizer": "whisper.tokenizer",
    "Word": "timing",
    "audio_blocks": "files",
    "decode": "whisper.decoding",
    "detect_language": "whisper.decoding",
    "listen": "live",
    "load": "loading",
    "load_audio": "files",
    "log_mel": "mel",
    "microphone": "live",
    "pad_or_trim": "mel",
    "resample": "resampling",
    "save": "whisper.save",
    "transcribe": "transcription",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
