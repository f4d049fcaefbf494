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
    """Where entries lie: in flat memory from a place on, the shape, and whether the last two axes are swapped there.

    `start` is None where they are all that the memory holds.
    """

    memory: str
    shape: tuple[int, ...]
    turned: bool = False
    start: int | None = None

    def moved(self, shape: tuple[int, ...]) -> Place:
        """Return the same entries in another shape, in the same order."""
        if self.turned or math.prod(shape) != math.prod(self.shape):
            raise NotLoopsError("a reshape of what lies in another order")
        return self._replace(shape=shape)

    def swapped(self, shape: tuple[int, ...]) -> Place:
        """Return the entries with the last two axes swapped."""
        if 1 in self.shape[-2:] and not self.turned:
            return self.moved(shape)
        return self._replace(shape=shape, turned=not self.turned)

    def part(self, key: Any, shape: tuple[int, ...]) -> Place:
        """Return the entries that an index takes, if they lie one behind the other.

        Examples
        --------
        >>> Place("a", (1, 4, 3)).part((0, slice(1, 3)), (2, 3))
        Place(memory='a', shape=(2, 3), turned=False, start=3)
        """
        keys = [one for one in (key if isinstance(key, tuple) else (key,)) if one is not None]
        missing = [slice(None)] * (len(self.shape) - sum(one is not Ellipsis for one in keys))
        dots = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
        keys[dots : dots + 1] = missing
        before, start = 1, self.start or 0
        for axis, (one, size) in enumerate(zip(keys, self.shape, strict=True)):
            first, last = one.indices(size)[:2] if isinstance(one, slice) else (one % size, one % size + 1)
            if (first, last) != (0, size) and (before != 1 or self.turned):
                raise NotLoopsError("entries that don't lie one behind the other")
            start += first * math.prod(self.shape[axis + 1 :])
            before *= max(last - first, 0)
        if before == math.prod(self.shape):
            return self.moved(shape)
        return Place(self.memory, shape, start=start)


def is_reshape(node: Node) -> bool:
    """Return whether a node is the same entries in the same order, in another shape."""
    name = getattr(node.function, "__name__", node.function)
    if name in ("reshape", "ravel", "expand_dims", "squeeze"):
        return node.kind == "function"
    return _is_part(node) and math.prod(node.shape) == math.prod(node.args[0].shape)


def _is_part(node: Node) -> bool:
    """Return whether a node is an index of numbers, ranges and new axes."""
    if node.kind != "item":
        return False
    key = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    ranges = [part for part in key if isinstance(part, slice)]
    plain = all(part is None or part is Ellipsis or type(part) in (int, slice) for part in key)
    known = all(isinstance(end, int | None) for part in ranges for end in (part.start, part.stop))
    return plain and known and all(part.step in (None, 1) for part in ranges)


def is_view(node: Node) -> bool:
    """Return whether a node is another one's entries: reshaped, repeated, a part, or the last two axes swapped."""
    name = getattr(node.function, "__name__", node.function)
    if node.kind == "attribute":
        return name in ("T", "mT") and (name == "mT" or len(node.shape) <= 2)
    if node.kind == "function" and name in ("swapaxes", "transpose"):
        axes = node.args[1:] or tuple(node.options.values())
        swapped = {(-1, -2), (-2, -1), (len(node.shape) - 2, len(node.shape) - 1)}
        return (name == "swapaxes" and axes in swapped) or (name == "transpose" and len(node.shape) == 2)
    return (
        _is_part(node)
        or is_reshape(node)
        or (node.kind == "function" and name in ("broadcast_to", "matrix_transpose"))
    )


def summed_axis(node: Node) -> int | None:
    """Return the axis that a node is the sum along, None where it is none along one axis."""
    name = getattr(node.function, "__name__", node.function)
    sums = (node.kind == "function" and name == "sum") or (
        node.kind == "ufunc" and (name, node.method) == ("add", "reduce")
    )
    if not sums or len(node.args) != 1 or set(node.options) - {"axis", "keepdims"}:
        return None
    axis, (part,) = node.options.get("axis", 0 if node.kind == "ufunc" else None), node.operands()
    return axis % len(part.shape) if type(axis) is int else None


def is_joined(node: Node) -> bool:
    """Return whether a node is vectors one behind the other."""
    name = getattr(node.function, "__name__", node.function)
    return node.kind == "function" and name == "concatenate" and len(node.shape) == 1 and len(node.args) == 1


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
