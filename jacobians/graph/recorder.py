"""What is written down while a function is followed, and how what can't be followed is refused."""

from __future__ import annotations

import dis
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from jacobians.graph.graph import Edge, Vertex
from jacobians.graph.operations.table import Place, Rule, Steps
from jacobians.numerics.arrays import Array
from jacobians.structures import Jacobian, Zero

_ROOTS = (Path(__file__).parent.parent, Path(np.__file__).parent, Path(np.__file__).parent.parent / "scipy")
# through a link to an environment code has the names of the link, elsewhere it has those of the files
_OWN = tuple({str(path) for root in _ROOTS for path in (root.absolute(), root.resolve())})

FOLLOWING = "follow_code"
"""The name of the function under which followed code runs."""


class TracingError(TypeError):
    """The function does something that can't be followed; the message names it and the line."""


class Frame(NamedTuple):
    """A call of a function that was running: its name, file and line, the place in its code, and which call it was."""

    function: str
    file: str
    line: int
    position: int
    number: int


@dataclass(frozen=True, eq=False)
class Call:
    """How a vertex was computed: enough to compute it, and its Jacobians, again from other operands.

    Attributes
    ----------
    name : str
        Of the operation, as the vertex has it.
    function : callable or None
        What was called.
    rule : callable
        The rule of its row in the table of operations.
    args, kwargs : tuple, dict
        The operands and options as plain values.
    operands : tuple of (place, vertex, steps)
        Which of them are followed, and the Jacobian by each.
    part : int or None
        Which of several values it is.
    frames : tuple of Frame
        The functions that were running, the innermost first.
    """

    name: str
    function: Any
    rule: Rule
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    operands: tuple[tuple[Place, int, Steps], ...]
    part: int | None
    frames: tuple[Frame, ...]


def _is_own(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith((*_OWN, "<__array_function__"))


def _user_frame() -> Any:
    """Return the frame of the code that called, outside this package and NumPy."""
    frame: Any = sys._getframe(1)
    while frame is not None and _is_own(frame):
        frame = frame.f_back
    return frame


@lru_cache(maxsize=4096)
def callee(code: CodeType, at: int) -> tuple[str, str] | None:
    """Return the operation and the name by which a call's function was loaded: what begins where the call does."""
    before = [one for one in dis.get_instructions(code) if one.offset <= at]
    call = before[-1]
    if not call.opname.startswith("CALL") or call.positions is None or call.positions.lineno is None:
        return None
    start = call.positions.lineno, call.positions.col_offset
    loads = [
        one
        for one in before
        if one.opname.startswith("LOAD_") and isinstance(one.argval, str) and one.positions is not None
        and (one.positions.lineno, one.positions.col_offset) == start
    ]  # fmt: skip
    return (loads[-1].opname, loads[-1].argval) if loads else None


def user_line() -> str | None:
    """Return the line of the code that called, outside this package and NumPy."""
    frame = _user_frame()
    return None if frame is None else f"line {frame.f_lineno}"


def called() -> str:
    """Return the name of the function that the code called, with a colon, or nothing where it can't be told."""
    frame = _user_frame()
    found = None if frame is None else callee(frame.f_code, frame.f_lasti)
    return "" if found is None else f"{found[1]}: "


def where(error: Exception) -> str:
    """Return the line of the code at which an error came up, and what the line called."""
    found, trace = None, error.__traceback__
    while trace is not None:
        found = found if _is_own(trace.tb_frame) else trace
        trace = trace.tb_next
    if found is None:
        return "f: "
    name = callee(found.tb_frame.f_code, found.tb_lasti)
    return f"line {found.tb_lineno}: {'what stands there' if name is None else name[1]} "


def writes_into_unfollowed() -> bool:
    """Say whether the code that called is at an assignment to an entry: NumPy asked for a number to put there."""
    frame = _user_frame()
    return frame is not None and dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("STORE_S")


class Recorder:
    """The vertices and edges that were made so far."""

    def __init__(self, max_vertices: int, *, keeps_calls: bool = False) -> None:
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.max_vertices = max_vertices
        self.control_flow = False
        self.calls: dict[int, Call] = {}
        self._keeps_calls = keeps_calls
        self._frames: dict[int, tuple[FrameType, int]] = {}  # held, so that no number is given twice

    def note(
        self, vertex: Any, row: tuple[str, Any, Rule], given: tuple[Any, Any], operands: Any, part: int | None
    ) -> None:
        """Write down how a vertex was computed, where that is asked for."""
        if self._keeps_calls:
            self.calls[vertex] = Call(*row, *given, tuple(operands), part, self._running())

    def _running(self) -> tuple[Frame, ...]:
        found, frame = [], sys._getframe(1)
        while frame is not None and frame.f_code.co_name != FOLLOWING:
            if not _is_own(frame):
                _, number = self._frames.setdefault(id(frame), (frame, len(self._frames)))
                code = frame.f_code
                found.append(Frame(code.co_name, code.co_filename, frame.f_lineno, frame.f_lasti, number))
            frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
        return tuple(found)

    def add(self, name: str, value: Array, operation: str, line: str | None = None) -> int:
        """Add a vertex, and return its number; its line is the one that runs, by default."""
        self._require_room(operation)
        self.vertices.append(Vertex(name, value.shape, value, operation, line or user_line()))
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
            if not isinstance(jacobian, Zero):
                shaped = jacobian.reshaped(shape, self.vertices[source].shape)
                self.edges.append(Edge(source, target, shaped, shaped.spec))


def refuse_rounding(operation: str, dtype: Any) -> None:
    """Refuse to convert what is followed to another kind of numbers than real floating ones; None is no conversion."""
    if dtype is not None and np.dtype(dtype).kind != "f":
        refuse(operation, f"to {np.dtype(dtype)} loses the derivative")


def refuse(operation: str, what: str) -> NoReturn:
    """Raise the error that names operation and line."""
    line = user_line()
    raise TracingError(f"{'' if line is None else f'{line}: '}{operation} {what}")
