"""The complex step: Im f(x + ih)/h, without a subtraction, for code that is analytic."""

from __future__ import annotations

import warnings
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
ALIKE = 2  # columns for which traced numbers and NumPy's are compared, before NumPy's alone are used


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
    steps = _Steps(problem, n)
    for j in range(n):
        found, steady = _steady_quotient(steps, j, small[j])
        error[:, j] = lost / small[j]
        faint = ~(np.abs(found) * small[j] > FAINT * np.maximum(1, lost / UNDERFLOW))
        if faint.any() and large[j] > small[j]:
            again, steady_again = _steady_quotient(steps, j, large[j])
            found, steady = np.where(faint, again, found), np.where(faint, steady_again, steady)
            error[faint, j] = np.maximum(lost / large[j], NORMAL)[faint]  # below it digits are lost
        steady |= np.abs(found) <= error[:, j]
        jacobian[:, j] = np.where(steady | (step is not None), found, np.nan)
    return jacobian, error


class _Steps:
    """f on complex numbers: traced ones, and NumPy's own once they are known to give the same.

    The first columns are traced, which refuses what isn't analytic: every operation of the code at the point. NumPy's
    complex arrays, which refuse little, give the others in a fraction of the time.
    """

    def __init__(self, problem: Problem, columns: int) -> None:
        self.problem = problem
        self.wrapped: dict[Any, Any] = {}
        self.plain: bool | None = None if columns > ALIKE else False  # None is not known yet

    def quotient(self, j: int, h: float) -> Array:
        """Return Im f(x + i h e_j)/h."""
        if self.plain and j >= ALIKE and (own := self._own(j, h)) is not None:
            return own
        found = self._traced(j, h)
        if self.plain is not False:
            self.plain = self._is_like(self._own(j, h), found)
        return found

    def _is_like(self, own: Array | None, found: Array) -> bool:
        if own is None:
            return False
        return bool(np.allclose(own, found, rtol=1e-12, atol=1e-14 * float(np.abs(found).max(initial=0))))

    def _traced(self, j: int, h: float) -> Array:
        scalars = ComplexScalars()
        scalars.wrapped = self.wrapped  # complex numbers: the same for every column
        point = entries_of(self.problem.point, scalars).copy().reshape(-1)
        point[j] = complex(point[j].real, h)
        values = self.problem.trace(scalars, point.reshape(self.problem.point.shape))
        return _imaginary(np.array([complex(value) for value in values]), h)

    def _own(self, j: int, h: float) -> Array | None:
        """Return the quotient by NumPy's complex numbers; None where the code doesn't take them."""
        point = self.problem.point.astype(np.complex128).reshape(-1)
        point[j] += 1j * h
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")  # a cast to real numbers is a warning
                values = np.asarray(self.problem._call(point.reshape(self.problem.point.shape)))
        except Exception:  # the code's own, or NumPy's
            return None
        value = self.problem.value
        if values.dtype != np.complex128 or values.shape != value.shape:
            return None
        if not np.allclose(values.real, value, rtol=1e-9, atol=0):
            return None
        return _imaginary(values.reshape(-1), h)


def _imaginary(numbers: Any, h: float) -> Array:
    """Return Im/h; complex("nan") has the imaginary part 0."""
    return np.where(np.isnan(numbers), np.nan, numbers.imag / h)


def _steady_quotient(steps: _Steps, j: int, h: float) -> tuple[Array, NDArray[np.bool_]]:
    """Return the quotients of a step, and which are those of a step that is smaller by 1024 too."""
    first, second = (steps.quotient(j, step) for step in (h, h / 1024))
    return first, np.abs(first - second) <= 1e-3 * np.abs(first)
