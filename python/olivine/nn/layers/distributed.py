"""Linear layers and modules whose parameters are shared out among the processes of a group.

An all-to-sharded layer takes the whole input and makes its part of the output features; a
sharded-to-all layer takes its part of the input features and makes the whole output. A pair of them
needs one sum over the group. Source: Shoeybi et al., "Megatron-LM" (2019). In a group of one every
part is the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import olivine.core as mx
from olivine.nn.layers.base import Module
from olivine.nn.layers.linear import Linear
from olivine.nn.layers.quantized import QuantizedBase, QuantizedLinear
from olivine.utils import tree_flatten, tree_map_with_path, tree_unflatten

_SHARDINGS = ("all-to-sharded", "sharded-to-all")


def _group_or_world(group):
    return mx.distributed.init() if group is None else group


def sum_gradients(group):
    """The identity, whose cotangent is summed over `group`."""
    if group.size() == 1:
        return lambda x: x

    @mx.custom_function
    def identity(x):
        return x

    @identity.vjp
    def identity_vjp(x, cotangent, _):
        return mx.distributed.all_sum(cotangent, group=group)

    return identity


def _part(x: mx.array, axis: int, segments, group) -> mx.array:
    """This process's part of `x` along `axis`, taken from each of its segments.

    `segments` is a number of equal segments, or the indices (or fractions) where segments end.
    """
    size, rank = group.size(), group.rank()
    if size == 1:
        return x
    if isinstance(segments, int):
        pieces = mx.split(x, segments, axis=axis)
    else:
        length = x.shape[axis]
        ends = [int(s * length) if isinstance(s, float) else s for s in segments]
        pieces = mx.split(x, ends, axis=axis)
    for piece in pieces:
        if piece.shape[axis] % size:
            raise ValueError(
                f"[distributed] expected {piece.shape[axis]} features to divide among {size} "
                "processes; got a remainder"
            )
    return mx.contiguous(
        mx.concatenate([mx.split(piece, size, axis=axis)[rank] for piece in pieces], axis=axis)
    )


def _shard_axis(sharding: str, name: str, value: mx.array) -> int | None:
    """The axis along which a parameter of a linear layer is shared out; None: not at all."""
    if sharding == "all-to-sharded":
        return max(value.ndim - 2, 0)
    return None if name.rsplit(".", 1)[-1] == "bias" else value.ndim - 1


def shard_inplace(
    module: Module,
    sharding: str | Callable,
    *,
    segments: int | list = 1,
    group=None,
):
    """Replaces the parameters of `module` by this process's parts of them.

    `sharding` is "all-to-sharded", "sharded-to-all", or a function `(path, array)` that gives the
    axis, a pair of axis and segments, or None for a parameter that stays whole.
    """
    group = _group_or_world(group)
    _check_sharding(sharding)

    def shard(path, value):
        chosen = sharding(path, value) if callable(sharding) else _shard_axis(sharding, path, value)
        if chosen is None:
            return value
        axis, own_segments = chosen if isinstance(chosen, tuple) else (chosen, segments)
        return _part(value, axis, own_segments, group)

    module.update(tree_map_with_path(shard, module.parameters()))


def shard_linear(module: Module, sharding: str, *, segments: int | list = 1, group=None):
    """The sharded form of a `Linear` or `QuantizedLinear` layer, with this process's part of it."""
    _check_sharding(sharding)
    quantized = isinstance(module, QuantizedLinear)
    if not quantized and not isinstance(module, Linear):
        raise ValueError(
            f"[shard_linear] expected Linear or QuantizedLinear; got {type(module).__name__}"
        )
    kinds = {
        ("all-to-sharded", False): AllToShardedLinear,
        ("sharded-to-all", False): ShardedToAllLinear,
        ("all-to-sharded", True): QuantizedAllToShardedLinear,
        ("sharded-to-all", True): QuantizedShardedToAllLinear,
    }
    kind = kinds[sharding, quantized]
    make = kind.from_quantized_linear if quantized else kind.from_linear
    return make(module, segments=segments, group=group)


def _check_sharding(sharding):
    if not callable(sharding) and sharding not in _SHARDINGS:
        raise ValueError(
            f"[distributed] expected sharding to be {' or '.join(_SHARDINGS)}; got {sharding!r}"
        )


class _Sharded(Module):
    """A linear layer of which this process holds a part."""

    _sharding = "all-to-sharded"

    def _join(self, group):
        super().__init__()
        self.group = _group_or_world(group)

    def _own(self, name, features):
        size = self.group.size()
        if features % size:
            raise ValueError(
                f"[{type(self).__name__}] expected {name} divisible by the size of the group; "
                f"got {features} and {size}"
            )
        return features // size

    def _sizes(self, input_dims, output_dims):
        """(outputs, inputs) of this process's part."""
        if self._sharding == "all-to-sharded":
            return self._own("output_dims", output_dims), input_dims
        return output_dims, self._own("input_dims", input_dims)

    def _dims_repr(self, inputs, outputs):
        size = self.group.size()
        if self._sharding == "all-to-sharded":
            outputs *= size
        else:
            inputs *= size
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}"

    def _take_parts(self, layer, segments):
        """Copies the parameters of a whole layer, each shared out."""
        for name, value in layer.parameters().items():
            axis = _shard_axis(self._sharding, name, value)
            part = value if axis is None else _part(value, axis, segments, self.group)
            setattr(self, name, part)

    def __call__(self, x: mx.array) -> mx.array:
        if self._sharding == "all-to-sharded":
            y = self._multiply(sum_gradients(self.group)(x))
        else:
            y = mx.distributed.all_sum(self._multiply(x), group=self.group)
        return y + self.bias if "bias" in self else y


