"""Functions of the array API standard that tell about dtypes and about this library."""

import olivine.core as mx
from olivine.array_api._common import SCALARS, beside
from olivine.array_api._info import info as __array_namespace_info__  # noqa: F401


def can_cast(from_, to, /):
    """Whether promotion leads from one dtype (or that of an array) to the other."""
    start = from_.dtype if isinstance(from_, mx.array) else from_
    return mx.can_cast(start, to)


def finfo(type, /):  # noqa: A002
    """The limits of a floating dtype, or of that of an array."""
    return mx.finfo(type.dtype if isinstance(type, mx.array) else type)


def iinfo(type, /):  # noqa: A002
    """The limits of an integer dtype, or of that of an array."""
    return mx.iinfo(type.dtype if isinstance(type, mx.array) else type)


def isdtype(dtype, kind):
    """Whether a dtype is of a kind of the standard, of one of several, or equal to a dtype."""
    return mx.isdtype(dtype, kind)


def result_type(*arrays_and_dtypes):
    """The dtype that holds all of these; Python scalars stand for their kind alone."""
    others = [x for x in arrays_and_dtypes if not isinstance(x, SCALARS)]
    if not others:
        raise ValueError("[result_type] expected an array or a dtype; got scalars alone")
    dtype = mx.result_type(*others)
    for scalar in arrays_and_dtypes:
        if isinstance(scalar, SCALARS):
            dtype = mx.result_type(dtype, beside(scalar, dtype).dtype)
    return dtype
