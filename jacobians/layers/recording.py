"""What a function is made of at a point: values as vertices, and the structured Jacobians of one by another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.names import class_name
from jacobians.numerics.arrays import is_recorded, read_only
from jacobians.numerics.ledger import UNCOUNTED
from jacobians.planning.bracketing import product
from jacobians.structures import Jacobian

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

Path = list[Jacobian]
"""Factors from a vertex to another, output side first."""


class Step(NamedTuple):
    """A value on the way; the shape is that of one point."""

    name: str
    shape: tuple[int, ...]
    value: Any
    operation: str


class Record:
    """The values and derivatives of a function that were made so far; functions add theirs by ``_record``.

    Derivatives are made only where something that is differentiated by comes in.
    """

    def __init__(self, batch_ndim: int, max_vertices: int) -> None:
        self.batch_ndim, self.max_vertices = batch_ndim, max_vertices
        self.steps: list[Step] = []
        self.edges: list[tuple[int, int, Jacobian]] = []
        self.sources: dict[str, int] = {}
        self.output = 0
        self.control_flow = False
        self.live: set[int] = set()
        self._owned: dict[int, list[tuple[str, int]]] = {}

    @classmethod
    def of(
        cls,
        function: Function,
        x: Any,
        names: Iterable[str],
        batch_ndim: int,
        max_vertices: int = 10**5,
        loss: Function | None = None,
    ) -> Self:
        """Follow a function below the doors at x, to be differentiated by what is in `names`; a loss behind it."""
        record = cls(batch_ndim, max_vertices)
        start = record.add(INPUT, x, "input", tuple(np.shape(x)[batch_ndim:]))
        owners: dict[str, tuple[Function, str]] = {}
        parameters: dict[int, Any] = {}
        for name in dict.fromkeys(names):
            place = start
            if name != INPUT:
                owners = owners or function._owners()
                owner, own = owners[name]
                if id(owner) not in parameters:
                    parameters[id(owner)] = owner.parameters
                value = parameters[id(owner)][own]
                place = record.add(name, value, "input", np.shape(value))
                record._owned.setdefault(id(owner), []).append((own, place))
            record.sources[name] = place
            record.live.add(place)
        record.output = function._record(record, start, "")
        if loss is not None:
            record._owned = {}
            prediction = record.steps[record.output].value
            if not is_recorded(prediction):
                loss._door(prediction, bool(batch_ndim))
            record.output = loss._record(record, record.output, "")
        return record

    def add(self, name: str, value: Any, operation: str, shape: tuple[int, ...]) -> int:
        """Add a value, and return its place."""
        if len(self.steps) >= self.max_vertices:
            from jacobians.graph.recorder import refuse  # loaded for the refusal alone

            refuse(operation, f"makes more than max_vertices = {self.max_vertices:,} vertices; pass more")
        # no function may write to what another gave
        value = read_only(value) if type(value) is np.ndarray else value
        self.steps.append(Step(name, shape, value, operation))
        return len(self.steps) - 1

    def owned(self, function: Function) -> list[tuple[str, int]]:
        """Return the parameters of a function that are differentiated by, and their places."""
        return self._owned.get(id(function), [])

    def leaf(self, function: Function, source: int, name: str) -> int:
        """Add the value of a function of one value, with its derivatives by it and by the function's parameters."""
        x, batch_ndim = self.steps[source].value, self.batch_ndim
        value = function._forward(x, batch_ndim)
        ways = [(source, function._chain(x, INPUT, batch_ndim, value))] if source in self.live else []
        ways += [(place, function._chain(x, own, batch_ndim, value)) for own, place in self.owned(function)]
        return self.join(name, function, value, ways)

    def join(self, name: str, function: Function, value: Any, ways: Iterable[tuple[int, Path]]) -> int:
        """Add a value that is reached from others, by factors of which each but the last gets a vertex of its own."""
        ends = []
        for source, factors in ways:
            if source not in self.live:
                continue
            for number, factor in enumerate(reversed(factors[1:])):
                between = self.add(f"{name}.{number}", None, "factor", factor.out_shape)
                self._connect(source, between, factor)
                source = between
            ends.append((source, factors[0]))
        target = self.add(name, value, class_name(function), tuple(np.shape(value)[self.batch_ndim :]))
        for source, factor in ends:
            self._connect(source, target, factor)
        return target

    def embed(self, graph: Graph, places: dict[int, int], prefix: str) -> int:
        """Add the vertices of a graph but those that stand at `places` already; return the place of its output."""
        known = dict(places)
        for place, vertex in enumerate(graph.vertices):
            if place not in known:
                known[place] = self.add(
                    f"{prefix}{vertex.name}", vertex.value, vertex.operation, vertex.shape
                )
        for edge in sorted(graph.edges, key=lambda edge: edge.target):
            if known[edge.source] in self.live and edge.jacobian is not None:
                self._connect(known[edge.source], known[edge.target], edge.jacobian)
        self.control_flow = self.control_flow or graph.control_flow
        return known[graph.outputs[0]]

    def _connect(self, source: int, target: int, factor: Jacobian) -> None:
        self.edges.append((source, target, factor))
        self.live.add(target)

    def paths(self) -> dict[str, list[tuple[int, Jacobian]]] | None:
        """Return the way from each source to the output, output side first, with where each factor leads.

        None where paths meet.
        """
        onward: dict[int, tuple[int, Jacobian]] = {}
        for source, target, factor in self.edges:
            if source in onward:
                return None
            onward[source] = target, factor
        paths = {}
        for name, place in self.sources.items():
            path = []
            while place != self.output:
                if place not in onward:
                    return None
                path.append(onward[place])
                place = path[-1][0]
            paths[name] = path[::-1]
        return paths

    def chains(self) -> dict[str, Path] | None:
        """Return the factors from each source to the output, output side first; None where paths meet."""
        paths = self.paths()
        return (
            None if paths is None else {name: [factor for _, factor in path] for name, path in paths.items()}
        )

    def graph(self, code: Function | None = None) -> Graph:
        """Return what was recorded as a graph, of a function that can be followed again."""
        from jacobians.graph.graph import Edge, Graph, Vertex  # loaded where paths meet

        vertices = tuple(Vertex(step.name, step.shape, step.value, step.operation) for step in self.steps)
        batch = tuple(np.shape(self.steps[0].value)[: self.batch_ndim])
        edges = []
        for source, target, factor in self.edges:
            shaped = factor.broadcast_batch(batch).reshaped(vertices[target].shape, vertices[source].shape)
            edges.append(Edge(source, target, shaped, shaped.spec))
        inputs = tuple(dict.fromkeys(self.sources.values()))
        return Graph(vertices, inputs, (self.output,), tuple(edges), self.control_flow, code)

    def planned(self) -> dict[str, Jacobian]:
        """Return the Jacobian of the output by each source, by a plan on the graph."""
        from jacobians.planning.execute import eliminated  # loaded where paths meet
        from jacobians.planning.plan import quick_plan

        found = eliminated(quick_plan(self.graph()), UNCOUNTED)
        return {name: found[self.output, place] for name, place in self.sources.items()}


