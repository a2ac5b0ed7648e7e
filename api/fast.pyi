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
