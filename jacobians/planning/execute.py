"""Running a plan on a graph with a ledger that counts what is really executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from jacobians.cost import Cost
from jacobians.equality import ByValue
from jacobians.markup import html_table
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import Ledger
from jacobians.planning.elimination import useful
from jacobians.planning.schedule import Schedule, Tape, schedule
from jacobians.products import multiply
from jacobians.products.audit import require_planned
from jacobians.products.core import find_row
from jacobians.products.expansion import expand
from jacobians.products.sums import add
from jacobians.structures import Jacobian, Zero

if TYPE_CHECKING:
    from jacobians.planning.plan import GraphPlan


_SCHEDULES: WeakKeyDictionary[GraphPlan, Schedule] = WeakKeyDictionary()
"""What plans that were executed did, of those that make no arrays but by products and sums."""


@dataclass(frozen=True, eq=False)
class GraphExecution(ByValue):
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

    def __hash__(self) -> int:
        return hash((self.cost, self.plan))

    def _repr_html_(self) -> str:
        names = [vertex.name for vertex in self.plan.graph.vertices]
        rows = [
            [f"∂{names[of]}/∂{names[by]}", "{}×{}".format(*own.shape), own.label, f"{own.storage:,}"]
            for (of, by), own in self.jacobians.items()
        ]
        table = html_table(["Jacobian", "shape", "structure", "stored"], rows, numeric=(3,))
        return f"<p>counted: {self.cost}, as planned</p>{self.plan._repr_html_()}{table}"


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
    known = _SCHEDULES.get(plan)
    if known is not None:
        return GraphExecution(known.run(), known.cost, plan)
    tape = Tape(edge.jacobian for edge in plan.graph.edges if edge.jacobian is not None)
    found = eliminated(plan, tape)
    require_planned(tape.cost, plan.cost, lambda ledger: eliminated(plan, ledger))
    prepared = schedule(tape, found)
    if prepared is not None:
        _SCHEDULES[plan] = prepared
    return GraphExecution(found, tape.cost, plan)


def eliminated(
    plan: GraphPlan, ledger: Ledger, say: Callable[[str], None] | None = None
) -> dict[tuple[int, int], Jacobian]:
    """Return the Jacobians by (output, input), of numbers or of what is written down.

    Parameters
    ----------
    plan : GraphPlan
    ledger : Ledger
        Where every multiplication and addition goes through.
    say : callable (str), optional
        Told before each product and sum what is formed.
    """
    graph = plan.graph
    live = useful(graph)
    names = [vertex.name for vertex in graph.vertices]
    out: list[dict[int, Jacobian]] = [{} for _ in graph.vertices]
    into: list[dict[int, None]] = [{} for _ in graph.vertices]

    def place(source: int, target: int, jacobian: Jacobian) -> None:
        known = out[source].get(target)
        if known is not None:
            if say is not None:
                say(f"∂{names[target]}/∂{names[source]} of several paths, added")
            jacobian = add(known, jacobian, ledger)
        out[source][target] = jacobian
        into[target][source] = None

    for edge in graph.edges:
        if edge.jacobian is None:
            raise ValueError(
                f"graph: found no numbers on the edge {names[edge.source]} → {names[edge.target]}, expected a Jacobian "
                "on every edge"
            )
        if edge.source in live and edge.target in live:
            # to count an edge as dense costs nothing itself
            place(
                edge.source, edge.target, edge.jacobian if plan.structure else expand(edge.jacobian, Ledger())
            )
    for vertex in plan.order:
        for source in into[vertex]:
            for target, jacobian in out[vertex].items():
                before = out[source][vertex]
                if say is not None:
                    say(
                        f"∂{names[target]}/∂{names[vertex]} · ∂{names[vertex]}/∂{names[source]}: "
                        f"{find_row(jacobian.spec, before.spec).formula}"
                    )
                place(source, target, multiply(jacobian, before, ledger))
            if vertex not in graph.outputs:
                del out[source][vertex]
        for target in out[vertex]:
            del into[target][vertex]
        out[vertex] = {}
        if vertex not in graph.outputs:
            into[vertex] = {}
    sizes = [vertex.size for vertex in graph.vertices]
    return {
        (target, source): out[source][target] if target in out[source] else Zero(sizes[target], sizes[source])
        for target in graph.outputs
        for source in graph.inputs
    }
