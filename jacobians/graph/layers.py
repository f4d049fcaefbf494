"""The graph of a Function: each layer and each part of a composition a vertex, each parameter one vertex."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jacobians.composition import Composition, Path, Sequential
from jacobians.function import INPUT, Function
from jacobians.graph.graph import Edge, Graph, Vertex
from jacobians.graph.recorder import refuse
from jacobians.namespaces import numpy_dtype
from jacobians.paths import Concatenate, Product, Residual, Sum
from jacobians.structures import Diagonal, Identity, Jacobian, Selection

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
    walk = _Walk(batch_ndim, max_vertices)
    start = walk.add(INPUT, x, "input", x.shape[batch_ndim:])
    parameters = function.parameters
    places = {name: start if name == INPUT else walk.add(name, parameters[name], "input", parameters[name].shape)
              for name in dict.fromkeys(names)}  # fmt: skip
    owners = function._owners() if isinstance(function, Composition) else {}
    for name, place in places.items():
        if name != INPUT:
            walk.owned.append((*owners.get(name, (function, name)), place))
    output = walk(function, start, "")
    if loss is not None:
        walk.owned = []
        loss._door(walk.vertices[output].value, bool(batch_ndim))
        output = walk(loss, output, f"{type(loss).__name__}." if isinstance(loss, Composition) else "")
    return Graph(tuple(walk.vertices), tuple(dict.fromkeys(places.values())), (output,), tuple(walk.edges))


class _Walk:
    def __init__(self, batch_ndim: int, max_vertices: int) -> None:
        self.batch_ndim, self.max_vertices = batch_ndim, max_vertices
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.owned: list[tuple[Function, str, int]] = []

    def add(self, name: str, value: Any, operation: str, shape: Shape) -> int:
        """Add a vertex, and return its place."""
        if len(self.vertices) >= self.max_vertices:
            refuse(operation, f"makes more than max_vertices = {self.max_vertices:,} vertices; pass more")
        self.vertices.append(Vertex(name, tuple(shape), value, operation))
        return len(self.vertices) - 1

    def __call__(self, function: Function, source: int, prefix: str) -> int:
        """Add the vertices of a function of a vertex, and return the one of its value."""
        x = self.vertices[source].value
        if isinstance(function, Sequential):
            for place, layer in enumerate(function.layers):
                try:
                    layer.check_input(self.vertices[source].shape)
                except ValueError as error:
                    raise ValueError(f"layer {prefix}{place} ({layer!r}): {error}") from None
                source = self(layer, source, f"{prefix}{place}.")
            return source
        label = f"{prefix}{type(function).__name__}"
        edges_of = _PARTS.get(type(function))
        found: list[tuple[int, Path]]
        if edges_of is not None:
            assert isinstance(function, Residual | Sum | Product | Concatenate)
            parts = [self(layer, source, f"{prefix}{k}.") for k, layer in enumerate(function.layers)]
            value = function._joined(x, [self.vertices[part].value for part in parts], self.batch_ndim)
            if isinstance(function, Residual):
                parts = [source, *parts]
            values = [self.vertices[part].value for part in parts]
            made = edges_of(values, [self.vertices[part].shape for part in parts], self.batch_ndim)
            found = [(part, [edge]) for part, edge in zip(parts, made, strict=True)]
        else:
            value = function._forward(x, self.batch_ndim)
            found = [(source, function._chain(x, INPUT, self.batch_ndim, value))]
            if isinstance(function, Composition):  # somebody's own: the ways that it gives itself
                ways = function._paths(x, [(leaf, name) for leaf, name, _ in self.owned], self.batch_ndim)
                pairs = zip(self.owned, ways, strict=True)
                found += [(place, way) for (_, _, place), own in pairs for way in own]
            else:
                found += [
                    (place, function._chain(x, name, self.batch_ndim, value))
                    for leaf, name, place in self.owned
                    if leaf is function
                ]
        batch, shape = np.shape(value)[: self.batch_ndim], np.shape(value)[self.batch_ndim :]
        # the vertices between the factors come before the value
        ends = [(self._between(label, place, path), path[0]) for place, path in found]
        target = self.add(label, value, type(function).__name__, shape)
        for place, factor in ends:
            self._edge(place, target, factor, batch)
        return target

    def _between(self, label: str, source: int, path: Path) -> int:
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


def _identities(values: list[Any], shapes: list[Shape], batch_ndim: int) -> list[Jacobian]:
    return [
        Identity.unchecked(math.prod(shape), out_shape=shape, in_shape=shape, dtype=numpy_dtype(value))
        for value, shape in zip(values, shapes, strict=True)
    ]


def _factors(values: list[Any], shapes: list[Shape], batch_ndim: int) -> list[Jacobian]:
    """Return, for each factor, diag(the product of the values of all others)."""
    scales: list[Jacobian] = []
    columns = [np.reshape(value, (*np.shape(value)[:batch_ndim], math.prod(shapes[0]))) for value in values]
    for place in range(len(values)):
        scale = np.ones_like(columns[place])
        for other in (*columns[:place], *columns[place + 1 :]):
            scale = scale * other
        scales.append(Diagonal.unchecked(scale, out_shape=shapes[0], in_shape=shapes[0]))
    return scales


def _placed(values: list[Any], shapes: list[Shape], batch_ndim: int) -> list[Jacobian]:
    """Return, for each part, where its entries go."""
    sizes = [math.prod(shape) for shape in shapes]
    placed: list[Jacobian] = []
    start = 0
    for value, size in zip(values, sizes, strict=True):
        places = np.full(sum(sizes), -1)
        places[start : start + size] = np.arange(size)
        start += size
        placed.append(Selection.unchecked(places, size, repeats=False, dtype=numpy_dtype(value)))
    return placed


_PARTS: dict[type, Callable[[list[Any], list[Shape], int], list[Jacobian]]] = {
    Residual: _identities,
    Sum: _identities,
    Product: _factors,
    Concatenate: _placed,
}
"""The edges from the parts of a composition to its value, by their values."""
