"""Layers whose weights are stored in a few bits per element, and the quantization of models."""

from __future__ import annotations

import math
from collections.abc import Callable

import olivine.core as mx
from olivine.nn.layers.base import Module
from olivine.utils import tree_map_with_path

# mode -> the (group_size, bits) that are used unless others are given.
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}
# Modes in which activations can be quantized as well.
_INPUT_MODES = ("nvfp4", "mxfp8")


def _settings(op: str, mode: str, group_size: int | None, bits: int | None) -> tuple[int, int]:
    if mode not in _DEFAULTS:
        raise ValueError(f"[{op}] expected mode to be one of {', '.join(_DEFAULTS)}; got {mode!r}")
    default_group, default_bits = _DEFAULTS[mode]
    return group_size or default_group, bits or default_bits


class QuantizedBase(Module):
    """Quantized parameters and their settings; they are frozen, since they have no gradients."""

    # What unpacked rows become, where that is not what the scales say.
    _dtype: mx.Dtype | None = None

    def _set_up(self, weight, group_size, bits, mode):
        self.group_size, self.bits = _settings(type(self).__name__, mode, group_size, bits)
        self.mode = mode
        self.weight, self.scales, *biases = mx.quantize(
            weight, self.group_size, self.bits, mode=mode
        )
        self.biases = biases[0] if biases else None

    @property
    def _width(self) -> int:
        """Elements of a row of the weight."""
        return self.weight.shape[-1] * 32 // self.bits

    def _settings_repr(self) -> str:
        return f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    def _unpack(self, weight: mx.array, scales: mx.array, biases: mx.array | None) -> mx.array:
        """The values of packed rows."""
        if self._dtype is not None and self.mode == "affine":
            # In float32: arithmetic on scales of 16 bits rounds each step to 16 bits.
            scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
        return mx.dequantize(
            weight,
            scales=scales,
            biases=biases,
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
            dtype=self._dtype,
        )

    def _multiply(self, x: mx.array) -> mx.array:
        """`x @ weight.T`."""
        # Entries, since attributes take ten times as long: models call this for every token.
        return mx.quantized_matmul(
            x,
            self["weight"],
            scales=self["scales"],
            biases=self.get("biases"),
            transpose=True,
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )


class QuantizedLinear(QuantizedBase):
    """`x @ weight.T + bias` with a quantized weight of `(output_dims, input_dims)`.

    `input_dims` must be a multiple of `group_size`; see `mx.quantize` for the modes. All parameters
    start frozen.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        super().__init__()
        bound = math.sqrt(1 / input_dims)
        weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        self._set_up(weight, group_size, bits, mode)
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def _extra_repr(self):
        return (
            f"input_dims={self._width}, output_dims={self.weight.shape[0]}, "
            f"bias={'bias' in self}, {self._settings_repr()}"
        )

    def __call__(self, x):
        y = self._multiply(x)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        """The quantized form of a `Linear` layer; its bias stays in full and trainable."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._set_up(linear_layer.weight, group_size, bits, mode)
        layer.freeze()
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias
        return layer


class QuantizedEmbedding(QuantizedBase):
    """An embedding table of `(num_embeddings, dims)` whose rows are quantized."""

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        super().__init__()
        weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))
        self._set_up(weight, group_size, bits, mode)
        self.num_embeddings, self.dims = num_embeddings, dims
        self.freeze()

    def _extra_repr(self):
        return f"{self.num_embeddings}, {self.dims}, {self._settings_repr()}"

    def __call__(self, x):
        biases = None if self.biases is None else self.biases[x]
        return self._unpack(self.weight[x], self.scales[x], biases)

    def as_linear(self, x):
        """`x @ weight.T`: scores for every row, for output layers that share the table."""
        return self._multiply(x)

    @classmethod
    def from_embedding(
        cls,
        embedding_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        """The quantized form of an `Embedding` layer."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._set_up(embedding_layer.weight, group_size, bits, mode)
        layer.num_embeddings, layer.dims = embedding_layer.weight.shape
        layer.freeze()
        return layer


class QQLinear(Module):
    """`x @ weight.T` with both operands quantized on the fly.

    In training the weight is kept in full and quantized for every product; `eval()` stores it
    quantized, `train()` restores it (as bfloat16). There is no bias.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ):
        super().__init__()
        bound = math.sqrt(1 / input_dims)
        weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        self._set_up(weight, group_size, bits, mode)

    def _set_up(self, weight, group_size, bits, mode):
        if mode not in _INPUT_MODES:
            raise ValueError(
                f"[QQLinear] expected mode to be one of {', '.join(_INPUT_MODES)}; got {mode!r}"
            )
        self.group_size, self.bits = _settings("QQLinear", mode, group_size, bits)
        self.mode = mode
        self.weight = weight
        self._quantized = False

    def _extra_repr(self):
        outputs, inputs = self.weight.shape
        if self._quantized:
            inputs = inputs * 32 // self.bits
        return (
            f"input_dims={inputs}, output_dims={outputs}, group_size={self.group_size}, "
            f"bits={self.bits}, mode={self.mode}"
        )

    def quantize(self):
        """Stores the weight quantized."""
        if not self._quantized:
            self.weight, self.scales = mx.quantize(
                self.weight, self.group_size, self.bits, mode=self.mode
            )
            self._quantized = True

    def dequantize(self):
        """Restores the weight in full."""
        if self._quantized:
            self.weight = mx.dequantize(
                self.weight,
                scales=self.scales,
                group_size=self.group_size,
                bits=self.bits,
                mode=self.mode,
            )
            del self.scales
            self._quantized = False

    def _set_training_mode(self, mode: bool) -> None:
        super()._set_training_mode(mode)
        self.dequantize() if mode else self.quantize()

    def __call__(self, x):
        return mx.qqmm(
            x,
            self.weight,
            scales=self.get("scales"),
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ):
        """The form of a `Linear` layer without bias."""
        if "bias" in linear_layer:
            raise NotImplementedError("[QQLinear] expected a layer without bias; got one with")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._set_up(linear_layer.weight, group_size, bits, mode)
        if not linear_layer.training:
            layer.eval()
        return layer


def quantize(
    model: Module,
    group_size: int | None = None,
    bits: int | None = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Callable[[str, Module], bool | dict] | None = None,
):
    """Replaces the layers of `model` that have `to_quantized` by their quantized form.

    `class_predicate(path, module)` says for each whether to replace it, or gives a dictionary of
    the arguments of `to_quantized`. `quantize_input` quantizes activations as well, in modes nvfp4
    and mxfp8.
    """
    settings = {"group_size": group_size, "bits": bits, "mode": mode}

    def replace(path, module):
        wanted = hasattr(module, "to_quantized")
        if class_predicate is not None:
            wanted = class_predicate(path, module)
        if not wanted:
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(
                f"[quantize] expected class_predicate to choose layers that can be quantized; "
                f"got {type(module).__name__} at {path}"
            )
        if isinstance(wanted, dict):
            return module.to_quantized(**wanted)
        extra = {"quantize_input": True} if quantize_input else {}
        return module.to_quantized(**settings, **extra)

    leaves = tree_map_with_path(replace, model.leaf_modules(), is_leaf=Module.is_module)
    model.update_modules(leaves)
