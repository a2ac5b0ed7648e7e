"""Devices, streams and memory."""

MANUAL = True


class DeviceType(enum.Enum):
    """Kinds of devices."""

    cpu = 0
    gpu = 1


class Device:
    """A device: its type and its number."""

    def __init__(self, type: DeviceType, index: int = 0) -> None: ...
    @property
    def type(self) -> DeviceType: ...
    @property
    def index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...


class Stream:
    """A queue of work on a device. Any thread may use any stream."""

    @property
    def device(self) -> Device: ...
    @property
    def index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...


ThreadLocalStream = Stream


class StreamContext:
    """Makes a stream, or a device, the default inside a `with` block."""

    def __init__(self, s: Stream | Device | DeviceType) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, exc_type: type | None = None, exc_value: object | None = None, traceback: object | None = None) -> None: ...


cpu: DeviceType
gpu: DeviceType


def default_device() -> Device:
    """Where work runs unless said otherwise."""


def set_default_device(device: Device | DeviceType) -> None:
    """Chooses where work runs unless said otherwise."""


def default_stream(device: Device | DeviceType) -> Stream:
    """The stream that a device's work goes to unless said otherwise."""


def set_default_stream(stream: Stream) -> None:
    """Makes a stream its device's default."""


@alias("new_thread_local_stream", "new_thread_unsafe_stream")
def new_stream(device: Device | DeviceType) -> Stream:
    """A further stream of a device."""


def stream(s: Stream | Device | DeviceType) -> StreamContext:
    """Makes a stream, or a device, the default inside a `with` block."""


def synchronize(stream: StreamOrDevice = None) -> None:
    """Waits for the work given to a stream; without an argument, to the default one."""


def clear_streams() -> None:
    """Waits for the work given to all streams."""


def is_available(device: Device | DeviceType) -> bool:
    """Whether this machine has such a device and this build supports it."""


def device_count(device_type: DeviceType) -> int:
    """How many devices of a type there are."""


def device_info(d: None | Device | DeviceType = None) -> dict[str, str | int]:
    """Facts about a device: instruction set, threads, memory, caches."""


def get_active_memory() -> int:
    """Bytes held by arrays."""


def get_peak_memory() -> int:
    """The most bytes held by arrays since the start, or since reset_peak_memory."""


def reset_peak_memory() -> None:
    """Starts measuring the peak anew."""


def get_cache_memory() -> int:
    """Bytes kept for reuse."""


def get_memory_limit() -> int:
    """Bytes that arrays may hold."""


def set_memory_limit(limit: int) -> int:
    """Limits the bytes that arrays may hold; returns the previous limit."""


def set_cache_limit(limit: int) -> int:
    """Limits the bytes kept for reuse; returns the previous limit."""


def set_wired_limit(limit: int) -> int:
    """Does nothing here, as no memory is wired; returns the previous value."""


def clear_cache() -> None:
    """Gives the memory kept for reuse back to the system."""


def get_array_buffer_size(*args: Any) -> int:
    """Bytes of the buffers below the arrays of trees, each buffer counted once."""
