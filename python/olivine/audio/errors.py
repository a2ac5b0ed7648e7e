"""The error for sound that can not be used."""

from olivine._errors import OneLineError


class AudioError(OneLineError):
    """Sound that can not be read or used; the message is for the person who named it."""

    LONGEST = 600
