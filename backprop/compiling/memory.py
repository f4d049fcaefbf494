"""Where large results of generated code are written: into an operand's memory, or into a workspace kept between calls.

Fresh memory is what large arrays cost most: the system hands it out page by page, filled with zeros, at every call.
So results of operations that can write into a given array share a few buffers, each taken again as soon as nothing
reads what it holds. A call takes a workspace from a list and puts it back; two calls at once have two.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backprop.compiling.nodes import Node
from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import on_one_thread
from jacobians.numerics.float_errors import without_float_errors

LEAST_KEPT = 4096
"""Entries of an array whose memory is taken again: below that, allocation costs nothing."""


def maker(source: str) -> Callable[..., Any]:
    """Return the function `make` of generated code."""
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # code that this library has written from its own operations
    return namespace["make"]


class Written(NamedTuple):
    """Generated code, the arrays that `make` takes, the bytes kept between calls, and whether it takes `out`.

    `products` are the multiplications of each product of matrices, and how often it is made in a call.
    """

    source: str
    constants: dict[str, Array]
    workspace: int
    products: list[tuple[int, int]]
    writes_out: bool = False

    def made(self) -> Callable[..., Any]:
        """Return the function of the code, on one thread of BLAS unless a call is worth two."""
        make = without_float_errors(maker(self.source))  # products of constants are made here
        return without_float_errors(on_one_thread(make(**self.constants), self.products))


@dataclass
class _Storage:
    """Memory that one result is written to, and later ones in its place."""

    node: Node
    start: int
    end: int
    buffer: int = -1


class Uses:
    """Who reads what in a function.

    Parameters
    ----------
    nodes : sequence of Node
        All nodes, in order.
    results : sequence of Node
        What is returned.

    Attributes
    ----------
    count : Counter
        By the id of a node: how often it is read. A result counts as read twice, for it keeps a line of its own.
    last : dict of int to Node
        By the id of a node: the last one that reads it.
    written : set of int
        The ids of the nodes whose memory is changed later.
    """

    def __init__(self, nodes: Sequence[Node], results: Sequence[Node]) -> None:
        self.last = {id(operand): node for node in nodes for operand in node.operands()}
        self.count = Counter(id(operand) for node in nodes for operand in node.operands())
        self.count.update({id(node): 2 for node in results})
        self.written = {id(node.args[0].root) for node in nodes if node.kind == "write"}


class Memory:
    """Decides for each operation of a function where its result goes.

    Parameters
    ----------
    nodes : sequence of Node
        All nodes, in order.
    results : sequence of Node
        What is returned: it never lies in a workspace.
    once : set of int
        The ids of the nodes that are computed once, for all calls.
    into : Node, optional
        A node whose result goes into an array of the caller's.

    Attributes
    ----------
    buffers : list of (int, dtype)
        Entries and dtype of each array of a workspace.
    views : dict of str to (int, tuple of int)
        By name: the buffer that a result is written to, and the shape that it has there.

    Examples
    --------
    >>> from backprop.compiling.recording import Recording
    >>> recording = Recording()
    >>> y = recording.input("x", (64, 64))
    >>> for _ in range(4):
    ...     y = np.tanh(y @ y)
    >>> nodes = recording.nodes
    >>> memory = Memory(nodes, [nodes[-1]], set())
    >>> [memory.view(node) or ("in place" if memory.operand(node) else "fresh") for node in nodes[1:]]
    ['w1', 'in place', 'w2', 'in place', 'w1', 'in place', 'fresh', 'in place']
    """

    def __init__(
        self, nodes: Sequence[Node], results: Sequence[Node], once: set[int], into: Node | None = None
    ) -> None:
        self.uses = Uses(nodes, results)
        self.buffers: list[tuple[int, np.dtype[Any]]] = []
        self.views: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._once, self._into = once, into
        self._names: dict[int, str] = {}
        self._owner: dict[int, _Storage] = {}
        self._place = {id(node): place for place, node in enumerate(nodes)}
        self._unsized = _unsized(nodes)
        self._assign(self._storages(nodes, results))

    def operand(self, node: Node) -> Node | None:
        """Return an operand that nothing else reads, whose memory can take the result of `node`, or None."""
        if node is self._into or id(node) in self._once:
            return None
        return next((part for part in node.args if self.is_spare(part, node)), None)

    def view(self, node: Node) -> str:
        """Return the name of the array of a workspace that takes the result of `node`, or ""."""
        return self._names.get(id(node), "")

    def is_kept(self, node: Node) -> bool:
        """Return whether a result lies in a workspace, itself or as a view."""
        storage = self._owner.get(id(node.root))
        return storage is not None and storage.buffer >= 0

    def is_spare(self, operand: Any, user: Node) -> bool:
        """Return whether nothing reads an operand but `user`, whose result its memory can take."""
        plain = user.kind == "ufunc" and user.method == "__call__" and not user.options
        if not plain or user.function is np.matmul or not isinstance(operand, Node):
            return False
        if id(operand) in self._once or self.uses.count[id(operand)] != sum(
            part is operand for part in user.args
        ):
            return False
        owner = operand
        while owner.kind == "function" and owner.function is np.reshape:
            owner = owner.args[0]
            if self.uses.count[id(owner)] != 1:
                return False
        own = owner.kind == "ufunc" and owner.method == "__call__"  # ufuncs make arrays of their own
        fits = (operand.shape, operand.dtype) == (user.shape, user.dtype)
        return own and fits and math.prod(operand.shape) >= LEAST_KEPT

    def owns_line(self, node: Node) -> bool:
        """Return whether a result has memory of its own, so that its expression can't stand inside another."""
        return id(node) in self._owner

    # --- workspaces ------------------------------------------------------------------------------------

    def _storages(self, nodes: Sequence[Node], results: Sequence[Node]) -> list[_Storage]:
        """Return the memory that workspaces may hold, in the order in which it is first written."""
        found: list[_Storage] = []
        for place, node in enumerate(nodes):
            taken = self.operand(node)
            if taken is not None:
                if id(taken.root) in self._owner:
                    self._owner[id(node)] = self._owner[id(taken.root)]
            elif self._can_be_given(node):
                self._owner[id(node)] = _Storage(node, place, place)
                found.append(self._owner[id(node)])
        for node in nodes:
            read = self._evaluated(node)
            for operand in node.operands():
                storage = self._owner.get(id(operand.root))
                if storage is not None:
                    storage.end = max(storage.end, read)
        returned = [self._owner.get(id(node.root)) for node in results]
        return [storage for storage in found if not any(storage is other for other in returned)]

    def _can_be_given(self, node: Node) -> bool:
        if node is self._into or id(node) in self._once or id(node) in self._unsized:
            return False
        fits = math.prod(node.shape) >= LEAST_KEPT and node.dtype.kind == "f"
        return node.takes_out and fits and not node.changing and id(node) not in self.uses.written

    def _evaluated(self, node: Node) -> int:
        """Return the place of the line in which an expression is evaluated at the latest."""
        uses = self.uses
        while uses.count[id(node)] == 1 and id(node) not in self._owner and id(node) in uses.last:
            node = uses.last[id(node)]
        return self._place[id(node)]

    def _assign(self, storages: Sequence[_Storage]) -> None:
        held: list[_Storage] = []
        for storage in storages:
            held = [other for other in held if other.end >= storage.start]
            size, dtype = math.prod(storage.node.shape), storage.node.dtype
            busy = {other.buffer for other in held}
            free = [
                (entries < size, abs(entries - size), number)
                for number, (entries, kind) in enumerate(self.buffers)
                if number not in busy and kind == dtype
            ]
            if free:
                number = min(free)[2]
                self.buffers[number] = (max(self.buffers[number][0], size), dtype)
            else:
                number = len(self.buffers)
                self.buffers.append((size, dtype))
            storage.buffer = number
            held.append(storage)
            self._names[id(storage.node)] = self._name(number, storage.node.shape)

    def _name(self, buffer: int, shape: tuple[int, ...]) -> str:
        for name, known in self.views.items():
            if known == (buffer, shape):
                return name
        name = f"w{len(self.views) + 1}"
        self.views[name] = (buffer, shape)
        return name

    # --- lines -----------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """The bytes of a workspace."""
        return sum(entries * dtype.itemsize for entries, dtype in self.buffers)

    def setting_up(self) -> list[str]:
        """Return the lines that define `workspace` and the list of those at hand; none if nothing is kept."""
        if not self.views:
            return []
        lines = ["spare = []", "", "def workspace():"]
        for number, (entries, dtype) in enumerate(self.buffers, 1):
            kind = "" if dtype == np.float64 else f", np.{dtype.name}"
            lines.append(f"    b{number} = np.empty({entries}{kind})")
        parts = []
        for buffer, shape in self.views.values():
            whole = math.prod(shape) == self.buffers[buffer][0]
            part = f"b{buffer + 1}" if whole else f"b{buffer + 1}[:{math.prod(shape)}]"
            parts.append(f"{part}.reshape({shape})")
        return [*lines, f"    return {', '.join(parts)}{',' if len(parts) == 1 else ''}", ""]

    def beginning(self) -> list[str]:
        """Return the lines with which a call takes a workspace; the list is changed by single steps, for threads."""
        if not self.views:
            return []
        names = ", ".join(self.views) + ("," if len(self.views) == 1 else "")
        return [
            "try:",
            f"    {names} = kept = spare.pop()",
            "except IndexError:",
            f"    {names} = kept = workspace()",
        ]

    def ending(self) -> list[str]:
        """Return the line with which a call gives its workspace back."""
        return ["spare.append(kept)"] if self.views else []


def _unsized(nodes: Sequence[Node]) -> set[int]:
    """Return the ids of the nodes whose shape depends on numbers: what is taken at the places of live units."""
    found: set[int] = set()
    for node in nodes:
        if node.function is np.flatnonzero or any(id(operand) in found for operand in node.operands()):
            found.add(id(node))
    return found
