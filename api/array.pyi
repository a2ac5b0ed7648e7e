"""The array class, and making arrays from other Python objects."""

MANUAL = True


class array:
    """An n-dimensional array of elements of one dtype.

    Operations on arrays are lazy: they record what to compute, and the values are computed when they
    are needed (printed, converted, or asked for with `eval`).
    """

    def __init__(self, val: scalar | list | tuple | DLPackCompatible | array, dtype: Dtype | None = None) -> None:
        """From a scalar, nested lists or tuples, another array, or any buffer; the data is copied.

        Without a dtype, Python floats and NumPy's float64 become float32, Python ints int32 (int64
        where a value needs it), bools bool, complex numbers complex64; other arrays keep theirs.
        """

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def size(self) -> int:
        """The number of elements."""

    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""

    @property
    def T(self) -> array:
        """All axes reversed."""

    @property
    def mT(self) -> array:
        """The last two axes swapped."""

    @property
    def real(self) -> array:
        """Real parts."""

    @property
    def imag(self) -> array:
        """Imaginary parts."""

    @property
    def device(self) -> Device:
        """Where operations run now: memory is one, so arrays lie on every device."""

    @property
    def at(self) -> ArrayAt:
        """`x.at[index].add(values)` and its like: a new array, updated where the index says.

        Unlike `x[index] += values`, every one of several updates to the same element counts.
        """

    def item(self) -> scalar:
        """The only element as a Python scalar. ValueError if there is not exactly one."""

    def tolist(self) -> list_or_scalar:
        """The elements as nested lists of Python scalars."""

    def astype(self, dtype: Dtype, stream: StreamOrDevice = None) -> array:
        """The elements converted to another dtype; no copy if they have it already."""

    def reshape(self, *shape: int | Sequence[int], stream: StreamOrDevice = None) -> array:
        """The same elements in row-major order under another shape; one dimension may be -1."""

    def transpose(self, *axes: int | Sequence[int], stream: StreamOrDevice = None) -> array:
        """The axes in another order, reversed without arguments."""

    def std(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
        """Standard deviation along axes; the divisor is N - ddof (`correction` means the same)."""

    def var(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array:
        """Variance along axes; the divisor is N - ddof (`correction` means the same)."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """A NumPy array over the same memory (bfloat16 by ml_dtypes, else as float32)."""

    def __array_namespace__(self, api_version: str | None = None) -> types.ModuleType:
        """The module of the array API standard, `olivine.array_api`.

        ValueError for a version of the standard that it does not know.
        """

    def to_device(self, device: Device | DeviceType, /, *, stream: StreamOrDevice = None) -> array:
        """The array itself, which is on every device already."""

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        """A DLPack capsule over the same memory; a copy if an axis is reversed or `copy` is true."""

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's device type and number; always the CPU."""

    def __bytes__(self) -> bytes:
        """The elements in row-major order."""

    def __complex__(self) -> complex:
        """The only element as a complex number."""

    def __copy__(self) -> array:
        """An array of the same value."""

    def __deepcopy__(self, memo: dict) -> array:
        """An array of the same value."""

    def __format__(self, format_spec: str, /) -> str:
        """A scalar is formatted as its value. TypeError: a format for several elements."""

    def __getstate__(self) -> tuple:
        """For pickle: the bytes, the shape and the dtype."""

    def __setstate__(self, state: tuple, /) -> None:
        """For pickle."""

    def __div__(self, other: scalar | array | ArrayLike) -> array:
        """Division under its old name."""

    def __rdiv__(self, other: scalar | array | ArrayLike) -> array:
        """Reflected division under its old name."""

    def __abs__(self) -> array: ...
    def __add__(self, other: scalar | array | ArrayLike) -> array: ...
    def __and__(self, other: scalar | array | ArrayLike) -> array: ...
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object) -> array: ...  # type: ignore[override]
    def __float__(self) -> float: ...
    def __floordiv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ge__(self, other: scalar | array | ArrayLike) -> array: ...
    def __getitem__(self, index: Any, /) -> array: ...
    def __gt__(self, other: scalar | array | ArrayLike) -> array: ...
    def __hash__(self) -> int: ...
    def __iadd__(self, other: scalar | array | ArrayLike) -> array: ...
    def __iand__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ifloordiv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ilshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __imatmul__(self, other: array) -> array: ...
    def __imod__(self, other: scalar | array | ArrayLike) -> array: ...
    def __imul__(self, other: scalar | array | ArrayLike) -> array: ...
    def __index__(self) -> int: ...
    def __int__(self) -> int: ...
    def __invert__(self) -> array: ...
    def __ior__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ipow__(self, other: scalar | array | ArrayLike) -> array: ...
    def __irshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __isub__(self, other: scalar | array | ArrayLike) -> array: ...
    def __iter__(self) -> ArrayIterator: ...
    def __itruediv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ixor__(self, other: scalar | array | ArrayLike) -> array: ...
    def __le__(self, other: scalar | array | ArrayLike) -> array: ...
    def __len__(self) -> int: ...
    def __lshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __lt__(self, other: scalar | array | ArrayLike) -> array: ...
    def __matmul__(self, other: array) -> array: ...
    def __mod__(self, other: scalar | array | ArrayLike) -> array: ...
    def __mul__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ne__(self, other: object) -> array: ...  # type: ignore[override]
    def __neg__(self) -> array: ...
    def __or__(self, other: scalar | array | ArrayLike) -> array: ...
    def __pos__(self) -> array: ...
    def __pow__(self, other: scalar | array | ArrayLike) -> array: ...
    def __radd__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rand__(self, other: scalar | array | ArrayLike) -> array: ...
    def __repr__(self) -> str: ...
    def __rfloordiv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rlshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rmatmul__(self, other: array) -> array: ...
    def __rmod__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rmul__(self, other: scalar | array | ArrayLike) -> array: ...
    def __ror__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rpow__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rrshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rshift__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rsub__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rtruediv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __rxor__(self, other: scalar | array | ArrayLike) -> array: ...
    def __setitem__(self, index: Any, value: scalar | array | ArrayLike, /) -> None: ...
    def __sub__(self, other: scalar | array | ArrayLike) -> array: ...
    def __truediv__(self, other: scalar | array | ArrayLike) -> array: ...
    def __xor__(self, other: scalar | array | ArrayLike) -> array: ...


class ArrayAt:
    """An index into an array, whose elements can be updated: the value of `x.at[index]`."""

    def __getitem__(self, indices: Any) -> ArrayAt: ...
    def add(self, value: scalar | array | ArrayLike) -> array: ...
    def subtract(self, value: scalar | array | ArrayLike) -> array: ...
    def multiply(self, value: scalar | array | ArrayLike) -> array: ...
    def divide(self, value: scalar | array | ArrayLike) -> array: ...
    def maximum(self, value: scalar | array | ArrayLike) -> array: ...
    def minimum(self, value: scalar | array | ArrayLike) -> array: ...


class ArrayIterator:
    """The rows of an array, one after the other."""

    def __iter__(self) -> ArrayIterator: ...
    def __next__(self) -> array: ...


def asarray(a: scalar | array | Sequence | DLPackCompatible, dtype: Dtype | None = None, *, copy: bool | None = None) -> array:
    """An array of the same value, sharing memory where that is possible.

    copy=True always copies, copy=False raises ValueError where sharing is impossible. Writing to the
    memory afterwards, in the library that owns it, changes the array.
    """


def from_dlpack(x: DLPackCompatible, /, *, copy: bool | None = None) -> array:
    """An array over the memory that another library exports by DLPack."""
