"""Fused ops: one pass over memory for what would take several."""


def rms_norm(
    x: array, weight: array | None, eps: float, *, stream: StreamOrDevice = None
) -> array:
    """Divide by the root mean square over the last axis (Zhang and Sennrich, 2019).

    Args:
        x: shape ``(..., D)``, floating point; sums are kept in float32 or wider.
        weight: shape ``(D,)``, multiplied in afterwards; or ``None``.
        eps: added to the mean square.
    """


def layer_norm(
    x: array,
    weight: array | None,
    bias: array | None,
    eps: float,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Subtract the mean and divide by the standard deviation over the last axis (Ba et al., 2016).

    Args:
        x: shape ``(..., D)``, floating point; sums are kept in float32 or wider.
        weight, bias: shape ``(D,)``, multiplied in and added afterwards; or ``None``.
        eps: added to the variance.
    """


@c(offset="int")
@c("rope_dynamic")
def rope(
    a: array,
    dims: int,
    *,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: int | array,
    freqs: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Rotary position embedding (Su et al., 2021).

    Args:
        a: shape ``(B, ..., T, D)``, floating point.
        dims: how many of the last axis' features are rotated; even.
        traditional: rotate neighbouring pairs, rather than the two halves.
        base: angles fall from 1 to ``1 / base``; exactly one of ``base`` and ``freqs`` is given.
        scale: factor on the positions.
        offset: position of the first row; an int, or an int array of shape ``()`` or ``(B,)``.
        freqs: wave lengths, shape ``(dims / 2,)``.
    """


@manual
def scaled_dot_product_attention(
    q: array,
    k: array,
    v: array,
    *,
    scale: float,
    mask: None | str | array = None,
    sinks: array | None = None,
    force_fused: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """``softmax(scale * q @ k.T + mask) @ v``, without keeping the matrix of scores.

    Args:
        q: shape ``(B, H, Tq, D)``.
        k, v: shapes ``(B, Hkv, Tk, D)`` and ``(B, Hkv, Tk, Dv)``; ``H`` is a multiple of ``Hkv``.
        scale: factor on the scores, usually ``D ** -0.5``.
        mask: ``"causal"`` (query ``i`` sees keys up to ``i + Tk - Tq``), a bool array (true: seen) or
            one that is added, broadcast to ``(B, H, Tq, Tk)``.
        sinks: one more score per head, shape ``(H,)``, that takes weight but has no value.
        force_fused: accepted for compatibility; the fused kernel always runs.

    Returns:
        shape ``(B, H, Tq, Dv)``. A query that sees no key gives zeros.
    """


def cross_entropy(logits: array, targets: array, *, stream: StreamOrDevice = None) -> array:
    """``logsumexp(logits) - logits[target]`` over the last axis, in float32 or wider.

    Args:
        logits: shape ``(..., C)``, floating point.
        targets: class indices in ``[0, C)``, integers of shape ``(...)``.

    Raises:
        ValueError: the shapes or dtypes are others.
        IndexError: a target is out of range (when the result is computed).
    """


def gated_delta_update(
    q: array,
    k: array,
    v: array,
    gamma: array,
    beta: array,
    initial_state: array | None = None,
    mask: array | None = None,
    stream: StreamOrDevice = None,
) -> list[array]:
    """Gated delta rule (Yang, Kautz and Hatamizadeh, 2024), one step per row of the time axis.

    The state ``S`` of a head, shape ``(Dv, Dk)``, becomes ``S = gamma * S``, then
    ``S += beta * outer(v - S @ k, k)``; the output is ``S @ q``.

    Args:
        q, k: shape ``(B, T, Hk, Dk)``.
        v: shape ``(B, T, Hv, Dv)``; ``Hv`` is a multiple of ``Hk``.
        gamma: decay in linear space, shape ``(B, T, Hv)``, or ``(B, T, Hv, Dk)`` for one per key
            feature.
        beta: strength of the correction, shape ``(B, T, Hv)``.
        initial_state: shape ``(B, Hv, Dv, Dk)``; zeros by default.
        mask: shape ``(B, T)``; a step where it is zero keeps the state and gives zeros.

    Returns:
        the outputs, shape ``(B, T, Hv, Dv)``, and the last state, in float32 or wider.
    """


class _MetalKernel:
    """A kernel in Metal's language, to be called; made by `metal_kernel`."""

    def __call__(
        self,
        *,
        inputs: list[scalar | array],
        output_shapes: list[Sequence[int]],
        output_dtypes: list[Dtype],
        grid: tuple[int, int, int],
        threadgroup: tuple[int, int, int],
        template: list[tuple[str, bool | int | Dtype]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: StreamOrDevice = None,
    ) -> list[array]: ...


@manual
def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: object | None = None,
) -> _MetalKernel:
    """A kernel in Metal's language. This build runs on CPUs: calling the kernel raises RuntimeError."""


@manual
def cuda_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    shared_memory: int = 0,
) -> object:
    """RuntimeError: this build runs on CPUs, not on CUDA."""


@manual
def precompiled_cuda_kernel(
    *,
    name: str,
    compiled_source: bytes,
    inputs: Sequence[scalar | array | ArrayLike],
    output_shapes: Sequence[tuple[int, ...]],
    output_dtypes: Sequence[Dtype],
    scalars: Sequence[object],
    grid: tuple[int, int, int],
    threadgroup: tuple[int, int, int],
    shared_memory: int = 0,
    init_value: float | None = None,
    ensure_row_contiguous: bool = False,
    stream: StreamOrDevice = None,
) -> list[array]:
    """RuntimeError: this build runs on CPUs, not on CUDA."""


@no_python
@c(force_fused=None)
def scaled_dot_product_attention(
    queries: array,
    keys: array,
    values: array,
    scale: float,
    mask_mode: str = "",
    mask_arr: array | None = None,
    sinks: array | None = None,
    force_fused: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``softmax(scale * queries @ keys.T + mask) @ values``.

    Args:
        mask_mode: "" for no mask or ``mask_arr``, "array" for the latter, "causal".
        sinks: one more score per head that takes weight but has no value.
    """
