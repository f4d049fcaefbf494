"""What is left between rows and columns: a Kronecker product of its connected parts.

A part that holds together through one matrix F entry by entry is L·diag(vec F)·R; anything else has no matrix form.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jacobians.formulas.effort import spend
from jacobians.formulas.nodes import fresh
from jacobians.formulas.reduction import Edge, Graph, NoFormError, entrywise
from jacobians.formulas.tree import Node, call, count, diagonal, mul, num, transposed


class KroneckerForm:
    """Writes reduced graphs in one vec order."""

    def __init__(self, vec: str) -> None:
        self.vec = vec

    def operator(self, graph: Graph, rows: tuple[int, ...], columns: tuple[int, ...]) -> Node:
        """Return what is left between rows and columns: a Kronecker product of its connected parts."""
        spend(10 * (len(graph.edges) + 1))
        free = [*rows, *columns]
        if any(la not in free for a, b, _ in graph.edges for la in (a, b)):
            parts = self._parts(graph, free)
            if len(free) <= 2 or not parts:
                raise NoFormError
        else:
            parts = self._parts(graph, free)
        made: list[tuple[tuple[int, ...], tuple[int, ...], Node]] = []
        for part in parts:
            r, c = tuple(la for la in rows if la in part), tuple(la for la in columns if la in part)
            made.append((r, c, self._part(graph, part, r, c)))
        if not made:
            return num(1)
        made = _paired(made)
        return self._kronecker(graph, made, rows, columns)

    def _parts(self, graph: Graph, free: Sequence[int]) -> list[set[int]]:
        groups: list[set[int]] = [{label} for label in free]
        for a, b, _ in graph.edges:
            touched = [group for group in groups if a in group or b in group]
            groups = [group for group in groups if group not in touched] + [set().union({a, b}, *touched)]
        if any(not group & set(free) for group in groups):
            raise NoFormError
        return sorted(groups, key=lambda group: min(free.index(la) for la in group if la in free))

    def _part(self, graph: Graph, part: set[int], rows: tuple[int, ...], columns: tuple[int, ...]) -> Node:
        inside = part - {*rows, *columns}
        if inside or len(rows) + len(columns) > 2:
            return self._held(graph, part, rows, columns)
        if len(rows) == 1 and len(columns) == 1:
            return self._matrix(graph, rows[0], columns[0])
        if len(rows) + len(columns) == 1:
            vector = graph.vector((*rows, *columns)[0])
            vector = graph.ones((*rows, *columns)[0]) if vector is None else vector
            return vector if rows else transposed(vector)
        if not columns and len(rows) == 2:
            return call("vec", self._matrix(graph, *(rows if self.vec == "row" else rows[::-1])))
        if not rows and len(columns) == 2:
            order = columns if self.vec == "row" else columns[::-1]
            return Node("T", (call("vec", self._matrix(graph, *order)),))
        raise NoFormError

    def _held(self, graph: Graph, part: set[int], rows: tuple[int, ...], columns: tuple[int, ...]) -> Node:
        """Return the shorter of L·diag(vec F)·R and of Khatri–Rao products, for a part that hangs together."""
        found = [
            made for hub in sorted(part) if (made := self._hub(graph, part, hub, rows, columns)) is not None
        ]
        try:
            found.append(self._sandwich(graph, part, rows, columns))
        except NoFormError:
            if not found:
                raise
        return min(found, key=count)

    def _hub(
        self, graph: Graph, part: set[int], hub: int, rows: tuple[int, ...], columns: tuple[int, ...]
    ) -> Node | None:
        """Return (A ∗ B)·diag(v)·(C ∗ D)ᵀ for a part whose edges all meet in one label, each from another one."""
        edges = [edge for edge in graph.edges if edge[0] in part]
        others = [b if a == hub else a for a, b, _ in edges if hub in (a, b)]
        if len(others) < len(edges) or sorted(others) != sorted(part - {hub}):
            return None
        if part - {*rows, *columns} - {hub}:
            return None
        spokes = {b if a == hub else a: node if b == hub else transposed(node) for a, b, node in edges}
        spokes[hub] = Node("eye", value=(graph.sizes[hub],))
        for label in others:
            vector = graph.vector(label)
            if vector is not None:
                spokes[label] = mul(diagonal(vector), spokes[label])
        sides = [[spokes[label] for label in side] for side in (rows, columns)]
        left, right = (
            side[0] if len(side) == 1 else Node("khatri", tuple(side)) if side else None for side in sides
        )
        vector = graph.vector(hub)
        if left is None or right is None:
            whole = graph.ones(hub) if vector is None else vector
            made = mul(left if left is not None else right, whole)  # type: ignore[arg-type]  # one is there
            return made if left is not None else transposed(made)
        middle = () if vector is None else (diagonal(vector),)
        factors = (left, *middle, transposed(right))
        return mul(*(factor for factor in factors if factor.op != "eye")) if len(part) > 1 else None

    def _matrix(self, graph: Graph, row: int, column: int) -> Node:
        edges = [edge for edge in graph.edges if {edge[0], edge[1]} == {row, column}]
        left, right = graph.vector(row), graph.vector(column)
        oriented = [node if a == row else transposed(node) for a, _, node in edges]
        deltas = [node for node in oriented if node.op == "eye"]
        others = [node for node in oriented if node.op != "eye"]
        if deltas:
            entries = [
                *graph.vectors.get(row, ()),
                *graph.vectors.get(column, ()),
                *(call("diag", o) for o in others),
            ]
            return diagonal(entrywise(entries)) if entries else deltas[0]
        if not others:
            a = graph.ones(row) if left is None else left
            b = graph.ones(column) if right is None else right
            return mul(a, transposed(b))
        before = () if left is None else (diagonal(left),)
        after = () if right is None else (diagonal(right),)
        return mul(*before, entrywise(others), *after)

    def _sandwich(
        self, graph: Graph, part: set[int], rows: tuple[int, ...], columns: tuple[int, ...]
    ) -> Node:
        """Return L·diag(vec F)·R for a part that one matrix F holds together."""
        inside = [edge for edge in graph.edges if edge[0] in part]
        best: Node | None = None
        for core in inside:
            if core[2].op == "eye":
                continue
            try:
                made = self._cut(graph, inside, core, rows, columns)
            except NoFormError:
                continue
            if best is None or count(made) < count(best):
                best = made
        if best is None:
            raise NoFormError
        return best

    def _cut(
        self, graph: Graph, inside: list[Edge], core: Edge, rows: tuple[int, ...], columns: tuple[int, ...]
    ) -> Node:
        a, b, middle = core
        rest = [edge for edge in inside if edge is not core]
        twin = [edge for edge in rest if {edge[0], edge[1]} == {a, b}]
        for edge in twin:
            middle = entrywise([middle, edge[2] if edge[0] == a else transposed(edge[2])])
        rest = [edge for edge in rest if edge not in twin]
        sides: tuple[Graph, Graph] = (Graph(dict(graph.sizes)), Graph(dict(graph.sizes)))
        ends = [dict(zip((a, b), fresh(2), strict=True)) for _ in sides]
        groups: list[tuple[set[int], list[Edge]]] = []
        for edge in rest:
            labels, members = {edge[0], edge[1]} - {a, b}, [edge]
            for other in [g for g in groups if g[0] & labels]:
                groups.remove(other)
                labels, members = labels | other[0], other[1] + members
            groups.append((labels, members))
        for labels, members in groups:
            up, across = labels & set(rows), labels & set(columns)
            if (up and across) or not labels:
                raise NoFormError
            side = 0 if up else 1
            for x, y, node in members:
                sides[side].edges.append((ends[side].get(x, x), ends[side].get(y, y), node))
            for label in labels:
                if label in graph.vectors:
                    sides[side].vectors[label] = graph.vectors[label]
        for label in (a, b):
            for side, outer in ((0, rows), (1, columns)):
                sides[side].sizes[ends[side][label]] = graph.sizes[label]
                if label in outer:
                    sides[side].edges.append(
                        (label, ends[side][label], Node("eye", value=(graph.sizes[label],)))
                    )
        for place, label in enumerate((a, b)):
            vector = graph.vector(label)
            if vector is not None:
                middle = mul(diagonal(vector), middle) if place == 0 else mul(middle, diagonal(vector))
        order = (a, b) if self.vec == "row" else (b, a)
        left = self.operator(sides[0], rows, tuple(ends[0][la] for la in order))
        right = self.operator(sides[1], tuple(ends[1][la] for la in order), columns)
        for half in sides:
            graph.up += half.up
            graph.down += half.down
        made = [diagonal(call("vec", middle))]
        if not _identity(left):
            made.insert(0, left)
        if not _identity(right):
            made.append(right)
        return mul(*made)

    def _commutation(self, graph: Graph, labels: tuple[int, ...], place: int) -> Node:
        """Return I ⊗ K ⊗ I, which exchanges the label at a place and the next one."""
        one, two = (graph.sizes[label] for label in labels[place : place + 2])
        before, after = (
            [Node("eye", value=(graph.sizes[label],)) for label in side]
            for side in (labels[:place], labels[place + 2 :])
        )
        parts = [*before, Node("comm", value=((one,), (two,))), *after]
        return parts[0] if len(parts) == 1 else Node("kron", tuple(parts))

    def _kronecker(
        self, graph: Graph, made: list[tuple[tuple[int, ...], tuple[int, ...], Node]],
        rows: tuple[int, ...], columns: tuple[int, ...],
    ) -> Node:  # fmt: skip
        if len(made) == 1:
            return made[0][2]
        if len(made) > 5:
            raise NoFormError
        swapped: Node | None = None
        for order in itertools.permutations(made):
            r = tuple(la for part in order for la in part[0])
            c = tuple(la for part in order for la in part[1])
            if r == rows and c == columns:
                return _kron(order)
            if swapped is None and r == rows and (place := _exchanged(c, columns)) is not None:
                swapped = mul(_kron(order), self._commutation(graph, c, place))
            if swapped is None and c == columns and (place := _exchanged(rows, r)) is not None:
                swapped = mul(self._commutation(graph, rows, place), _kron(order))
        if swapped is None:
            raise NoFormError
        if swapped.op == "mul":
            return mul(*(factor for factor in swapped.args if not _identity(factor)))
        return swapped


def _exchanged(one: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    """Return the place where two neighbours are exchanged, if that is all that differs."""
    places = [k for k, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(places) == 2 and places[1] == places[0] + 1 and one[places[0]] == other[places[1]]:
        return places[0]
    return None


def _paired(
    made: list[tuple[tuple[int, ...], tuple[int, ...], Node]],
) -> list[tuple[tuple[int, ...], tuple[int, ...], Node]]:
    """Return parts with several lone columns and as many lone rows put together: u ⊗ x ⊗ vᵀ ⊗ yᵀ is u·vᵀ ⊗ x·yᵀ."""
    up = [part for part in made if len(part[0]) == 1 and not part[1]]
    across = [part for part in made if len(part[1]) == 1 and not part[0]]
    if len(up) != len(across) or len(up) < 2:
        return made
    pairs = [(u[0], v[1], mul(u[2], v[2])) for u, v in zip(up, across, strict=True)]
    return pairs + [part for part in made if part not in up and part not in across]


def _identity(node: Node) -> bool:
    return node.op == "eye" or (node.op == "kron" and all(factor.op == "eye" for factor in node.args))


def _kron(parts: Sequence[tuple[tuple[int, ...], tuple[int, ...], Node]]) -> Node:
    """Return the Kronecker product of parts; a column before a row is their product, u ⊗ vᵀ = u·vᵀ."""
    factors: list[Node] = []
    column = False
    for rows, columns, node in parts:
        if column and not rows:
            factors[-1] = mul(factors[-1], node)
            column = False
        else:
            factors.append(node)
            column = not columns
    return factors[0] if len(factors) == 1 else Node("kron", tuple(factors))
