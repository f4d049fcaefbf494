"""A plan on a graph of arrays as plain NumPy code that runs by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backprop.compiling.plans import code, dense_form, function_source, mark, mark_dense
from backprop.compiling.recording import Recording
from backprop.compiling.recording_ledger import RecordingLedger
from backprop.compiling.stored_arrays import arguments_of, identifiers, recorded_factor, stored_arrays
from jacobians.graph import Graph
from jacobians.names import printable
from jacobians.numerics.arrays import Array
from jacobians.planning.execute import eliminated
from jacobians.planning.plan import GraphPlan


def graph_source(plan: GraphPlan, dense: bool) -> str:
    """Return the code of a plan: see :meth:`jacobians.planning.plan.GraphPlan.to_source`."""
    recording = Recording()
    graph = plan.graph
    edges = []
    for edge, name in zip(graph.edges, edge_names(graph), strict=True):
        factor = recorded_factor(recording, edge.spec, name, edge.jacobian)
        edges.append(replace(edge, jacobian=factor))
    arguments = [node.function for node in recording.nodes]
    shapes = [f"{node.function} {node.shape}" for node in recording.nodes]
    ledger = RecordingLedger(recording)
    marks: dict[int, str] = {}
    found = eliminated(
        replace(plan, graph=replace(graph, edges=tuple(edges))),
        ledger,
        lambda remark: mark(ledger, marks, printable(remark)),
    )
    if dense:
        mark_dense(ledger, marks)
    pairs = [(target, source) for target in graph.outputs for source in graph.inputs]
    results = identifiers([_between(graph, source, target) for target, source in pairs])
    returned: dict[str, Any] = {}
    for pair, name in zip(pairs, results, strict=True):
        own = {name: dense_form(found[pair], ledger)} if dense else stored_arrays(found[pair], name)
        returned |= own
    body, answer = code(recording, returned, marks, fresh=dense)
    labels = [f"{name} ({found[pair].spec.label})" for pair, name in zip(pairs, results, strict=True)]
    header = [
        printable(f"{', '.join(labels)}: plan {plan.strategy}."),
        "",
        f"Takes {'; '.join(shapes) or 'nothing'}.",
        f"Returns {', '.join(returned) or 'nothing stored'}.",
        f"Cost: {plan.cost}.",
    ]
    return function_source("jacobians", arguments, header, body, answer)


def graph_arguments(graph: Graph) -> dict[str, Array]:
    """Return the arrays that the code of a plan on the graph takes, by name."""
    return arguments_of(
        [edge.jacobian for edge in graph.edges if edge.jacobian is not None], edge_names(graph)
    )


def edge_names(graph: Graph) -> list[str]:
    """Return what the Jacobian of each edge is called."""
    return identifiers([_between(graph, edge.source, edge.target) for edge in graph.edges])


def _between(graph: Graph, source: int, target: int) -> str:
    return f"d{graph.vertices[target].name}_d{graph.vertices[source].name}"
