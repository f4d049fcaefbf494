"""Long graphs a block at a time: orders to begin a search from, where single vertices separate inputs from outputs.

All paths of a network with residual connections meet between its blocks. A block is searched together with what all
that stands behind it, or before it, has become; blocks that are alike are searched once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jacobians.planning.elimination import Elimination, State
from jacobians.spec import Spec

Order = tuple[int, ...]


class Edge(NamedTuple):
    """An edge without an array."""

    source: int
    target: int
    spec: Spec


class Block(NamedTuple):
    """A graph of a few vertices, numbered from 0 in their order."""

    vertices: tuple[int, ...]
    inputs: Order
    outputs: Order
    edges: tuple[Edge, ...]


Search = Callable[[Elimination], Order]
"""From the elimination of a block to the order of its inner vertices."""


def separators(machine: Elimination) -> list[int]:
    """Return the inner vertices that every path from an input to an output runs through, in order.

    Edges run from lower to higher numbers, so v is one if no edge passes over it and it stands between all inputs and
    all outputs.
    """
    state = machine.start()
    inner = set(machine.inner)
    live = [v for v, (into, out) in enumerate(zip(state.into, state.out, strict=True)) if into or out]
    first = max((v for v in live if v not in inner and v not in machine.outputs), default=-1)
    last = min(machine.outputs.intersection(live), default=-1)
    found, reach = [], -1
    for vertex in live:
        if vertex in inner and first < vertex < last and reach <= vertex:
            found.append(vertex)
        reach = max([reach, *state.out[vertex]])
    return found


def orders_by_blocks(machine: Elimination, search: Callable[[int], Search]) -> list[Order]:
    """Return an order from the outputs and one from the inputs, block by block; none where nothing separates.

    Parameters
    ----------
    machine : Elimination
    search : callable
        From the number of blocks to the search of one.
    """
    between = separators(machine)
    if len(between) < 2:
        return []
    parts: list[list[int]] = [[] for _ in range(len(between) + 1)]
    place = 0
    for vertex in machine.inner:
        if place < len(between) and vertex == between[place]:
            place += 1
        else:
            parts[place].append(vertex)
    find, known = search(len(parts)), dict[Block, Order]()
    behind = [(*part, *end) for part, end in zip(parts, [*([v] for v in between), []], strict=True)]
    before = [(*end, *part) for part, end in zip(parts, [[], *([v] for v in between)], strict=True)]
    return [_ordered(machine, groups, find, known) for groups in (behind[::-1], before)]


def _ordered(
    machine: Elimination, groups: Iterable[Order], search: Search, known: dict[Block, Order]
) -> Order:
    """Return the vertices group by group, each in the order that its search finds in what then remains."""
    state, order = machine.start(), []
    for group in groups:
        block, places = _block(machine, state, group)
        if block not in known:
            graph: Any = block
            known[block] = search(Elimination(graph))
        for local in known[block]:
            order.append(places[local])
            machine.eliminate(state, places[local])
    return tuple(order)


def _block(machine: Elimination, state: State, group: Order) -> tuple[Block, Order]:
    """Return a group with the edges from and to it, and the vertices of its numbers."""
    pairs = {(u, v): number for v in group for u, number in state.into[v].items()}
    pairs |= {(v, w): number for v in group for w, number in state.out[v].items()}
    members = set(group)
    ends = {vertex for pair in pairs for vertex in pair} - members
    for u in ends:  # what stands beside the group is added to
        pairs |= {(u, w): number for w, number in state.out[u].items() if w in ends}
    places = tuple(sorted(ends | members))
    local = {vertex: number for number, vertex in enumerate(places)}
    edges = tuple(Edge(local[u], local[w], machine.specs[number]) for (u, w), number in sorted(pairs.items()))
    targets = {edge.target for edge in edges}
    inputs = tuple(number for number in range(len(places)) if number not in targets)
    outer = {local[vertex] for vertex in ends} - set(inputs)
    outputs = tuple(sorted(outer | {local[v] for v in members & machine.outputs}))
    return Block((0,) * len(places), inputs, outputs, edges), places