class _Recorded(Function):
    """A function that is made of others: its derivatives are products and sums of theirs.

    A subclass writes `forward` and `_record`.
    """

    vectorized = True

    @abstractmethod
    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add what this function is made of, and return the place of its value."""

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the product of the factors by the cheapest bracketing."""
        return product(self._chain(x, wrt, batch_ndim))

    def _chain(self, x: Any, wrt: str, batch_ndim: int, value: Any = None) -> Path:
        """Return the factors, output side first; where paths meet, their planned sum as one."""
        if batch_ndim and not self.vectorized:
            return super()._chain(x, wrt, batch_ndim, value)
        record = Record.of(self, x, [wrt], batch_ndim)
        chains = record.chains()
        return [record.planned()[wrt]] if chains is None else chains[wrt]

    def _jacobians_by(self, x: Any, names: Sequence[str], batch_ndim: int) -> list[Jacobian]:
        """Return the Jacobian by each name by one plan: one forward pass, and what paths share is formed once."""
        if batch_ndim and not self.vectorized:
            return super()._jacobians_by(x, names, batch_ndim)
        record = Record.of(self, x, names, batch_ndim)
        chains = record.chains()
        if chains is None:
            found = record.planned()
        else:
            # loaded for who asks for several at once
            from jacobians.planning.shared_factors import prefix_products

            found = dict(zip(chains, prefix_products(list(chains.values())), strict=True))
        return [found[name].broadcast_batch(x.shape[:batch_ndim]) for name in names]
