"""The operations of PyTorch's exported graphs that have a counterpart here, a row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.models.assembly import NotSupported, batch_norm, same_sides, whole_mean
from backprop.models.functions import clip, error_function, exponential, gelu_tanh, negative, selu
from backprop.models.torch_reader import Operation, Reader
from jacobians import (
    ELU,
    GELU,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Convolution,
    Function,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from jacobians.numerics.arrays import Array


def _linear(reader: Reader, name: str, given: dict[str, Any]) -> None:
    W, b = reader.constant(given["weight"]), reader.constant(given["bias"])
    reader.assembly.affine(name, reader.source(given["input"]), W, b)


def _matmul(reader: Reader, name: str, given: dict[str, Any]) -> None:
    W = reader.constant(given["other" if "other" in given else "mat2"])
    if W.ndim != 2:
        raise NotSupported("of a right factor that is no matrix")
    reader.assembly.affine(name, reader.source(given["self"]), W.T, None)


def _addmm(reader: Reader, name: str, given: dict[str, Any]) -> None:
    if given["beta"] != 1 or given["alpha"] != 1:
        raise NotSupported("alpha or beta")
    W, b = reader.constant(given["mat2"]), reader.constant(given["self"])
    reader.assembly.affine(name, reader.source(given["mat1"]), W.T, np.broadcast_to(np.ravel(b), W.shape[1:]))


def _convolution(reader: Reader, name: str, given: dict[str, Any]) -> None:
    W, mode = reader.constant(given["weight"]), given["padding"]
    stride, dilation = tuple(given["stride"]), tuple(given["dilation"])
    pads: Any = (0,)
    if mode == "same":
        pads = same_sides(reader.shape(given["input"])[1:], W.shape[2:], *(
            (own * (W.ndim - 2))[: W.ndim - 2] for own in (stride, dilation)
        ))  # fmt: skip
    elif mode != "valid":
        pads = tuple(mode)
    bias = reader.constant(given["bias"])
    made = Convolution(W, bias, stride=stride, padding=pads, dilation=dilation, groups=given["groups"])
    reader.layer(name, made, given["input"])


def _pool(mean: bool) -> Operation:
    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        if given.get("divisor_override"):
            raise NotSupported("divisor_override")
        window = tuple(given["kernel_size"])
        stride = tuple(given["stride"] or window)
        axes = len(reader.shape(given["self"])) - 1
        every = [(own * axes)[:axes] for own in (window, stride, tuple(given["padding"]))]
        reader.assembly.pool(
            name, reader.source(given["self"]), every[0], every[1], [(own, own) for own in every[2]], mean=mean,
            count_padding=bool(given.get("count_include_pad")), dilation=tuple(given.get("dilation") or (1,)),
            ceil=bool(given.get("ceil_mode")),
        )  # fmt: skip

    return add


def _adaptive(make: Callable[..., Function]) -> Operation:
    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        space, sizes = reader.shape(given["self"])[1:], given["output_size"]
        if any(n % size for n, size in zip(space, sizes, strict=True)):
            raise NotSupported(f"of {list(space)} to {list(sizes)}, which doesn't divide it")
        reader.layer(
            name, make(tuple(n // size for n, size in zip(space, sizes, strict=True))), given["self"]
        )

    return add


def _mean(reader: Reader, name: str, given: dict[str, Any]) -> None:
    shape = reader.shape(given["self"])
    whole = len(shape) + 1
    if len(shape) < 2 or sorted(axis % whole for axis in given["dim"] or ()) != list(range(2, whole)):
        raise NotSupported(f"over the axes {given['dim']}, not over all behind the channels")
    reader.layer(f"{name}, mean", whole_mean(shape), given["self"])
    sizes = (shape[0], *(1 for _ in shape[1:])) if given["keepdim"] else (shape[0],)
    reader.assembly.add(name, Reshape(sizes), f"{name}, mean")


def _batch_norm(reader: Reader, name: str, given: dict[str, Any]) -> None:
    if given.get("training"):
        raise NotSupported("training")
    gamma, beta, mean, variance = (
        reader.constant(given[own]) for own in ("weight", "bias", "running_mean", "running_var")
    )
    if mean is None or variance is None:
        raise NotSupported("without running statistics")
    reader.layer(name, batch_norm(mean, variance, gamma, beta, given["eps"]), given["input"])


def _layer_norm(reader: Reader, name: str, given: dict[str, Any]) -> None:
    shape = reader.shape(given["input"])
    if len(given["normalized_shape"]) != len(shape):
        raise NotSupported(f"over {list(given['normalized_shape'])}, not over all of a point {list(shape)}")
    gamma, beta = reader.constant(given["weight"]), reader.constant(given["bias"])
    reader.assembly.whole_norm(name, reader.source(given["input"]), gamma, beta, given["eps"])


def _group_norm(reader: Reader, name: str, given: dict[str, Any]) -> None:
    if given["num_groups"] != 1:
        raise NotSupported(f"of {given['num_groups']} groups")
    gamma, beta = reader.constant(given["weight"]), reader.constant(given["bias"])
    plain = gamma is None and beta is None
    normed = name if plain else f"{name}, normalized"
    reader.assembly.whole_norm(normed, reader.source(given["input"]), None, None, given["eps"])
    if not plain:
        reader.assembly.add(name, ChannelScale(gamma, beta), normed)


def _two(kind: str, of: Callable[[Array], Array] = lambda value: value) -> Operation:
    """Return the operation of two values, or of a value and a constant, which is made one to add or to multiply by."""

    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        first, second, alpha = given["self"], given["other"], given.get("alpha", 1)
        if given.get("rounding_mode"):
            raise NotSupported(f"rounding_mode {given['rounding_mode']}")
        sign = of(np.asarray(alpha, float)) if kind == "sum" else 1.0
        if reader.depends(first) and reader.depends(second):
            if not kind or reader.shape(first) != reader.shape(second):
                raise NotSupported(
                    f"of values of the shapes {reader.shape(first)} and {reader.shape(second)}"
                )
            names = [reader.source(first), reader.source(second)]
            if sign != 1:
                names[1] = _times(reader, f"{name}, second", names[1], float(sign))
            reader.assembly.join(name, kind, names)
        elif reader.depends(first):
            value = np.asarray(reader.constant(second))
            if kind == "sum":
                reader.assembly.constant(name, reader.source(first), float(sign) * value, False)
            else:
                reader.assembly.constant(name, reader.source(first), of(value), True)
        elif kind == "":
            raise NotSupported("of a constant first")
        else:
            source = reader.source(second)
            if sign != 1:
                source = _times(reader, f"{name}, second", source, float(sign))
            reader.assembly.constant(name, source, reader.constant(first), kind == "product")

    return add


def _times(reader: Reader, name: str, source: str, factor: float) -> str:
    """Multiply a value by a number; return the name of the product."""
    if factor == -1:
        reader.assembly.add(name, negative(), source)
    else:
        reader.assembly.constant(name, source, factor, True)
    return name


def _turned(reader: Reader, name: str, given: dict[str, Any]) -> None:
    """x − other with the two exchanged: other − alpha·x."""
    swapped = dict(given, self=given["other"], other=given["self"])
    OPERATIONS["sub"](reader, name, swapped)


def _reshape(reader: Reader, name: str, given: dict[str, Any]) -> None:
    before = reader.shape(given["self"])
    sizes = list(given.get("size") or given.get("shape") or ())
    if not sizes or sizes[0] not in (1, -1):
        raise NotSupported(f"to {sizes}, which doesn't keep the points apart")
    known = int(np.prod([size for size in sizes[1:] if size > 0], dtype=int))
    count = int(np.prod(before, dtype=int))
    reader.layer(
        name, Reshape(tuple(count // known if size == -1 else size for size in sizes[1:])), given["self"]
    )


def _flatten(reader: Reader, name: str, given: dict[str, Any]) -> None:
    before = reader.shape(given["self"])
    whole = len(before) + 1
    first, last = given["start_dim"] % whole, given["end_dim"] % whole
    if first == 0:
        raise NotSupported("of the axis of points")
    middle = int(np.prod(before[first - 1 : last], dtype=int))
    reader.layer(name, Reshape((*before[: first - 1], middle, *before[last:])), given["self"])


def _shaped(shape_of: Callable[[tuple[int, ...], dict[str, Any]], tuple[int, ...]]) -> Operation:
    """Return the operation that gives the entries another shape, of that with an axis of points in front."""

    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        before = reader.shape(given["self"])
        made = shape_of((1, *before), given)
        if not made or made[0] != 1:
            raise NotSupported("of the axis of points")
        reader.layer(name, Reshape(made[1:]), given["self"])

    return add


def _axis(given: dict[str, Any], axes: int, what: str = "dim") -> int:
    """Return an axis behind that of points."""
    axis = int(given[what]) % axes
    if axis == 0:
        raise NotSupported("of the axis of points")
    return axis


def _unsqueezed(shape: tuple[int, ...], given: dict[str, Any]) -> tuple[int, ...]:
    axis = _axis(given, len(shape) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _squeezed(shape: tuple[int, ...], given: dict[str, Any]) -> tuple[int, ...]:
    dims = given.get("dim")
    if dims is None:
        raise NotSupported("without dim")
    axes = {axis % len(shape) for axis in (dims if isinstance(dims, list | tuple) else [dims])}
    if 0 in axes:
        raise NotSupported("of the axis of points")
    return tuple(n for k, n in enumerate(shape) if k not in axes or n != 1)


def _unflattened(shape: tuple[int, ...], given: dict[str, Any]) -> tuple[int, ...]:
    axis, sizes = _axis(given, len(shape)), list(given["sizes"])
    known = int(np.prod([n for n in sizes if n > 0], dtype=int))
    return (*shape[:axis], *(shape[axis] // known if n == -1 else n for n in sizes), *shape[axis + 1 :])


def _permute(reader: Reader, name: str, given: dict[str, Any]) -> None:
    reader.assembly.transpose(name, reader.source(given["self"]), given["dims"])


def _swap(reader: Reader, name: str, given: dict[str, Any]) -> None:
    axes = len(reader.shape(given["self"])) + 1
    order, (first, second) = [*range(axes)], (int(given[own]) % axes for own in ("dim0", "dim1"))
    order[first], order[second] = second, first
    reader.assembly.transpose(name, reader.source(given["self"]), order)


def _concatenate(reader: Reader, name: str, given: dict[str, Any]) -> None:
    reader.assembly.concatenate(name, [reader.source(value) for value in given["tensors"]], given["dim"])


def _stack(reader: Reader, name: str, given: dict[str, Any]) -> None:
    names = [reader.source(value) for value in given["tensors"]]
    before = reader.assembly.shapes[names[0]]
    made = _unsqueezed((1, *before), given)
    for own in dict.fromkeys(names):
        reader.assembly.add(f"{name}, {own} in the stack", Reshape(made[1:]), own)
    axis = _axis(given, len(before) + 2)
    reader.assembly.concatenate(name, [f"{name}, {own} in the stack" for own in names], axis)


def _elementwise(make: Callable[[dict[str, Any]], Function]) -> Operation:
    return lambda reader, name, given: reader.layer(name, make(given), given["self"])


def _of_vectors(make: Callable[[], Function]) -> Operation:
    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        if len(reader.shape(given["self"])) != 1 or given["dim"] not in (1, -1):
            raise NotSupported("of more than vectors")
        reader.layer(name, make(), given["self"])

    return add


def _same(reader: Reader, name: str, given: dict[str, Any]) -> None:
    reader.assembly.same(name, reader.source(given.get("self", given.get("input"))))


def _gelu(given: dict[str, Any]) -> Function:
    return gelu_tanh() if given["approximate"] == "tanh" else GELU()


def _softplus(given: dict[str, Any]) -> Function:
    if given["beta"] != 1:
        raise NotSupported("beta")
    return Softplus()


def _elu(given: dict[str, Any]) -> Function:
    if given["input_scale"] != 1:
        raise NotSupported("input_scale")
    return ELU(given["alpha"]) if given["scale"] == 1 else selu(given["scale"], given["alpha"])


def _clip(low: str, high: str) -> Operation:
    def add(reader: Reader, name: str, given: dict[str, Any]) -> None:
        reader.layer(name, clip(given.get(low), given.get(high)), given["self"])

    return add


def _both(name: str, operation: Operation) -> dict[str, Operation]:
    """Return an operation by its name and by that of the one in place."""
    return {name: operation, f"{name}_": operation}


OPERATIONS: dict[str, Operation] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm"), _matmul),
    "addmm": _addmm,
    **dict.fromkeys(("conv1d", "conv2d"), _convolution),
    **dict.fromkeys(("max_pool1d", "max_pool2d"), _pool(mean=False)),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _pool(mean=True)),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), _adaptive(ChannelMeanPool)),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive(ChannelMaxPool)),
    "mean": _mean,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    **_both("add", _two("sum")),
    **_both("sub", _two("sum", lambda value: -value)),
    "rsub": _turned,
    **_both("mul", _two("product")),
    **_both("div", _two("", lambda value: 1 / value)),
    **_both("relu", _elementwise(lambda given: ReLU())),
    **_both("leaky_relu", _elementwise(lambda given: LeakyReLU(given["negative_slope"]))),
    **_both("elu", _elementwise(_elu)),
    **_both("selu", _elementwise(lambda given: selu())),
    **_both("hardtanh", _clip("min_val", "max_val")),
    **_both("clamp", _clip("min", "max")),
    **_both("sigmoid", _elementwise(lambda given: Sigmoid())),
    **_both("tanh", _elementwise(lambda given: Tanh())),
    **_both("silu", _elementwise(lambda given: SiLU())),
    "gelu": _elementwise(_gelu),
    "softplus": _elementwise(_softplus),
    "exp": _elementwise(lambda given: exponential()),
    "erf": _elementwise(lambda given: error_function()),
    "neg": _elementwise(lambda given: negative()),
    "softmax": _of_vectors(Softmax),
    "log_softmax": _of_vectors(LogSoftmax),
    **dict.fromkeys(("view", "reshape"), _reshape),
    "flatten": _flatten,
    "unflatten": _shaped(_unflattened),
    "unsqueeze": _shaped(_unsqueezed),
    "squeeze": _shaped(_squeezed),
    "permute": _permute,
    "transpose": _swap,
    "cat": _concatenate,
    "stack": _stack,
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "alpha_dropout"), _same),
    **dict.fromkeys(("detach_", "alias", "contiguous", "clone"), _same),
}
"""By PyTorch's name of the operation."""
