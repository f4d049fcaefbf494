"""Broadcasting and sums over axes, as steps of which each is I ⊗ 1 ⊗ I or its transpose."""

from __future__ import annotations

import math
from typing import Any

from jacobians.graph.operations.table import Steps
from jacobians.structures import Identity, Jacobian, Repeat

Shape = tuple[int, ...]


def steps(*parts: Any, size: int) -> Steps:
    """Return the steps of a chain of maps, the last one first, without identities."""
    flat = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
    found = [one for one in flat if not isinstance(one, Identity)]
    return found[0] if len(found) == 1 else tuple(found) or Identity(size)


def broadcasting(in_shape: Shape, out_shape: Shape) -> tuple[Jacobian, ...]:
    """Return the steps of numpy.broadcast_to: one for each run of neighbouring new axes."""
    old = (1,) * (len(out_shape) - len(in_shape)) + tuple(in_shape)
    found: list[Jacobian] = []
    axis = 0
    while axis < len(old):
        end = axis
        while end < len(old) and old[end] == 1:
            end += 1
        k = math.prod(out_shape[axis:end])
        if k > 1:
            found.insert(0, Repeat(k, p=math.prod(out_shape[:axis]), q=math.prod(old[end:])))
        axis = end + 1
    return tuple(found)


def summing(shape: Shape, axes: Shape) -> tuple[Jacobian, ...]:
    """Return the steps of a sum over axes: those of broadcasting, turned over."""
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    return tuple(one.T for one in reversed(broadcasting(kept, shape)))
