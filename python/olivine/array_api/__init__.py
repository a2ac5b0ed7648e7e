"""The array API standard, 2025.12: `x.__array_namespace__()`.

The functions of olivine.core under the signatures, dtypes and defaults of the standard
(https://data-apis.org/array-api/2025.12). Where MLX's form of a function is another one, olivine.core
keeps that, so programs for MLX run unchanged, and this module has the standard's.
"""

from olivine.array_api import fft as fft
from olivine.array_api import linalg as linalg
from olivine.array_api._creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from olivine.array_api._dtypes import (
    __array_namespace_info__,
    can_cast,
    finfo,
    iinfo,
    isdtype,
    result_type,
)
from olivine.array_api._elementwise import *  # noqa: F403
from olivine.array_api._manipulation import (
    astype,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concat,
    diff,
    expand_dims,
    flip,
    isin,
    moveaxis,
    permute_dims,
    repeat,
    reshape,
    roll,
    squeeze,
    stack,
    take,
    take_along_axis,
    tile,
    unstack,
    where,
)
from olivine.array_api._sets import (
    nonzero,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from olivine.array_api._statistics import (
    all,  # noqa: A004
    any,  # noqa: A004
    argmax,
    argmin,
    argsort,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    max,  # noqa: A004
    mean,
    min,  # noqa: A004
    prod,
    searchsorted,
    sort,
    std,
    sum,  # noqa: A004
    var,
)
from olivine.array_api.linalg import matrix_transpose, tensordot, vecdot
from olivine.core import (
    complex64,
    complex128,
    e,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)
from olivine.core import bool_ as bool  # noqa: A004

__array_api_version__ = "2025.12"
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


def namespace(api_version=None):
    """This module, if it speaks that version of the standard."""
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(
            f"[__array_namespace__] expected one of {', '.join(VERSIONS)}; got {api_version!r}"
        )
    import olivine.array_api

    return olivine.array_api
