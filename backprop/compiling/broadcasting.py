"""Operations entry by entry, on operands of a shape that NumPy works through fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop.compiling.nodes import Node
from jacobians.numerics.arrays import is_recorded

_NARROW = 16  # entries of a row, below which a loop a row takes longer than the row
_MOST_TILED = 2**16  # entries


def without_unit_axes(inputs: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return operands of an operation entry by entry without axes of length 1 that only reshape recorded arrays.

    Broadcasting does the same without them, and each reshape costs small arrays about as much as a multiplication.

    Parameters
    ----------
    inputs : tuple
        Recorded arrays, arrays and numbers.
    shape : tuple of int
        To which they broadcast.
    """
    found = inputs
    axes = len(shape)
    for place in range(1, axes + 1):  # from the right: what stands left of an axis moves up
        if shape[-place] == 1 and len(shape) > 1:
            shorter = [_without_axis(value, place) for value in found]
            if all(value is not None for value in shorter) and any(
                a is not b for a, b in zip(shorter, found, strict=True)
            ):
                return without_unit_axes(tuple(shorter), shape[:-place] + shape[len(shape) - place + 1 :])
    shorter = [_without_leading(value) for value in found]
    if max(map(np.ndim, shorter)) == max(map(np.ndim, found)):
        return tuple(shorter)
    return found


def _without_axis(value: Any, place: int) -> Any:
    """Return an operand without an axis of length 1, itself where it need not change; None for a reshape of its own."""
    axes = np.ndim(value)
    if axes < place:
        return value
    if is_recorded(value):
        start = axes - place
        base = value.same_entries()
        if _with_leading(base.shape, value.shape[:start] + value.shape[start + 1 :]):
            return base
    return value if axes == place else None


def _without_leading(value: Any) -> Any:
    """Return the array that an operand is with leading axes of length 1, or itself."""
    if not is_recorded(value) or not value.shape or value.shape[0] != 1:
        return value
    base = value.same_entries()
    return base if _with_leading(base.shape, value.shape) else value


def _with_leading(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether a shape is the wanted one without some leading axes of length 1."""
    return wanted == (1,) * (len(wanted) - len(shape)) + shape


def tiled(nodes: Sequence[Node], once: set[int]) -> list[Node]:
    """Return nodes in which narrow constant rows are repeated once for all points, and not by each operation.

    NumPy runs a loop for each row of an operand that is broadcast; for rows of a few entries the loops take longer
    than the entries.

    Parameters
    ----------
    nodes : sequence of Node
    once : set of int
        The ids of the nodes that are computed once; repeated rows are entered.
    """
    found: list[Node] = []
    known: dict[tuple[int, tuple[int, ...]], Node] = {}
    for node in nodes:
        plain = node.kind == "ufunc" and node.method == "__call__" and node.function.signature is None
        if plain and id(node) not in once and _is_narrow(node.shape):
            arguments = list(node.args)
            for place, part in enumerate(arguments):
                if isinstance(part, Node) and id(part) in once and part.shape and part.shape != node.shape:
                    key = (id(part), node.shape)
                    if key not in known:
                        wide = Node(
                            "function", np.broadcast_to, (part, node.shape), {}, node.shape, part.dtype, {}
                        )
                        known[key] = Node("method", "copy", (wide,), {}, node.shape, part.dtype, {})
                        once |= {id(wide), id(known[key])}
                        found += [wide, known[key]]
                    arguments[place] = known[key]
            node.rewire(tuple(arguments))
        found.append(node)
    return found


def _is_narrow(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-1] <= _NARROW < math.prod(shape) <= _MOST_TILED
