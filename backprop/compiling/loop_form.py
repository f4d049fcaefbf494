"""A recording as one function of loops over entries, for engines that compile them: no call of NumPy is left.

Operations entry by entry that follow each other share a loop, and what no other loop reads is never stored. Products
are calls of kernels. Intermediate results lie in one piece of memory, a part of it taken again as soon as nothing reads
what it holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backprop.compiling.entrywise import operation_of
from backprop.compiling.loop_places import (
    NotLoopsError,
    Place,
    is_joined,
    is_reshape,
    is_view,
    shared_memory,
    summed_axis,
)
from backprop.compiling.nodes import Node
from jacobians.numerics.arrays import Array

_MOST_CHECKS = 8  # pairs of arrays that a compiler looks at, whether they overlap, before it gives a loop up


class LoopForm(NamedTuple):
    """The lines of a function, the flat arrays and numbers that they read by name, and the memory that they work in."""

    lines: list[str]
    constants: dict[str, Array]
    memory: int


@dataclass
class _Step:
    """A product, or operations entry by entry that share a loop."""

    nodes: list[Node]
    shape: tuple[int, ...] = ()


def loop_form(
    nodes: Sequence[Node],
    arguments: Sequence[str],
    results: Sequence[Node],
    known: Mapping[int, Array],
    templates: Mapping[str, str],
    pairs: Mapping[Any, str],
) -> LoopForm:
    """Return a recording as loops.

    Parameters
    ----------
    nodes : sequence of Node
        What the results depend on, in order.
    arguments : sequence of str
        The names of the inputs; the function has them as a0, a1, …, and its results as r0, r1, ….
    results : sequence of Node
    known : mapping of int to numpy.ndarray
        By the ids of nodes: what depends on constants only.
    templates : mapping of str to str
        What is written for an operation entry by entry.
    pairs : mapping of function to str
        The function of two results that is written for one of the engine's own.

    Raises
    ------
    NotLoopsError
        If there is an operation that has no such form.
    """
    return _Loops(nodes, arguments, results, known, templates, pairs).written()


class _Loops:
    def __init__(
        self,
        nodes: Sequence[Node],
        arguments: Sequence[str],
        results: Sequence[Node],
        known: Mapping[int, Array],
        templates: Mapping[str, str],
        pairs: Mapping[Any, str],
    ) -> None:
        self._known, self._templates, self._pairs, self._results = known, templates, pairs, results
        self._nodes = [node for node in nodes if id(node) not in known]
        self._dtype = results[0].dtype
        if any(node.dtype not in (self._dtype, np.bool_) for node in self._nodes):
            raise NotLoopsError("numbers of several kinds")
        self._arguments = {name: f"a{n}" for n, name in enumerate(arguments)}
        self._names = {id(node): f"t{n}" for n, node in enumerate(self._nodes)}
        self._readers: dict[int, list[Node]] = {}
        for node in self._nodes:
            for operand in node.operands():
                self._readers.setdefault(id(operand), []).append(node)
        self._places: dict[int, Place] = {}
        self._constants: dict[str, Array] = {}
        self._lines: list[str] = []
        self._touched: dict[
            str, list[int]
        ] = {}  # by the name of memory: in which steps it is read or written
        self._number_of_step = 0
        self._direct: set[int] = set()  # numbers of results that are written where they are made
        self._lengths: dict[str, int] = {}  # of the memory of intermediate results

    def written(self) -> LoopForm:
        """Return the lines."""
        for number, step in enumerate(self._steps()):
            self._number_of_step = number
            if self._is_product(step.nodes[0]):
                self._product(step.nodes[0])
            elif summed_axis(step.nodes[0]) is not None:
                self._sum(step.nodes[0])
            elif is_joined(step.nodes[0]):
                self._joined(step.nodes[0])
            else:
                self._loop(step)
        self._number_of_step += 1
        for number, node in enumerate(self._results):
            if number not in self._direct:
                self._copied(number, node)
        starts, memory = shared_memory(self._lengths, self._touched)
        parts = [f"{name} = {start}" for name, start in starts.items()]
        return LoopForm([*parts, *self._lines], self._constants, memory)

    # --- which operations share a loop -----------------------------------------------------------------

    def _steps(self) -> list[_Step]:
        steps: list[_Step] = []
        group: _Step | None = None
        inside: set[int] = set()
        for node in self._nodes:
            if node.kind == "input" or self._is_half(node) or is_view(node):
                continue
            if self._is_product(node) or summed_axis(node) is not None or is_joined(node):
                steps.append(_Step([node]))
                group = None
                continue
            shape = node.shape[1:] if node.function in self._pairs else node.shape
            self._check(node)
            through = any(
                self._behind(part) in inside and not self._is_inside(part, inside) for part in node.operands()
            )
            if (
                group is None
                or group.shape != shape
                or through
                or self._checks([*group.nodes, node]) > _MOST_CHECKS
            ):
                group = _Step([], shape)
                inside = set()
                steps.append(group)
            group.nodes.append(node)
            inside.add(id(node))
        return steps

    def _checks(self, nodes: list[Node]) -> int:
        """Return how many pairs of arrays a compiler has to tell apart in a loop."""
        inside = {id(node) for node in nodes}
        reads = {
            self._behind(part)
            for node in nodes
            for part in node.operands()
            if not self._is_inside(part, inside)
        }
        writes = sum(self._leaves(node, inside) for node in nodes)
        return writes * len(reads) + writes * (writes - 1) // 2

    def _is_inside(self, node: Node, inside: set[int]) -> bool:
        """Return whether an operand is a number of the same loop."""
        return id(node) in inside or (self._is_half(node) and id(node.args[0]) in inside)

    def _behind(self, node: Node) -> int:
        """Return the id of the node whose memory a node is, or a view of."""
        while id(node) not in self._known and (is_view(node) or self._is_half(node)):
            node = node.args[0]
        return id(node)

    def _leaves(self, node: Node, inside: set[int]) -> int:
        """Return how many arrays of a node are read outside of its loop."""
        outputs = self._halves(node) if node.function in self._pairs else [node]
        return sum(self._is_read(output, inside) for output in outputs)

    def _is_read(self, node: Node, inside: set[int]) -> bool:
        return any(node is result for result in self._results) or any(
            id(reader) not in inside for reader in self._readers.get(id(node), [])
        )

    def _halves(self, pair: Node) -> list[Node]:
        return [reader for reader in self._readers.get(id(pair), []) if self._is_half(reader)]

    def _is_half(self, node: Node) -> bool:
        """Return whether a node is one of two results."""
        return (
            node.kind == "item" and node.args[0].kind == "function" and node.args[0].function in self._pairs
        )

    def _is_product(self, node: Node) -> bool:
        return (
            node.kind == "ufunc"
            and node.function is np.matmul
            and node.method == "__call__"
            and not node.options
        )

    def _check(self, node: Node) -> None:
        """Refuse what is no operation entry by entry."""
        if node.function in self._pairs:
            return
        name = operation_of(node)
        plain = node.kind == "ufunc" and node.method == "__call__" and not node.options
        if not (plain or (node.kind == "function" and name == "where")) or name not in self._templates:
            raise NotLoopsError(name)

    # --- memory ----------------------------------------------------------------------------------------

    def _place(self, node: Node) -> Place:
        """Return where the entries of a node lie."""
        if id(node) in self._places:
            return self._places[id(node)]
        if id(node) in self._known:
            name = f"c{len(self._constants)}"
            self._constants[name] = np.ascontiguousarray(self._known[id(node)], self._dtype).reshape(-1)
            place = Place(name, node.shape)
        elif node.kind == "input":
            place = Place(f"{self._arguments[node.function]}_flat", node.shape)
        else:
            place = self._seen(node, self._place(node.args[0]))
        self._places[id(node)] = place
        return place

    def _seen(self, node: Node, place: Place) -> Place:
        """Return where the entries of a view lie, by where those of what it sees do."""
        name = node.function if isinstance(node.function, str) else node.function.__name__
        if name == "broadcast_to":
            return place  # the last axes are alike, and what stands before them repeats
        if place.shape != node.args[0].shape:
            raise NotLoopsError("a view of repeated entries")
        if name in ("T", "mT", "transpose", "swapaxes", "matrix_transpose"):
            return place.swapped(node.shape)
        return place.part(node.args[1], node.shape) if node.kind == "item" else place.moved(node.shape)

    def _made(self, node: Node) -> Place:
        """Return new memory for the entries of a node: that of a result, where it is one."""
        number = self._result_of(node)
        if number is None:
            memory = f"m{len(self._lengths)}"
            self._lengths[memory] = math.prod(node.shape)
        else:
            memory = f"r{number}_flat"
            self._direct.add(number)
        self._places[id(node)] = Place(memory, node.shape)
        return self._places[id(node)]

    def _result_of(self, node: Node) -> int | None:
        """Return the number of the result that a node is, itself or reshaped; None where it is none."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            for number, result in enumerate(self._results):
                if result is one and number not in self._direct:
                    return number
            waiting += [reader for reader in self._readers.get(id(one), []) if is_reshape(reader)]
        return None

    def _memory(self, place: Place) -> tuple[str, list[str]]:
        """Return the name of the array that entries lie in, and the terms of where they begin."""
        self._touched.setdefault(place.memory, []).append(self._number_of_step)
        start = [str(place.start)] if place.start else []
        return ("memory", [place.memory, *start]) if place.memory in self._lengths else (place.memory, start)

    # --- lines -----------------------------------------------------------------------------------------

    def _entry(self, place: Place, shape: tuple[int, ...]) -> str:
        """Return the text of an entry in a loop over a shape, which the entries of a place are repeated to."""
        memory, start = self._memory(place)
        first = len(shape) - len(place.shape)
        keys = ["0" if size == 1 else f"i{first + axis}" for axis, size in enumerate(place.shape)]
        if place.turned:
            keys[-2:] = keys[:-3:-1]
        sizes = (*place.shape[:-2], *place.shape[:-3:-1]) if place.turned else place.shape
        steps = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
        terms = [
            key if step == 1 else f"{step} * {key}"
            for key, step in zip(keys, steps, strict=True)
            if key != "0"
        ]
        return f"{memory}[{' + '.join([*start, *terms]) or 0}]"

    def _heads(self, shape: tuple[int, ...]) -> tuple[list[str], str]:
        """Return the heads of loops over a shape, and the indent of what stands in them."""
        axes = [axis for axis, size in enumerate(shape) if size != 1]
        return [
            f"{'    ' * n}for i{axis} in range({shape[axis]}):" for n, axis in enumerate(axes)
        ], "    " * len(axes)

    def _loop(self, step: _Step) -> None:
        inside = {id(node) for node in step.nodes}
        heads, indent = self._heads(step.shape)
        lines: list[str] = []
        for node in step.nodes:
            values = [self._number(part, step.shape, inside) for part in node.args]
            name = self._names[id(node)]
            if node.function in self._pairs:
                lines.append(f"{name}_0, {name}_1 = {self._pairs[node.function]}({values[0]} + {values[1]})")
                outputs = [(half, f"{name}_{half.args[1]}") for half in self._halves(node)]
            else:
                text = self._templates[operation_of(node)]
                lines.append(f"{name} = {text.format(*values)}")
                outputs = [(node, name)]
            for output, number in outputs:
                if self._is_read(output, inside):
                    lines.append(f"{self._entry(self._made(output), step.shape)} = {number}")
        self._lines += [*heads, *(f"{indent}{line}" for line in lines)]

    def _number(self, value: Any, shape: tuple[int, ...], inside: set[int]) -> str:
        """Return the text of an operand of a loop."""
        if not isinstance(value, Node):
            return f"({float(value)!r})" if isinstance(value, int | float | np.floating) else _refuse(value)
        if self._is_inside(value, inside):
            half = f"_{value.args[1]}" if id(value) not in inside else ""
            return f"{self._names[id(value.args[0] if half else value)]}{half}"
        return self._entry(self._place(value), shape)

    def _product(self, node: Node) -> None:
        a, b = (self._place(part) for part in node.args)
        if any(place.shape != part.shape for place, part in zip((a, b), node.args, strict=True)):
            raise NotLoopsError("a product of repeated matrices")
        c = self._made(node)
        stacked = max(len(a.shape), len(b.shape)) > 2
        if stacked:
            if not len(a.shape) == len(b.shape) == 3:
                raise NotLoopsError("a product of stacks of several axes")
            self._lines.append(f"for i0 in range({c.shape[0]}):")
        rows, columns = (1 if len(a.shape) == 1 else a.shape[-2]), (1 if len(b.shape) == 1 else b.shape[-1])
        inner = a.shape[-1]
        left, right, into = (self._item(place, stacked) for place in (a, b, c))
        if columns == 1 and not b.turned:
            name = "multiply_columns" if a.turned else "multiply_rows"
            call = f"{name}({left}, {right}, {into}, {rows}, {inner})"
        elif rows == 1 and not a.turned:
            name = "multiply_rows" if b.turned else "multiply_columns"
            call = f"{name}({right}, {left}, {into}, {columns}, {inner})"
        else:
            left = f"{left}, {'1' if a.turned else inner}, {rows if a.turned else '1'}"
            right = f"{right}, {'1' if b.turned else columns}, {inner if b.turned else '1'}"
            call = f"multiply({left}, {right}, {into}, {rows}, {inner}, {columns})"
        self._lines.append(f"{'    ' * stacked}{call}")

    def _item(self, place: Place, stacked: bool) -> str:
        """Return array and first entry of a matrix or vector, of one in a stack for the index i0."""
        memory, start = self._memory(place)
        if stacked and place.shape[0] != 1:
            start = [*start, f"{math.prod(place.shape[1:])} * i0"]
        return f"{memory}, {' + '.join(start) or 0}"

    def _sum(self, node: Node) -> None:
        """Write the sum along an axis."""
        (part,), axis = node.operands(), summed_axis(node)
        assert axis is not None
        made, shape = self._made(node), part.shape
        kept = Place(made.memory, (*shape[:axis], 1, *shape[axis + 1 :]))
        self._each(kept.shape, self._entry(kept, kept.shape), "= 0.0")
        self._each(shape, self._entry(kept, shape), f"+= {self._entry(self._place(part), shape)}")

    def _joined(self, node: Node) -> None:
        """Write vectors one behind the other."""
        made, start = self._made(node), 0
        for part in node.args[0]:
            target = self._entry(Place(made.memory, part.shape, start=start), part.shape)
            self._each(part.shape, target, f"= {self._entry(self._place(part), part.shape)}")
            start += math.prod(part.shape)

    def _copied(self, number: int, node: Node) -> None:
        """Write the entries of a node into a result."""
        target = self._entry(Place(f"r{number}_flat", node.shape), node.shape)
        self._each(node.shape, target, f"= {self._entry(self._place(node), node.shape)}")

    def _each(self, shape: tuple[int, ...], target: str, change: str) -> None:
        """Change every entry of a shape."""
        heads, indent = self._heads(shape)
        self._lines += [*heads, f"{indent}{target} {change}"]


def _refuse(value: Any) -> str:
    raise NotLoopsError(f"an argument {value!r}")