class _ShardedLinear(_Sharded):
    def __init__(self, input_dims: int, output_dims: int, bias: bool = True, group=None):
        self._join(group)
        bound = math.sqrt(1 / input_dims)
        outputs, inputs = self._sizes(input_dims, output_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(outputs, inputs))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(outputs,))

    def _extra_repr(self):
        outputs, inputs = self.weight.shape
        return self._dims_repr(inputs, outputs)

    def _multiply(self, x):
        return x @ self.weight.T

    @classmethod
    def from_linear(cls, linear_layer: Module, *, segments: int | list = 1, group=None):
        """This process's part of a `Linear` layer."""
        layer = cls.__new__(cls)
        layer._join(group)
        layer._take_parts(linear_layer, segments)
        return layer


class AllToShardedLinear(_ShardedLinear):
    """`x @ weight.T + bias` with the output features shared out among the group."""


class ShardedToAllLinear(_ShardedLinear):
    """`x @ weight.T + bias` with the input features shared out among the group."""

    _sharding = "sharded-to-all"


class _QuantizedShardedLinear(_Sharded, QuantizedBase):
    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group=None,
    ):
        self._join(group)
        bound = math.sqrt(1 / input_dims)
        outputs, inputs = self._sizes(input_dims, output_dims)
        weight = mx.random.uniform(low=-bound, high=bound, shape=(outputs, inputs))
        self._set_up(weight, group_size, bits, mode)
        if bias:
            self.bias = mx.zeros((outputs,))
        self.freeze()

    def unfreeze(self, *args, **kwargs):
        """As in `Module`, but quantized parameters never become trainable."""
        super().unfreeze(*args, **kwargs)
        self.freeze(recurse=False)

    def _extra_repr(self):
        dims = self._dims_repr(self._width, self.weight.shape[0])
        return f"{dims}, {self._settings_repr()}"

    @classmethod
    def from_quantized_linear(
        cls, quantized_linear_layer: Module, *, segments: int | list = 1, group=None
    ):
        """This process's part of a `QuantizedLinear` layer."""
        layer = cls.__new__(cls)
        layer._join(group)
        for name in ("group_size", "bits", "mode"):
            setattr(layer, name, getattr(quantized_linear_layer, name))
        layer.biases = None
        layer._take_parts(quantized_linear_layer, segments)
        layer.freeze()
        return layer


class QuantizedAllToShardedLinear(_QuantizedShardedLinear):
    """`AllToShardedLinear` with a quantized weight."""


class QuantizedShardedToAllLinear(_QuantizedShardedLinear):
    """`ShardedToAllLinear` with a quantized weight."""

    _sharding = "sharded-to-all"


class FullyShardedModule(Module):
    """Holds a part of every parameter of `module` and gathers them for each call.

    A parameter is shared out along its first axis if that divides by the size of the group, else it
    stays whole. In the backward pass, gradients of parts are averaged over the group as they are
    scattered. `compute_dtype` is what floating parameters are cast to when gathered. Source:
    Rajbhandari et al., "ZeRO" (2020).
    """

    def __init__(self, module: Module, group=None, compute_dtype: mx.Dtype | None = None):
        super().__init__()
        group = _group_or_world(group)
        self._group, self._compute_dtype = group, compute_dtype
        whole = tree_flatten(module.parameters())
        size = group.size()
        self._shared_names = {
            name for name, value in whole if value.ndim > 0 and value.shape[0] % size == 0
        }
        parts = [
            (name, _part(value, 0, 1, group) if name in self._shared_names else value)
            for name, value in whole
        ]
        module.update(tree_unflatten(parts))
        self.module = module

    def _extra_repr(self):
        return f"num_sharded_params={len(self._shared_names)}"

    def _gather(self, name: str, part: mx.array) -> mx.array:
        if self._compute_dtype is not None and mx.issubdtype(part.dtype, mx.floating):
            part = part.astype(self._compute_dtype)
        size = self._group.size()
        if size == 1:
            return part
        if name not in self._shared_names:
            # The value is the part's own; the gradient becomes the mean over the group.
            return sum_gradients(self._group)(part) / size + mx.stop_gradient(part - part / size)

        @mx.custom_function
        def gather(x):
            return mx.distributed.all_gather(x, group=self._group)

        @gather.vjp
        def gather_vjp(x, cotangent, _):
            return mx.distributed.sum_scatter(cotangent, group=self._group) / size

        return gather(part)

    def _with_whole(self, call):
        parts = self.module.parameters()
        self.module.update(tree_map_with_path(self._gather, parts))
        try:
            return call()
        finally:
            self.module.update(parts)

    def __call__(self, *args, **kwargs):
        return self._with_whole(lambda: self.module(*args, **kwargs))

    def as_linear(self, *args, **kwargs):
        """`module.as_linear` with whole parameters."""
        return self._with_whole(lambda: self.module.as_linear(*args, **kwargs))


def fully_shard(module: Module, *, group=None, compute_dtype: mx.Dtype | None = None) -> Module:
    """`module` as a `FullyShardedModule`; in a group of one, `module` itself."""
    group = _group_or_world(group)
    return module if group.size() == 1 else FullyShardedModule(module, group, compute_dtype)
