"""Arrays that the derivative isn't by: forgotten, or broadcast against a column, so that each meets all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from jacobians.graph.operations.table import replaced
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.constant_factors import ratio
from verification.diagnosis.tape import Tape
from verification.diagnosis.values import with_values

LONGEST = 64
"""Entries of a vector of targets that each are taken for all."""


Places = list[tuple[int, int, bool]]
"""Calls and their operands that hold a constant, and whether they hold 1 minus it."""


def _constants(tape: Tape) -> Iterator[tuple[str, Array, list[int], Places]]:
    """Yield (name, value, vertices, places in calls) of the arrays of floats that don't follow the input."""
    found: list[tuple[str, Array, list[int], Places]] = [
        (name, np.asarray(tape.values[vertex]), [vertex], [])
        for vertex, name in tape.names.items()
        if vertex not in tape.active and tape.values[vertex] is not None
    ]
    for vertex, call in tape.calls.items():
        followed = {place[0] for place, _, _ in call.operands if len(place) == 1}
        for k, value in enumerate(call.args):
            if (
                k in followed
                or not isinstance(value, np.ndarray)
                or value.dtype.kind != "f"
                or value.size < 2
            ):
                continue
            alike = [one for one in found if one[1].shape == value.shape]
            same = [(one, False) for one in alike if np.array_equal(one[1], value)]
            same += [(one, True) for one in alike if np.array_equal(1 - one[1], value)]
            if same:
                same[0][0][3].append((vertex, k, same[0][1]))
            else:
                found.append((f"the array of shape {value.shape}", value, [], [(vertex, k, False)]))
    yield from found


def _with(tape: Tape, vertices: list[int], places: Places, value: Array) -> Tape | None:
    changes: dict[int, Any] = dict.fromkeys(vertices, value)
    for vertex, k, turned in places:
        call = changes.get(vertex, tape.calls[vertex])
        args, kwargs = replaced(call.args, call.kwargs, (k,), 1 - value if turned else value)
        changes[vertex] = replace(call, args=args, kwargs=kwargs)
    return with_values(tape, changes)


def forgotten(tape: Tape) -> Iterator[tuple[float, str, str, Tape]]:
    """Yield the tape with an array of it taken as 0: a target that was forgotten."""
    for name, value, vertices, places in _constants(tape):
        if (
            value.ndim
            and value.any()
            and (made := _with(tape, vertices, places, np.zeros_like(value))) is not None
        ):
            used = [
                one for one in tape.calls.values() if any(source in vertices for _, source, _ in one.operands)
            ]
            used += [tape.calls[vertex] for vertex, _, _ in places]
            line = f" (line {used[0].frames[0].line})" if used and used[0].frames else ""
            yield 1.55, Slip.MISSING_CONSTANT, f"{name} is forgotten: taken as 0{line}", made
            same = _with(tape, vertices, places, np.ones_like(value)) if (value > 0).all() else None
            if same is not None and np.ptp(value) > 0:
                yield (
                    1.5,
                    Slip.MISSING_FACTOR,
                    f"{name} is left out wherever it is a weight: taken as 1{line}",
                    same,
                )


def broadcast(tape: Tape, found: Array) -> list[tuple[float, str, str]]:
    """Return what fits a gradient for which a column met a vector of targets, so that each point met each target.

    Parameters
    ----------
    found : numpy.ndarray
        The candidate, in its own shape.
    """
    fits: list[tuple[float, str, str]] = []
    for name, value, vertices, places in _constants(tape):
        n = value.size
        if value.ndim == 0 or not 2 <= n <= LONGEST or max(value.shape) != n or np.ptp(value) == 0:
            continue
        rows = []
        for entry in value.reshape(-1):
            made = _with(tape, vertices, places, np.full_like(value, entry))
            rows.append(None if made is None else made.adjoints(np.ones((1, 1))).get(0))
        if any(row is None for row in rows):
            continue
        each = np.concatenate([row for row in rows if row is not None])  # (n, size)
        said = f"({n}, 1) met {name} of shape {value.shape}, and was broadcast to ({n}, {n})"
        right = tape.adjoints(np.ones((1, 1)))[0].reshape(-1)
        if _near(each.mean(axis=0), ratio(each.mean(axis=0), right) * right):
            continue  # a factor of the whole says it simpler
        for made_, how in (
            (each.T, ""),
            (each, ""),
            (each.mean(axis=0), ", then averaged"),
            (each.sum(axis=0), ", then summed"),
            (each.mean(axis=0) / n, ", then averaged twice"),
        ):
            if found.size == made_.size and _near(found.reshape(-1), made_.reshape(-1)):
                fits.append((1.6 if "averaged" in how else 1.2, Slip.SHAPE, f"{said}{how}"))
    return fits


def _near(one: Any, two: Any) -> bool:
    return bool(np.linalg.norm(one - two) <= 1e-6 * max(float(np.linalg.norm(two)), 1e-300))
