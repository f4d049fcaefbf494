"""Vertex elimination on graphs of scalars: sets of edges as the bits of integers.

An edge is ±1 or any other number. A product with a ±1 is free; the new edge is ±1 if both were and it was not there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from jacobians.planning.elimination import Elimination, Price, useful
from jacobians.spec import Spec, owner
from jacobians.structures.stored import apply_cost

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

State = tuple[list[int], list[int], list[int], list[int]]
"""Edges into and out of every vertex, and those of them that are ±1."""


_NUMBERS = ("Dense", "Diagonal", "ScaledIdentity")  # a product of two is a multiplication


def is_scalar(graph: Graph) -> bool:
    """Return whether every edge is 1×1, ±1 or one number."""
    return all(
        edge.spec.shape == (1, 1)
        and (edge.spec.structure in _NUMBERS or is_sign(edge.spec))
        and not edge.spec.batch
        for edge in graph.edges
    )


@lru_cache(maxsize=4096)
def is_sign(spec: Spec) -> bool:
    """Return whether a 1×1 edge is ±1, so that a product with it is free."""
    return bool(owner(spec.structure)._on_diagonal) and not apply_cost(spec, 1, ()).multiplications


class ScalarElimination:
    """As :class:`~jacobians.planning.elimination.Elimination`, for scalars."""

    def __init__(self, graph: Graph, structure: bool = True) -> None:
        count = len(graph.vertices)
        live = useful(graph)
        into, out, unit_into, unit_out = ([0] * count for _ in range(4))
        additions = 0
        for edge in graph.edges:
            u, w = edge.source, edge.target
            if u not in live or w not in live:
                continue
            unit = structure and is_sign(edge.spec)
            if out[u] >> w & 1:
                additions += 1
                unit = False
                unit_out[u] &= ~(1 << w)
                unit_into[w] &= ~(1 << u)
            out[u] |= 1 << w
            into[w] |= 1 << u
            if unit:
                unit_out[u] |= 1 << w
                unit_into[w] |= 1 << u
        self.merging = Price(0, additions, 1 if additions else 0)
        self.outputs = frozenset(graph.outputs)
        inputs = set(graph.inputs)
        self.inner = [v for v in range(count) if v in live and v not in inputs and out[v]]
        self._start = into, out, unit_into, unit_out

    def start(self) -> State:
        """Return the whole graph."""
        return self.copy(self._start)

    @staticmethod
    def copy(state: State) -> State:
        """Return a state of its own."""
        return state[0][:], state[1][:], state[2][:], state[3][:]

    @staticmethod
    def key(state: State) -> Hashable:
        """Return what two states with the same edges have in common."""
        return tuple(state[1]), tuple(state[3])

    @staticmethod
    def neighbours(state: State, vertex: int) -> list[int]:
        """Return the vertices whose price the elimination of a vertex changes."""
        return [*bits(state[0][vertex]), *bits(state[1][vertex])]

    @staticmethod
    def price(state: State, vertex: int) -> int:
        """Return the multiplications of the products that eliminating a vertex takes."""
        into, out, unit_into, unit_out = state
        before = into[vertex].bit_count() - unit_into[vertex].bit_count()
        return before * (out[vertex].bit_count() - unit_out[vertex].bit_count())

    def is_plain(self, state: State, vertex: int) -> bool:
        """Return whether a vertex is a copy of its only neighbour on one side, or one link between two vertices."""
        into, out, unit_into, unit_out = (bits[vertex].bit_count() for bits in state)
        return vertex not in self.outputs and (
            into == out == 1 or into == unit_into == 1 or out == unit_out == 1
        )

    def eliminate(self, state: State, vertex: int) -> Price:
        """Eliminate a vertex, and return what it costs."""
        into, out, unit_into, unit_out = state
        before, after = into[vertex], out[vertex]
        unit_before, unit_after = unit_into[vertex], unit_out[vertex]
        own = 1 << vertex
        multiplications = (before.bit_count() - unit_before.bit_count()) * (
            after.bit_count() - unit_after.bit_count()
        )
        additions = 0
        leaves = ~own if vertex not in self.outputs else -1
        left = before
        while left:
            low = left & -left
            left ^= low
            u = low.bit_length() - 1
            known = out[u]
            additions += (known & after).bit_count()
            units = unit_out[u] & ~after
            if unit_before & low:
                units |= unit_after & ~known
            out[u] = (known | after) & leaves
            unit_out[u] = units & leaves
        left = after
        while left:
            low = left & -left
            left ^= low
            w = low.bit_length() - 1
            known = into[w]
            units = unit_into[w] & ~before
            if unit_after & low:
                units |= unit_before & ~known
            into[w] = (known | before) & ~own
            unit_into[w] = units & ~own
        out[vertex] = unit_out[vertex] = 0
        if leaves != -1:
            into[vertex] = unit_into[vertex] = 0
        return Price(multiplications, additions, 1 if before and after else 0)


def engine(graph: Graph, structure: bool) -> Elimination | ScalarElimination:
    """Return the elimination of a graph: on bits where all vertices are scalars, on specs otherwise."""
    return ScalarElimination(graph, structure) if is_scalar(graph) else Elimination(graph, structure)


def bits(mask: int) -> Iterator[int]:
    """Yield the places of the ones.

    Examples
    --------
    >>> list(bits(0b1010))
    [1, 3]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
