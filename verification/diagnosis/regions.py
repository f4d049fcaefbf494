"""What is done wrong over several steps at once: an activation that the code spells out, or a helper function.

A region has one value that goes in and one that comes out. Its Jacobian is replaced as a whole: left out, the function
in its place, taken at another value, entry by entry, once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jacobians.function import Function
from jacobians.graph.operations.table import replaced
from jacobians.graph.recorder import Frame
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense
from verification.causes import Slip
from verification.diagnosis.constant_factors import ratio
from verification.diagnosis.mutations import (
    ELEMENTWISE,
    PRODUCTS,
    Variant,
    name_of,
    operand,
    pool,
    value_name,
)
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries, pull_of

LONGEST = 8
"""The steps of an activation that is spelled out."""
LARGEST = 128
"""The entries of a value whose Jacobian is formed, to take it entry by entry."""


class Region(NamedTuple):
    """Steps from one value to another.

    Attributes
    ----------
    source, target : int
        The vertices.
    steps : tuple of int
        The vertices that are computed, the target last.
    cut : tuple of Edge
        The edges that the whole region's Jacobian replaces.
    name : str
        What the code calls it.
    elementwise : bool
        Whether every step is.
    frames : tuple of Frame
        The functions that were running where it stands.
    """

    source: int
    target: int
    steps: tuple[int, ...]
    cut: tuple[Edge, ...]
    name: str
    elementwise: bool
    frames: tuple[Frame, ...]


def regions(tape: Tape) -> Iterator[Region]:
    """Yield the regions of a tape: runs of elementwise steps, and calls of functions."""
    seen = set()
    if any(isinstance(call.function, Function) for call in tape.calls.values()):
        return  # of layers: each has rows of its own
    for region in (*_calls(tape), *_runs(tape), *_single(tape), *_whole(tape)):
        key = region.source, region.target
        if key not in seen:
            seen.add(key)
            yield region


def _runs(tape: Tape) -> Iterator[Region]:
    for target in tape.calls:
        steps: tuple[int, ...] = ()
        last: tuple[Edge, ...] = ()
        here = target
        while len(steps) < LONGEST and (edges := _step(tape, here)):
            steps = (here, *steps)
            last = last or edges
            here = edges[0].source
            if not _is_curved(tape, target):
                break
            if tape.calls[steps[0]].function in (np.add, np.subtract):
                continue  # it begins with a shift: the shorter run says the same
            yield Region(here, target, steps, last, _spelled(tape, steps), True, tape.calls[target].frames)


def _is_curved(tape: Tape, vertex: int) -> bool:
    """Say whether a step is more than a sum, or a multiple by what doesn't follow x."""
    call = tape.calls[vertex]
    active = [edge.place for edge in tape.edges[vertex] if edge.source in tape.active]
    if call.function in (np.add, np.subtract, np.negative, np.positive):
        return False
    if call.function is np.multiply:
        return len(active) > 1
    return not (call.function is np.divide and active == [(0,)])


def _step(tape: Tape, vertex: int) -> tuple[Edge, ...]:
    """Return the edges into a vertex that is an elementwise function of one other of its shape; none if it isn't."""
    call = tape.calls.get(vertex)
    if call is None or call.function not in ELEMENTWISE:
        return ()
    edges = tuple(edge for edge in tape.edges[vertex] if edge.source in tape.active)
    shapes = {np.shape(tape.values[edge.source]) for edge in edges}
    alone = len({edge.source for edge in edges}) == 1 and shapes == {np.shape(tape.values[vertex])}
    return edges if alone else ()


def _single(tape: Tape) -> Iterator[Region]:
    """Yield operations that are no elementwise ones, and keep the shape: a softmax, a cumulated sum."""
    for vertex, call in tape.calls.items():
        edges = tuple(edge for edge in tape.edges[vertex] if edge.source in tape.active)
        if call.function in ELEMENTWISE or name_of(call) in PRODUCTS or len(edges) != 1:
            continue
        if np.shape(tape.values[edges[0].source]) == np.shape(tape.values[vertex]):
            yield Region(edges[0].source, vertex, (vertex,), edges, name_of(call), False, call.frames)


def _spelled(tape: Tape, steps: Sequence[int]) -> str:
    return " · ".join(name_of(tape.calls[step]) for step in reversed(steps))


