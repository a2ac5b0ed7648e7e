"""Random numbers from a counter-based generator (Threefry-2x32).

The same key gives the same numbers on any machine and any number of threads. Without a key, the
process-wide sequence that ``seed`` starts gives a fresh one to each call.
"""


class _RandomState:
    """The key that the process-wide sequence continues from, as a sequence of one array.

    `compile` takes it among `inputs` and `outputs`, so that a compiled function draws new numbers
    in each call.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> array: ...
    def __setitem__(self, index: int, key: array) -> None: ...
    def __iter__(self) -> Iterator[array]: ...


state: _RandomState


def key(seed: int) -> array:
    """A key from a seed below 2**64: the two halves of the seed as uint32."""


def seed(seed: int) -> None:
    """Starts the process-wide sequence of keys anew."""


@c("split_num")
def split(key: array, num: int = 2, stream: StreamOrDevice = None) -> array:
    """``num`` independent keys made from one, as the rows of a ``(num, 2)`` array."""


def uniform(
    low: scalar | array = 0,
    high: scalar | array = 1,
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Uniform in ``[low, high)``; the bounds broadcast to ``shape``.

    Raises:
        ValueError: the dtype is not real floating, or a bound does not broadcast.
    """


@c("normal_broadcast")
@c(loc="float", scale="float")
def normal(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    loc: scalar | array | None = None,
    scale: scalar | array | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Normal with mean ``loc`` (0) and standard deviation ``scale`` (1).

    Complex values have independent parts of variance 1/2 each.
    """


def multivariate_normal(
    mean: array,
    cov: array,
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Normal vectors with a given mean and covariance.

    Args:
        mean: shape ``(..., d)``.
        cov: shape ``(..., d, d)``, symmetric and positive semidefinite; not checked.
        shape: of the result without its last axis, ``d``; the leading axes of ``mean`` and ``cov``
            broadcast to it, and are it by default.

    Raises:
        ValueError: the shapes do not fit, or the dtype is not real floating.
    """


def randint(
    low: scalar | array,
    high: scalar | array,
    shape: Sequence[int] = [],
    dtype: Dtype | None = int32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Integers in ``[low, high)``; the bounds broadcast to ``shape``.

    Values come from float32, so a range beyond 2**24 does not reach every integer.
    """


def bernoulli(
    p: scalar | array = 0.5,
    shape: Sequence[int] | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """True with probability ``p``, which broadcasts to ``shape`` (its own shape by default)."""


def truncated_normal(
    lower: scalar | array,
    upper: scalar | array,
    shape: Sequence[int] | None = None,
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Standard normal restricted to ``[lower, upper]``; the bounds broadcast to ``shape``."""


def gumbel(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Standard Gumbel: ``-log(-log(u))`` of a uniform ``u``."""


def laplace(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    loc: float = 0.0,
    scale: float = 1.0,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Laplace with mean ``loc`` and scale ``scale``."""


@c(shape=None, num_samples=None)
@c("categorical_shape", shape="ints", num_samples=None)
@c("categorical_num_samples", shape=None, num_samples="int")
def categorical(
    logits: array,
    axis: int = -1,
    shape: Sequence[int] | None = None,
    num_samples: int | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Indices along ``axis``, drawn with probabilities ``softmax(logits)``.

    Args:
        shape: of the result; the other axes of ``logits`` broadcast to it.
        num_samples: how many to draw per distribution, as a new last axis; not with ``shape``.

    Returns:
        uint32 indices; by default one per distribution.
    """


def permutation(
    x: int | array,
    axis: int = 0,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """A random permutation of ``0 … x - 1`` for an int, else of the slices of ``x`` along an axis."""


@no_python
def bits(
    shape: Sequence[int],
    width: int = 4,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Random bits as unsigned integers of ``width`` bytes: 1, 2 or 4."""


@no_python
def split(key: array, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Two independent keys made from one."""


@no_python
@cpp("permutation")
def permutation_arange(
    x: int, key: array | None = None, stream: StreamOrDevice = None
) -> array:
    """A random permutation of ``0 … x - 1``."""
