"""Finding what made the first NaN or infinity."""


def set_debug_nonfinite(nan: bool = True, inf: bool = True) -> None:
    """Looks for NaN (``nan``) and infinities (``inf``) in what every op computes from now on.

    An evaluation then raises at the first one that an op makes of operands without one, and at a
    NaN that an op reads and none made. The error names the op, the index of the element, where in
    the program the op was made and, inside layers of ``olivine.nn``, in which of them: also for ops
    of compiled functions, gradients and ``vmap``. Infinities that were given, as those of a mask,
    are no error. Compiled functions are traced once more for it. With both false nothing is looked
    at, and nothing costs.

    Raises:
        FloatingPointError: by evaluations, see above.
    """


@manual
def debug_nonfinite(nan: bool = True, inf: bool = True) -> Any:
    """Looks for NaN and infinities inside a `with` block, as ``set_debug_nonfinite`` does.

    Lazy arrays that are evaluated after the block are not looked at.
    """
