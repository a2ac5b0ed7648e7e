"""Arrays in files. Saving replaces a file in one step; loading checks before it allocates."""


@manual
def load(
    file: file | str | Path,
    /,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]:
    """Read arrays from a file.

    Args:
        file: a path or a file object open for reading bytes.
        format: ``"npy"``, ``"npz"`` or ``"safetensors"``; by default the extension.
        return_metadata: also return the metadata of a safetensors file.

    Returns:
        One array from npy, a dict of arrays from npz and safetensors.

    Raises:
        RuntimeError: the file cannot be read or is malformed; the text says where.
        ValueError: the format is unknown.
    """


@manual
def save(file: file | str | Path, arr: array) -> None:
    """Write one array in NumPy's npy format; ``.npy`` is added to a path without it."""


@manual
def savez(file: file | str | Path, *args, **kwargs) -> None:
    """Write arrays to an npz file: positional ones as ``arr_0``, ``arr_1``, …, others by name."""


@manual
def savez_compressed(file: file | str | Path, *args, **kwargs) -> None:
    """Like :func:`savez`, with compression."""


@manual
def save_safetensors(
    file: file | str | Path, arrays: dict[str, array], metadata: dict[str, str] | None = None
) -> None:
    """Write named arrays and text metadata in the safetensors format.

    The file is replaced in one step: after a crash at any moment it is the old one or the new one.
    ``.safetensors`` is added to a path without it.
    """
