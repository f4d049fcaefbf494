"""What is written down while a function is followed, and how what can't be followed is refused."""

from __future__ import annotations

import dis
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from jacobians.graph.graph import Edge, Vertex
from jacobians.numerics.arrays import Array
from jacobians.structures import Jacobian

_OWN = str(Path(__file__).resolve().parent.parent)
_NUMPY = str(Path(np.__file__).resolve().parent)


class TracingError(TypeError):
    """The function does something that can't be followed; the message names it and the line."""


def _user_frame() -> Any:
    """Return the frame of the code that called, outside this package and NumPy."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_OWN, _NUMPY)) and not name.startswith("<__array_function__"):
            break
        frame = frame.f_back
    return frame


def user_line() -> str | None:
    """Return the line of the code that called, outside this package and NumPy."""
    frame = _user_frame()
    return None if frame is None else f"line {frame.f_lineno}"


def writes_into_unfollowed() -> bool:
    """Say whether the code that called is at an assignment to an entry: NumPy asked for a number to put there."""
    frame = _user_frame()
    return frame is not None and dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("STORE_S")


class Recorder:
    """The vertices and edges that were made so far."""

    def __init__(self, max_vertices: int) -> None:
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.max_vertices = max_vertices
        self.control_flow = False

    def add(self, name: str, value: Array, operation: str) -> int:
        """Add a vertex, and return its number."""
        self._require_room(operation)
        self.vertices.append(Vertex(name, value.shape, value, operation, user_line()))
        return len(self.vertices) - 1

    def stepped(
        self, found: list[tuple[int, Jacobian | tuple[Jacobian, ...]]], operation: str
    ) -> list[tuple[int, Jacobian]]:
        """Return the last steps of maps, and the vertices before them; those between are added, without values."""
        edges = []
        for source, jacobian in found:
            steps = jacobian if isinstance(jacobian, tuple) else (jacobian,)
            for step in reversed(steps[1:]):
                self._require_room(operation)
                between = Vertex(f"v{len(self.vertices)}", (step.shape[0],), None, operation, user_line())
                self.vertices.append(between)
                self.connect(len(self.vertices) - 1, [(source, step)])
                source = len(self.vertices) - 1
            edges.append((source, steps[0]))
        return edges

    def _require_room(self, operation: str) -> None:
        if len(self.vertices) >= self.max_vertices:
            refuse(operation, f"makes more than max_vertices = {self.max_vertices:,} vertices; pass more")

    def connect(self, target: int, found: list[tuple[int, Jacobian]]) -> None:
        """Add edges into a vertex; several from one vertex are kept."""
        shape = self.vertices[target].shape
        for source, jacobian in found:
            if jacobian.structure != "Zero":
                shaped = jacobian.reshaped(shape, self.vertices[source].shape)
                self.edges.append(Edge(source, target, shaped, shaped.spec))


def refuse(operation: str, what: str) -> NoReturn:
    """Raise the error that names operation and line."""
    line = user_line()
    raise TracingError(f"{'' if line is None else f'{line}: '}{operation} {what}")
