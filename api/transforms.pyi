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


def compile(fun: Callable[P, R], inputs: Any = None, outputs: Any = None, shapeless: bool = False, memory_limit: int | None = None, donate_argnums: int | Sequence[int] = ()) -> Callable[P, R]:
    """A function that traces `fun` once per structure, shapes and dtypes, then runs it from a plan.

    inputs: trees of arrays, besides the arguments, that `fun` reads. outputs: trees whose arrays
    `fun` replaces. Constants (int, float, bool, str, None) among the arguments are part of the key.
    shapeless: a trace also serves other sizes of the same ranks. Sizes that `fun` reads (``x.shape``)
    are then numbers with an origin (``numbers.Integral``, but not ``int``): arithmetic with them, and
    arguments of functions, hold for any sizes. Where `fun` looks at the number itself (a comparison,
    ``range``, ``len``, ``float``), the trace serves those sizes for which the answer is the same; for
    others `fun` is traced again, so that results are the same either way.

    memory_limit: most bytes that may be active while it runs, as ``memory_plan`` counts its `peak`.
    Values are computed again where keeping them would take more; results are the same bits. Under
    another transformation `fun` becomes part of that one, whose limit counts.
    donate_argnums: positional arguments that the caller keeps no reference to. Nothing is done to
    them: memory that nobody else refers to is used again anyway. It tells ``memory_limit`` and
    ``memory_plan`` to count on it, as they do for state in `inputs` that `outputs` replaces.

    Raises:
        ValueError: no plan within the limit was found; the message names the least peak that was.
    """


def memory_plan(fun: Callable, *args: Any, **kwargs: Any) -> MemoryPlan:
    """What ``fun(*args, **kwargs)`` takes of memory, told before it runs.

    fun: what ``compile`` returned, or a function as it is, which is planned as if compiled. Arrays
    among the arguments give shapes, dtypes and layouts; they may be lazy and are not evaluated. The
    function is traced if that is new, nothing of the call is computed or allocated.

    Sizes are bytes as ``get_peak_memory`` counts them. `peak` is the most that is active at once:
    all arguments, captured constants, temporaries, results beyond those that take over the memory of
    an argument, and workspace of kernels on this machine's threads.

    Example:
        >>> import olivine.core as mx
        >>> step = mx.compile(lambda x: mx.sum(mx.exp(x @ x)))
        >>> plan = mx.memory_plan(step, mx.zeros((1024, 1024)))
        >>> plan.arguments, plan.results
        (4194304, 16)
    """


class MemoryPlan:
    """Memory of one call of a compiled function, from ``memory_plan``. Printed, it is a table."""

    @property
    def peak(self) -> int: ...
    @property
    def arguments(self) -> int: ...
    @property
    def donated(self) -> int: ...
    @property
    def constants(self) -> int: ...
    @property
    def results(self) -> int: ...
    @property
    def temporaries(self) -> int: ...
    @property
    def workspace(self) -> int: ...
    @property
    def recomputed(self) -> int: ...
    @property
    def peak_step(self) -> int: ...
    @property
    def at_peak(self) -> list[MemoryPlanValue]: ...
    @property
    def steps(self) -> list[MemoryPlanStep]: ...
    def text(self, rows: int = 10) -> str: ...
    def svg(self) -> str: ...


class MemoryPlanValue:
    """A value that is there at the peak: what made it, and where in the program."""

    @property
    def op(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def bytes(self) -> int: ...
    @property
    def line(self) -> str: ...


class MemoryPlanStep:
    """A kernel, fused region or copy: bytes active at most during it, and those still read."""

    @property
    def op(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def active(self) -> int: ...
    @property
    def live(self) -> int: ...


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
