"""Cases of losses: every reduction, weights and settings."""

from . import (
    constant,
    extreme,
    function,
    integers,
    log_probabilities,
    mask,
    normal,
    positive,
    probabilities,
    signs,
    uniform,
)

REDUCTIONS = ("none", "mean", "sum")


def _each(call, torch, **inputs):
    """Every reduction; `torch` gives the unreduced loss."""
    for reduction in REDUCTIONS:
        text = f"nn.losses.{call[:-1]}, reduction={reduction!r})"
        theirs = torch and (torch if reduction == "none" else f"({torch}).{reduction}()")
        yield function("loss", text, theirs, **inputs)
    yield function("loss", f"nn.losses.{call}", None, note="default reduction", **inputs)


def cross_entropies():
    base = {"a": normal(6, 5)}
    ids = {**base, "b": integers(5, 6)}
    yield from _each("cross_entropy(a, b)", "F.cross_entropy(a, b, reduction='none')", **ids)
    smooth = "F.cross_entropy(a, b, reduction='none', label_smoothing=0.2)"
    yield from _each("cross_entropy(a, b, label_smoothing=0.2)", smooth, **ids)
    weighted = "F.cross_entropy(a, b, reduction='none') * w"
    yield from _each("cross_entropy(a, b, w)", weighted, **ids, w=constant(6))
    shares = {**base, "b": probabilities(6, 5)}
    torch = "F.cross_entropy(a, b, reduction='none')"
    yield from _each("cross_entropy(a, b)", torch, **shares)
    yield from _each("cross_entropy(a, b, label_smoothing=0.2)", smooth, **shares)
    images = {"a": normal(2, 5, 4), "b": integers(5, 2, 4)}
    yield from _each("cross_entropy(a, b, axis=1)", torch, **images)
    yield from _each("cross_entropy(a, b)", None, a=normal(2, 3, 5), b=integers(5, 2, 3))
    yield from _each("cross_entropy(a, b)", None, a=normal(5), b=integers(5))
    logits = {"a": normal(6, 4, scale=3.0), "b": uniform(6, 4)}
    torch = "F.binary_cross_entropy_with_logits(a, b, reduction='none')"
    yield from _each("binary_cross_entropy(a, b)", torch, **logits)
    yield from _each("binary_cross_entropy(a, b, w)", f"{torch} * w", **logits, w=constant(6, 4))
    pairs = {"a": uniform(6, 4), "b": probabilities(6, 4)}
    torch = "F.binary_cross_entropy(a, b, reduction='none')"
    yield from _each("binary_cross_entropy(a, b, with_logits=False)", torch, **pairs)
    yield from _each("nll_loss(a, b)", "F.nll_loss(a, b, reduction='none')", **ids)
    torch = "F.nll_loss(a, b, reduction='none')"
    yield from _each("nll_loss(a, b, axis=1)", torch, **images)
    logs = {"a": log_probabilities(6, 5), "b": log_probabilities(6, 5)}
    torch = "F.kl_div(a, b, reduction='none', log_target=True).sum({})"
    yield from _each("kl_div_loss(a, b)", torch.format(-1), **logs)
    yield from _each("kl_div_loss(a, b, axis=0)", torch.format(0), **logs)


def regressions():
    pair = {"a": normal(6, 4), "b": normal(6, 4)}
    yield from _each("l1_loss(a, b)", "F.l1_loss(a, b, reduction='none')", **pair)
    yield from _each("mse_loss(a, b)", "F.mse_loss(a, b, reduction='none')", **pair)
    for options in ("", ", beta=0.5"):
        torch = f"F.smooth_l1_loss(a, b, reduction='none'{options})"
        yield from _each(f"smooth_l1_loss(a, b{options})", torch, **pair)
    for options in ("", ", delta=0.5"):
        torch = f"F.huber_loss(a, b, reduction='none'{options})"
        yield from _each(f"huber_loss(a, b{options})", torch, **pair)
    yield from _each("log_cosh_loss(a, b)", None, **pair)
    for options in ("", ", full=True", ", eps=0.5"):
        torch = f"F.gaussian_nll_loss(a, b, v, reduction='none'{options})"
        torch = torch if "eps" not in options else None
        call = f"gaussian_nll_loss(a, b, v{options})"
        yield from _each(call, torch, **pair, v=positive(6, 4))
    for options in ("", ", axis=0", ", eps=10.0"):
        dim = "dim=0" if "0" in options and "axis" in options else "dim=1"
        eps = ", eps=10.0" if "eps" in options else ""
        torch = f"F.cosine_similarity(a, b, {dim})" if not eps else None
        yield from _each(f"cosine_similarity_loss(a, b{options})", torch, **pair)


def rankings():
    pair = {"a": normal(6, 4), "b": normal(6, 4)}
    labels = {"a": normal(6, 4), "y": signs(6, 4)}
    yield from _each("hinge_loss(a, y)", "F.relu(1 - a * y)", **labels)
    for options in ("", ", margin=0.5"):
        torch = f"F.margin_ranking_loss(a, b, y, reduction='none'{options})"
        call = f"margin_ranking_loss(a, b, y{options})"
        yield from _each(call, torch, **pair, y=signs(6, 4))
    for options in ("", ", p=1", ", p=3, margin=0.2", ", axis=0", ", eps=0.01"):
        yield from _each(f"triplet_loss(a, b, c{options})", None, **pair, c=normal(6, 4))


def extremes():
    """Logits and probabilities at their ends, and masked classes."""
    masked = "mx.where(m, a, -mx.inf)"
    inputs = {"a": normal(6, 5), "b": integers(1, 6), "m": mask(6, 5)}
    yield function("extremes", f"nn.losses.cross_entropy({masked}, b)", **inputs)
    yield function("extremes", f"nn.softmax({masked}) + nn.log_softmax(a)", **inputs)
    for call in (
        "binary_cross_entropy(a, (a > 0).astype(a.dtype))",
        "binary_cross_entropy(mx.clip(a, 0, 1), (a > 0).astype(a.dtype), with_logits=False)",
        "huber_loss(a, mx.zeros_like(a))",
        "smooth_l1_loss(a, mx.zeros_like(a), reduction='none')",
        "log_cosh_loss(a, mx.zeros_like(a))",
        "l1_loss(a, mx.zeros_like(a), reduction='none')",
        "hinge_loss(a, mx.ones_like(a))",
        "cross_entropy(mx.stack([a, -a], -1), mx.arange(18) % 2)",
        "gaussian_nll_loss(mx.clip(a, -8, 8), mx.zeros_like(a), mx.zeros_like(a))",
    ):
        yield function("extremes", f"nn.losses.{call}", a=extreme())
    zero = "mx.zeros_like(a)"
    same = f"nn.losses.cosine_similarity_loss(mx.clip(a, -8, 8)[None], {zero}[None])"
    yield function("extremes", same, a=extreme())
    yield function("extremes", f"nn.losses.triplet_loss(a, a, {zero})", a=normal(3, 4))


def cases():
    for family in (extremes, cross_entropies, regressions, rankings):
        yield from family()
