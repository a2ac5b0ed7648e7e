"""Metal, which is not part of this build; its memory functions are those of olivine.core."""

MANUAL = True


def is_available() -> bool:
    """False: Metal is not available."""


def device_info() -> dict[str, str | int]:
    """RuntimeError: Metal is not available."""


def start_capture(path: str) -> None:
    """RuntimeError: Metal is not available."""


def stop_capture() -> None:
    """RuntimeError: Metal is not available."""


def get_active_memory() -> int:
    """As olivine.core.get_active_memory."""


def get_peak_memory() -> int:
    """As olivine.core.get_peak_memory."""


def reset_peak_memory() -> None:
    """As olivine.core.reset_peak_memory."""


def get_cache_memory() -> int:
    """As olivine.core.get_cache_memory."""


def set_memory_limit(limit: int) -> int:
    """As olivine.core.set_memory_limit."""


def set_cache_limit(limit: int) -> int:
    """As olivine.core.set_cache_limit."""


def set_wired_limit(limit: int) -> int:
    """As olivine.core.set_wired_limit."""


def clear_cache() -> None:
    """As olivine.core.clear_cache."""
