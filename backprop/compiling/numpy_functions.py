"""The Jacobians of plain NumPy code, or of the edges of a graph, as recorded operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backprop.compiling.gradient_source import GradientTrace
from backprop.compiling.graphs import edge_names
from backprop.compiling.nodes import Node, fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.recording import Recording
from backprop.compiling.recording_ledger import RecordingLedger
from backprop.compiling.stored_arrays import identifiers, recorded_factor
from jacobians import Cost, Function, Graph
from jacobians.cost import ZERO_COST
from jacobians.function import INPUT
from jacobians.graph.layers import trace_function
from jacobians.graph.tracing import followed
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.planning.execute import eliminated
from jacobians.planning.plan import GraphPlan
from jacobians.products.expansion import expand


@dataclass(frozen=True)
class GraphTrace(GradientTrace):
    """The recorded operations of the Jacobians of every output by every input.

    Attributes
    ----------
    nodes : list of Node
        What the results depend on, in order.
    results : dict of str to Node
        Dense Jacobians, those of the first output first.
    arguments : dict of str to Node
        What the code calls its arguments.
    once : set of int
        The ids of the nodes that depend on constants only.
    plan : GraphPlan
    """

    arguments: dict[str, Node]
    once: set[int]
    plan: GraphPlan

    @property
    def returned(self) -> list[Node]:
        """The results in their order."""
        return list(self.results.values())

    @property
    def cost(self) -> Cost:
        """What the products of one call cost."""
        return sum((node.cost for node in self.nodes if id(node) not in self.once), ZERO_COST)


def recorded_graph(
    recording: Recording, f: Any, points: Mapping[str, Array], positional: int, wrt: Sequence[str]
) -> tuple[Graph, dict[str, Node]]:
    """Return the graph of code on arrays without numbers, by the arguments in `wrt`, and what arguments are called.

    Raises
    ------
    TracingError
        If the code branches on values, or does what can't be written down.
    """
    called = identifiers(list(points))
    arrays = [
        recording.input(name, value.shape, value.dtype)
        for name, value in zip(called, points.values(), strict=True)
    ]
    arguments = {name: array.node for name, array in zip(called, arrays, strict=True)}
    if isinstance(f, Function):
        by_name = dict(zip(points, arrays, strict=True))
        x = by_name.pop(INPUT)  # always an argument
        return trace_function(f.bind({**f.parameters, **by_name}), x, wrt), arguments
    named = dict(zip(list(points)[positional:], arrays[positional:], strict=True))
    graph = followed(f, arrays[:positional], named)
    names = list(points)
    return graph.by([names.index(name) for name in wrt]), arguments


def edges_graph(recording: Recording, graph: Graph) -> tuple[Graph, dict[str, Node]]:
    """Return a graph whose edges are recorded, and what their arrays are called."""
    edges = [
        replace(edge, jacobian=recorded_factor(recording, edge.spec, name, edge.jacobian))
        for edge, name in zip(graph.edges, edge_names(graph), strict=True)
    ]
    arguments = {node.function: node for node in recording.nodes if node.kind == "input"}
    return replace(graph, edges=tuple(edges)), arguments


def trace_plan(recording: Recording, plan: GraphPlan, arguments: dict[str, Node]) -> GraphTrace:
    """Return the recorded operations of a plan whose graph has recorded edges."""
    found = eliminated(plan, RecordingLedger(recording))
    floats = [node.dtype for node in arguments.values() if node.dtype.kind == "f"]
    dtype = np.result_type(*floats) if floats else np.dtype(float)
    results = {}
    for (target, source), jacobian in found.items():
        array: Any = recording.lift(expand(jacobian, Ledger()).A)
        names = plan.graph.vertices[target].name, plan.graph.vertices[source].name
        shape = jacobian.shape
        whole: Any = array if array.shape == shape else np.broadcast_to(array, shape)
        whole = whole.astype(dtype, copy=False)  # constants of some rules are float64
        called = f"∂{names[0]}/∂{names[1]}"
        while called in results:  # vertices may have one name
            called += "′"
        results[called] = whole.node
    nodes = needed(recording.nodes, list(results.values()), everything_counted=False)
    return GraphTrace(nodes, results, arguments, fixed_nodes(nodes), plan)
