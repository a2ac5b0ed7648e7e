"""Discrete Fourier transforms.

``norm`` says where the factor 1 / n goes: to the inverse transform (``"backward"``), as
1 / sqrt(n) to both (``"ortho"``) or to the forward one (``"forward"``). ``float64`` and
``complex128`` are computed in double precision, every other dtype in single precision. Sizes with
large prime factors take a few times as long as others, never much longer.
"""

@c(n="int")
def fft(
    a: array,
    n: int | None = None,
    axis: int = -1,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """One-dimensional transform: sum of ``a[j] exp(-2 pi i j k / n)``.

    Args:
        a: any dtype.
        n: elements to transform; the input is cut, or padded with zeros at the end. Default: all.
        axis: the axis to transform.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: the axis is out of range, there is nothing to transform, or an unknown norm.
    """

@c(n="int")
def ifft(
    a: array,
    n: int | None = None,
    axis: int = -1,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """Inverse of ``fft``: sum of ``a[k] exp(2 pi i j k / n)``, over n.

    Args:
        a: any dtype.
        n: elements to transform; the input is cut, or padded with zeros at the end. Default: all.
        axis: the axis to transform.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: the axis is out of range, there is nothing to transform, or an unknown norm.
    """

@c(n="int")
def rfft(
    a: array,
    n: int | None = None,
    axis: int = -1,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """The first ``n // 2 + 1`` results of ``fft`` of real values; the others are their conjugates.

    Args:
        a: any dtype; of complex values, the real parts.
        n: elements to transform; the input is cut, or padded with zeros at the end. Default: all.
        axis: the axis to transform.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: the axis is out of range, there is nothing to transform, or an unknown norm.
    """

@c(n="int")
def irfft(
    a: array,
    n: int | None = None,
    axis: int = -1,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """Inverse of ``rfft``.

    Args:
        a: any dtype.
        n: real elements of the result; the input is cut or padded to ``n // 2 + 1``. Default:
            2 (m - 1) for m elements.
        axis: the axis to transform.
        norm: as described at the top.

    Returns:
        float32 or float64. The imaginary parts of the first and, if n is even, the last input do
        not count.

    Raises:
        ValueError: the axis is out of range, there is nothing to transform, or an unknown norm.
    """

@cpp("fft2_over")
@c(s="ints", axes="ints")
def fft2(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = [-2, -1],
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``fft`` along two axes.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("ifft2_over")
@c(s="ints", axes="ints")
def ifft2(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = [-2, -1],
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``ifft`` along two axes.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("rfft2_over")
@c(s="ints", axes="ints")
def rfft2(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = [-2, -1],
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``rfft`` along the last, and ``fft`` along the other of two axes.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("irfft2_over")
@c(s="ints", axes="ints")
def irfft2(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = [-2, -1],
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``irfft`` along the last, after ``ifft`` along the other of two axes.

    Args:
        a: any dtype.
        s: elements of the result per axis; the input is cut or padded. Default for the last axis:
            2 (m - 1) for m elements.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        float32 or float64.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("fftn_over")
@c(s="ints", axes="ints")
def fftn(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``fft`` along several axes.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("ifftn_over")
@c(s="ints", axes="ints")
def ifftn(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``ifft`` along several axes.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("rfftn_over")
@c(s="ints", axes="ints")
def rfftn(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``rfft`` along the last of several axes, and ``fft`` along the others.

    Args:
        a: any dtype.
        s: elements to transform per axis; the input is cut, or padded with zeros at the end.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        complex64 or complex128.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

@cpp("irfftn_over")
@c(s="ints", axes="ints")
def irfftn(
    a: array,
    s: tuple[int, ...] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: StreamOrDevice = None,
) -> array:
    """``irfft`` along the last of several axes, after ``ifft`` along the others.

    Args:
        a: any dtype.
        s: elements of the result per axis; the input is cut or padded. Default for the last axis:
            2 (m - 1) for m elements.
        axes: distinct; ``None``: all of them.
        norm: as described at the top.

    Returns:
        float32 or float64.

    Raises:
        ValueError: axes out of range or repeated, sizes without axes, nothing to transform, or an
            unknown norm.
    """

def fftfreq(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array:
    """The frequency of each result of ``fft`` of ``n`` samples that are ``d`` apart, as float32.

    Raises:
        ValueError: n < 1, or d is 0.
    """

def rfftfreq(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array:
    """The frequency of each result of ``rfft`` of ``n`` samples that are ``d`` apart, as float32.

    Raises:
        ValueError: n < 1, or d is 0.
    """

@c(axes="ints")
def fftshift(
    a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None
) -> array:
    """Moves frequency zero to the centre of the axes (``None``: of all).

    Raises:
        ValueError: an axis is out of range.
    """

@c(axes="ints")
def ifftshift(
    a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None
) -> array:
    """Undoes ``fftshift``.

    Raises:
        ValueError: an axis is out of range.
    """

def stft(
    x: array,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: array | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    norm: str = "backward",
    onesided: bool | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Short-time Fourier transform of the last axis.

    Args:
        x: signals, of any dtype.
        n_fft: elements of a frame.
        hop_length: from one frame to the next. Default: ``n_fft // 4``.
        win_length: elements of a window of ones, where no window is given. Default: ``n_fft``.
        window: what frames are multiplied by, in their middle.
        center: pad by ``n_fft // 2`` at both ends first, so that frame t is centred at
            t * hop_length.
        pad_mode: a mode of ``pad``.
        norm: as described at the top.
        onesided: ``n_fft // 2 + 1`` frequencies, as of ``rfft``. Default: if x is real.

    Returns:
        complex, of shape ``(..., frequencies, frames)``.

    Raises:
        ValueError: the signal is shorter than a frame, or sizes do not fit.
    """

def istft(
    stft_matrix: array,
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: array | None = None,
    center: bool = True,
    norm: str = "backward",
    onesided: bool | None = None,
    length: int | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """The real signal whose ``stft`` this is, or comes closest to it in the least-squares sense.

    Frames are added up where they overlap, and divided by the sum of the squared windows.

    Args:
        stft_matrix: of shape ``(..., frequencies, frames)``.
        n_fft: elements of a frame. Default: what fits the number of frequencies.
        hop_length, win_length, window, center, norm: as given to ``stft``.
        onesided: whether there are ``n_fft // 2 + 1`` frequencies. Default: unless there are n_fft.
        length: of the result, cut or padded with zeros. Default: what the frames cover.

    Raises:
        ValueError: sizes do not fit.
    """
