"""A second search, independent of the first: branch and bound over the orders, on edges by their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jacobians.planning.elimination import Price, useful
from jacobians.planning.objectives import Judged, Objective
from jacobians.planning.scalars import is_scalar
from jacobians.products import product_cost, product_spec
from jacobians.products.sums import sum_cost, sum_spec
from jacobians.spec import Spec

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

Edges = dict[tuple[int, int], Spec]
_MOST = 200_000  # eliminations


class Best(NamedTuple):
    """The value of the best order, with the first of those that have it."""

    value: float
    order: tuple[int, ...]


def best_order(graph: Graph, objective: Objective, structure: bool, most: int = _MOST) -> Best:
    """Return the best of all orders, by depth first: an order is left as soon as it is no better than the best so far.

    It shares with the planner the tables of products and sums, and nothing else: no state is kept, compared or shared.
    A scalar counts as one number, be it a sign.

    Raises
    ------
    ValueError
        If it would take more than `most` eliminations.
    """
    live = useful(graph)
    edges: Edges = {}
    least = int(is_scalar(graph))
    merged = [0, 0, 0]
    for edge in graph.edges:
        if edge.source in live and edge.target in live:
            spec = edge.spec if structure else Spec.dense(*edge.spec.shape)
            _put(edges, (edge.source, edge.target), spec, merged, least)
    inner = sorted({source for source, _ in edges} - set(graph.inputs))
    best: list[Best] = []
    count = 0

    def search(edges: Edges, order: tuple[int, ...], so_far: Judged) -> None:
        nonlocal count
        value = objective.total([so_far])
        if best and value >= best[0].value:
            return
        if len(order) == len(inner):
            best[:] = [Best(value, order)]
            return
        ways = []
        for vertex in inner:
            if vertex not in order:
                count += 1
                left, price = eliminated(edges, vertex, vertex in graph.outputs, least)
                judged = objective.judge(price)
                ways.append(
                    (Judged(so_far.added + judged.added, max(so_far.peak, judged.peak)), vertex, left)
                )
        if count > most:
            raise ValueError(
                f"check: found {len(inner)} inner vertices, which take more than {most:,} eliminations to look at all "
                "orders anew, expected fewer; leave check out"
            )
        for judged, vertex, left in sorted(ways, key=lambda way: (way[0], way[1])):
            search(left, (*order, vertex), judged)

    search(edges, (), objective.judge(Price(*merged)))
    return best[0]


def eliminated(edges: Edges, vertex: int, keeps: bool, least: int) -> tuple[Edges, Price]:
    """Return the edges that are left without a vertex, and what it costs; an output keeps the edges into it."""
    left = {ends: spec for ends, spec in edges.items() if ends[0] != vertex and (keeps or ends[1] != vertex)}
    price = [0, 0, 0]
    for (source, middle), before in edges.items():
        if middle == vertex:
            for (start, target), after in edges.items():
                if start == vertex:
                    cost, spec = product_cost(after, before), product_spec(after, before)
                    price[0] += cost.multiplications
                    price[1] += cost.additions
                    price[2] = max(price[2], spec.storage, least)
                    _put(left, (source, target), spec, price, least)
    return left, Price(*price)


def _put(edges: Edges, ends: tuple[int, int], spec: Spec, price: list[int], least: int) -> None:
    known = edges.get(ends)
    if known is not None:
        cost, spec = sum_cost(known, spec), sum_spec(known, spec)
        price[0] += cost.multiplications
        price[1] += cost.additions
        price[2] = max(price[2], spec.storage, least)
    edges[ends] = spec
