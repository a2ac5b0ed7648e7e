"""What `__array_namespace_info__` of the array API standard answers."""

import olivine.core as mx

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]
_ALL = _KINDS["bool"] + _KINDS["numeric"]


def _check(device):
    if device is not None and not isinstance(device, mx.Device | mx.DeviceType):
        raise TypeError(
            "[array_namespace_info] expected a Device or None for device; got "
            f"{type(device).__name__}"
        )


def _names(kind):
    if kind is None:
        return _ALL
    if isinstance(kind, tuple):
        return tuple(name for part in kind for name in _names(part))
    if kind not in _KINDS:
        raise ValueError(
            f"[dtypes] expected a kind of the array API standard, {', '.join(_KINDS)}; got {kind!r}"
        )
    return _KINDS[kind]


class ArrayNamespaceInfo:
    """Capabilities, devices and dtypes."""

    def capabilities(self):
        """Masks select, and functions whose result's shape depends on values evaluate them."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": None}

    def default_device(self):
        """Where arrays are made."""
        return mx.default_device()

    def devices(self):
        """All devices there are."""
        kinds = [t for t in mx.DeviceType if mx.is_available(t)]
        return tuple(mx.Device(t, i) for t in kinds for i in range(mx.device_count(t)))

    def default_dtypes(self, *, device=None):
        """The dtypes of values that say none."""
        _check(device)
        return {
            "real floating": mx.float32,
            "complex floating": mx.complex64,
            "integral": mx.int32,
            "indexing": mx.int64,
        }

    def dtypes(self, *, device=None, kind=None):
        """The dtypes of a kind of the standard, or of several in a tuple, by name."""
        _check(device)
        return {name: getattr(mx, "bool_" if name == "bool" else name) for name in _names(kind)}


def info():
    """The answer of `__array_namespace_info__`, also of olivine.core's."""
    return ArrayNamespaceInfo()
