"""What orders entries, at the point: sort, median and linear interpolation."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.tracing.arrays import TracedArray, entries_of
from verification.tracing.reductions import refuse
from verification.tracing.scalars import Scalars, TracingError

Entries = NDArray[Any]


def _sorted(scalars: Scalars, entries: Entries, axis: int) -> Entries:
    less = scalars.primitives["less"]

    def comparison(a: Any, b: Any) -> int:
        return -1 if scalars.decide(less(a, b)) else 1

    moved = np.moveaxis(entries, axis, -1)
    result = np.empty(moved.shape, dtype=object)
    for index in np.ndindex(*moved.shape[:-1]):
        result[index] = sorted(moved[index], key=functools.cmp_to_key(comparison))
    scalars.operations += entries.size * max(1, int(np.log2(max(moved.shape[-1], 1))))
    return np.moveaxis(result, -1, axis)


def ordered(scalars: Scalars, a: Any, axis: Any = -1, **_: Any) -> TracedArray:
    """Return ``np.sort``."""
    refuse(scalars, "sort")
    entries = entries_of(a, scalars)
    if axis is None:
        entries, axis = entries.ravel(), 0
    return TracedArray(_sorted(scalars, entries, axis), scalars)


def median(scalars: Scalars, a: Any, axis: Any = None, keepdims: Any = False, **unknown: Any) -> TracedArray:
    """Return ``np.median``: the middle entry, or the mean of both."""
    refuse(scalars, "sort")
    if unknown or isinstance(axis, tuple):
        raise TracingError(
            "np.median: over several axes, or with other arguments, it is not traced; write it out"
        )
    entries = entries_of(a, scalars)
    if axis is None:
        shape: tuple[int, ...] = (1,) * entries.ndim
        entries, place = entries.ravel(), 0
    else:
        place = axis % entries.ndim
        shape = (*entries.shape[:place], 1, *entries.shape[place + 1 :])
    rows = np.moveaxis(_sorted(scalars, entries, place), place, 0)
    count = len(rows)
    middle = TracedArray(np.asarray(rows[count // 2], dtype=object), scalars)
    if count % 2 == 0:
        middle = (middle + TracedArray(np.asarray(rows[count // 2 - 1], dtype=object), scalars)) / 2
    return middle.reshape(shape) if keepdims is True else middle


def interp(
    scalars: Scalars, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> TracedArray:
    """Return ``np.interp``: linear between the nodes, constant beside them."""
    if period is not None:
        raise TracingError("np.interp: with period= it is not traced; take the remainder of x yourself")
    points, nodes, values = (entries_of(part, scalars) for part in (x, xp, fp))
    less = scalars.primitives["less"]
    ends = [values[0] if left is None else entries_of(left, scalars)[()],
            values[-1] if right is None else entries_of(right, scalars)[()]]  # fmt: skip

    def value(point: Any) -> Any:
        place = sum(not scalars.decide(less(point, node)) for node in nodes)  # of the node after the point
        if place in (0, len(nodes)):
            return ends[place > 0]
        a, b = nodes[place - 1], nodes[place]
        slope = scalars.primitives["divide"](values[place] - values[place - 1], b - a)
        return values[place - 1] + slope * (point - a)

    result = np.empty(points.shape, dtype=object)
    for index in np.ndindex(*points.shape):
        result[index] = value(points[index])
    scalars.operations += points.size * (len(nodes) + 4)
    return TracedArray(result, scalars)
