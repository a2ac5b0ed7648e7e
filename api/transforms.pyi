"""Evaluation, and transformations of functions: gradients, vectorization, compilation."""

MANUAL = True


def eval(*args: Any) -> None:
    """Computes all arrays in trees of lists, tuples and dicts, in one evaluation."""


def async_eval(*args: Any) -> None:
    """Starts computing the arrays in trees, and returns; reading a value waits for it."""


def grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []) -> Callable[P, Any]:
    """A function that returns the gradient of `fun`, which must return a scalar array.

    argnums: positional arguments to differentiate (the first one, unless argnames are given).
    argnames: keyword arguments to differentiate; then the result is a pair of the gradients of
    argnums (None without any) and a dict of those of argnames. Arguments may be trees of arrays.
    """


def value_and_grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []) -> Callable[P, tuple[R, Any]]:
    """As `grad`, but the new function returns (value, gradient).

    `fun` may also return a tuple whose first item is the scalar array; the rest is passed through.
    """


def jacobian(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the matrix of first derivatives of `fun` by some of its arguments.

    For an array of shape `s` in the result and one of shape `t` in the arguments it is an array of
    shape `s + t`. Results and arguments may be trees: the result's tree then has, in place of each
    array, the tree of the argument, or a tuple of them if argnums is a sequence. Computed by rows
    (reverse mode) or by columns (forward mode), whatever is fewer, in one batch.

    Raises:
        ValueError: an argument or a result is not of a real floating point dtype.

    Example:
        >>> import olivine.core as mx
        >>> mx.jacobian(lambda x: x * x)(mx.array([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """


def hessian(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the matrix of second derivatives of `fun`, which returns a scalar array.

    For arrays of shapes `s` and `t` in the arguments it is an array of shape `s + t`, in the tree of
    the first argument inside of which is that of the second. Forward mode over reverse mode.

    Raises:
        ValueError: the result is not one scalar, or a dtype is not real floating point.

    Example:
        >>> import olivine.core as mx
        >>> mx.hessian(lambda x: mx.sum(x * x * x))(mx.array([1.0, 2.0])).tolist()
        [[6.0, 0.0], [0.0, 12.0]]
    """


def vjp(fun: Callable, primals: list[array], cotangents: list[array]) -> tuple[list[array], list[array]]:
    """The outputs of `fun(*primals)`, and the cotangents of the primals for those of the outputs."""


def jvp(fun: Callable, primals: list[array], tangents: list[array]) -> tuple[list[array], list[array]]:
    """The outputs of `fun(*primals)`, and their tangents for those of the primals."""


def vmap(fun: Callable[P, R], in_axes: Any = 0, out_axes: Any = 0) -> Callable[P, R]:
    """A function that maps `fun` over an axis of its arguments.

    in_axes, out_axes: an axis for all, or a tree like the arguments or results, or a prefix of it;
    None: not mapped.
    """


def compile(fun: Callable[P, R], inputs: Any = None, outputs: Any = None, shapeless: bool = False) -> Callable[P, R]:
    """A function that traces `fun` once per structure, shapes and dtypes, then runs it from a plan.

    inputs: trees of arrays, besides the arguments, that `fun` reads. outputs: trees whose arrays
    `fun` replaces. Constants (int, float, bool, str, None) among the arguments are part of the key.
    shapeless: a trace also serves other sizes of the same ranks, as long as no size is part of what
    it computes; where one is (a reshape to fixed sizes, code that reads a shape), `fun` is traced
    again, so that results are the same either way.
    """


def disable_compile() -> None:
    """Compiled functions run as they are from now on."""


def enable_compile() -> None:
    """Undoes disable_compile."""


def checkpoint(fun: Callable[P, R]) -> Callable[P, R]:
    """A function whose intermediate results are computed again for its gradient, to save memory."""


class custom_function:
    """A function with derivative and batching rules of one's own.

    @custom_function
    def f(x, y): ...

    @f.vjp
    def f_vjp(primals, cotangent, output): ...

    @f.jvp
    def f_jvp(primals, tangents): ...

    @f.vmap
    def f_vmap(inputs, axes): ...
    """

    def __init__(self, f: Callable) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def vjp(self, f: Callable) -> Callable: ...
    def jvp(self, f: Callable) -> Callable: ...
    def vmap(self, f: Callable) -> Callable: ...
