"""Modules of PyTorch as Functions, by the graph that torch.export makes of them."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly, NotSupported, batch_norm, negative, per_channel, whole_mean
from backprop.models.verified import unsupported, verified
from jacobians import (
    ELU,
    GELU,
    Affine,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Convolution,
    Function,
    LayerNorm,
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
from jacobians.numerics.arguments import checked_shape
from jacobians.numerics.arrays import Array
from verification.optional_packages import require_extras


def from_torch(module: Any, shape: Any = None) -> Function:
    """Return a module of PyTorch as a network of one point, verified against its own output and gradient.

    The module is followed as it is used (``eval()``: dropout does nothing, batch normalization takes what it learnt)
    and is left as it was.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        Of linear layers, convolutions, pooling, normalizations, activations, residuals and concatenations.
    shape : tuple of int, optional
        Of one point, without the axis of points: (64,), or (channels, height, width). An exported program knows it.

    Returns
    -------
    Function
        Of one point; weights keep their precision. ``imported`` holds the comparison with the module in float64.

    Raises
    ------
    TypeError
        If it is no module.
    UnsupportedError
        If an operation has no counterpart: each is named.
    ImportError
        If torch is missing: it comes with the extra ``torch``.
    """
    require_extras("torch", "torch")
    import torch

    if isinstance(module, torch.export.ExportedProgram):
        program, source = module, "ExportedProgram"
        point = tuple(int(size) for size in _example(program).shape[1:])
        own: Any = program.module()
    elif isinstance(module, torch.nn.Module):
        point, source = checked_shape(shape, "shape"), type(module).__name__
        own = copy.deepcopy(module).eval()
        dtype = next((value.dtype for value in own.parameters()), torch.float32)
        try:
            program = torch.export.export(own, (torch.zeros((1, *point), dtype=dtype),))
        except Exception as error:  # torch.export has many errors of its own
            raise ValueError(f"module: torch.export can't follow {source}: {error}") from None
    else:
        raise TypeError(f"module: found {type(module).__name__}, expected a torch.nn.Module")
    constants = {name: value.detach().numpy() for name, value in program.state_dict.items()}
    constants |= {name: value.numpy() for name, value in program.constants.items() if hasattr(value, "numpy")}
    signature = program.graph_signature
    held = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    (name,) = signature.user_inputs
    reader = _Reader(
        Assembly(name, point), {place: constants[own] for place, own in held.items() if own in constants}
    )
    for node in program.graph.nodes:
        if node.op == "call_function":
            reader.read(node)
    if reader.missing:
        raise unsupported(source, reader.missing, sorted(_OPERATIONS))
    function = reader.assembly.function(signature.user_outputs[0])
    wide = own.double()

    def run(x: Array) -> Array:
        with torch.no_grad():
            return np.asarray(wide(torch.from_numpy(np.array(x, dtype=np.float64))[None])[0].numpy())

    def gradient(x: Array) -> Array:
        start = torch.from_numpy(np.array(x, dtype=np.float64))
        jacobian: Any = torch.autograd.functional.jacobian
        found = jacobian(lambda z: wide(z[None])[0], start)
        return np.asarray(found.reshape(-1, start.numel()).numpy())

    return verified(function, source, run, point, gradient=gradient)


def _example(program: Any) -> Any:
    """Return the input that a program was exported for."""
    example: Any = program.example_inputs or ((), {})
    arguments, named = example
    if len(arguments) != 1 or named or arguments[0].ndim < 2:
        raise ValueError(
            "module: found a program without one example input of points, expected a function of one array"
        )
    return arguments[0]


class _Reader:
    """The calls of an exported graph, one after the other."""

    def __init__(self, assembly: Assembly, constants: dict[str, Array]) -> None:
        self.assembly, self.constants = assembly, constants
        self.missing: list[str] = []
        self._gone: set[str] = set()

    def read(self, node: Any) -> None:
        """Add a node, or note why it can't be."""
        if (
            node.target is operator.getitem and node.args[1] == 0
        ):  # the value among the results of a normalization
            self.assembly.same(node.name, node.args[0].name)
            return
        called: Any = getattr(node.target, "_schema", None)
        name = str(node.target) if called is None else called.name.removeprefix("aten::")
        sources = [part.name for part in node.all_input_nodes]
        if any(source in self._gone for source in sources):
            self._gone.add(node.name)
            if name not in _OPERATIONS:
                self.missing.append(name)
            return
        try:
            if name not in _OPERATIONS:
                raise NotSupported("")
            arguments = dict(zip((own.name for own in called.arguments), node.args, strict=False)) | dict(
                node.kwargs
            )
            defaults = {own.name: own.default_value for own in called.arguments if own.has_default_value()}
            _OPERATIONS[name](self, node.name, defaults | arguments)
        except (NotSupported, ValueError) as reason:
            self.missing.append(f"{name} ({reason})" if str(reason) else name)
            self._gone.add(node.name)

    def constant(self, value: Any) -> Any:
        """Return the array of a parameter or a number; None where there is none."""
        if value is None or isinstance(value, int | float):
            return value
        if value.name not in self.constants:
            raise NotSupported("of a parameter that is computed")
        return self.constants[value.name]

    def depends(self, value: Any) -> bool:
        """Return whether something is a value on the way, not a parameter or a number."""
        return getattr(value, "name", None) in self.assembly.places

    def source(self, value: Any) -> str:
        if not self.depends(value):
            raise NotSupported("of a constant")
        return str(value.name)

    def shape(self, value: Any) -> tuple[int, ...]:
        return self.assembly.shapes[self.source(value)]

    def layer(self, name: str, layer: Function, value: Any) -> None:
        self.assembly.add(name, layer, self.source(value))


