"""Matrix norms under the name that the core has for them."""


@manual
def matrix_norm(
    a: array,
    /,
    ord: None | int | float | str = None,
    axis: None | int | list[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The same as ``linalg.norm``."""
