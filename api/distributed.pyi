"""Work of several processes. This build joins none: a group is the one process that asks.

Programs written for several processes run unchanged in one: collective operations give their input.
"""

MANUAL = True


class Group:
    """Processes that work together; made by `init`."""

    def rank(self) -> int:
        """The number of this process in the group; 0."""

    def size(self) -> int:
        """How many processes the group has; 1."""

    def split(self, color: int, key: int = -1) -> Group:
        """The part of the group that gives the same color. RuntimeError: one process has no parts."""


def is_available(backend: str = "any") -> bool:
    """Whether processes can be joined by a backend: False, as this build has no transport."""


def init(
    strict: bool = False,
    backend: str = "any",
    *,
    all_gather_factory: Callable[[int, int], Callable[[bytes, int], bytes]] | None = None,
) -> Group:
    """The group of all processes that were started together: this one alone.

    Raises:
        RuntimeError: `strict`, since no backend can be initialized.
        ValueError: the backend is unknown, or `all_gather_factory` is given for one that takes none.
    """


def all_sum(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """Sum over the group: `x` itself in a group of one."""


def all_max(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """Maximum over the group: `x` itself in a group of one."""


def all_min(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """Minimum over the group: `x` itself in a group of one."""


def all_gather(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """Everybody's arrays joined along the first axis: `x` itself in a group of one."""


def sum_scatter(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """One equal part per process of the sum over the group: `x` itself in a group of one."""


def send(x: array, dst: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """ValueError: a group of one has nobody to send to."""


def recv(
    shape: Sequence[int],
    dtype: Dtype,
    src: int,
    *,
    group: Group | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """ValueError: a group of one has nobody to receive from."""


def recv_like(
    x: array, src: int, *, group: Group | None = None, stream: StreamOrDevice = None
) -> array:
    """ValueError: a group of one has nobody to receive from."""
