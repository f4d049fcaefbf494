"""The graph of a Function: each layer and each part of a composition a vertex, each parameter one vertex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.graph.graph import Edge, Graph, Vertex
from jacobians.graph.recorder import refuse
from jacobians.structures import Jacobian

Shape = tuple[int, ...]


def trace_function(
    function: Function,
    x: Any,
    wrt: Sequence[str] | None = None,
    max_vertices: int = 10**5,
    *,
    loss: Function | None = None,
    batched: bool = False,
) -> Graph:
    """Return the graph of a function at x, from the input and the parameters in `wrt` (all by default).

    A layer that occurs several times has one vertex a parameter, and an edge from it at each place. A `loss` of the
    output follows. Of a batch the vertices have the shapes of one point, and the Jacobians those of all points.

    Raises
    ------
    TypeError, ValueError
        If x is refused, or `wrt` names no parameter.
    """
    point = function._door(x, batched)
    names = function._names(wrt) if wrt is not None else [INPUT, *function.parameters]
    return graph_below(function, point, names, int(batched), max_vertices, loss)


def graph_below(
    function: Function,
    x: Any,
    names: Sequence[str],
    batch_ndim: int,
    max_vertices: int = 10**5,
    loss: Function | None = None,
) -> Graph:
    """Return the graph below the doors, from what is in `names`."""
    walk = Walk(batch_ndim, max_vertices)
    start = walk.add(INPUT, x, "input", x.shape[batch_ndim:])
    parameters = function.parameters
    places = {name: start if name == INPUT else walk.add(name, parameters[name], "input", parameters[name].shape)
              for name in dict.fromkeys(names)}  # fmt: skip
    owners = function._owners()
    for name, place in places.items():
        if name != INPUT:
            walk.owned.append((*owners[name], place))
    output = function._record(walk, start, "")
    if loss is not None:
        walk.owned = []
        loss._door(walk.vertices[output].value, bool(batch_ndim))
        output = loss._record(walk, output, "")
    inputs = tuple(dict.fromkeys(places.values()))
    return Graph(tuple(walk.vertices), inputs, (output,), tuple(walk.edges), walk.control_flow)


class Walk:
    """The vertices and edges that were made so far; functions add theirs by ``_record``."""

    def __init__(self, batch_ndim: int, max_vertices: int) -> None:
        self.batch_ndim, self.max_vertices = batch_ndim, max_vertices
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.owned: list[tuple[Function, str, int]] = []
        self.control_flow = False

    def add(self, name: str, value: Any, operation: str, shape: Shape) -> int:
        """Add a vertex, and return its place."""
        if len(self.vertices) >= self.max_vertices:
            refuse(operation, f"makes more than max_vertices = {self.max_vertices:,} vertices; pass more")
        self.vertices.append(Vertex(name, tuple(shape), value, operation))
        return len(self.vertices) - 1

    def leaf(self, function: Function, source: int, label: str) -> int:
        """Add the value of a function of a vertex, from it and from the function's parameters that are asked for."""
        x = self.vertices[source].value
        value = function._forward(x, self.batch_ndim)
        ways = [(source, function._chain(x, INPUT, self.batch_ndim, value))]
        ways += [
            (place, function._chain(x, name, self.batch_ndim, value))
            for owner, name, place in self.owned
            if owner is function
        ]
        return self.join(label, function, value, ways)

    def join(
        self, label: str, function: Function, value: Any, ways: Sequence[tuple[int, list[Jacobian]]]
    ) -> int:
        """Add a value that is reached from vertices on ways of factors, output side first."""
        # the vertices between the factors come before the value
        ends = [(self._between(label, place, factors), factors[0]) for place, factors in ways]
        batch, shape = np.shape(value)[: self.batch_ndim], np.shape(value)[self.batch_ndim :]
        target = self.add(label, value, type(function).__name__, shape)
        for place, factor in ends:
            self._edge(place, target, factor, batch)
        return target

    def embed(self, graph: Graph, places: dict[int, int], prefix: str) -> int:
        """Add the vertices of a graph but those that stand at `places` already; return the one of its output."""
        known = dict(places)
        for place, vertex in enumerate(graph.vertices):
            if place not in known:
                known[place] = self.add(
                    f"{prefix}{vertex.name}", vertex.value, vertex.operation, vertex.shape
                )
        self.edges += [
            Edge(known[edge.source], known[edge.target], edge.jacobian, edge.spec) for edge in graph.edges
        ]
        self.control_flow = self.control_flow or graph.control_flow
        return known[graph.outputs[0]]

    def _between(self, label: str, source: int, path: list[Jacobian]) -> int:
        """Add a vertex behind every factor but the last, and return the last one of them."""
        for number, factor in enumerate(reversed(path[1:])):
            batch = factor.batch_shape
            target = self.add(f"{label}.{number}", None, "factor", factor.out_shape)
            self._edge(source, target, factor, batch)
            source = target
        return source

    def _edge(self, source: int, target: int, factor: Jacobian, batch: Shape) -> None:
        shaped = factor.broadcast_batch(batch).reshaped(
            self.vertices[target].shape, self.vertices[source].shape
        )
        self.edges.append(Edge(source, target, shaped, shaped.spec))
