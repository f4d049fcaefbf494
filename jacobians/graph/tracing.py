"""Plain NumPy code becomes a graph of arrays: the code runs once on arrays that write down what is done to them.

Control flow is followed at the point.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from jacobians.function import Function
from jacobians.graph.composed import COMPOSED
from jacobians.graph.composed_scipy import load_scipy
from jacobians.graph.creators import following
from jacobians.graph.graph import Graph
from jacobians.graph.layers import trace_function
from jacobians.graph.nested import operands_of
from jacobians.graph.randomness import states
from jacobians.graph.recorder import Call, Recorder, TracingError, where
from jacobians.graph.traced import Traced, assemble
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, as_array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.structures import Identity


@without_float_errors
def trace(f: Callable[..., Any], *points: Any, max_vertices: int = 10**5, **named: Any) -> Graph:
    """Return the graph of a NumPy callable at a point: vertices are arrays, edges structured Jacobians.

    Parameters
    ----------
    f : callable or Function
        Plain NumPy code of one or several arrays; it returns one array or several.
    *points, **named : array_like
        The arguments; vertices have the names of f's parameters. Of a Function: x, and ``wrt=[…]`` with the
        parameters that are inputs of the graph beside or in place of "input"; all by default.
    max_vertices : int
        The most vertices that are made.

    Raises
    ------
    TracingError
        If f does what can't be followed; the message names the operation and the line.

    Notes
    -----
    Control flow is followed at the point, as ``control_flow`` of the graph says: elsewhere the graph may differ.

    Examples
    --------
    >>> graph = trace(lambda W, x: np.tanh(W @ x), np.eye(2), [1.0, 2.0])
    >>> [(edge.source, edge.target, edge.jacobian.structure) for edge in graph.edges]
    [(0, 2, 'Kronecker'), (1, 2, 'Dense'), (2, 3, 'Diagonal')]
    """
    max_vertices = checked_integer(max_vertices, "max_vertices", most=None)
    if isinstance(f, Function):
        if (unknown := [name for name in named if name != "wrt"]) or len(points) != 1:
            raise TypeError(
                f"f: found a Function with {len(points)} points and {unknown}, expected x and wrt=[…]"
            )
        return trace_function(f, points[0], named.get("wrt"), max_vertices)
    return record(f, *points, max_vertices=max_vertices, **named)[0]


def record(
    f: Callable[..., Any], *points: Any, max_vertices: int = 10**5, keeps_calls: bool = False, **named: Any
) -> tuple[Graph, dict[int, Call]]:
    """Return the graph of a NumPy callable, and how each vertex was computed if `keeps_calls`.

    Raises
    ------
    TracingError
        If f does what can't be followed; the message names the operation and the line.
    """
    if not callable(f):
        raise TypeError(f"f: found {class_name(f)}, expected a callable or a Function")
    if not points and not named:
        raise TypeError("points: found none, expected an array for each argument of f")
    names = _names(f, len(points))
    pairs = [*zip(names, points, strict=True), *named.items()]
    given = {name: np.array(real_array(value, name, foreign="refuse")) for name, value in pairs}
    args, options = [given[name] for name in names], {name: given[name] for name in named}
    fitting(f, "f", args, options)
    try:
        recorder, result = follow_code(f, args, options, max_vertices, keeps_calls)
    except TracingError:
        raise
    except Exception as error:
        f(
            *map(np.copy, args), **{name: value.copy() for name, value in options.items()}
        )  # what it says itself
        raise TracingError(
            f"{where(error)}can't be followed here ({type(error).__name__}: {error}); write it with other functions of "
            "NumPy, or add a row by jacobians.graph.operation"
        ) from error
    first = states(f)
    graph = _graph(recorder, result, len(given), f, len(points))
    again = f(*map(np.copy, args), **{name: value.copy() for name, value in options.items()})
    if not _same(graph, again):
        _refuse_other_numbers(recorder, follow_code(f, args, options, max_vertices)[0])
        if not _same(graph, again, rtol=1e-3, atol=1e-3):
            raise TracingError(
                "f: gives other numbers than what was followed; it does what can't be seen, such as a write in place "
                "by a method or code outside NumPy: write it with other functions of NumPy"
            )
    if states(f) != first:
        raise TracingError(
            "f: draws random numbers, which its value at this point doesn't show; draw them before, and pass them as "
            "an argument"
        )
    return graph, recorder.calls


def followed(
    f: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any], max_vertices: int = 10**5
) -> Graph:
    """Return the graph of code on arrays of numbers, or on recorded ones, which know none.

    Raises
    ------
    TracingError
        If f does what can't be followed; on recorded arrays a branch on values, too.
    """
    recorder, result = follow_code(f, list(args), dict(named), max_vertices)
    return _graph(recorder, result, len(args) + len(named))


def follow_code(
    f: Any, args: list[Array], options: dict[str, Array], max_vertices: int, keeps_calls: bool = False
) -> tuple[Recorder, Any]:
    """Run the code on arrays that are followed; the first vertices are the arguments."""
    recorder = Recorder(max_vertices, keeps_calls=keeps_calls)

    def argument(array: Array, name: str) -> Traced:
        made = Traced(recorder, array, recorder.add(name, array, "input"))
        made._input = True
        return made

    traced = [argument(value, name) for name, value in zip(_names(f, len(args)), args, strict=True)]
    named = {name: argument(value, name) for name, value in options.items()}

    def dispatch(original: Any) -> Any:
        def apply(*args: Any, **kwargs: Any) -> Any:
            one = next((one for _, one in operands_of([args, kwargs])), None)
            if one is not None:  # a list of followed arrays is one array
                args = tuple(assemble(recorder, part) if type(part) is list else part for part in args)
            return original(*args, **kwargs) if one is None else one._apply(original, args, kwargs)

        return apply

    followed = following(
        lambda nested: assemble(recorder, nested),
        lambda nested: next(operands_of(nested), None) is not None,
        dispatch,
        getattr(f, "__globals__", {}),
    )
    load_scipy()
    own = f in COMPOSED if isinstance(f, Hashable) else False
    code = dispatch(f) if own else f
    with followed:
        try:
            return recorder, fitting(code, "f", traced, named)(*traced, **named)
        except ValueError as error:  # NumPy's words, where it asked for a number and was refused one
            if isinstance(error.__cause__, TracingError):
                raise error.__cause__ from None
            raise


def _graph(recorder: Recorder, result: Any, inputs: int, code: Any = None, positional: int = 0) -> Graph:
    outputs: list[int] = []
    for one in result if isinstance(result, tuple) else (result,):
        if not isinstance(one, Traced | np.ndarray | float | int):
            raise TracingError(f"f: found a result of type {class_name(one)}, expected an array")
        value = one._current() if isinstance(one, Traced) else as_array(one)
        if value.dtype.kind not in "fiub":
            raise TracingError(f"f: found a result of dtype {value.dtype}, expected real numbers")
        if value.size == 0:
            raise TracingError(f"f: found a result of shape {value.shape}, expected an array with entries")
        vertex = one._vertex if isinstance(one, Traced) else None
        if vertex is None:
            vertex = recorder.add("constant", value, "constant")
        elif vertex in outputs or vertex < inputs:  # an output is a vertex of its own
            source, vertex = vertex, recorder.add("copy", value, "copy")
            recorder.connect(vertex, [(source, Identity(value.size))])
        outputs.append(vertex)
    places = tuple(range(inputs))
    vertices, edges = tuple(recorder.vertices), tuple(recorder.edges)
    return Graph(vertices, places, tuple(outputs), edges, recorder.control_flow, code, positional)


def _same(graph: Graph, result: Any, rtol: float = 1e-9, atol: float = 0.0) -> bool:
    """Say whether the code gave what the graph has; rounding may differ where a row computes another way."""
    values = result if isinstance(result, tuple) else (result,)
    return len(values) == len(graph.outputs) and all(
        _close(graph.vertices[place].value, np.asarray(value), rtol, atol)
        for place, value in zip(graph.outputs, values, strict=True)
    )


def _close(one: Any, other: Any, rtol: float = 1e-9, atol: float = 0.0) -> bool:
    return np.shape(one) == np.shape(other) and bool(
        np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True)
    )


def _refuse_other_numbers(recorder: Recorder, again: Recorder) -> None:
    """Refuse code that computes with other numbers when it is called again, by its first line that does."""
    for first, second in zip(recorder.vertices, again.vertices, strict=False):
        known = first.value is not None and second.value is not None
        if first.operation != second.operation or (known and not _close(first.value, second.value)):
            raise TracingError(
                f"{first.line}: {first.operation} is given other numbers when f is called again; draw random "
                "numbers before, and pass them as an argument"
            )


def _names(f: Any, count: int) -> list[str]:
    try:
        known = [
            name for name, p in inspect.signature(f).parameters.items() if p.kind <= p.POSITIONAL_OR_KEYWORD
        ]
    except (TypeError, ValueError):
        known = []
    return (known + [f"x{place}" for place in range(len(known), count)])[:count]


def fitting(function: Any, name: str, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return a function whose signature fits what it is to be called with, or refuse it; a class is none."""
    if isinstance(function, type):
        raise TypeError(f"{name}: found the class {class_name(function)}, expected a function of arrays")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not all built-in functions tell theirs
        return function
    try:
        signature.bind(*args, **options)
    except TypeError:
        count = len(args)
        by_name = f" and {', '.join(options)}" if options else ""
        raise TypeError(
            f"{name}: found a signature {signature}, expected one that takes {count} "
            f"array{'' if count == 1 else 's'}{by_name}"
        ) from None
    return function
