"""Running a plan on a graph with a ledger that counts what is really executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jacobians.cost import Cost
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import Ledger
from jacobians.planning.elimination import useful
from jacobians.products import multiply
from jacobians.products.sums import add
from jacobians.structures import Dense, Jacobian, Zero

if TYPE_CHECKING:
    from jacobians.planning.plan import GraphPlan


@dataclass(frozen=True, eq=False)
class GraphExecution:
    """What came out of a plan on a graph.

    Attributes
    ----------
    jacobians : dict
        From (output, input), places of vertices, to the Jacobian.
    cost : Cost
        Counted while running; equal to ``plan.cost``.
    plan : GraphPlan
    """

    jacobians: dict[tuple[int, int], Jacobian]
    cost: Cost
    plan: GraphPlan


@without_float_errors
def execute_graph_plan(plan: GraphPlan) -> GraphExecution:
    """Form the Jacobian of every output by every input.

    Raises
    ------
    ValueError
        If an edge has no numbers.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> from jacobians.structures import Diagonal
    >>> graph = Graph.from_edges(1, 3, [2], [(0, 1, Diagonal([2.0])), (1, 2, Diagonal([3.0]))])
    >>> execution = graph.plan().execute()
    >>> execution.jacobians[2, 0].dense(), execution.cost
    (array([[6.]]), Cost(multiplications=1, additions=0))
    """
    graph = plan.graph
    ledger = Ledger()
    live = useful(graph)
    out: list[dict[int, Jacobian]] = [{} for _ in graph.vertices]
    into: list[dict[int, None]] = [{} for _ in graph.vertices]

    def place(source: int, target: int, jacobian: Jacobian) -> None:
        known = out[source].get(target)
        out[source][target] = jacobian if known is None else add(known, jacobian, ledger)
        into[target][source] = None

    for edge in graph.edges:
        if edge.jacobian is None:
            names = graph.vertices[edge.source].name, graph.vertices[edge.target].name
            raise ValueError(
                f"graph: found no numbers on the edge {names[0]} → {names[1]}, expected a Jacobian on every edge"
            )
        if edge.source in live and edge.target in live:
            place(edge.source, edge.target, edge.jacobian if plan.structure else Dense(edge.jacobian.dense()))
    for vertex in plan.order:
        for source in into[vertex]:
            for target, jacobian in out[vertex].items():
                place(source, target, multiply(jacobian, out[source][vertex], ledger))
            if vertex not in graph.outputs:
                del out[source][vertex]
        for target in out[vertex]:
            del into[target][vertex]
        out[vertex] = {}
        if vertex not in graph.outputs:
            into[vertex] = {}
    sizes = [vertex.size for vertex in graph.vertices]
    found = {
        (target, source): out[source][target] if target in out[source] else Zero(sizes[target], sizes[source])
        for target in graph.outputs
        for source in graph.inputs
    }
    return GraphExecution(found, ledger.cost, plan)
