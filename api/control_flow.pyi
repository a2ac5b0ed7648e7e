"""Loops and branches that are part of the graph: traced once, run as often as it takes.

Their functions take and return trees of arrays (lists, tuples and dicts; numbers become arrays), may
use arrays from outside, and are traced once for each call. Loops take memory for one step, whatever
their length. All compose with `grad`, `jvp`, `vmap`, `compile` and `export_function`. Random numbers
that are drawn inside without a key differ from step to step.
"""

MANUAL = True


def scan(f: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, checkpoint: bool | int | None = None) -> tuple[Any, Any]:
    """Steps along the first axis of `xs`: `carry, y = f(carry, x)`.

    Returns the last carry and the ys, stacked along a new first axis. `f` must return the carry with
    the structure, shapes and dtypes of `init`. Without xs, `length` says how many steps to make. The
    gradient keeps the carry of every step, and computes each step again; with `checkpoint=n` it
    keeps every n-th and those of one segment of n steps, with `checkpoint=True` about the square
    root of the length of both.

    Raises:
        ValueError: xs of different lengths, or a carry that changes; the error names the leaf.

    Example:
        >>> import olivine.core as mx
        >>> total, sums = mx.scan(lambda c, x: (c + x, c + x), mx.array(0), mx.array([1, 2, 3]))
        >>> sums.tolist()
        [1, 3, 6]

    As jax.lax.scan.
    """


def fori_loop(lower: int | array, upper: int | array, body_fun: Callable[[array, Any], Any], init_val: Any, checkpoint: bool | int | None = None, max_steps: int | None = None) -> Any:
    """`val = body_fun(i, val)` for the integers i from `lower` up to `upper` - 1; returns the last val.

    With bounds that are ints it is a `scan`, and has its gradient and its `checkpoint`; with an array
    as a bound it is a `while_loop`, and `max_steps` gives it a gradient. i is an int32 where the
    bounds fit, else an int64.

    Raises:
        ValueError: a value that changes structure, shape or dtype; the error names the leaf.

    Example:
        >>> import olivine.core as mx
        >>> mx.fori_loop(0, 5, lambda i, x: x + i, mx.array(0)).item()
        10

    As jax.lax.fori_loop.
    """


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, max_steps: int | None = None) -> Any:
    """`val = body_fun(val)` as long as `cond_fun(val)`, a scalar bool, is true; returns the last val.

    Under `vmap`, elements that are finished keep their values until all are. It has a forward mode;
    with `max_steps`, after which it stops in any case, also a reverse mode, which takes memory for
    the values of so many steps.

    Raises:
        ValueError: a condition that is no scalar bool, a value that changes structure, shape or dtype
            (the error names the leaf), or reverse mode without max_steps.

    Example:
        >>> import olivine.core as mx
        >>> mx.while_loop(lambda x: x < 100, lambda x: x * 2, mx.array(3)).item()
        192

    As jax.lax.while_loop.
    """


def cond(pred: scalar | array, true_fun: Callable, false_fun: Callable, *operands: Any) -> Any:
    """`true_fun(*operands)` if `pred`, a scalar, is true, else `false_fun(*operands)`.

    Only that function's ops run. Both must return the same structure, shapes and dtypes. Under
    `vmap` with a predicate that is mapped, both run and the results are selected.

    Raises:
        ValueError: a predicate that is no scalar, or results that differ; the error names the leaf.

    Example:
        >>> import olivine.core as mx
        >>> mx.cond(mx.array(False), lambda x: x + 1, lambda x: x * 10, mx.array(2)).item()
        20

    As jax.lax.cond.
    """


@cpp("switch_")
def switch(index: int | array, branches: Sequence[Callable], *operands: Any) -> Any:
    """`branches[index](*operands)`; an index outside of the list means the nearest branch.

    Only that function's ops run; see `cond`.

    Raises:
        ValueError: an index that is no scalar integer, or results that differ.

    Example:
        >>> import olivine.core as mx
        >>> mx.switch(mx.array(1), [lambda x: x, lambda x: -x, lambda x: x * x], mx.array(3)).item()
        -3

    As jax.lax.switch.
    """


def map(f: Callable, xs: Any, batch_size: int | None = None) -> Any:
    """`f` of every slice of `xs` along their first axis, stacked: one after another, in the memory of one.

    batch_size: so many at once, by `vmap`.

    Raises:
        ValueError: xs without arrays, or of different lengths.

    Example:
        >>> import olivine.core as mx
        >>> mx.map(lambda x: x * x, mx.array([1, 2, 3])).tolist()
        [1, 4, 9]

    As jax.lax.map.
    """
