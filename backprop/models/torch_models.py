"""Modules of PyTorch as Functions, by the graph that torch.export makes of them."""

from __future__ import annotations

import contextlib
import copy
import logging
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly
from backprop.models.torch_operations import OPERATIONS
from backprop.models.torch_reader import Reader
from backprop.models.verified import unsupported, verified
from jacobians import Function
from jacobians.numerics.arguments import checked_shape
from jacobians.numerics.arrays import Array, require_budget
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
        require_budget(point, 8, f"one point of shape {point}", "take a model of a smaller input")
        try:
            own = copy.deepcopy(module).eval()
            dtype = next((value.dtype for value in own.parameters()), torch.float32)
            with quiet():
                program = torch.export.export(own, (torch.zeros((1, *point), dtype=dtype),))
        except Exception as error:  # torch.export has many errors of its own
            reason = str(error).strip().split("\n")[0]
            raise ValueError(
                f"module: found {source}, which torch.export can't follow at a point of shape {point}: {reason}"
            ) from None
    else:
        raise TypeError(f"module: found {type(module).__name__}, expected a torch.nn.Module")
    constants = {name: _array(value) for name, value in program.state_dict.items()}
    constants |= {name: _array(value) for name, value in program.constants.items() if hasattr(value, "numpy")}
    signature = program.graph_signature
    held = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    if len(signature.user_inputs) != 1 or len(signature.user_outputs) != 1:
        raise ValueError(
            f"module: found {source} with {len(signature.user_inputs)} inputs and {len(signature.user_outputs)} "
            f"outputs, expected one of each: a function of one array"
        )
    (name,) = signature.user_inputs
    reader = Reader(
        Assembly(name, point),
        {place: constants[own] for place, own in held.items() if own in constants},
        OPERATIONS,
    )
    for node in program.graph.nodes:
        if node.op == "call_function":
            reader.read(node)
    if reader.missing:
        raise unsupported(source, reader.missing, sorted(OPERATIONS))
    if signature.user_outputs[0] not in reader.assembly.places:
        raise ValueError(f"module: found {source}, whose output doesn't depend on its input")
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


def _array(value: Any) -> Array:
    """Return the numbers of a tensor; of bfloat16, which NumPy lacks, in float32."""
    own = value.detach().cpu()
    return np.asarray((own.float() if str(own.dtype) == "torch.bfloat16" else own).numpy())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what torch.export logs of its own failures off the screen: the error says it."""
    # what it prints goes where warnings go: standard output may be read by machines
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        logging.disable(before)
