"""Dead units in generated code: φ′ of a ReLU is 0 or 1, and the code multiplies only what meets a 1.

Which units are live is known when the code runs. So it looks for them (``np.flatnonzero``), takes their rows and
columns out of the weights, and multiplies the smaller matrices. The plan is made for half of the units, what random
weights give: a bracketing that depended on the numbers of x would have to be planned in every call.

The slopes of live units are ones, or NaN. A NaN makes all later units NaN, whatever the finite weights between them,
and with them the whole Jacobian. So of steps that follow each other only the last one's slopes are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop.compiling.nodes import Node
from backprop.compiling.recording import Recording
from jacobians.numerics.arrays import is_recorded
from jacobians.structures import Dense, Diagonal, Identity, Jacobian

_LEAST_UNITS = 64  # below that, taking rows and columns costs more than it saves


def live_chain(recording: Recording, factors: Sequence[Jacobian]) -> list[Jacobian] | None:
    """Return the factors without their dead units; None if nothing can leave.

    Exact for finite weights: a unit leaves only between two matrices whose numbers are known and finite.

    Parameters
    ----------
    recording : Recording
    factors : sequence of Jacobian
        Of recorded arrays, for one point, output side first.

    Returns
    -------
    list of Jacobian
        Their sizes are those with half of the units live.
    """
    live: list[Any] = [None] * (len(factors) + 1)
    kept = list(factors)
    for place in range(1, len(factors) - 1):
        slope = factors[place]
        if _is_step(slope) and all(_is_finite(factors[near]) for near in (place - 1, place + 1)):
            assert isinstance(slope, Diagonal)
            count = slope.shape[0] // 2
            units = recording.add("function", np.flatnonzero, (slope.d,), shape=(count,), dtype=np.intp)
            if place > 1 and live[place - 1] is not None:
                kept[place] = Identity.unchecked(slope.shape[0], dtype=slope.dtype)
            live[place] = live[place + 1] = units
    if not any(units is not None for units in live):
        return None
    return [
        factor if rows is None and columns is None else factor._take(rows, columns)
        for factor, rows, columns in zip(kept, live[:-1], live[1:], strict=True)
    ]


def _is_step(factor: Jacobian) -> bool:
    """Return whether a Jacobian is a diagonal of zeros and ones that depends on x."""
    return (
        isinstance(factor, Diagonal)
        and factor.zero_one
        and is_recorded(factor.d)
        and factor.shape[0] >= _LEAST_UNITS
    )


def _node(array: Any) -> Node:
    return array.node


def _is_finite(factor: Jacobian) -> bool:
    """Return whether a Jacobian is a matrix of finite numbers that are known."""
    if not isinstance(factor, Dense) or not is_recorded(factor.A):
        return False
    node = _node(factor.A)
    return node.kind == "constant" and node.value is not None and bool(np.isfinite(node.value).all())
