"""The code of a plan on a graph of scalars: one line a product or a sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacobians.planning.elimination import useful
from jacobians.planning.scalars import is_scalar

if TYPE_CHECKING:
    from jacobians.planning.plan import GraphPlan

_ONE = "1.0"


def scalar_source(plan: GraphPlan) -> str:
    """Return a function `jacobians` of the derivatives on the edges, in the order of the graph's edges.

    It returns one row for each output, one number for each input. Where the plan counts an edge 1 as free, the edge is
    the number 1 of the graph, and products with it aren't written; the number that is passed for it isn't read.

    Raises
    ------
    ValueError
        If a vertex is no scalar, or an edge is known to be ±1 without its sign.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> graph = Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0), (0, 2, 0)])
    >>> print(scalar_source(graph.plan()))
    def jacobians(d):
        e0, e1, e2 = d
        t0 = e1 * e0
        t1 = e2 + t0
        return [[t1]]
    <BLANKLINE>
    """
    graph = plan.graph
    if not is_scalar(graph):
        raise ValueError("plan: found vertices that are no scalars, expected scalars; use execute()")
    if plan.structure and any(e.jacobian is None and e.spec.is_identity for e in graph.edges):
        raise ValueError(
            "plan: found edges of ±1 without their signs, expected Identity(1) for 1; or plan with structure=False"
        )
    out: list[dict[int, str]] = [{} for _ in graph.vertices]
    into: list[dict[int, None]] = [{} for _ in graph.vertices]
    live = useful(graph)
    lines: list[str] = []

    def name(text: str) -> str:
        lines.append(f"    t{len(lines)} = {text}")
        return f"t{len(lines) - 1}"

    def product(left: str, right: str) -> str:
        if _ONE in (left, right):
            return right if left == _ONE else left
        return name(f"{left} * {right}")

    def place(u: int, w: int, term: str) -> None:
        known = out[u].get(w)
        out[u][w] = term if known is None else name(f"{known} + {term}")
        into[w][u] = None

    for number, edge in enumerate(graph.edges):
        if edge.source in live and edge.target in live:
            unit = plan.structure and edge.spec.is_identity
            place(edge.source, edge.target, _ONE if unit else f"e{number}")
    for vertex in plan.order:
        for u in into[vertex]:
            for w, term in out[vertex].items():
                place(u, w, product(term, out[u][vertex]))
            if vertex not in graph.outputs:
                del out[u][vertex]
        for w in out[vertex]:
            del into[w][vertex]
        out[vertex] = {}
        if vertex not in graph.outputs:
            into[vertex] = {}
    rows = ", ".join("[" + ", ".join(out[u].get(w, "0.0") for u in graph.inputs) + "]" for w in graph.outputs)
    head = ", ".join(f"e{number}" for number in range(len(graph.edges)))
    comma = "," if len(graph.edges) == 1 else ""
    unpacked = [f"    {head}{comma} = d"] if head else []
    return "\n".join(["def jacobians(d):", *unpacked, *lines, f"    return [{rows}]", ""])
