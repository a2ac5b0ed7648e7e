"""Arrays in files. Saving replaces a file in one step; loading checks before it allocates."""


@manual
def load(
    file: file | str | Path,
    /,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    keep_packed: bool = False,
    stream: StreamOrDevice = None,
) -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]:
    """Read arrays from a file.

    Files above 1 MB are read when their arrays are evaluated, so that arrays that are never used
    cost nothing; a file that changes in between is an error then. Replacing or removing it is not.

    A GGUF tensor of type ``Q4_0``, ``Q4_1`` or ``Q8_0`` becomes three arrays, packed as
    :func:`quantize` does with ``group_size=32``: ``x.weight``, ``x.scales`` and ``x.biases``. Other
    quantized types become float16; numbers keep their type. With ``keep_packed`` nothing is lost,
    and packed tensors take about the file's size: ``Q4_1`` and ``Q5_1`` are affine in groups of 32,
    ``Q4_0``, ``Q5_0`` and ``Q8_0`` of mode ``symmetric``, ``Q2_K``, ``Q4_K`` and ``Q5_K`` of mode
    ``k``, ``Q3_K`` and ``Q6_K`` of mode ``k_symmetric`` (see :func:`quantized_matmul`), and types
    without a packed form become float32.

    Args:
        file: a path, or any object with ``read`` that gives bytes (and ``seek``, if it can).
        format: ``"gguf"``, ``"npy"``, ``"npz"`` or ``"safetensors"``; by default the extension.
        return_metadata: also return the metadata of a safetensors file (text) or a GGUF file
            (text, lists of text, arrays).
        keep_packed: pack all GGUF types that have a packed form, not only those that MLX packs,
            and decode the others to float32.

    Returns:
        One array from npy, a dict of arrays from the other formats.

    Raises:
        RuntimeError: the file cannot be read or is malformed; the text says where.
        ValueError: the format is unknown, or has no metadata.
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


@manual
def save_gguf(
    file: file | str | Path,
    arrays: dict[str, array],
    metadata: dict[str, array | str | list[str]] | None = None,
) -> None:
    """Write named arrays and metadata in the GGUF format, version 3.

    Arrays are float16, bfloat16, float32, float64 or int8 to int64. Metadata values are strings,
    lists of strings, numbers, and arrays of at most one axis. The file is replaced in one step;
    ``.gguf`` is added to a path without it.

    Raises:
        ValueError: a dtype or a shape that the format does not have.
    """
