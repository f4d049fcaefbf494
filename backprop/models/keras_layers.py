"""The layers of Keras that have a counterpart here, a row each; images are taken channels first in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.models.assembly import NotSupported, batch_norm, same_sides
from backprop.models.functions import negative
from backprop.models.keras_values import (
    FIRST,
    Given,
    Operation,
    Values,
    activate,
    channels_last,
    of_vector,
    one_value,
    then_activate,
    weights,
)
from jacobians import (
    ELU,
    Affine,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Convolution,
    Flatten,
    Function,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Transpose,
)
from jacobians.numerics.arrays import Array

# --- activations with options ----------------------------------------------------------------------------


def _relu(values: Values, name: str, layer: Any, given: Given) -> None:
    if layer.max_value is not None or layer.threshold:
        raise NotSupported("max_value or threshold")
    slope = float(layer.negative_slope)
    values.everywhere(name, LeakyReLU(slope) if slope else ReLU(), one_value(given))


def _softmax(values: Values, name: str, layer: Any, given: Given) -> None:
    if layer.axis not in (-1, 1):
        raise NotSupported(f"axis {layer.axis}")
    of_vector(values, name, Softmax(), one_value(given))


# --- layers with weights ---------------------------------------------------------------------------------


def _dense(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    kernel = weights(layer.kernel)
    assert kernel is not None
    affine = Affine(kernel.T, weights(layer.bias))
    shape = values.shape(source)
    if len(shape) < 3:
        values.add(name, affine, source, first=True)
        return
    flat, made = f"{name}, flat", f"{name}, made"
    values.assembly.add(flat, Reshape((shape[-1], int(np.prod(shape[:-1])))), values.first(source))
    values.assembly.add(made, affine, flat)
    values.assembly.add(name + FIRST, Reshape((affine.W.shape[0], *shape[:-1])), made)


def _sides(layer: Any, space: Sequence[int], window: Sequence[int], stride: Sequence[int],
           dilation: Sequence[int]) -> tuple[tuple[int, int], ...]:  # fmt: skip
    """Return the zeros before and behind each axis that Keras' word for a padding means."""
    if layer.padding == "same":
        return same_sides(space, window, stride, dilation)
    reaches = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    return tuple((reach if layer.padding == "causal" else 0, 0) for reach in reaches)


def _convolved(values: Values, name: str, layer: Any, source: str, W: Array, bias: Any, groups: int,
               stride: Any = None) -> None:  # fmt: skip
    first = channels_last(layer)
    shape = values.shape(source)
    stride = tuple(layer.strides) if stride is None else stride
    dilation = tuple(layer.dilation_rate)
    space = shape[:-1] if first else shape[1:]
    pads = _sides(layer, space, W.shape[2:], stride, dilation)
    made = Convolution(W, weights(bias), stride=stride, padding=pads, dilation=dilation, groups=groups)
    values.add(name, made, source, first=first)


def _in_front(kernel: Array) -> Array:
    """Return a kernel (…, inputs, outputs) as (outputs, inputs, …)."""
    return np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))


def _depthwise_kernel(variable: Any) -> Array:
    """Return a kernel (…, channels, multiplier) as that of a convolution with a group for each channel."""
    kernel = weights(variable)
    assert kernel is not None
    kernel = np.moveaxis(kernel, (-2, -1), (0, 1))
    return np.ascontiguousarray(kernel.reshape(-1, 1, *kernel.shape[2:]))


def _convolution(values: Values, name: str, layer: Any, given: Given) -> None:
    kernel = weights(layer.kernel)
    assert kernel is not None
    _convolved(values, name, layer, one_value(given), _in_front(kernel), layer.bias, layer.groups)


def _depthwise(values: Values, name: str, layer: Any, given: Given) -> None:
    kernel = _depthwise_kernel(layer.kernel)
    groups = kernel.shape[0] // layer.depth_multiplier
    _convolved(values, name, layer, one_value(given), kernel, layer.bias, groups)


def _separable(values: Values, name: str, layer: Any, given: Given) -> None:
    kernel, points = _depthwise_kernel(layer.depthwise_kernel), weights(layer.pointwise_kernel)
    assert points is not None
    inner = f"{name}, by channel"
    _convolved(
        values, inner, layer, one_value(given), kernel, None, kernel.shape[0] // layer.depth_multiplier
    )
    made = Convolution(_in_front(points), weights(layer.bias))
    values.add(name, made, inner, first=channels_last(layer))


