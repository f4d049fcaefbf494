"""The operations of ONNX that have a counterpart here, a row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backprop.models.assembly import NotSupported, batch_norm, same_sides, whole_mean
from backprop.models.functions import clip, error_function, exponential, gelu_tanh, negative, selu
from backprop.models.onnx_reader import Operation, Reader
from jacobians import (
    ELU,
    GELU,
    Affine,
    ChannelMaxPool,
    Convolution,
    Flatten,
    Function,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from jacobians.numerics.arrays import Array


def _gemm(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    if given.get("transA", 0):
        raise NotSupported("transA")
    W = reader.needed(node, 1, "weights")
    W = W if given.get("transB", 0) else W.T
    c = reader.given(node, 2, "a bias")
    alpha, beta = np.asarray(given.get("alpha", 1.0), W.dtype), given.get("beta", 1.0)
    bias = None if c is None else np.broadcast_to(np.reshape(c * np.asarray(beta, c.dtype), -1), W.shape[:1])
    reader.layer(node, Affine(alpha * W, bias))


def _matmul(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    W = reader.needed(node, 1, "a right factor")
    if W.ndim != 2:
        raise NotSupported("of a right factor that is no matrix")
    reader.assembly.affine(str(node.output[0]), reader.value(node), W.T, None)


def _binary(sum_or_product: str, of: Callable[[Array], Array] = lambda value: value) -> Operation:
    """Return the operation of two values, or of a value and a constant, which is made one to add or to multiply by."""

    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        name, constant = str(node.output[0]), [own in reader.constants for own in node.input]
        if not any(constant):
            names = [reader.value(node, place) for place in (0, 1)]
            if node.op_type == "Div" or reader.shape(names[0]) != reader.shape(names[1]):
                raise NotSupported(
                    f"of values of the shapes {reader.shape(names[0])} and {reader.shape(names[1])}"
                )
            if node.op_type == "Sub":
                reader.assembly.add(f"{name}, negative", negative(), names[1])
                names[1] = f"{name}, negative"
            reader.assembly.join(name, sum_or_product, names)
            return
        place = constant.index(False) if False in constant else None
        if place is None or (place == 1 and node.op_type == "Div"):
            raise NotSupported("of a constant first")
        value, source = reader.constants[node.input[1 - place]], reader.value(node, place)
        if place == 1 and node.op_type == "Sub":  # c − x
            reader.assembly.add(f"{name}, negative", negative(), source)
            reader.assembly.constant(name, f"{name}, negative", value, False)
            return
        reader.assembly.constant(name, source, of(value), sum_or_product == "product")

    return add


def _several(mean: bool) -> Operation:
    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        names, name = [reader.value(node, place) for place in range(len(node.input))], str(node.output[0])
        if len({reader.shape(own) for own in names}) > 1:
            raise NotSupported("of values of several shapes")
        inner = f"{name}, sum" if mean else name
        if len(names) == 1:
            reader.assembly.same(name, names[0])
            return
        reader.assembly.join(inner, "sum", names)
        if mean:
            reader.assembly.constant(name, inner, np.float64(1 / len(names)), True)

    return add


def _convolution(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    W = reader.needed(node, 1, "weights")
    if W.ndim not in (3, 4):
        raise NotSupported(f"over {W.ndim - 2} axes")
    stride, dilation, pads = _sliding(reader, node, given, W.shape[2:])
    layer = Convolution(
        W,
        reader.given(node, 2, "a bias"),
        stride=stride,
        padding=pads,
        dilation=dilation,
        groups=given.get("group", 1),
    )
    reader.layer(node, layer)


def _sliding(reader: Reader, node: Any, given: dict[str, Any], window: Sequence[int]) -> tuple[Any, Any, Any]:
    """Return stride, dilation and the padding of each axis."""
    axes, mode = len(window), given.get("auto_pad", b"NOTSET").decode()
    stride, dilation = (tuple(given.get(name, (1,) * axes)) for name in ("strides", "dilations"))
    pads = list(given.get("pads", [0] * (2 * axes)))
    sides = tuple(zip(pads[:axes], pads[axes:], strict=True))
    if any(n < 0 for n in pads):
        raise NotSupported("pads below 0")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        space = reader.shape(reader.value(node))[1:]
        sides = same_sides(space, window, stride, dilation, more_first=mode == "SAME_LOWER")
    elif mode not in ("NOTSET", "VALID"):
        raise NotSupported(f"auto_pad {mode}")
    return stride, dilation, sides


def _pool(mean: bool) -> Operation:
    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        window = tuple(given["kernel_shape"])
        stride, dilation, pads = _sliding(reader, node, given, window)
        if len(node.output) > 1:
            raise NotSupported("indices")
        reader.assembly.pool(
            str(node.output[0]), reader.value(node), window, stride, pads, dilation=dilation, mean=mean,
            count_padding=bool(given.get("count_include_pad", 0)), ceil=bool(given.get("ceil_mode", 0)),
        )  # fmt: skip

    return add


def _global_max(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    reader.layer(node, ChannelMaxPool(reader.shape(reader.value(node))[1:]))


def _global_mean(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    reader.layer(node, whole_mean(reader.shape(reader.value(node))))


def _reduce_mean(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    axes = given.get("axes")
    axes = axes if axes is not None else reader.needed(node, 1, "axes").tolist()
    shape = reader.shape(reader.value(node))
    whole = len(shape) + 1
    if len(shape) < 2 or sorted(axis % whole for axis in axes) != list(range(2, whole)):
        raise NotSupported(f"over the axes {list(axes)}, not over all behind the channels")
    if given.get("keepdims", 1):
        reader.layer(node, whole_mean(shape))
        return
    inner = f"{node.output[0]}, mean"
    reader.assembly.add(inner, whole_mean(shape), reader.value(node))
    reader.assembly.add(str(node.output[0]), Flatten(), inner)


def _elementwise(make: Callable[[dict[str, Any]], Function]) -> Operation:
    return lambda reader, node, given: reader.layer(node, make(given))


def _of_vectors(make: Callable[[], Function]) -> Operation:
    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        if len(reader.shape(reader.value(node))) != 1 or given.get("axis", -1) not in (1, -1):
            raise NotSupported("of more than vectors")
        reader.layer(node, make())

    return add


def _batch_norm(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    if given.get("training_mode", 0):
        raise NotSupported("training_mode")
    names = ("a scale", "a shift", "a mean", "a variance")
    gamma, beta, mean, variance = (reader.needed(node, place, name) for place, name in enumerate(names, 1))
    reader.layer(node, batch_norm(mean, variance, gamma, beta, given.get("epsilon", 1e-5)))


def _layer_norm(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    source = reader.value(node)
    axes = len(reader.shape(source)) + 1
    if given.get("axis", -1) % axes != 1:
        raise NotSupported(f"from axis {given.get('axis', -1)} on, not over all of a point")
    gamma, beta = reader.given(node, 1, "a scale"), reader.given(node, 2, "a shift")
    reader.assembly.whole_norm(str(node.output[0]), source, gamma, beta, given.get("epsilon", 1e-5))


def _dropout(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    training = reader.given(node, 2, "a mode")
    if training is not None and training.any():
        raise NotSupported("training_mode")
    _same(reader, node, given)


def _clip(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    low, high = (reader.given(node, place, "a bound") for place in (1, 2))
    bounds = (given.get(name) if own is None else own.item() for name, own in (("min", low), ("max", high)))
    reader.layer(node, clip(*bounds))


def _transpose(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    source = reader.value(node)
    order = given.get("perm", [*range(len(reader.shape(source)), -1, -1)])
    reader.assembly.transpose(str(node.output[0]), source, order)


def _cast(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    from onnx import TensorProto

    if given["to"] not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise NotSupported(f"to {TensorProto.DataType.Name(given['to'])}")
    _same(reader, node, given)


def _flatten(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    if given.get("axis", 1) % (len(reader.shape(reader.value(node))) + 1) != 1:
        raise NotSupported("axis other than 1")
    reader.layer(node, Flatten())


def _reshape(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    shape = [int(size) for size in reader.needed(node, 1, "a shape").tolist()]
    before = reader.shape(reader.value(node))
    sizes = [before[k - 1] if size == 0 and 0 < k <= len(before) else size for k, size in enumerate(shape)][
        1:
    ]
    if shape[0] not in (-1, 0, 1) or (sizes.count(-1) > 1) or 0 in sizes:
        raise NotSupported(f"to {shape}, which doesn't keep the points apart")
    known = int(np.prod([size for size in sizes if size > 0], dtype=int))
    count = int(np.prod(before, dtype=int))
    reader.layer(node, Reshape(tuple(count // known if size == -1 else size for size in sizes)))


def _squeeze(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    before = reader.shape(reader.value(node))
    axes = given.get("axes")
    axes = axes if axes is not None else reader.needed(node, 1, "axes").tolist()
    if node.op_type == "Squeeze":
        gone = {axis % (len(before) + 1) for axis in axes}
        if 0 in gone:
            raise NotSupported("of the axis of points")
        reader.layer(node, Reshape(tuple(size for k, size in enumerate(before, 1) if k not in gone)))
        return
    whole = len(before) + 1 + len(axes)
    new = {axis % whole for axis in axes}
    if 0 in new:
        raise NotSupported("before the axis of points")
    old: Iterator[int] = iter(before)
    reader.layer(node, Reshape(tuple(1 if k in new else next(old) for k in range(1, whole))))


def _concatenate(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    names = [reader.value(node, place) for place in range(len(node.input))]
    reader.assembly.concatenate(str(node.output[0]), names, given["axis"])


def _same(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    reader.assembly.same(str(node.output[0]), reader.value(node))


def _gelu(given: dict[str, Any]) -> Function:
    return gelu_tanh() if given.get("approximate", b"none") == b"tanh" else GELU()


OPERATIONS: dict[str, Operation] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _binary("sum"),
    "Sub": _binary("sum", lambda value: -value),
    "Mul": _binary("product"),
    "Div": _binary("product", lambda value: 1 / value),
    "Sum": _several(mean=False),
    "Mean": _several(mean=True),
    "Conv": _convolution,
    "MaxPool": _pool(mean=False),
    "AveragePool": _pool(mean=True),
    "GlobalMaxPool": _global_max,
    "GlobalAveragePool": _global_mean,
    "ReduceMean": _reduce_mean,
    "Relu": _elementwise(lambda given: ReLU()),
    "LeakyRelu": _elementwise(lambda given: LeakyReLU(given.get("alpha", 0.01))),
    "Elu": _elementwise(lambda given: ELU(given.get("alpha", 1.0))),
    "Selu": _elementwise(lambda given: selu(*(given[own] for own in ("gamma", "alpha") if own in given))),
    "Sigmoid": _elementwise(lambda given: Sigmoid()),
    "Tanh": _elementwise(lambda given: Tanh()),
    "Softplus": _elementwise(lambda given: Softplus()),
    "Gelu": _elementwise(_gelu),
    "Exp": _elementwise(lambda given: exponential()),
    "Erf": _elementwise(lambda given: error_function()),
    "Clip": _clip,
    "Neg": _elementwise(lambda given: negative()),
    "Softmax": _of_vectors(Softmax),
    "LogSoftmax": _of_vectors(LogSoftmax),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "Transpose": _transpose,
    "Concat": _concatenate,
    "Cast": _cast,
    "Identity": _same,
    "Dropout": _dropout,
}
