"""Quantized weights: packing, products with packed weights, and 8-bit floats.

Rows are cut into groups of ``group_size`` values that share a scale. Codes of ``bits`` bits follow one
another in 32-bit words, lowest bits first.

| mode | group_size | bits | value of a code |
|---|---|---|---|
| ``affine`` | 32, 64 (default), 128 | 1, 2, 3, 4 (default), 5, 6, 8 | ``scale * code + bias`` |
| ``mxfp4`` | 32 | 4 | e2m1 times a power of two |
| ``mxfp8`` | 32 | 8 | e4m3 times a power of two |
| ``nvfp4`` | 16 | 4 | e2m1 times an e4m3 scale |

Three more modes are what tensors of GGUF files hold; :func:`load` with ``keep_packed`` gives them, and
everything but :func:`quantize` and :func:`qqmm` takes them. Codes are lessened by ``2^(bits - 1)`` where
there are no biases. Scales and biases of ``k`` are rows of bytes: for every 256 values the float16
factor, then a signed byte for each group.

| mode | group_size, bits | value of a code |
|---|---|---|
| ``symmetric`` | 32, 4 or 5 or 8 | ``scale * (code - 2^(bits - 1))``, scales of 32 bits or fewer |
| ``k`` | 16, 2; 32, 4 or 5 | ``d * scale * code + e * bias`` |
| ``k_symmetric`` | 16, 3 or 6 | ``d * scale * (code - 2^(bits - 1))`` |
"""


@c(res="vector")
def quantize(
    w: array,
    /,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    *,
    global_scale: array | None = None,
    stream: StreamOrDevice = None,
) -> tuple[array, array, array]:
    """Packs a matrix.

    The packed words, scales and biases are bit for bit those of MLX.

    Args:
        w: shape ``(..., N, K)``; floating point, ``K`` a multiple of the group size.
        group_size, bits, mode: the format; see the table of this module.
        global_scale: the largest magnitude of ``w``, a float32 of one element, for ``nvfp4``: scales
            are then relative to ``global_scale / 2688``. Or one per matrix, shape ``(...,)``.

    Returns:
        uint32 words, shape ``(..., N, K * bits / 32)``; scales, shape ``(..., N, K / group_size)``,
        of the dtype of ``w`` or, unless affine, bytes; and for ``affine`` biases like the scales.

    Raises:
        ValueError: a format that does not exist, a last axis that is no multiple of the group size,
            fewer than two axes, or weights that are not floating point.
    """


def dequantize(
    w: array,
    /,
    scales: array,
    biases: array | None = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: array | None = None,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The values that packed weights stand for, shape ``(..., N, K)``.

    Arguments are as :func:`quantize` returned and took them. ``dtype`` is that of the scales unless
    given, bfloat16 for the modes that :func:`quantize` has beside ``affine``, float32 for others.
    Differentiable in affine scales and biases.

    Raises:
        ValueError: shapes or dtypes of ``w``, ``scales`` and ``biases`` do not belong together.
    """


def quantized_matmul(
    x: array,
    w: array,
    /,
    scales: array,
    biases: array | None = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Matrix product with packed weights, ``x @ w.T``, or ``x @ w`` if not ``transpose``.

    Leading axes of ``x`` and of ``w`` broadcast. Sums are kept in float32. Differentiable in ``x``
    and in affine scales and biases.

    Args:
        x: shape ``(..., M, K)`` or ``(K,)``.
        w, scales, biases: packed along their last axis, as from :func:`quantize`.

    Returns:
        shape ``(..., M, N)``, of the dtype of ``x`` promoted with affine scales. Affine scales of 16
        bits beside a float32 ``x`` are widened in registers.

    Raises:
        ValueError: inner sizes differ, or the packed weights do not belong together.
    """


def qqmm(
    x: array,
    w: array,
    scales: array | None = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: array | None = None,
    global_scale_w: array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``x @ w.T`` with both rounded to a quantized format.

    ``w`` is a packed matrix if it has ``scales``, else a floating point one. Gradients pass the
    rounding as if it were the identity.

    Args:
        x: shape ``(..., K)``; floating point.
        w: shape ``(N, K)``, or packed.
        mode: ``mxfp4``, ``mxfp8`` or ``nvfp4``.
        global_scale_x, global_scale_w: for ``nvfp4``, both or neither; see :func:`quantize`.
    """


@c(global_scale=None)
def gather_qmm(
    x: array,
    w: array,
    /,
    scales: array,
    biases: array | None = None,
    lhs_indices: array | None = None,
    rhs_indices: array | None = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: array | None = None,
    *,
    sorted_indices: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Products of selected matrices with selected packed ones: see :func:`gather_mm`.

    ``global_scale``, for ``nvfp4``, has one entry, or one per matrix of ``w``. ``sorted_indices``
    is a hint that changes no result.

    Raises:
        ValueError: as :func:`quantized_matmul`, or indices that are not integers.
        IndexError: an index is out of range.
    """


def gather_qqmm(
    x: array,
    w: array,
    /,
    scales: array | None = None,
    lhs_indices: array | None = None,
    rhs_indices: array | None = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: array | None = None,
    global_scale_w: array | None = None,
    *,
    sorted_indices: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Products of selected matrices, both rounded to a quantized format: see :func:`qqmm` and
    :func:`gather_mm`."""


def to_fp8(x: array, *, stream: StreamOrDevice = None) -> array:
    """Bytes that hold ``x`` as e4m3 floats.

    Rounds to nearest, halves to even; magnitudes beyond 448, infinity and NaN become 448.
    """


def from_fp8(x: array, dtype: Dtype = bfloat16, *, stream: StreamOrDevice = None) -> array:
    """The values of bytes that hold e4m3 floats. ValueError for an ``x`` other than uint8."""
