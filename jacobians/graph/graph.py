"""The graph of a function: vertices are arrays, edges are the structured Jacobians of one operation by one operand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jacobians.equality import ByValue
from jacobians.graph.reading import read_edges
from jacobians.markup import aligned
from jacobians.numerics.arguments import checked_flag, checked_integer, checked_list, shown
from jacobians.numerics.arrays import Array
from jacobians.picture import Picture
from jacobians.planning.picture import graph_svg
from jacobians.planning.plan import GraphPlan, make_graph_plan
from jacobians.spec import Spec
from jacobians.structures import Jacobian


@dataclass(frozen=True, eq=False)
class Vertex(ByValue):
    """An array of a computation.

    Attributes
    ----------
    name : str
    shape : tuple of int
    value : numpy.ndarray or None
        None in a graph that is only planned.
    operation : str
        What made it; "input" for an input, "" where it is not known.
    line : str or None
        The line of the code that made it.
    """

    name: str
    shape: tuple[int, ...] = ()
    value: Array | None = None
    operation: str = ""
    line: str | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.shape, self.operation))

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Edge(ByValue):
    """The Jacobian of one vertex by another that it was made from.

    Attributes
    ----------
    source, target : int
        Places of the vertices; source < target.
    jacobian : Jacobian or None
        None in a graph that is only planned.
    spec : Spec
        (target size × source size).
    """

    source: int
    target: int
    jacobian: Jacobian | None
    spec: Spec

    def __hash__(self) -> int:
        return hash((self.source, self.target, self.spec))


@dataclass(frozen=True, eq=False)
class Graph(ByValue):
    """A computation with the structured Jacobian of every operation.

    Attributes
    ----------
    vertices : tuple of Vertex
        In the order of computation.
    inputs, outputs : tuple of int
        Places of vertices.
    edges : tuple of Edge
        Parallel edges are kept; a plan adds them up first, and counts it.
    control_flow : bool
        Whether values that depend on the inputs decided what was computed: elsewhere the graph may differ.
    code : callable or None
        What was followed; None for a graph from edges, and for one that was pickled.
    positional : int
        How many of the inputs the code takes by position; the others by name.

    Raises
    ------
    ValueError
        If an edge runs backwards, joins vertices that there are not, or has a shape that doesn't fit them.

    Examples
    --------
    >>> graph = Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0), (0, 2, 1)])
    >>> graph.plan("reverse").cost
    Cost(multiplications=1, additions=1)
    """

    vertices: tuple[Vertex, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    edges: tuple[Edge, ...]
    control_flow: bool = False
    code: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    positional: int = field(default=0, repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs, len(self.vertices), len(self.edges)))

    def __post_init__(self) -> None:
        for name, kind in (("vertices", Vertex), ("edges", Edge), ("inputs", int), ("outputs", int)):
            found = getattr(self, name)
            if type(found) is not tuple or not all(isinstance(one, kind) for one in found):
                raise TypeError(
                    f"{name}: found {shown(found)}, expected a tuple of {kind.__name__}; see Graph.from_edges"
                )
        checked_flag(self.control_flow, "control_flow")
        count = len(self.vertices)
        for name, places in (("inputs", self.inputs), ("outputs", self.outputs)):
            for place in places:
                if not 0 <= place < count:
                    raise ValueError(f"{name}: found vertex {place}, expected 0 to {count - 1}")
            if len(set(places)) != len(places):
                raise ValueError(f"{name}: found {places}, expected each vertex once")
        for edge in self.edges:
            if not 0 <= edge.source < edge.target < count:
                raise ValueError(
                    f"edges: found {edge.source} → {edge.target}, expected source < target, both from 0 to {count - 1}"
                )
            self._check_shape(edge)
        given = set(self.inputs)
        for edge in self.edges:
            if edge.target in given:
                raise ValueError(
                    f"edges: found {edge.source} → {edge.target}, but {edge.target} is an input; nothing runs into it"
                )

    def __reduce__(self) -> Any:
        return Graph, (self.vertices, self.inputs, self.outputs, self.edges, self.control_flow)

    def _check_shape(self, edge: Edge) -> None:
        source, target = self.vertices[edge.source], self.vertices[edge.target]
        if edge.spec.shape != (target.size, source.size):
            raise ValueError(
                f"edges: found {edge.spec.label} from {source.name} with {source.size} to {target.name} with "
                f"{target.size} entries, expected a {target.size}×{source.size} Jacobian"
            )

    @classmethod
    def from_edges(
        cls,
        inputs: int | Sequence[str],
        vertices: int | Sequence[str],
        outputs: Iterable[int | str],
        edges: Iterable[tuple[Any, Any, Any]],
    ) -> Graph:
        """Read a graph from its vertices and edges.

        Parameters
        ----------
        inputs : int or sequence of str
            How many of the first vertices are inputs, or their names.
        vertices : int or sequence of str
            How many vertices there are, inputs included, or their names.
        outputs : iterable of int or str
        edges : iterable of (from, to, unit) or (from, to, Jacobian or Spec)
            `unit` is 1 for the edge of an addition or a copy, whose derivative is ±1, and 0 for any other scalar edge.

        Raises
        ------
        TypeError, ValueError
            If something is no graph: junk, unknown vertices, cycles, shapes that don't fit.

        Examples
        --------
        >>> graph = Graph.from_edges(["x"], ["x", "u", "y"], ["y"], [("x", "u", 0), ("u", "y", Spec.dense(1, 1))])
        >>> graph
        <Graph: 3 vertices, 1 input, 1 output, 2 edges>
        """
        read = read_edges(inputs, vertices, outputs, edges)
        given = set(read.inputs)
        return cls(
            tuple(
                Vertex(name, shape, operation="input" if place in given else "")
                for place, (name, shape) in enumerate(zip(read.names, read.shapes, strict=True))
            ),
            read.inputs,
            read.outputs,
            tuple(Edge(*edge) for edge in read.edges),
        )

    def by(self, inputs: Sequence[int]) -> Graph:
        """Return the graph by some of its inputs; what hangs on the others only is constant.

        Examples
        --------
        >>> Graph.from_edges(2, 3, [2], [(0, 2, 0), (1, 2, 0)]).by([1])
        <Graph: 3 vertices, 1 input, 1 output, 1 edge>
        """
        most = len(self.vertices) - 1
        given = enumerate(checked_list(inputs, "inputs", "places of vertices"))
        places = tuple(checked_integer(place, f"inputs[{k}]", least=0, most=most) for k, place in given)
        reached, edges = set(places), []
        for edge in sorted(self.edges, key=lambda edge: edge.target):
            if edge.source in reached:
                reached.add(edge.target)
                edges.append(edge)
        return Graph(self.vertices, places, self.outputs, tuple(edges), self.control_flow)

    def plan(
        self,
        strategy: str | Sequence[int] = "optimal",
        *,
        objective: str | Mapping[str, float] = "multiplications",
        structure: bool = True,
        max_elements: int | None = None,
        evaluations: int = 60_000,
        seconds: float | None = None,
        seed: int = 0,
        check: bool = False,
    ) -> GraphPlan:
        """Return a plan of vertex elimination: see :func:`jacobians.planning.plan.make_graph_plan`."""
        return make_graph_plan(
            self,
            strategy,
            objective=objective,
            structure=structure,
            max_elements=max_elements,
            evaluations=evaluations,
            seconds=seconds,
            seed=seed,
            check=check,
        )

    def picture(self) -> Picture:
        """Return the graph as SVG: see :func:`jacobians.planning.picture.graph_svg`."""
        return Picture(graph_svg(self))

    def _repr_svg_(self) -> str:
        return self.picture().svg

    def _repr_html_(self) -> str:
        return f"{self.picture()._repr_html_()}{aligned(repr(self))}"

    def __repr__(self) -> str:
        def many(count: int, one: str, more: str) -> str:
            return f"{count:,} {one if count == 1 else more}"

        return (
            f"<Graph: {many(len(self.vertices), 'vertex', 'vertices')}, {many(len(self.inputs), 'input', 'inputs')}, "
            f"{many(len(self.outputs), 'output', 'outputs')}, {many(len(self.edges), 'edge', 'edges')}>"
        )