def _calls(tape: Tape) -> Iterator[Region]:
    inside: dict[int, tuple[Frame, list[int]]] = {}
    for vertex, call in tape.calls.items():
        for frame in call.frames[:-1]:
            inside.setdefault(frame.number, (frame, []))[1].append(vertex)
    used: dict[int, list[int]] = {}
    for edges in tape.edges:
        for edge in edges:
            used.setdefault(edge.source, []).append(edge.target)
    for frame, vertices in inside.values():
        within = set(vertices)
        exits = [
            one for one in vertices if one == tape.output or any(u not in within for u in used.get(one, ()))
        ]
        if len(exits) != 1:
            continue
        target = exits[0]
        entering = [edge for one in vertices for edge in tape.edges[one] if edge.source not in within]
        for source in dict.fromkeys(edge.source for edge in entering):
            if source in tape.active:
                cut = tuple(edge for edge in entering if edge.source == source)
                alone = all(tape.calls[one].function in ELEMENTWISE for one in vertices) and all(
                    np.shape(tape.values[one]) == np.shape(tape.values[source]) for one in vertices
                )
                yield Region(
                    source,
                    target,
                    tuple(vertices),
                    cut,
                    f"{frame.function}()",
                    alone,
                    _outside(tape, vertices[0], frame),
                )


def _whole(tape: Tape) -> Iterator[Region]:
    """Yield the code itself, where it is several steps of one argument that aren't all elementwise."""
    steps = tuple(one for one in tape.calls if one in tape.active)
    if (
        len(steps) < 2
        or tape.output not in steps
        or all(tape.calls[one].function in ELEMENTWISE for one in steps)
    ):
        return
    frames = tape.calls[steps[0]].frames
    name = frames[-1].function if frames else ""
    if name and not name.startswith("<"):
        cut = tuple(edge for one in steps for edge in tape.edges[one] if edge.source == 0)
        yield Region(0, tape.output, steps, cut, f"{name}()", False, ())


def _outside(tape: Tape, vertex: int, frame: Frame) -> tuple[Frame, ...]:
    """Return the functions that were running when another was called."""
    frames = tape.calls[vertex].frames
    return frames[[one.number for one in frames].index(frame.number) + 1 :]


def at_value(tape: Tape, region: Region, value: Array) -> tuple[Array, Pull] | None:
    """Return the value of a region for another value that goes in, and its Jacobian there; None outside its domain."""
    values: dict[int, Array] = {region.source: value}
    edges: dict[int, list[tuple[int, Pull]]] = {}
    try:
        for step in region.steps:
            call = tape.calls[step]
            inner = [(place, source) for place, source, _ in call.operands if source in values]
            args, kwargs = call.args, call.kwargs
            for place, source in inner:
                args, kwargs = replaced(args, kwargs, place, values[source])
            result, jacobian = call.rule(call.function, args, kwargs)
            part = call.part
            values[step] = np.asarray(result if part is None else result[part], dtype=float)
            edges[step] = [
                (source, pull_of(jacobian(place) if part is None else jacobian(place)[part]))
                for place, source in inner
            ]
    except Exception:  # the code's own: it may refuse a value
        return None

    def pull(rows: Array) -> Array:
        found = {region.target: rows}
        for step in reversed(region.steps):
            if step in found:
                for source, one in edges[step]:
                    back = one(found[step])
                    found[source] = found[source] + back if source in found else back
        return found.get(region.source, np.zeros((len(rows), value.size)))

    return values[region.target], pull


def variants(tape: Tape, region: Region) -> Iterator[Variant]:
    """Yield what stands for the Jacobian of a region by mistake."""
    x, y = (np.asarray(tape.values[one], dtype=float) for one in (region.source, region.target))
    if x.shape != y.shape or x.size < 1:
        return
    found = at_value(tape, region, x)
    if found is None:
        return
    _, own = found

    def variant(cost: float, name: Slip, said: str, pull: Pull) -> Variant:
        added = ((region.target, region.source, pull),)
        return Variant(cost, name, said, tuple((edge, None) for edge in region.cut), added)

    name, extra = region.name, 0.1 * (len(region.steps) > 1) * (not region.name.endswith("()"))
    yield variant(
        1.0 + extra, Slip.MISSING_DERIVATIVE, f"the derivative of {name} is left out", lambda rows: rows
    )
    cost = 1.1 + extra if region.elementwise else 0.85
    yield variant(cost, Slip.FUNCTION_FOR_DERIVATIVE, f"{name} stands for its derivative", by_entries(y))
    twice = lambda rows: own(own(rows))  # noqa: E731
    yield variant(1.6 + extra, Slip.APPLIED_TWICE, f"the derivative of {name} is applied twice", twice)
    if (later := at_value(tape, region, y)) is not None:
        said = f"the derivative of {name} is taken at its value, expected at its argument"
        yield variant(1.1 + extra, Slip.DERIVATIVE_AT_OUTPUT, said, later[1])
    if region.elementwise:
        yield from _elementwise(tape, region, variant, own, extra)
    elif x.size <= LARGEST:
        matrix = own(np.eye(x.size))
        diagonal = np.diag(matrix).copy()
        if not np.allclose(matrix, np.diag(diagonal), rtol=0, atol=1e-14 * np.abs(matrix).max(initial=0)):
            said = f"{name} is taken entry by entry: only the diagonal of its Jacobian is used"
            yield variant(0.85, Slip.ELEMENTWISE, said, by_entries(diagonal))
        if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
            yield variant(
                1.3, Slip.MATRIX_TRANSPOSED, f"the Jacobian of {name} is transposed", _weighted_by(matrix.T)
            )
    if region.name.endswith("()"):
        yield variant(
            1.12, Slip.SIGN, f"the sign of the derivative of {name} is wrong", lambda rows: -own(rows)
        )
    for label, value in (*_terms(tape, region.source), *pool(tape, x)):
        if (elsewhere := at_value(tape, region, value)) is not None:
            said = f"the derivative of {name} is taken at {label}, expected at its own argument"
            yield variant(1.9 + extra, Slip.WRONG_POINT, said, elsewhere[1])


