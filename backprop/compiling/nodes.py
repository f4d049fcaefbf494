"""What was done to recorded arrays: one node an operation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.arrays import Array, UnnumberedError


class RecordingError(UnnumberedError):
    """Code does something that can't be written down as straight-line NumPy."""


@dataclass(eq=False)
class Node:
    """One operation.

    Attributes
    ----------
    kind : str
        "input", "constant", "ufunc", "function", "item" (x[key]), "attribute" (x.mT), "method" (x.astype), or
        "write" (an array is changed in place).
    function : object
        The ufunc, function, or name of the attribute or method.
    args, options
        Its arguments; arrays are nodes.
    shape, dtype
        Of the result.
    errors : dict
        NumPy's error state while it was recorded, which the printed code restores.
    base : Node
        The node whose memory this one may share.
    changing : bool
        Whether it reads memory that is written to: such a node is never shared.
    cost : Cost
        What the ledger counted for it.
    value : numpy.ndarray
        The numbers of a constant.
    """

    kind: str
    function: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    errors: dict[str, str]
    method: str = "__call__"
    base: Node | None = None
    changing: bool = False
    cost: Cost = ZERO_COST
    value: Array | None = field(default=None, repr=False)
    _operands: list[Node] | None = field(default=None, init=False, repr=False)  # asked for many times

    @property
    def root(self) -> Node:
        """The node that owns the memory."""
        node = self
        while node.base is not None:
            node = node.base
        return node

    @property
    def takes_out(self) -> bool:
        """Whether the operation can write its result into a given array."""
        ufunc = self.kind == "ufunc" and self.method == "__call__" and not self.options
        return ufunc or getattr(self.function, "takes_out", False)

    def operands(self) -> list[Node]:
        """Return the nodes among the arguments, at any depth."""
        if self._operands is None:
            self._operands = []
            collect([self.args, list(self.options.values())], self._operands)
        return self._operands

    def rewire(self, args: tuple[Any, ...]) -> None:
        """Take other arguments."""
        self.args, self._operands = args, None


def collect(value: Any, found: list[Node]) -> None:
    """Add the nodes inside nested arguments to `found`."""
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple | list):
        for part in value:
            collect(part, found)
    elif isinstance(value, slice):
        collect((value.start, value.stop, value.step), found)


def error_state() -> dict[str, str]:
    """Return how NumPy treats floating point errors now."""
    return {key: str(value) for key, value in np.geterr().items()}


def copied(nodes: Sequence[Node]) -> dict[int, Node]:
    """Return copies of nodes that refer to each other, by the ids of what they are copies of; numbers are shared."""
    made: dict[int, Node] = {}

    def read(value: Any) -> Any:
        if isinstance(value, Node):
            return made[id(value)]
        if isinstance(value, tuple | list):
            return type(value)(read(part) for part in value)
        if isinstance(value, slice):
            return slice(read(value.start), read(value.stop), read(value.step))
        return value

    for node in nodes:
        base = None if node.base is None else made[id(node.base)]
        options = {key: read(value) for key, value in node.options.items()}
        made[id(node)] = replace(node, args=read(node.args), options=options, base=base)
    return made


def by_need(nodes: Sequence[Node], results: Sequence[Node]) -> list[Node]:
    """Return the nodes in another order of execution: what the first result depends on, then the second, …, the rest.

    What reads memory that is written to keeps its place among those writes.
    """
    written = {id(node.args[0].root) for node in nodes if node.kind == "write"}
    place = {id(result): number for number, result in reversed(list(enumerate(results)))}
    for node in reversed(nodes):
        touched = {id(part) for operand in node.operands() for part in (operand, operand.root)}
        own = place.get(id(node), len(results))
        for key in touched & written:
            own = min(own, place.get(key, own))
        place[id(node)] = own
        for key in touched:
            if place.get(key, len(results)) >= own:
                place[key] = own
    return sorted(nodes, key=lambda node: place[id(node)])


def fixed_nodes(nodes: Sequence[Node]) -> set[int]:
    """Return the ids of the nodes that depend on constants only, which need be computed once."""
    fixed: set[int] = set()
    for node in nodes:
        known = all(id(operand) in fixed for operand in node.operands())
        if node.kind == "constant" or (node.kind != "input" and known and not node.changing):
            fixed.add(id(node))
    return fixed


_SUMS: dict[str, tuple[int, ...]] = {
    "dot": (), "inner": (), "vdot": (), "tensordot": (),
    "vecdot": (1, 1, 0), "matvec": (2, 1, 1), "vecmat": (1, 2, 1),
}  # fmt: skip
"""What multiplies by BLAS beside matmul: the axes of operands and result that one product takes, () for all."""


def matrix_products(nodes: Sequence[Node], once: set[int]) -> list[tuple[int, int]]:
    """Return the multiplications of each product of matrices in a call, and how often it is made.

    Parameters
    ----------
    nodes : sequence of Node
    once : set of int
        The ids of the nodes that are computed once.
    """
    found = []
    for node in nodes:
        if id(node) in once:
            continue
        name = getattr(node.function, "__name__", "")
        if node.function is np.matmul:
            a, b = (part.shape for part in node.args)
            size = a[-1] * (a[-2] if len(a) > 1 else 1) * (b[-1] if len(b) > 1 else 1)
            found.append((size, math.prod(node.shape) * a[-1] // max(size, 1)))
        elif name in _SUMS or (name == "einsum" and node.options.get("optimize")):
            # of the axes that one product takes: (m·k)(k·n)(m·n) is the square of m·k·n
            shapes = [operand.shape for operand in (*node.operands(), node)]
            own = _SUMS.get(name) or [len(shape) for shape in shapes]
            sizes = [math.prod(shape[len(shape) - axes :]) for shape, axes in zip(shapes, own, strict=True)]
            found.append((math.isqrt(math.prod(sizes)), math.prod(node.shape) // max(sizes[-1], 1)))
        elif "linalg" in (getattr(node.function, "__module__", None) or ""):
            first = node.operands()[0].shape
            found.append((math.prod(first) * max(first, default=1), 1))
    return found
