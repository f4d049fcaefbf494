"""The graph of a Function: each layer and each part of a composition a vertex, each parameter one vertex."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.graph.graph import Graph
from jacobians.graph.recorder import Recorder
from jacobians.layers.branches import Concatenate, Product, Residual, Sum
from jacobians.layers.composition import Composition, Sequential
from jacobians.numerics.arrays import Array, as_array, is_recorded
from jacobians.structures import Diagonal, Identity, Jacobian, Scatter


def trace_function(
    function: Function, x: Any, wrt: Sequence[str] | None = None, max_vertices: int = 10**5
) -> Graph:
    """Return the graph of a function at x, from the input and the parameters in `wrt` (all by default).

    A layer that occurs several times has one vertex a parameter, and an edge from it at each place.

    Raises
    ------
    TypeError, ValueError
        If x is refused, or `wrt` names no parameter.
    """
    point = x if is_recorded(x) else function._door(x, False)
    names = function._names(wrt) if wrt is not None else [INPUT, *function.parameters]
    recorder = Recorder(max_vertices)
    start = recorder.add(INPUT, point, "input")
    places = {name: start if name == INPUT else recorder.add(name, function.parameters[name], "input")
              for name in dict.fromkeys(names)}  # fmt: skip
    owners = function._owners() if isinstance(function, Composition) else {}
    owned: dict[int, list[tuple[str, int]]] = {}
    for name, place in places.items():
        if name != INPUT:
            leaf, own = owners.get(name, (function, name))
            owned.setdefault(id(leaf), []).append((own, place))
    output = _Walk(recorder, owned)(function, start, "")
    inputs = tuple(dict.fromkeys(places.values()))
    return Graph(tuple(recorder.vertices), inputs, (output,), tuple(recorder.edges), code=function)


class _Walk:
    def __init__(self, recorder: Recorder, owned: dict[int, list[tuple[str, int]]]) -> None:
        self.recorder, self.owned = recorder, owned

    def __call__(self, function: Function, source: int, prefix: str) -> int:
        """Add the vertices of a function of a vertex, and return the one of its value."""
        x = self.recorder.vertices[source].value
        assert x is not None  # vertices of a followed function have values
        if isinstance(function, Sequential):
            for place, layer in enumerate(function.layers):
                at = self.recorder.vertices[source]
                try:
                    layer.check_input(at.shape)
                except ValueError as error:
                    raise ValueError(f"layer {prefix}{place} ({layer!r}): {error}") from None
                source = self(layer, source, f"{prefix}{place}.")
            return source
        edges_of = _PARTS.get(type(function))
        value = as_array(function._forward(x, 0))
        if edges_of is not None:
            assert isinstance(function, Composition)
            parts = [self(layer, source, f"{prefix}{k}.") for k, layer in enumerate(function.layers)]
            if isinstance(function, Residual):
                parts = [source, *parts]
            values = [as_array(self.recorder.vertices[part].value) for part in parts]
            found = list(zip(parts, edges_of(values), strict=True))
        else:
            found = [(source, function._jacobian(x, INPUT, 0, value))]
            found += self._by_parameters(function, x, value)
        label = prefix[:-1] or "output"
        target = self.recorder.add(label, value, type(function).__name__)
        self.recorder.connect(target, found)
        return target

    def _by_parameters(self, function: Function, x: Array, value: Array) -> list[tuple[int, Jacobian]]:
        if not isinstance(function, Composition):
            own = self.owned.get(id(function), [])
            return [(place, function._jacobian(x, name, 0, value)) for name, place in own]
        # a composition of somebody's own: one vertex, by the chain that it gives itself
        names = {own: name for name, own in function._owners().items()}
        pairs = [
            (place, names[leaf, name])
            for leaf, _ in names
            for name, place in self.owned.get(id(leaf), ())
            if (leaf, name) in names
        ]
        return [(place, function._jacobian(x, name, 0, value)) for place, name in dict.fromkeys(pairs)]


def _identities(values: list[Array]) -> list[Jacobian]:
    return [Identity(value.size) for value in values]


def _factors(values: list[Array]) -> list[Jacobian]:
    scales: list[Jacobian] = []
    for place in range(len(values)):
        scale = np.ones(values[0].size)
        for other in (*values[:place], *values[place + 1 :]):
            scale = scale * other.reshape(-1)
        scales.append(Diagonal(scale))
    return scales


def _placed(values: list[Array]) -> list[Jacobian]:
    ends = np.cumsum([value.size for value in values])
    return [
        Scatter(np.arange(end - value.size, end), int(ends[-1]))
        for end, value in zip(ends, values, strict=True)
    ]


_PARTS: dict[type, Callable[[list[Array]], list[Jacobian]]] = {
    Residual: _identities,
    Sum: _identities,
    Product: _factors,
    Concatenate: _placed,
}
"""The edges from the parts of a composition to its value, by their values."""
