"""Vertex elimination on specs: what it costs to eliminate a vertex, and the graph that remains.

Eliminating v forms the product of each edge out of v with each edge into v, and adds it to an edge that is there.
States hold lists of mappings; those that a copy shares are never written to, so that a copy copies two lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from jacobians.products import product_cost, product_spec
from jacobians.products.sums import sum_cost, sum_spec
from jacobians.spec import Spec

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

Edges = list[dict[int, int]]
"""Of every vertex the edges on one side: the other end, and the number of the spec."""


class State:
    """Edges into and out of every vertex, and the vertices whose mappings no other state has."""

    __slots__ = ("into", "out", "own")

    def __init__(self, into: Edges, out: Edges) -> None:
        self.into, self.out = into, out
        self.own: tuple[set[int], set[int]] = set(), set()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.into == other.into and self.out == other.out

    __hash__ = None  # type: ignore[assignment]  # it changes

    def copy(self) -> State:
        """Return another state with the same mappings, which neither writes to from now on."""
        for own in self.own:
            own.clear()
        return State(self.into[:], self.out[:])

    def writable(self, side: int, vertex: int) -> dict[int, int]:
        """Return the edges into (0) or out of (1) a vertex, of this state alone."""
        edges = self.out if side else self.into
        if vertex not in self.own[side]:
            edges[vertex] = dict(edges[vertex])
            self.own[side].add(vertex)
        return edges[vertex]


class Price(NamedTuple):
    """What an elimination costs: multiplications, additions, and the largest result that is formed."""

    multiplications: int
    additions: int
    peak: int


class Elimination:
    """The graph that is left to eliminate, and the tables of specs that it needs.

    Parameters
    ----------
    graph : Graph
    structure : bool
        False makes every edge dense.
    """

    def __init__(self, graph: Graph, structure: bool = True) -> None:
        self.specs: list[Spec] = []
        self._numbers: dict[Spec, int] = {}
        self._products: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        self._sums: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        self.outputs = frozenset(graph.outputs)
        count = len(graph.vertices)
        live = useful(graph)
        into: list[dict[int, int]] = [{} for _ in range(count)]
        out: list[dict[int, int]] = [{} for _ in range(count)]
        merged = [0, 0, 0]
        for edge in graph.edges:
            if edge.source not in live or edge.target not in live:
                continue
            number = self.number(edge.spec if structure else Spec.dense(*edge.spec.shape))
            known = out[edge.source].get(edge.target)
            if known is not None:
                multiplications, additions, number, size = self.sum(known, number)
                merged = [merged[0] + multiplications, merged[1] + additions, max(merged[2], size)]
            out[edge.source][edge.target] = into[edge.target][edge.source] = number
        self.merging = Price(*merged)
        inputs = set(graph.inputs)
        self.inner = [v for v in range(count) if v in live and v not in inputs and out[v]]
        self._start = State(into, out)

    def number(self, spec: Spec) -> int:
        """Return the number of a spec."""
        found = self._numbers.get(spec)
        if found is None:
            found = self._numbers[spec] = len(self.specs)
            self.specs.append(spec)
        return found

    def product(self, left: int, right: int) -> tuple[int, int, int, int]:
        """Return multiplications, additions, number and size of a product."""
        found = self._products.get((left, right))
        if found is None:
            a, b = self.specs[left], self.specs[right]
            cost, spec = product_cost(a, b), product_spec(a, b)
            found = cost.multiplications, cost.additions, self.number(spec), spec.storage
            self._products[left, right] = found
        return found

    def sum(self, left: int, right: int) -> tuple[int, int, int, int]:
        """Return multiplications, additions, number and size of a sum."""
        found = self._sums.get((left, right))
        if found is None:
            a, b = self.specs[left], self.specs[right]
            cost, spec = sum_cost(a, b), sum_spec(a, b)
            found = cost.multiplications, cost.additions, self.number(spec), spec.storage
            self._sums[left, right] = found
        return found

    def start(self) -> State:
        """Return the whole graph."""
        return self._start.copy()

    def results(self, order: Sequence[int]) -> dict[tuple[int, int], Spec]:
        """Return the specs that are left after an order, by (output, input); none where there is no path."""
        state = self.start()
        for vertex in order:
            self.eliminate(state, vertex)
        return {
            (target, source): self.specs[number]
            for source, edges in enumerate(state.out)
            for target, number in edges.items()
        }

    @staticmethod
    def copy(state: State) -> State:
        """Return a state of its own."""
        return state.copy()

    @staticmethod
    def key(state: State) -> Hashable:
        """Return what two states with the same edges have in common."""
        return tuple(frozenset(edges.items()) for edges in state.out)

    @staticmethod
    def neighbours(state: State, vertex: int) -> list[int]:
        """Return the vertices whose price the elimination of a vertex changes."""
        return [*state.into[vertex], *state.out[vertex]]

    def price(self, state: State, vertex: int) -> tuple[int, int]:
        """Return the multiplications of the products that eliminating a vertex takes, and how many products.

        The latter decides between equals: where nothing is multiplied the graph that is left stays small.
        """
        into, out = state.into[vertex], state.out[vertex]
        multiplications = 0
        for (a, many), (b, times) in product(Counter(into.values()).items(), Counter(out.values()).items()):
            multiplications += many * times * self.product(b, a)[0]
        return multiplications, len(into) * len(out)

    def is_plain(self, state: State, vertex: int) -> bool:
        """Return whether a vertex is a copy of its only neighbour on one side."""
        sides = state.into[vertex], state.out[vertex]
        return vertex not in self.outputs and any(
            len(side) == 1 and self.specs[next(iter(side.values()))].is_identity for side in sides
        )

    def eliminate(self, state: State, vertex: int) -> Price:
        """Eliminate a vertex, and return what it costs."""
        multiplications = additions = peak = 0
        before, after = state.into[vertex], state.out[vertex]
        keeps = vertex in self.outputs
        arriving = {target: state.writable(0, target) for target in after}
        for edges in arriving.values():
            del edges[vertex]
        for source, a in before.items():
            edges = state.writable(1, source)
            if not keeps:
                del edges[vertex]
            for target, b in after.items():
                m, s, number, size = self.product(b, a)
                multiplications, additions, peak = multiplications + m, additions + s, max(peak, size)
                known = edges.get(target)
                if known is not None:
                    m, s, number, size = self.sum(known, number)
                    multiplications, additions, peak = multiplications + m, additions + s, max(peak, size)
                edges[target] = arriving[target][source] = number
        state.out[vertex] = {}
        if not keeps:
            state.into[vertex] = {}
        return Price(multiplications, additions, peak)


def useful(graph: Graph) -> set[int]:
    """Return the vertices on a path from an input to an output: no other edge is ever multiplied."""
    after, before = set(graph.inputs), set(graph.outputs)
    edges = sorted(graph.edges, key=lambda edge: edge.source)
    for edge in edges:
        if edge.source in after:
            after.add(edge.target)
    for edge in sorted(graph.edges, key=lambda edge: -edge.target):
        if edge.target in before:
            before.add(edge.source)
    return after & before
