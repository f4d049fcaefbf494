"""The data of a graph of arrays: vertices are arrays, edges are structured Jacobians."""

from __future__ import annotations

from dataclasses import dataclass

from jacobians.arrays import Array
from jacobians.spec import Spec
from jacobians.structures import Jacobian


@dataclass(frozen=True, slots=True)
class Vertex:
    """An array: its name, shape and value, the operation that made it and the line of the code."""

    name: str
    shape: tuple[int, ...]
    value: Array | None
    operation: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Edge:
    """The Jacobian of one vertex by another that it is computed from."""

    source: int
    target: int
    jacobian: Jacobian | None
    spec: Spec


@dataclass(frozen=True)
class Graph:
    """Vertices in topological order, the numbers of inputs and outputs, and the edges.

    Attributes
    ----------
    control_flow : bool
        Whether values that depend on the inputs decided what was computed: elsewhere the graph may differ.
    """

    vertices: tuple[Vertex, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    edges: tuple[Edge, ...]
    control_flow: bool = False
