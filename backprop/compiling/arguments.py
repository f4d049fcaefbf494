"""What compiled networks are given: shapes and precision of x, looked at before anything is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop.compiling.answers import shares_memory
from jacobians import Affine, Function, Sequential
from jacobians.layers.composition import Composition
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_shape
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import require_numpy_function


def checked_precision(dtype: Any) -> np.dtype[Any]:
    """Return float64 or float32; TypeError for anything else."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in (np.float64, np.float32):
        raise TypeError(f"dtype: found {kind or repr(dtype)}, expected float64 or float32")
    return kind


def with_own_parameters(network: Function) -> Function:
    """Return the network with copies of its parameters: one for all that is compiled of it behind one door.

    Raises
    ------
    TypeError
        If its parameters are another library's.
    """
    require_numpy_function(network, "what is compiled are NumPy's functions")
    return network.bind({name: np.array(value) for name, value in network.parameters.items()})


def checked_sizes(network: Function, shape: Any, batched: bool) -> tuple[int, ...]:
    """Return the shape of x, that of a first affine layer's vectors by default."""
    if shape is None:
        first = network
        while isinstance(first, Sequential):
            first = first.layers[0]
        if not isinstance(first, Affine) or batched:
            reason = "the number of points" if batched else f"what {short_name(network)} takes"
            raise ValueError(f"shape: found None, expected the shape of x, which says {reason}")
        return (first.W.shape[1],)
    sizes = checked_shape(shape, "shape")
    if batched and not sizes:
        raise ValueError("shape: found () with batched=True, expected the number of points first")
    return sizes


def takes_all_values(network: Function) -> bool:
    """Return whether every real number is in the domain, so that a call need not look at x."""
    if isinstance(network, Sequential):
        return takes_all_values(network.layers[0])
    if isinstance(network, Composition):
        return all(takes_all_values(layer) for layer in network.layers)
    return not network.has_domain


def short_name(network: Function) -> str:
    """Return a representation of at most 60 characters."""
    text = repr(network).replace("\\", " ").replace('"', "'")
    return text if len(text) <= 60 else f"{text[:57]}…"


def check_out(out: Any, expected: tuple[int, ...], dtype: np.dtype[Any], name: str = "out") -> None:
    """Refuse what can't take an answer of a shape and a precision.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name}: found {class_name(out)}, expected an array of shape {expected}")
    if not out.flags.writeable:
        raise ValueError(
            f"{name}: found a read-only array, expected a writeable one; copy it by np.array({name})"
        )
    if out.shape != expected or out.dtype != dtype:
        raise ValueError(
            f"{name}: found shape {out.shape} and dtype {out.dtype}, expected {expected} and {dtype}; "
            f"make it by np.empty({expected}, np.{dtype})"
        )


def check_steady(
    out: Any, expected: tuple[int, ...], dtype: np.dtype[Any], arguments: Sequence[Array], name: str = "out"
) -> None:
    """Refuse what compiled code can't write into again and again: also what the arguments have memory in common with.

    Raises
    ------
    TypeError, ValueError
    """
    check_out(out, expected, dtype, name)
    if not out.flags.carray:
        raise ValueError(
            f"{name}: found an array that is not C-contiguous, expected one; make it by np.empty"
        )
    if shares_memory(out, arguments):
        raise ValueError(
            f"{name}: found memory of an argument, expected an array of its own; make it by np.empty"
        )


def short_array(array: Any) -> str:
    """Return what is to be said of an array that is refused; of what is none, its class."""
    if type(array) is not np.ndarray:
        return class_name(array)
    kind = "" if array.flags.c_contiguous and array.flags.writeable else ", read-only or not C-contiguous"
    return f"shape {array.shape} and dtype {array.dtype}{kind}"