Operation = Callable[[_Reader, str, dict[str, Any]], None]


def _linear(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if len(reader.shape(given["input"])) != 1:
        raise NotSupported("of more than vectors")
    reader.layer(
        name, Affine(reader.constant(given["weight"]), reader.constant(given["bias"])), given["input"]
    )


def _convolution(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if isinstance(given["padding"], str):
        raise NotSupported(f"padding {given['padding']!r}")
    layer = Convolution(
        reader.constant(given["weight"]),
        reader.constant(given["bias"]),
        stride=tuple(given["stride"]),
        padding=tuple(given["padding"]),
        dilation=tuple(given["dilation"]),
        groups=given["groups"],
    )
    reader.layer(name, layer, given["input"])


def _max_pool(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if given.get("ceil_mode") or set(given.get("dilation") or (1,)) != {1}:
        raise NotSupported("ceil_mode or dilation")
    window = tuple(given["kernel_size"])
    layer = ChannelMaxPool(window, tuple(given["stride"] or window), padding=tuple(given["padding"]))
    reader.layer(name, layer, given["self"])


def _mean_pool(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if given.get("ceil_mode") or given.get("divisor_override"):
        raise NotSupported("ceil_mode or divisor_override")
    window = tuple(given["kernel_size"])
    layer = ChannelMeanPool(
        window,
        tuple(given["stride"] or window),
        padding=tuple(given["padding"]),
        count_padding=bool(given["count_include_pad"]),
    )
    reader.layer(name, layer, given["self"])


def _adaptive_mean(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if set(given["output_size"]) != {1}:
        raise NotSupported(f"to {list(given['output_size'])}")
    reader.layer(name, whole_mean(reader.shape(given["self"])), given["self"])


def _mean(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    shape = reader.shape(given["self"])
    whole = len(shape) + 1
    if len(shape) < 2 or sorted(axis % whole for axis in given["dim"] or ()) != list(range(2, whole)):
        raise NotSupported(f"over the axes {given['dim']}, not over all behind the channels")
    reader.layer(f"{name}, mean", whole_mean(shape), given["self"])
    sizes = (shape[0], *(1 for _ in shape[1:])) if given["keepdim"] else (shape[0],)
    reader.assembly.add(name, Reshape(sizes), f"{name}, mean")


def _batch_norm(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if given.get("training"):
        raise NotSupported("training")
    gamma, beta, mean, variance = (
        reader.constant(given[own]) for own in ("weight", "bias", "running_mean", "running_var")
    )
    if mean is None or variance is None:
        raise NotSupported("without running statistics")
    reader.layer(name, batch_norm(mean, variance, gamma, beta, given["eps"]), given["input"])


def _layer_norm(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    if len(reader.shape(given["input"])) != 1:
        raise NotSupported("of more than vectors")
    layer = LayerNorm(reader.constant(given["weight"]), reader.constant(given["bias"]), given["eps"])
    reader.layer(name, layer, given["input"])


def _two(kind: str, scale_of: Callable[[Array], tuple[Any, Any]], negate: bool = False) -> Operation:
    def add(reader: _Reader, name: str, given: dict[str, Any]) -> None:
        first, second = given["self"], given["other"]
        if given.get("alpha", 1) != 1:
            raise NotSupported("alpha")
        if reader.depends(first) and reader.depends(second):
            if not kind or reader.shape(first) != reader.shape(second):
                raise NotSupported("of values of several shapes")
            names = [reader.source(first), reader.source(second)]
            if negate:
                reader.assembly.add(f"{name}, negative", negative(), names[1])
                names[1] = f"{name}, negative"
            reader.assembly.join(name, kind, names)
            return
        if not reader.depends(first):
            if negate or not kind:
                raise NotSupported("of a constant first")
            first, second = second, first
        value = per_channel(reader.constant(second), reader.shape(first))
        if value is None:
            raise NotSupported("of a constant that is not one number for each channel")
        reader.layer(name, ChannelScale(*scale_of(value)), first)

    return add


def _reshape(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    before = reader.shape(given["self"])
    sizes = list(given.get("size") or given.get("shape") or ())
    if not sizes or sizes[0] not in (1, -1):
        raise NotSupported(f"to {sizes}, which doesn't keep the points apart")
    known = int(np.prod([size for size in sizes[1:] if size > 0], dtype=int))
    count = int(np.prod(before, dtype=int))
    reader.layer(
        name, Reshape(tuple(count // known if size == -1 else size for size in sizes[1:])), given["self"]
    )


def _flatten(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    before = reader.shape(given["self"])
    whole = len(before) + 1
    first, last = given["start_dim"] % whole, given["end_dim"] % whole
    if first == 0:
        raise NotSupported("of the axis of points")
    middle = int(np.prod(before[first - 1 : last], dtype=int))
    reader.layer(name, Reshape((*before[: first - 1], middle, *before[last:])), given["self"])


def _concatenate(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    values = given["tensors"]
    if given["dim"] not in (1, -len(reader.shape(values[0]))):
        raise NotSupported(f"along axis {given['dim']}, not along the channels")
    reader.assembly.join(name, "concatenate", [reader.source(value) for value in values])


def _elementwise(make: Callable[[dict[str, Any]], Function]) -> Operation:
    return lambda reader, name, given: reader.layer(name, make(given), given["self"])


def _of_vectors(make: Callable[[], Function]) -> Operation:
    def add(reader: _Reader, name: str, given: dict[str, Any]) -> None:
        if len(reader.shape(given["self"])) != 1 or given["dim"] not in (1, -1):
            raise NotSupported("of more than vectors")
        reader.layer(name, make(), given["self"])

    return add


def _same(reader: _Reader, name: str, given: dict[str, Any]) -> None:
    reader.assembly.same(name, reader.source(given.get("self", given.get("input"))))


def _gelu(given: dict[str, Any]) -> Function:
    if given["approximate"] != "none":
        raise NotSupported("approximate")
    return GELU()


def _softplus(given: dict[str, Any]) -> Function:
    if given["beta"] != 1:
        raise NotSupported("beta")
    return Softplus()


_OPERATIONS: dict[str, Operation] = {
    "linear": _linear,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "max_pool1d": _max_pool,
    "max_pool2d": _max_pool,
    "avg_pool1d": _mean_pool,
    "avg_pool2d": _mean_pool,
    "adaptive_avg_pool1d": _adaptive_mean,
    "adaptive_avg_pool2d": _adaptive_mean,
    "mean": _mean,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "add": _two("sum", lambda value: (None, value)),
    "add_": _two("sum", lambda value: (None, value)),
    "sub": _two("sum", lambda value: (None, -value), negate=True),
    "mul": _two("product", lambda value: (value, None)),
    "div": _two("", lambda value: (1 / value, None)),
    "relu": _elementwise(lambda given: ReLU()),
    "relu_": _elementwise(lambda given: ReLU()),
    "leaky_relu": _elementwise(lambda given: LeakyReLU(given["negative_slope"])),
    "elu": _elementwise(lambda given: ELU(given["alpha"])),
    "sigmoid": _elementwise(lambda given: Sigmoid()),
    "tanh": _elementwise(lambda given: Tanh()),
    "silu": _elementwise(lambda given: SiLU()),
    "gelu": _elementwise(_gelu),
    "softplus": _elementwise(_softplus),
    "neg": _elementwise(lambda given: negative()),
    "softmax": _of_vectors(Softmax),
    "log_softmax": _of_vectors(LogSoftmax),
    "view": _reshape,
    "reshape": _reshape,
    "flatten": _flatten,
    "cat": _concatenate,
    "dropout": _same,
    "detach_": _same,
    "alias": _same,
    "contiguous": _same,
}
