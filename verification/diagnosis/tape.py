"""A function's graph, run backwards: adjoints of every value, of the code as it is or with edges replaced.

Each hypothesis about a mistake is a set of edges that carry something else than their Jacobian. What it would give is
the right answer plus what it changes, which one sweep over the changed part finds.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.recorder import Call, Frame
from jacobians.graph.tracing import record
from jacobians.numerics.arrays import Array
from jacobians.structures import Diagonal, Identity, Jacobian, ScaledIdentity, Zero

OWN = str(Path(__file__).parent.parent)
"""Where this package stands: its lines are none of the code that is looked at."""
SMALL = 2**14
"""Entries of a Jacobian that is multiplied as a dense matrix, which takes less time than its structure does."""
LARGEST_CAPTURED = 4 * 10**6
"""Entries of an array beside x that is followed too."""

LARGE_ROWS = 2048
"""Entries that take as long to pass an edge as the edge itself."""

Pull = Callable[[Array], Array]
"""Rows u (k, m) times a Jacobian: (k, n)."""


class Edge(NamedTuple):
    """One operand of one vertex."""

    source: int
    target: int
    place: tuple[Any, ...]
    pull: Pull


def pull_of(steps: Jacobian | Sequence[Jacobian]) -> Pull:
    """Return u ↦ u J for a Jacobian, or for the factors of one, the last step first."""
    parts = [_pull_of_one(one) for one in (steps if isinstance(steps, tuple | list) else (steps,))]
    if len(parts) == 1:
        return parts[0]

    def chain(rows: Array) -> Array:
        for part in parts:
            rows = part(rows)
        return rows

    return chain


def by_entries(weights: Any) -> Pull:
    """Return the pull of a diagonal Jacobian."""
    flat = np.ravel(weights)
    return lambda rows: rows * flat


def unchanged(rows: Array) -> Array:
    """Return the rows: the pull of an identity."""
    return rows


def _pull_of_one(J: Any) -> Pull:
    if isinstance(J, Identity):
        return unchanged
    if isinstance(J, Diagonal):
        return by_entries(J.d)
    if isinstance(J, ScaledIdentity):
        factor = J.expand()[0, 0] if J.shape[0] <= 64 else np.float64(J.rmatvec(np.ones(J.shape[0]))[0])
        return lambda rows: rows * factor
    if J.shape[0] * J.shape[1] <= SMALL:
        matrix = np.asarray(J.expand())
        return lambda rows: rows @ matrix
    return lambda rows: np.stack([J.rmatvec(row) for row in rows])


class Tape:
    """The graph of a function with its pulls.

    Attributes
    ----------
    values : list of numpy.ndarray or None
    calls : dict of int to Call
    names : dict of int to str
        Of the inputs; the first is what is differentiated by.
    edges : list of list of Edge
        Into each vertex.
    output : int
        What is differentiated.
    spent : int
        Edges that were passed so far, the measure of the work.
    """

    def __init__(
        self, values: list[Any], calls: Mapping[int, Call], names: dict[int, str], output: int
    ) -> None:
        self.values, self.calls, self.names, self.output = values, dict(calls), names, output
        self.edges: list[list[Edge]] = [[] for _ in values]
        self.spent = 0
        self.directions: Array | None = None
        self._along: dict[Edge, Array] = {}
        self._steps: dict[Edge, Any] = {}
        self._active: set[int] | None = None
        self._needed: set[int] | None = None
        for target, call in self.calls.items():
            for place, source, steps in call.operands:
                if not _is_zero(steps):
                    self._put(Edge(source, target, place, pull_of(steps)), steps)

    @property
    def active(self) -> set[int]:
        """The vertices that depend on what is differentiated by."""
        if self._active is None:
            self._active = self.reaching([0])
        return self._active

    @property
    def needed(self) -> set[int]:
        """The vertices that the output depends on."""
        if self._needed is None:
            self._needed, waiting = {self.output}, [self.output]
            while waiting:
                call, here = self.calls.get(waiting[-1]), waiting.pop()
                sources = {edge.source for edge in self.edges[here]}
                sources |= set() if call is None else {source for _, source, _ in call.operands}
                waiting += sources - self._needed
                self._needed |= sources
        return self._needed

    def link_all(self, edges: Iterable[tuple[int, int, Any]]) -> None:
        """Add the edges (source, target, J) of vertices that no call made: copies, and arrays put together.

        Those into a vertex without a value are factors of what follows.
        """
        between: dict[int, tuple[int, tuple[Any, ...]]] = {}
        for source, target, jacobian in edges:
            first, steps = between.get(source, (source, ()))
            if target in self.calls:
                continue
            if self.values[target] is None:
                between[target] = first, (jacobian, *steps)
            else:
                self._put(Edge(first, target, (), pull_of((jacobian, *steps))), (jacobian, *steps))

    def _put(self, edge: Edge, steps: Any) -> None:
        self.edges[edge.target].append(edge)
        if edge.source == 0:
            self._steps[edge] = steps if isinstance(steps, tuple | list) else (steps,)

    def look_along(self, directions: Array) -> None:
        """Let the adjoint of what is differentiated by be told along some directions alone: u J v for the columns v.

        Edges into it then carry J v, which for a matrix of weights is small where J isn't.
        """
        self.directions = directions
        for edge, steps in self._steps.items():
            columns = directions
            for step in reversed(steps):
                columns = np.stack([step.matvec(column) for column in columns.T], axis=1)
            self._along[edge] = columns

    def along(self, rows: Array) -> Array:
        """Return rows of n entries along the directions, if there are any."""
        if self.directions is None or rows.shape[1] != len(self.directions):
            return rows
        return np.asarray(rows @ self.directions)

    def _pulled(self, edge: Edge, rows: Array) -> Array:
        columns = self._along.get(edge)
        return edge.pull(rows) if columns is None else np.asarray(rows @ columns)

    def reaching(self, inputs: Iterable[int]) -> set[int]:
        """Return the vertices that depend on some of the inputs, these included."""
        found = set(inputs)
        for target, edges in enumerate(self.edges):
            if any(edge.source in found for edge in edges):
                found.add(target)
        return found

    def adjoints(self, seeds: Array) -> dict[int, Array]:
        """Return u J of each vertex that the output depends on, for the rows u of `seeds`, (k, m)."""
        found = {self.output: seeds}
        for target in range(self.output, -1, -1):
            if target in found:
                for edge in self.edges[target]:
                    self._add(found, edge.source, self._pulled(edge, found[target]))
        return found

    def carried_back(self, seeds: Mapping[int, Array]) -> Array:
        """Return what rows at some vertices give at the first one."""
        found = dict(seeds)
        for target in range(max(seeds), 0, -1):
            if target in found:
                for edge in self.edges[target]:
                    if edge.source in self.active:
                        self._add(found, edge.source, self._pulled(edge, found[target]))
        return self.along(found[0])

    def changed(
        self,
        base: Mapping[int, Array],
        changes: Mapping[Edge, Pull | None],
        added: Mapping[int, Sequence[tuple[int, Pull]]],
        within: set[int],
    ) -> Array:
        """Return by how much the adjoint of what is differentiated by changes if some edges carry something else.

        Parameters
        ----------
        base : dict
            The adjoints as they are.
        changes : dict of Edge to Pull or None
            What edges carry; None leaves them out.
        added : dict of int to list of (source, Pull)
            Edges into vertices that there are not.
        within : set of int
            Vertices from which it can be reached.
        """
        touched = {edge.target for edge in changes} | set(added)
        delta: dict[int, Array] = {}
        for target in range(max(touched, default=-1), -1, -1):
            here = delta.get(target)
            if target in touched and target in base:
                now = base[target] if here is None else base[target] + here
                for edge in self.edges[target]:
                    if edge in changes:
                        pull = changes[edge]
                        if pull is not None:
                            self._add(delta, edge.source, pull(now))
                        self._add(delta, edge.source, -self._pulled(edge, base[target]))
                    elif here is not None and edge.source in within:
                        self._add(delta, edge.source, self._pulled(edge, here))
                for source, pull in added.get(target, ()):
                    self._add(delta, source, pull(now))
            elif here is not None:
                for edge in self.edges[target]:
                    if edge.source in within:
                        self._add(delta, edge.source, self._pulled(edge, here))
        return delta[0] if 0 in delta else np.zeros_like(base[0])

    def _add(self, found: dict[int, Array], vertex: int, rows: Array) -> None:
        self.spent += 1 + rows.size // LARGE_ROWS
        rows = self.along(rows) if vertex == 0 else rows
        found[vertex] = found[vertex] + rows if vertex in found else rows


def _is_zero(steps: Any) -> bool:
    return steps is None or any(
        isinstance(one, Zero) for one in (steps if isinstance(steps, tuple) else (steps,))
    )


def tape_of(f: Callable[..., Any], x: Array) -> Tape:
    """Return the tape of plain code of one array; arrays that it takes from around it are followed too.

    Raises
    ------
    Exception
        Whatever following the code raises: hypotheses are then none.
    """
    try:
        code, captured = with_captured(f)
        if captured:
            return _recorded(_Code(code, f.__globals__), ["x", *captured], [x, *captured.values()], f)
    except Exception:  # code that takes arrays from around it only as arrays
        pass
    return _recorded(f, ["x"], [x], f)


class _Code:
    """Code of x and the arrays around it; the tracer finds the names of its module here."""

    def __init__(self, code: Any, space: dict[str, Any]) -> None:
        self.code, self.__globals__ = code, space

    def __call__(self, *given: Any) -> Any:
        return self.code(given[0], given[1:])


def _recorded(f: Callable[..., Any], names: list[str], points: list[Array], original: Any) -> Tape:
    graph, calls = record(f, *points, max_vertices=10**4, keeps_calls=True)
    calls = {vertex: replace(call, frames=_of_the_user(call)) for vertex, call in calls.items()}
    same = [name for name, one in zip(names[1:], points[1:], strict=True) if np.array_equal(one, points[0])]
    names = [same[0] if same else _first_parameter(original) or names[0], *names[1:]]
    tape = Tape([one.value for one in graph.vertices], calls, dict(enumerate(names)), graph.outputs[0])
    tape.link_all((edge.source, edge.target, edge.jacobian) for edge in graph.edges)
    return tape


def _of_the_user(call: Call) -> tuple[Frame, ...]:
    """Return the functions that were running, without those of this package, such as Σ dout · out."""
    return tuple(frame for frame in call.frames if not frame.file.startswith(OWN))


def _first_parameter(f: Any) -> str:
    try:
        return next(iter(inspect.signature(f).parameters), "")
    except (TypeError, ValueError):
        return ""


def with_captured(f: Any) -> tuple[Callable[[Any, Sequence[Any]], Any], dict[str, Array]]:
    """Return f as a function of x and of the arrays that it takes from its closure and its module, and those.

    A dictionary of arrays in the closure counts as well.

    Examples
    --------
    >>> W = np.eye(2)
    >>> code, captured = with_captured((lambda W: lambda x: W @ x)(W))
    >>> list(captured), code(np.ones(2), [2 * W])
    (['W'], array([2., 2.]))
    """
    if not isinstance(f, types.FunctionType):
        return lambda x, given: f(x), {}
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    inside = {name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)}
    around = {name: f.__globals__[name] for name in f.__code__.co_names if name in f.__globals__}
    captured: dict[str, Array] = {}
    for space in (inside, around):
        for name, value in space.items():
            if _is_taken(value):
                captured.setdefault(name, value)
            elif type(value) is dict and len(value) < 100:
                captured |= {
                    key: one for key, one in value.items() if isinstance(key, str) and _is_taken(one, least=0)
                }

    def code(x: Any, given: Sequence[Any]) -> Any:
        values = dict(zip(captured, given, strict=True))

        def put(name: str, value: Any) -> Any:
            if type(value) is dict:
                return value | {key: one for key, one in values.items() if value.get(key) is captured[key]}
            return values[name] if name in values and value is captured[name] else value

        closure = tuple(
            types.CellType(put(name, inside[name])) if name in inside else cell
            for name, cell in cells.items()
        )
        space = f.__globals__ | {name: put(name, value) for name, value in around.items() if name in values}
        made = types.FunctionType(f.__code__, space, f.__name__, f.__defaults__, closure or None)
        made.__kwdefaults__ = f.__kwdefaults__
        return made(x)

    return code, captured


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # not yet
        return False
    return True


def _is_taken(value: Any, least: int = 1) -> bool:
    return (
        type(value) is np.ndarray
        and value.dtype == np.float64
        and value.ndim >= least
        and 0 < value.size <= LARGEST_CAPTURED
    )
