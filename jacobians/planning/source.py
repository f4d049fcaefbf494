"""The code of a plan on a graph: on scalars one line a product or a sum; on arrays by the printer of recorded code."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from jacobians.planning.elimination import useful
from jacobians.planning.scalars import is_scalar, is_sign

if TYPE_CHECKING:
    from jacobians.graph.graph import Edge
    from jacobians.planning.plan import GraphPlan

_TURNED = {"1.0": "-1.0", "-1.0": "1.0"}


def source(plan: GraphPlan, dense: bool) -> str:
    """Return the code of a plan: see :meth:`jacobians.planning.plan.GraphPlan.to_source`."""
    if is_scalar(plan.graph) and not dense:
        return scalar_source(plan)
    return cast(str, _printer().graph_source(plan, dense))


def source_arguments(plan: GraphPlan, dense: bool) -> dict[str, Any]:
    """Return what that code takes, by name.

    Raises
    ------
    ValueError
        If an edge has no numbers.
    """
    for edge in plan.graph.edges:
        if edge.jacobian is None:
            raise ValueError("graph: found edges without numbers, expected a Jacobian on every edge")
    if is_scalar(plan.graph) and not dense:
        return {"d": [float(edge.jacobian.dense()[0, 0]) for edge in plan.graph.edges if edge.jacobian]}
    return cast("dict[str, Any]", _printer().graph_arguments(plan.graph))


def _printer() -> Any:
    """Return what is installed for printing code of arrays: an entry point, so that the core knows of nothing above it.

    It has two functions, ``graph_source(plan, dense)`` and ``graph_arguments(graph)``.
    """
    for found in entry_points(group="jacobians.printers", name="arrays"):
        return found.load()
    raise ImportError(
        "plan: found no entry point arrays of jacobians.printers, expected the one that installing this distribution "
        "registers; install it again, or use execute()"
    )


def scalar_source(plan: GraphPlan) -> str:
    """Return a function `jacobians` of the derivatives on the edges, in the order of the graph's edges.

    It returns one row for each output, one number for each input. Where the plan counts an edge ±1 as free, the edge is
    the sign in the graph, and products with it are signs; the number that is passed for it isn't read.

    Raises
    ------
    ValueError
        If an edge is known to be ±1 without its sign.

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
    out: list[dict[int, str]] = [{} for _ in graph.vertices]
    into: list[dict[int, None]] = [{} for _ in graph.vertices]
    live = useful(graph)
    lines: list[str] = []

    def name(text: str) -> str:
        lines.append(f"    t{len(lines)} = {text}")
        return f"t{len(lines) - 1}"

    def product(left: str, right: str) -> str:
        for sign, other in ((left, right), (right, left)):
            if sign == "1.0":
                return other
            if sign == "-1.0":
                return _TURNED.get(other) or name(f"-{other}")
        return name(f"{left} * {right}")

    def place(u: int, w: int, term: str) -> None:
        known = out[u].get(w)
        out[u][w] = term if known is None else name(f"{known} + {term}")
        into[w][u] = None

    for number, edge in enumerate(graph.edges):
        if edge.source in live and edge.target in live:
            free = plan.structure and is_sign(edge.spec)
            place(edge.source, edge.target, _sign(edge) if free else f"e{number}")
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


def _sign(edge: Edge) -> str:
    if edge.jacobian is None:
        raise ValueError(
            "plan: found edges of ±1 without their signs, expected Identity(1) for 1; or plan with structure=False"
        )
    return str(float(edge.jacobian.dense()[0, 0]))