def _pool(make: Callable[..., Function]) -> Operation:
    def add(values: Values, name: str, layer: Any, given: Given) -> None:
        source, first = one_value(given), channels_last(layer)
        shape = values.shape(source)
        window, stride = tuple(layer.pool_size), tuple(layer.strides)
        pads = _sides(layer, shape[:-1] if first else shape[1:], window, stride, (1,) * len(window))
        values.add(name, make(window, stride, padding=pads), source, first=first)

    return add


def _whole_pool(make: Callable[..., Function]) -> Operation:
    def add(values: Values, name: str, layer: Any, given: Given) -> None:
        source, first = one_value(given), channels_last(layer)
        shape = values.shape(source)
        space, channels = (shape[:-1], shape[-1]) if first else (shape[1:], shape[0])
        if layer.keepdims:
            values.add(name, make(space), source, first=first)
            return
        inner = f"{name}, with its axes"
        values.assembly.add(inner, make(space), values.first(source) if first else values.own(source))
        values.assembly.add(name, Reshape((channels,)), inner)

    return add


def _channel_axis(values: Values, axis: Any, source: str) -> bool:
    """Return whether an axis is the last one of a value; else it has to be the first behind that of points."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    count = len(values.shape(source))
    if len(axes) == 1 and axes[0] % (count + 1) == count:
        return True
    if len(axes) == 1 and axes[0] % (count + 1) == 1:
        return False
    raise NotSupported(f"over the axes {axes}")


def _batch_norm(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    mean, variance = weights(layer.moving_mean), weights(layer.moving_variance)
    made = batch_norm(mean, variance, weights(layer.gamma), weights(layer.beta), layer.epsilon)
    values.add(name, made, source, first=_channel_axis(values, layer.axis, source))


def _layer_norm(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    shape = values.shape(source)
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if sorted(axis % (len(shape) + 1) for axis in axes) != [*range(1, len(shape) + 1)]:
        raise NotSupported(f"over the axes {axes}, not over all of a point")
    gamma, beta = (
        None if own is None else np.ravel(own) for own in (weights(layer.gamma), weights(layer.beta))
    )
    norm = LayerNorm(gamma, beta, float(layer.epsilon))
    if len(shape) == 1:
        values.add(name, norm, source)
        return
    values.add(f"{name}, flat", Flatten(), source)
    values.add(f"{name}, made", norm, f"{name}, flat")
    values.add(name, Reshape(shape), f"{name}, made")


def _normalization(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    if layer.invert:
        raise NotSupported("invert")
    mean, variance = (np.ravel(np.asarray(weights(own))) for own in (layer.mean, layer.variance))
    scale = 1 / np.maximum(np.sqrt(variance), np.asarray(1e-7, variance.dtype))
    channels = values.shape(source)[-1]
    if mean.size not in (1, channels):
        raise NotSupported(f"over the axes {layer.axis}")
    scale, mean = np.broadcast_to(scale, (channels,)), np.broadcast_to(mean, (channels,))
    values.add(name, ChannelScale(scale, -mean * scale), source, first=True)


def _rescaling(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    scale, offset = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    channels = values.shape(source)[-1]
    if any(own.shape not in ((), (channels,)) for own in (scale, offset)):
        raise NotSupported("of more than one number for each channel")
    both = (np.broadcast_to(own, (channels,)).astype(np.float32) for own in (scale, offset))
    values.add(name, ChannelScale(*both), source, first=True)


# --- shapes ----------------------------------------------------------------------------------------------


def _flatten(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    axes = len(values.shape(source))
    if layer.data_format == "channels_first" and axes > 1:  # Keras brings the channels to the end
        values.assembly.add(f"{name}, channels last", Transpose((*range(1, axes), 0)), values.own(source))
        source = f"{name}, channels last"
    values.add(name, Flatten(), source)


def _reshape(values: Values, name: str, layer: Any, given: Given) -> None:
    count = int(np.prod(values.shape(one_value(given)), dtype=int))
    known = int(np.prod([size for size in layer.target_shape if size != -1], dtype=int))
    values.add(
        name,
        Reshape(tuple(count // known if n == -1 else int(n) for n in layer.target_shape)),
        one_value(given),
    )


def _permute(values: Values, name: str, layer: Any, given: Given) -> None:
    values.add(name, Transpose(tuple(axis - 1 for axis in layer.dims)), one_value(given))


# --- several values --------------------------------------------------------------------------------------


def _joined(kind: str) -> Operation:
    """Return the sum or the product of values and numbers."""

    def add(values: Values, name: str, layer: Any, given: Given) -> None:
        names, numbers = _parted(given)
        if len({values.shape(own) for own in names}) > 1:
            raise NotSupported(
                f"of values of the shapes {', '.join(str(values.shape(own)) for own in names)}"
            )
        inner = names[0]
        if len(names) > 1:
            inner = f"{name}, joined" if numbers else name
            values.join(inner, kind, names, first=any(own not in values.assembly.places for own in names))
        for number in numbers:
            _scale(values, name, inner, *((1.0, number) if kind == "sum" else (number, 0.0)))
            inner = name

    return add


def _parted(given: Given) -> tuple[list[str], list[float]]:
    return [own for own in given if isinstance(own, str)], [own for own in given if not isinstance(own, str)]


def _scale(values: Values, name: str, source: str, scale: float, shift: float) -> None:
    first = source not in values.assembly.places
    shape = values.shape(source)
    size = shape[-1] if first else shape[0]
    shifted = np.full(size, shift, np.float32) if shift else None
    scaled = np.full(size, scale, np.float32) if scale != 1 or shifted is None else None
    values.add(name, ChannelScale(scaled, shifted), source, first=first)


def _difference(values: Values, name: str, layer: Any, given: Given) -> None:
    if len(given) != 2:
        raise NotSupported("of more than two values")
    left, right = given
    if not isinstance(left, str):  # c − x
        values.everywhere(f"{name}, negative", negative(), right)
        _scale(values, name, f"{name}, negative", 1.0, float(left))
    elif not isinstance(right, str):
        _scale(values, name, left, 1.0, -float(right))
    else:
        values.everywhere(f"{name}, negative", negative(), right)
        _joined("sum")(values, name, layer, [left, f"{name}, negative"])


def _quotient(values: Values, name: str, layer: Any, given: Given) -> None:
    if len(given) != 2 or not isinstance(given[0], str) or isinstance(given[1], str):
        raise NotSupported("of other than a value by a number")
    _scale(values, name, given[0], 1 / float(given[1]), 0.0)


def _average(values: Values, name: str, layer: Any, given: Given) -> None:
    _joined("sum")(values, f"{name}, sum", layer, given)
    _scale(values, name, f"{name}, sum", 1 / len(given), 0.0)


def _concatenate(values: Values, name: str, layer: Any, given: Given) -> None:
    names, numbers = _parted(given)
    if numbers or len(names) < 2:
        raise NotSupported("of other than values")
    values.join(name, "concatenate", names, first=_channel_axis(values, layer.axis, names[0]))


def _same(values: Values, name: str, layer: Any, given: Given) -> None:
    source = one_value(given)
    for form in ("", FIRST):
        if source + form in values.assembly.places:
            values.assembly.same(name + form, source + form)


def _elementwise(make: Callable[[Any], Function]) -> Operation:
    return lambda values, name, layer, given: values.everywhere(name, make(layer), one_value(given))


OPERATIONS: dict[str, Operation] = {
    "Dense": then_activate(_dense),
    **dict.fromkeys(("Conv1D", "Conv2D"), then_activate(_convolution)),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), then_activate(_depthwise)),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), then_activate(_separable)),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _pool(ChannelMaxPool)),
    **dict.fromkeys(
        ("AveragePooling1D", "AveragePooling2D"),
        _pool(lambda *given, **options: ChannelMeanPool(*given, **options, count_padding=False)),
    ),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), _whole_pool(ChannelMaxPool)),
    **dict.fromkeys(("GlobalAveragePooling1D", "GlobalAveragePooling2D"), _whole_pool(ChannelMeanPool)),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Activation": lambda values, name, layer, given: activate(values, name, layer.activation, one_value(given)),
    "ReLU": _relu,
    "LeakyReLU": _elementwise(lambda layer: LeakyReLU(float(layer.negative_slope))),
    "ELU": _elementwise(lambda layer: ELU(float(layer.alpha))),
    "Softmax": _softmax,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "Add": _joined("sum"),
    "Multiply": _joined("product"),
    "Subtract": _difference,
    **dict.fromkeys(("Divide", "TrueDivide"), _quotient),
    "Average": _average,
    "Concatenate": _concatenate,
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
         "ActivityRegularization", "Identity"),
        _same,
    ),
    "Relu": _elementwise(lambda layer: ReLU()),
    "Sigmoid": _elementwise(lambda layer: Sigmoid()),
    "Tanh": _elementwise(lambda layer: Tanh()),
    "Silu": _elementwise(lambda layer: SiLU()),
    "Softplus": _elementwise(lambda layer: Softplus()),
    "Negative": _elementwise(lambda layer: negative()),
}  # fmt: skip
"""By the name of the class, of layers and of operations such as ``keras.ops.relu``."""
