"""Convolutions, with channels last.

As usual in neural networks these are cross-correlations: kernels are read forwards, save by
``convolve`` and with ``flip``. Operands are floating point and promote to a common dtype.
"""

def conv1d(
    input: array,
    weight: array,
    /,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Convolution over one spatial axis.

    Args:
        input: of shape ``(N, L, C)``.
        weight: of shape ``(O, K, C / groups)``.
        stride: elements from one position of the kernel to the next.
        padding: zeros added at both ends of the spatial axes.
        dilation: distance between the elements of the kernel.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, L, O)``, each size
        ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises:
        ValueError: shapes do not fit, the kernel is larger than the padded input, or the dtype is
            not floating.
    """

def conv2d(
    input: array,
    weight: array,
    /,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Convolution over two spatial axes.

    Args:
        input: of shape ``(N, H, W, C)``.
        weight: of shape ``(O, KH, KW, C / groups)``.
        stride: elements from one position of the kernel to the next.
        padding: zeros added at both ends of the spatial axes.
        dilation: distance between the elements of the kernel.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, H, W, O)``, each size
        ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises:
        ValueError: shapes do not fit, the kernel is larger than the padded input, or the dtype is
            not floating.
    """

def conv3d(
    input: array,
    weight: array,
    /,
    stride: int | tuple[int, int, int] = 1,
    padding: int | tuple[int, int, int] = 0,
    dilation: int | tuple[int, int, int] = 1,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Convolution over three spatial axes.

    Args:
        input: of shape ``(N, D, H, W, C)``.
        weight: of shape ``(O, KD, KH, KW, C / groups)``.
        stride: elements from one position of the kernel to the next.
        padding: zeros added at both ends of the spatial axes.
        dilation: distance between the elements of the kernel.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, D, H, W, O)``, each size
        ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises:
        ValueError: shapes do not fit, the kernel is larger than the padded input, or the dtype is
            not floating.
    """

def conv_general(
    input: array,
    weight: array,
    /,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | tuple[Sequence[int], Sequence[int]] = 0,
    kernel_dilation: int | Sequence[int] = 1,
    input_dilation: int | Sequence[int] = 1,
    groups: int = 1,
    flip: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Convolution over one to three spatial axes; a list has one value per axis.

    Args:
        input: of shape ``(N, ..., C)``.
        weight: of shape ``(O, ..., C / groups)``.
        stride: elements from one position of the kernel to the next.
        padding: zeros added at both ends, or a pair: at the start, and at the end of the axes.
            Negative values cut off.
        kernel_dilation: distance between the elements of the kernel.
        input_dilation: distance between the elements of the input, zeros in between.
        groups: how many parts the channels fall into that do not mix.
        flip: read the kernel backwards.

    Returns:
        shape ``(N, ..., O)``.

    Raises:
        ValueError: shapes do not fit, the kernel is larger than the padded input, or the dtype is
            not floating.
    """

def conv_transpose1d(
    input: array,
    weight: array,
    /,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Transposed convolution over one spatial axis: each input adds a multiple of the kernel.

    Args:
        input: of shape ``(N, L, C)``.
        weight: of shape ``(O, K, C / groups)``.
        stride: elements of the result from one kernel to the next.
        padding: how much is cut off both ends of the result.
        dilation: distance between the elements of the kernel.
        output_padding: positions added at the end of the result.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, L, O)``, each size ``(size - 1) * stride - 2 * padding
        + dilation * (kernel - 1) + 1 + output_padding``.

    Raises:
        ValueError: shapes do not fit, or the dtype is not floating.
    """

def conv_transpose2d(
    input: array,
    weight: array,
    /,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    output_padding: int | tuple[int, int] = 0,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Transposed convolution over two spatial axes: each input adds a multiple of the kernel.

    Args:
        input: of shape ``(N, H, W, C)``.
        weight: of shape ``(O, KH, KW, C / groups)``.
        stride: elements of the result from one kernel to the next.
        padding: how much is cut off both ends of the result.
        dilation: distance between the elements of the kernel.
        output_padding: positions added at the end of the result.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, H, W, O)``, each size ``(size - 1) * stride - 2 * padding
        + dilation * (kernel - 1) + 1 + output_padding``.

    Raises:
        ValueError: shapes do not fit, or the dtype is not floating.
    """

def conv_transpose3d(
    input: array,
    weight: array,
    /,
    stride: int | tuple[int, int, int] = 1,
    padding: int | tuple[int, int, int] = 0,
    dilation: int | tuple[int, int, int] = 1,
    output_padding: int | tuple[int, int, int] = 0,
    groups: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Transposed convolution over three spatial axes: each input adds a multiple of the kernel.

    Args:
        input: of shape ``(N, D, H, W, C)``.
        weight: of shape ``(O, KD, KH, KW, C / groups)``.
        stride: elements of the result from one kernel to the next.
        padding: how much is cut off both ends of the result.
        dilation: distance between the elements of the kernel.
        output_padding: positions added at the end of the result.
        groups: how many parts the channels fall into that do not mix.

    Returns:
        shape ``(N, D, H, W, O)``, each size ``(size - 1) * stride - 2 * padding
        + dilation * (kernel - 1) + 1 + output_padding``.

    Raises:
        ValueError: shapes do not fit, or the dtype is not floating.
    """

def convolve(a: array, v: array, /, mode: str = "full", *, stream: StreamOrDevice = None) -> array:
    """Convolution of two sequences, as ``numpy.convolve``.

    Args:
        a, v: floating point, of one axis and at least one element.
        mode: ``"full"``: wherever they overlap; ``"same"``: the middle of that, as long as the
            longer one; ``"valid"``: where they overlap completely.

    Raises:
        ValueError: other shapes, dtypes or modes.
    """
