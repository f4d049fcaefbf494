"""What all differences share: one step an entry, the budget, and the least numbers that floats have."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array, require_budget
from verification.problem import Problem

FAINT = 1e-280  # an imaginary part below it may have come from one that underflowed
PROJECT_INSTEAD = 'check a candidate J without forming it: check(f, x, J, witnesses=["projections"])'
SUBNORMAL = 5e-324  # the one absolute error of rounding
UNDERFLOW = 4096 * SUBNORMAL  # what the gains of the code make of it
NORMAL = float(np.finfo(np.float64).smallest_normal)


def steps_of(problem: Problem, step: Any, relative: float) -> Array:
    """Return one positive step for each entry of the point, along one axis."""
    x = problem.point
    if step is None:
        return np.asarray(relative * np.maximum(1, np.abs(x)), dtype=x.dtype).reshape(-1)
    h = real_array(step, "step").astype(x.dtype)
    if np.asanyarray(step).dtype == bool:
        raise TypeError(f"step: found {shown(step)}, expected a number h > 0 or an array of them")
    if h.shape not in ((), x.shape):
        raise ValueError(
            f"step: found shape {h.shape}, expected one number or the shape {x.shape} of the point"
        )
    h = np.broadcast_to(h, x.shape).reshape(-1)
    if not np.all((h > 0) & np.isfinite(h)):
        raise ValueError("step: found a step that is not positive and finite, expected h > 0")
    return h


def require_jacobian(problem: Problem) -> None:
    """Raise MemoryBudgetError if the Jacobian is beyond the budget."""
    require_budget(problem.shape, 8, "a Jacobian by differences", PROJECT_INSTEAD)