def _terms(tape: Tape, vertex: int) -> Iterator[tuple[str, Array]]:
    """Yield the terms of a sum or difference, in its shape: x for x − mean."""
    call = tape.calls.get(vertex)
    if call is None or call.function not in (np.add, np.subtract):
        return
    shape = np.shape(tape.values[vertex])
    for k, value in enumerate(call.args):
        if np.ndim(value) and np.shape(value) != shape:
            yield (
                f"{operand(tape, call, (k,))} alone",
                np.array(np.broadcast_to(np.asarray(value, dtype=float), shape)),
            )


def _weighted_by(matrix: Array) -> Pull:
    return pull_of(Dense(matrix.copy()))


def _elementwise(tape: Tape, region: Region, variant: Any, own: Pull, extra: float) -> Iterator[Variant]:
    x, y = (np.asarray(tape.values[one], dtype=float) for one in (region.source, region.target))
    slope = own(np.ones((1, x.size))).reshape(x.shape)
    name = region.name
    for formula, by_value in BY_VALUE:
        if (
            x.size > 1
            and np.allclose(slope, by_value(y), rtol=1e-9, atol=1e-12)
            and not np.allclose(slope, y)
        ):
            said = f"{formula} is taken of the argument of {name}, expected of its value"
            yield variant(1.1 + extra, Slip.WRONG_POINT, said, by_entries(by_value(x)))
    yield variant(1.8 + extra, Slip.FACTOR, f"the derivative of {name} is inverted", by_entries(1 / slope))
    if not np.allclose(slope, ratio(slope, x) * x, rtol=1e-9, atol=0):
        said = f"the argument of {name} stands for its derivative"
        yield variant(1.5 + extra, Slip.WRONG_VALUE, said, by_entries(x))
    if x.size > 1 and (np.abs(slope) < 1).all() and (slope != 0).any():
        if (slope <= 0).all():
            said = f"the 1 is forgotten in the derivative of {name}: 1 + f′ stands for f′"
            yield variant(1.56 + extra, Slip.MISSING_CONSTANT, said, by_entries(1 + slope))
        else:
            said = f"1 − f′ stands for the derivative of {name}"
            yield variant(1.6 + extra, Slip.WRONG_VALUE, said, by_entries(1 - slope))
    for label, value in _shifted(tape, region.target):
        said = f"{label} stands for the derivative of {name}"
        yield variant(1.3 + extra, Slip.FUNCTION_FOR_DERIVATIVE, said, by_entries(value))
    for other, derivative in DERIVATIVES.items():
        wrong = derivative(x, y)
        if not np.allclose(wrong, slope, rtol=1e-9, atol=1e-12) and np.isfinite(wrong).all():
            said = f"the derivative of {other} stands for that of {name}"
            yield variant(1.7 + extra, Slip.OTHER_DERIVATIVE, said, by_entries(wrong))


BY_VALUE: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("1 − f²", lambda f: 1 - f**2),
    ("f (1 − f)", lambda f: f * (1 - f)),
)
"""Slopes that are written by the value of the function: of tanh, and of the logistic function."""


def _shifted(tape: Tape, vertex: int) -> Iterator[tuple[str, Array]]:
    """Yield what is the value plus a constant: exp(x) − 1 for exp(x)."""
    for later, call in tape.calls.items():
        if call.function in (np.add, np.subtract) and [edge.source for edge in tape.edges[later]] == [vertex]:
            value = np.asarray(tape.values[later], dtype=float)
            if value.shape == np.shape(tape.values[vertex]):
                yield value_name(tape, later), value


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


DERIVATIVES: dict[str, Any] = {
    "tanh": lambda x, y: 1 - np.tanh(x) ** 2,
    "the logistic function": lambda x, y: _logistic(x) * (1 - _logistic(x)),
    "ReLU": lambda x, y: 1.0 * (x > 0),
    "softplus": lambda x, y: _logistic(x),
    "exp": lambda x, y: np.exp(x),
    "tanh, by the value,": lambda x, y: 1 - y**2,
    "the logistic function, by the value,": lambda x, y: y * (1 - y),
    "ReLU, by the value,": lambda x, y: 1.0 * (y > 0),
}
"""Derivatives of other functions than the region's, by its argument and its value."""
