"""The error for what a person named and that cannot be used."""


class OneLineError(ValueError):
    """Its message is one line of a readable length, whatever a file has in its values."""

    LONGEST = 1500

    def __init__(self, message: str):
        message = " ".join(message.split())
        if len(message) > self.LONGEST:
            message = f"{message[: self.LONGEST - 60]} … {message[-50:]}"
        super().__init__(message)
