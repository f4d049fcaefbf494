"""What is done wrong with the windows of a loop, as of a convolution: another stride, no border, one index alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import again, name_of, value_name
from verification.diagnosis.steps import Found, Site, site_of
from verification.diagnosis.tape import Edge, Pull, Tape

MOST = 2048
"""The windows of one place in the code."""
FARTHEST = 3
"""Entries by which windows are shifted."""


def _groups(tape: Tape) -> Iterator[tuple[int, dict[int, Array], list[tuple[int, ...]]]]:
    """Yield (array, entries of each window, where each begins) of windows that one place of the code takes."""
    found: dict[tuple[Site, int], list[int]] = {}
    for vertex, call in tape.calls.items():
        if name_of(call) == "indexing" and vertex in tape.needed and len(call.operands) == 1:
            found.setdefault((site_of(call), call.operands[0][1]), []).append(vertex)
    for (_, source), vertices in found.items():
        shape = np.shape(tape.values[source])
        if not 2 <= len(vertices) <= MOST or len({np.shape(tape.values[one]) for one in vertices}) > 1:
            continue
        numbers = np.arange(int(np.prod(shape))).reshape(shape)
        try:
            entries = {one: _taken(tape.calls[one], numbers) for one in vertices}
        except Exception:  # an index that asks for values of this array
            continue
        if min(one.size for one in entries.values()) == 0:
            continue
        starts = [tuple(map(int, np.unravel_index(int(one.flat[0]), shape))) for one in entries.values()]
        if len(set(starts)) > 1:
            yield source, entries, starts


def _taken(call: Call, numbers: Array) -> Array:
    value, _ = call.rule(call.function, (numbers, *call.args[1:]), call.kwargs)
    return np.asarray(value, dtype=int)


def windows(tape: Tape) -> Found:
    """Yield what it gives to take the windows of a loop at other places, or those of one index alone."""
    for source, entries, starts in _groups(tape):
        shape = np.shape(tape.values[source])
        vertices = list(entries)
        used = _partners(tape, vertices)
        call = tape.calls[vertices[0]]
        where = f" (line {call.frames[0].line})" if call.frames else ""
        name = value_name(tape, source)
        size = np.array(np.unravel_index(entries[vertices[0]].reshape(-1), shape))
        lengths = size.max(axis=1) - size.min(axis=1) + 1
        strides = [_stride([start[axis] for start in starts]) for axis in range(len(shape))]
        wide = [axis for axis in range(len(shape)) if lengths[axis] > 1 and strides[axis]]
        for own in dict.fromkeys(strides[axis] for axis in wide):
            axes = [axis for axis in wide if strides[axis] == own]
            for other in sorted({1, *(int(lengths[axis]) for axis in axes)} - {own}):
                moves = [
                    tuple(
                        start[axis] * other // own - start[axis] if axis in axes else 0
                        for axis in range(len(shape))
                    )
                    for start in starts
                ]
                said = f"the windows of {name} have the stride {other}, expected {own}{where}"
                yield 1.2, Slip.PLACE, said, _moved(tape, source, entries, moves, used), {}
        for by in (k for far in range(1, FARTHEST + 1) for k in (far, -far)) if wide else ():
            move = tuple(by if axis in wide else 0 for axis in range(len(shape)))
            which = f"axes {', '.join(map(str, wide))}" if len(wide) > 1 else f"axis {wide[0]}"
            said = f"the windows of {name} begin {abs(by)} too {'late' if by > 0 else 'early'} along {which}"
            reason = ", as without the border" if by > 0 else ""
            moves = [move] * len(starts)
            yield (
                1.25,
                Slip.PLACE,
                f"{said}{reason}{where}",
                _moved(tape, source, entries, moves, used),
                {},
            )
        for axis in (axis for axis in range(len(shape)) if lengths[axis] == 1):
            places = list(dict.fromkeys(start[axis] for start in starts))
            for kept, which in ((places[-1], "last"), (places[0], "first")) if len(places) > 1 else ():
                edges: dict[Edge, Pull | None] = {}
                for vertex, start in zip(vertices, starts, strict=True):
                    if start[axis] != kept:
                        edges |= dict.fromkeys((*tape.edges[vertex], *used[vertex]))
                said = f"only the {which} of {len(places)} indices along axis {axis} of {name} counts"
                yield 1.2, Slip.ONE_USE, f"{said}, expected the sum over all{where}", edges, {}


def _stride(places: list[int]) -> int:
    """Return the step between places in order, 0 if it isn't the same everywhere or there is one place."""
    steps = {int(one) for one in np.diff(sorted(set(places)))}
    return steps.pop() if len(steps) == 1 else 0


def _partners(tape: Tape, vertices: list[int]) -> dict[int, list[Edge]]:
    """Return the edges of other operands that meet each window in a product."""
    found: dict[int, list[Edge]] = {vertex: [] for vertex in vertices}
    for target, call in tape.calls.items():
        for place, source, _ in call.operands:
            if source in found:
                found[source] += [edge for edge in tape.edges[target] if edge.place != place]
    return found


def _moved(
    tape: Tape,
    source: int,
    entries: dict[int, Array],
    moves: list[tuple[int, ...]],
    used: dict[int, list[Edge]],
) -> dict[Edge, Pull | None]:
    """Return what edges carry where windows are taken elsewhere; beyond the array there are zeros."""
    x = np.asarray(tape.values[source], dtype=float)
    edges: dict[Edge, Pull | None] = {}
    for (vertex, own), move in zip(entries.items(), moves, strict=True):
        if not any(move):
            continue
        places = [one + by for one, by in zip(np.unravel_index(own, x.shape), move, strict=True)]
        inside = np.all([(one >= 0) & (one < n) for one, n in zip(places, x.shape, strict=True)], axis=0)
        flat = np.ravel_multi_index(tuple(np.where(inside, one, 0) for one in places), x.shape)
        value = np.where(inside, x.reshape(-1)[flat], 0.0)
        for edge in tape.edges[vertex]:
            if edge.source in tape.active:
                edges[edge] = _into(flat[inside], inside.reshape(-1), x.size)
        for edge in used[vertex]:
            call = tape.calls[edge.target]
            place = next(where for where, one, _ in call.operands if one == vertex)
            if edge.source in tape.active and (pull := again(call, edge.place, place, value)):
                edges[edge] = pull
    return edges


def _into(places: Array, inside: Array, size: int) -> Pull:
    def pull(rows: Array) -> Array:
        found = np.zeros((size, len(rows)))
        np.add.at(found, places, rows[:, inside].T)
        return found.T

    return pull
