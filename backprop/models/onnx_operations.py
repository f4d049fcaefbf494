"""The operations of ONNX that have a counterpart here, a row each, and what reads a graph by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly, NotSupported, batch_norm, negative, per_channel, whole_mean
from jacobians import (
    ELU,
    GELU,
    Affine,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Convolution,
    Flatten,
    Function,
    LayerNorm,
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


class Reader:
    """The nodes of a graph, one after the other."""

    def __init__(self, assembly: Assembly, constants: dict[str, Array]) -> None:
        self.assembly, self.constants, self.missing = assembly, constants, []  # type: tuple[Any, Any, list[str]]
        self._gone: set[str] = set()

    def read(self, nodes: Any) -> Reader:
        """Add every node, and note those that can't be."""
        from onnx.helper import get_attribute_value

        for node in nodes:
            attributes = {each.name: get_attribute_value(each) for each in node.attribute}
            name = f"{node.op_type}{f' {node.name!r}' if node.name else ''}"
            if any(source in self._gone for source in node.input):
                self._gone.update(node.output)  # what hangs on a node that is missing is told by that node
                if node.op_type not in OPERATIONS and node.op_type != "Constant":
                    self.missing.append(name)
                continue
            try:
                if node.op_type == "Constant":
                    self._constant(node, attributes)
                elif node.op_type not in OPERATIONS or node.domain not in ("", "ai.onnx"):
                    raise NotSupported("")
                else:
                    OPERATIONS[node.op_type](self, node, attributes)
            except NotSupported as reason:
                self.missing.append(f"{name} ({reason})" if str(reason) else name)
                self._gone.update(node.output)
            except ValueError as error:
                self.missing.append(f"{name} ({error})")
                self._gone.update(node.output)
        return self

    def _constant(self, node: Any, attributes: dict[str, Any]) -> None:
        import onnx

        if "value" in attributes:
            self.constants[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
            return
        (value,) = attributes.values()
        self.constants[node.output[0]] = np.asarray(value)

    def given(self, node: Any, place: int, what: str) -> Array | None:
        """Return a constant input, None where it is left out."""
        if place >= len(node.input) or not node.input[place]:
            return None
        if node.input[place] not in self.constants:
            raise NotSupported(f"{what} that is computed, not constant")
        return self.constants[node.input[place]]

    def needed(self, node: Any, place: int, what: str) -> Array:
        """Return a constant input that may not be left out."""
        found = self.given(node, place, what)
        if found is None:
            raise NotSupported(f"without {what}")
        return found

    def value(self, node: Any, place: int = 0) -> str:
        """Return the name of an input that depends on x."""
        name = str(node.input[place])
        if name in self.constants:
            raise NotSupported("of a constant")
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value at one point."""
        return self.assembly.shapes[name]

    def layer(self, node: Any, layer: Function, place: int = 0) -> None:
        """Add the layer of a node."""
        self.assembly.add(str(node.output[0]), layer, self.value(node, place))


Operation = Callable[[Reader, Any, dict[str, Any]], None]


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
    if W.ndim != 2 or len(reader.shape(reader.value(node))) != 1:
        raise NotSupported("of more than a matrix and vectors")
    reader.layer(node, Affine(W.T))


def _binary(sum_or_product: str, scale_of: Callable[[Array], tuple[Any, Any]]) -> Operation:
    """Return the operation of two values, or of a value and a constant as a scale and a shift."""

    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        constant = [name in reader.constants for name in node.input]
        if not any(constant):
            names = [reader.value(node, place) for place in (0, 1)]
            if not sum_or_product or reader.shape(names[0]) != reader.shape(names[1]):
                raise NotSupported(
                    f"of values of the shapes {reader.shape(names[0])} and {reader.shape(names[1])}"
                )
            if node.op_type == "Sub":
                reader.assembly.add(f"{node.output[0]}, negative", negative(), names[1])
                names[1] = f"{node.output[0]}, negative"
            reader.assembly.join(str(node.output[0]), sum_or_product, names)
            return
        place = constant.index(False) if False in constant else None
        if place is None or (place == 1 and node.op_type in ("Sub", "Div")):
            raise NotSupported("of a constant first")
        shape = reader.shape(reader.value(node, place))
        value = per_channel(reader.constants[node.input[1 - place]], shape)
        if value is None:
            raise NotSupported("of a constant that is not one number for each channel")
        reader.layer(node, ChannelScale(*scale_of(value)), place)

    return add


def _convolution(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    W = reader.needed(node, 1, "weights")
    stride, dilation, pads = _sliding(given, W.ndim - 2)
    layer = Convolution(
        W,
        reader.given(node, 2, "a bias"),
        stride=stride,
        padding=pads,
        dilation=dilation,
        groups=given.get("group", 1),
    )
    reader.layer(node, layer)


def _sliding(given: dict[str, Any], axes: int) -> tuple[Any, Any, Any]:
    mode = given.get("auto_pad", b"NOTSET").decode()
    if mode not in ("NOTSET", "VALID"):
        raise NotSupported(f"auto_pad {mode}")
    pads = list(given.get("pads", [0] * (2 * axes)))
    return (
        tuple(given.get("strides", (1,) * axes)),
        tuple(given.get("dilations", (1,) * axes)),
        tuple(zip(pads[:axes], pads[axes:], strict=True)),
    )


def _pool(kind: str) -> Operation:
    def add(reader: Reader, node: Any, given: dict[str, Any]) -> None:
        window = tuple(given["kernel_shape"])
        stride, dilation, pads = _sliding(given, len(window))
        if given.get("ceil_mode", 0) or set(dilation) != {1} or len(node.output) > 1:
            raise NotSupported("ceil_mode, dilations or indices")
        if kind == "max":
            reader.layer(node, ChannelMaxPool(window, stride, padding=pads))
        else:
            counted = bool(given.get("count_include_pad", 0))
            reader.layer(node, ChannelMeanPool(window, stride, padding=pads, count_padding=counted))

    return add


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
    if len(reader.shape(reader.value(node))) != 1 or given.get("axis", -1) not in (1, -1):
        raise NotSupported("of more than vectors")
    eps = given.get("epsilon", 1e-5)
    reader.layer(node, LayerNorm(reader.given(node, 1, "a scale"), reader.given(node, 2, "a shift"), eps))


def _flatten(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    if given.get("axis", 1) != 1:
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
    if given["axis"] not in (1, -len(reader.shape(names[0]))):
        raise NotSupported(f"along axis {given['axis']}, not along the channels")
    reader.assembly.join(str(node.output[0]), "concatenate", names)


def _same(reader: Reader, node: Any, given: dict[str, Any]) -> None:
    reader.assembly.same(str(node.output[0]), reader.value(node))


def _gelu(given: dict[str, Any]) -> Function:
    if given.get("approximate", b"none") != b"none":
        raise NotSupported("approximate=tanh")
    return GELU()


OPERATIONS: dict[str, Operation] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _binary("sum", lambda value: (None, value)),
    "Sub": _binary("sum", lambda value: (None, -value)),
    "Mul": _binary("product", lambda value: (value, None)),
    "Div": _binary("", lambda value: (1 / value, None)),
    "Conv": _convolution,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"),
    "GlobalAveragePool": _global_mean,
    "ReduceMean": _reduce_mean,
    "Relu": _elementwise(lambda given: ReLU()),
    "LeakyRelu": _elementwise(lambda given: LeakyReLU(given.get("alpha", 0.01))),
    "Elu": _elementwise(lambda given: ELU(given.get("alpha", 1.0))),
    "Sigmoid": _elementwise(lambda given: Sigmoid()),
    "Tanh": _elementwise(lambda given: Tanh()),
    "Softplus": _elementwise(lambda given: Softplus()),
    "Gelu": _elementwise(_gelu),
    "Neg": _elementwise(lambda given: negative()),
    "Softmax": _of_vectors(Softmax),
    "LogSoftmax": _of_vectors(LogSoftmax),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "Concat": _concatenate,
    "Identity": _same,
    "Dropout": _same,
}
