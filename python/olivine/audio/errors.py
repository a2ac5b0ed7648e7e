"""The error for sound that can not be used."""

from __future__ import annotations


class AudioError(ValueError):
    """Sound that can not be read or used; the message is one line, for the person who named it."""

    LONGEST = 600

    def __init__(self, message: str):
        message = " ".join(message.split())
        if len(message) > self.LONGEST:
            message = f"{message[: self.LONGEST - 60]} … {message[-50:]}"
        super().__init__(message)
