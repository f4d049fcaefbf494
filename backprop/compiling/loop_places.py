"""Where the entries of a recording's arrays lie, for code of loops: views, and one piece of memory for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from backprop.compiling.nodes import Node

_ALIGNED = 16  # numbers: every array begins at a vector


class NotLoopsError(Exception):
    """A recording with an operation that has no form as loops."""


class Place(NamedTuple):
    """Where entries lie: flat memory, the shape, and whether the last two axes lie there the other way round."""

    memory: str
    shape: tuple[int, ...]
    turned: bool = False

    def moved(self, shape: tuple[int, ...]) -> Place:
        """Return the same entries in another shape, in the same order."""
        if self.turned or math.prod(shape) != math.prod(self.shape):
            raise NotLoopsError("a reshape of what lies in another order")
        return Place(self.memory, shape)

    def transposed(self, shape: tuple[int, ...]) -> Place:
        """Return the entries with the last two axes swapped."""
        if 1 in self.shape[-2:] and not self.turned:
            return self.moved(shape)
        return Place(self.memory, shape, not self.turned)


def is_reshape(node: Node) -> bool:
    """Return whether a node is the same entries in the same order, in another shape."""
    name = getattr(node.function, "__name__", node.function)
    if name in ("reshape", "ravel", "expand_dims", "squeeze"):
        return node.kind == "function"
    return node.kind == "item" and _adds_axes(node.args[1])


def _adds_axes(key: Any) -> bool:
    """Return whether an index only adds axes of size 1."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is Ellipsis or part == slice(None) for part in parts)


def is_view(node: Node) -> bool:
    """Return whether a node is the entries of another one: reshaped, repeated, or with the last two axes swapped."""
    name = getattr(node.function, "__name__", node.function)
    if node.kind == "attribute":
        return name in ("T", "mT") and (name == "mT" or len(node.shape) <= 2)
    if node.kind == "function" and name in ("swapaxes", "transpose"):
        axes = node.args[1:] or tuple(node.options.values())
        swapped = {(-1, -2), (-2, -1), (len(node.shape) - 2, len(node.shape) - 1)}
        return (name == "swapaxes" and axes in swapped) or (name == "transpose" and len(node.shape) == 2)
    return is_reshape(node) or (node.kind == "function" and name in ("broadcast_to", "matrix_transpose"))


# --- memory of intermediate results ----------------------------------------------------------------------


def shared_memory(
    lengths: Mapping[str, int], touched: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], int]:
    """Return where each array begins in one piece of memory, and how long that is.

    A part is taken again behind the last step that reads what it holds.

    Examples
    --------
    >>> shared_memory({"m0": 16, "m1": 16, "m2": 10}, {"m0": [0, 1], "m1": [1, 2], "m2": [2, 3]})
    ({'m0': 0, 'm1': 16, 'm2': 0}, 32)
    """
    starts: dict[str, int] = {}
    held: list[tuple[int, int, int]] = []  # where a part begins and ends, and its last step
    total = 0
    for name in sorted(lengths, key=lambda name: touched[name][0]):
        size = -(-lengths[name] // _ALIGNED) * _ALIGNED
        held = sorted(part for part in held if part[2] >= touched[name][0])
        start = 0
        for begin, end, _ in held:
            if begin - start >= size:
                break
            start = max(start, end)
        starts[name] = start
        held.append((start, start + size, touched[name][-1]))
        total = max(total, start + size)
    return starts, total
