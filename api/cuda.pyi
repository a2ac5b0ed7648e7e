"""CUDA, which is not part of this build."""

MANUAL = True


def is_available() -> bool:
    """False: CUDA is not available."""
