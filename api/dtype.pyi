"""Element types, their categories and limits."""

MANUAL = True


class Dtype:
    """The type of an array's elements."""

    @property
    def size(self) -> int:
        """Bytes of one element."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    def __reduce__(self) -> str: ...


class DtypeCategory(enum.Enum):
    """Groups of dtypes; generic holds number, which holds integer and inexact, and so on."""

    complexfloating = 0
    floating = 1
    inexact = 2
    signedinteger = 3
    unsignedinteger = 4
    integer = 5
    number = 6
    generic = 7


bool_: Dtype
uint8: Dtype
uint16: Dtype
uint32: Dtype
uint64: Dtype
int8: Dtype
int16: Dtype
int32: Dtype
int64: Dtype
float16: Dtype
bfloat16: Dtype
float32: Dtype
float64: Dtype
complex64: Dtype
complex128: Dtype
complexfloating: DtypeCategory
floating: DtypeCategory
inexact: DtypeCategory
signedinteger: DtypeCategory
unsignedinteger: DtypeCategory
integer: DtypeCategory
number: DtypeCategory
generic: DtypeCategory
pi: float
e: float
euler_gamma: float
inf: float
nan: float
newaxis: None
__version__: str


class finfo:
    """The limits of a floating dtype (for a complex one, those of its parts)."""

    def __init__(self, arg: Dtype, /) -> None: ...
    @property
    def bits(self) -> int: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def eps(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def min(self) -> float: ...
    @property
    def smallest_normal(self) -> float: ...
    def __repr__(self) -> str: ...


class iinfo:
    """The limits of an integer dtype."""

    def __init__(self, arg: Dtype, /) -> None: ...
    @property
    def bits(self) -> int: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def max(self) -> int: ...
    @property
    def min(self) -> int: ...
    def __repr__(self) -> str: ...


def issubdtype(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool:
    """Whether the first dtype or category lies under the second."""


def isdtype(dtype: Dtype, kind: Dtype | str | tuple[Dtype | str, ...]) -> bool:
    """Whether a dtype is of a kind of the array API standard.

    Kinds: "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating", "numeric", a Dtype, or a tuple of these.
    """


def can_cast(from_: array | Dtype, to: Dtype) -> bool:
    """Whether promotion ever leads from one dtype to the other."""


def result_type(*arrays_and_dtypes: array | Dtype) -> Dtype:
    """The dtype that holds all of these."""


def __array_namespace_info__() -> Any:
    """Facts for the array API standard: capabilities, devices and dtypes."""


class PrintOptions:
    """How arrays are printed; precision -1 stands for the default."""

    def __init__(self, precision: int = -1) -> None: ...
    @property
    def precision(self) -> int: ...
    @precision.setter
    def precision(self, value: int, /) -> None: ...


def get_printoptions() -> PrintOptions:
    """How arrays are printed now."""


def set_printoptions(precision: int = -1) -> None:
    """Sets the number of significant digits that are printed."""


def printoptions(precision: int = -1) -> Any:
    """Print options inside a `with` block."""
