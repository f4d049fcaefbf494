"""The complex step: Im f(x + ih)/h, without a subtraction, for code that is analytic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.numerics.arrays import Array
from verification.problem import Problem
from verification.tracing.arrays import entries_of
from verification.tracing.scalars import ComplexScalars
from verification.witnesses.steps import FAINT, NORMAL, UNDERFLOW, require_jacobian, steps_of

COMPLEX_STEP = 1e-20  # relative; no subtraction, so nothing is lost by a step that small
LARGE_COMPLEX_STEP = 1e-8  # the error of the quotient is its square


def complex_step(problem: Problem, step: Any = None) -> Array:
    """Return Im f(x + i h e_j)/h for each j; see :func:`imaginary_quotients`."""
    return imaginary_quotients(problem, step)[0]


def imaginary_quotients(problem: Problem, step: Any = None) -> tuple[Array, Array]:
    """Return Im f(x + i h e_j)/h for each j, and what underflow may hide of it; f runs on traced complex numbers.

    The steps are 1e-20 of the entries of x, and 1e-8 of them where Im f may have underflowed: h² is still rounding. An
    entry whose quotient depends on the step, as at the branch point of a root, is NaN.

    Raises
    ------
    NotAnalyticError, TracingError
        If f is not analytic, or can't be traced to see that: complex numbers refuse what isn't.
    """
    require_jacobian(problem)
    m, n = problem.shape
    x = np.abs(problem.point.reshape(-1).astype(np.float64))
    if step is None:
        small = np.where(x > 0, COMPLEX_STEP * x, COMPLEX_STEP * min(1.0, float(x.max()) or 1.0))
        large = np.where(x > 0, LARGE_COMPLEX_STEP * x, 0)
        large = np.where(x > 0, large, np.min(large, where=x > 0, initial=LARGE_COMPLEX_STEP))
    else:
        small = large = steps_of(problem, step, 0.0).astype(np.float64)
    jacobian = np.empty((m, n), dtype=problem.point.dtype)
    error = np.zeros((m, n))
    lost = UNDERFLOW * np.maximum(1, np.abs(problem.value.reshape(-1).astype(np.float64)))
    wrapped: dict[Any, Any] = {}
    for j in range(n):
        found, steady = _steady_quotient(problem, j, small[j], wrapped)
        error[:, j] = lost / small[j]
        faint = ~(np.abs(found) * small[j] > FAINT * np.maximum(1, lost / UNDERFLOW))
        if faint.any() and large[j] > small[j]:
            again, steady_again = _steady_quotient(problem, j, large[j], wrapped)
            found, steady = np.where(faint, again, found), np.where(faint, steady_again, steady)
            error[faint, j] = np.maximum(lost / large[j], NORMAL)[faint]  # below it digits are lost
        steady |= np.abs(found) <= error[:, j]
        jacobian[:, j] = np.where(steady | (step is not None), found, np.nan)
    return jacobian, error


def _steady_quotient(
    problem: Problem, j: int, h: float, wrapped: dict[Any, Any]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the quotients of a step, and which are those of a step that is smaller by 1024 too."""
    first, second = (_imaginary_quotient(problem, j, step, wrapped) for step in (h, h / 1024))
    return first, np.abs(first - second) <= 1e-3 * np.abs(first)


def _imaginary_quotient(problem: Problem, j: int, h: float, wrapped: dict[Any, Any]) -> Array:
    scalars = ComplexScalars()
    scalars.wrapped = wrapped  # complex numbers: the same for every column
    point = entries_of(problem.point, scalars).copy().reshape(-1)
    point[j] = complex(point[j].real, h)
    values = problem.trace(scalars, point.reshape(problem.point.shape))
    numbers = np.array([complex(value) for value in values])
    return np.where(np.isnan(numbers), np.nan, numbers.imag / h)  # complex("nan") has the imaginary part 0
