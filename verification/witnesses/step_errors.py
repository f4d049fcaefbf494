"""How the error of finite differences depends on their step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jacobians.equality import ByValue
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import Problem
from verification.tracing.scalars import NotAnalyticError, TracingError
from verification.witnesses.complex_step import complex_step
from verification.witnesses.finite_difference import (
    Method,
    finite_difference_jacobian,
    richardson,
)

LARGEST_CURVE = 2**22
"""Entries of the largest Jacobian of which a step curve is drawn: each step forms it twice."""
COMPLEX_BUDGET = 1_000_000  # scalar operations for the reference of a curve, below a second


@dataclass(frozen=True, eq=False)
class StepErrors(ByValue):
    """How far finite differences are off, by their step: the numbers of a step curve.

    Attributes
    ----------
    steps : numpy.ndarray, shape (k,)
        Relative steps, falling: the step of x_j is this times max(1, abs(x_j)).
    forward, central : numpy.ndarray, shape (k,)
        The largest error of an entry as a fraction of the largest entry; NaN where the step is lost in the rounding
        of x, or f is not finite.
    defaults : dict of str to float
        The relative steps that :func:`~verification.finite_difference_jacobian` takes by default.
    reference : str
        What the differences are compared with.
    resolution : float
        The reference's own error, as the same fraction: below it nothing is known.
    """

    steps: Array
    forward: Array
    central: Array
    defaults: dict[str, float]
    reference: str
    resolution: float


@without_float_errors
def step_errors(f: Any, x: Any, wrt: str = INPUT, *, jacobian: Any = None) -> StepErrors:
    """Return the errors of forward and central differences for steps from 1/2 down to the rounding of x.

    Parameters
    ----------
    f : Function or callable
        From one array to one array.
    x : array_like
        The point; float32 gives the curve of float32.
    wrt : str
        "input", or the name of a parameter of a Function.
    jacobian : array_like, optional, shape (m, n)
        The right answer, if it is known. By default the complex step where the code of f can be traced and is
        analytic, otherwise Richardson's extrapolation.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, x or f(x) is not finite, or the Jacobian is 0, not finite, or above 2²² entries.

    Examples
    --------
    >>> errors = step_errors(np.exp, 1.0)
    >>> errors.reference
    'the complex step'
    >>> best = errors.steps[np.nanargmin(errors.central)]  # near the default, eps^(1/3)
    >>> bool(0.1 < best / errors.defaults["central"] < 10)
    True
    """
    problem = Problem(f, x, wrt)
    m, n = problem.shape
    if m * n > LARGEST_CURVE or m * n == 0:
        raise ValueError(
            f"x: found a Jacobian of {m}×{n} entries, expected from 1 to {LARGEST_CURVE:,} for a curve"
        )
    if not (np.isfinite(problem.point).all() and np.isfinite(problem.value).all()):
        raise ValueError(
            "x: found a point where x or f(x) is not finite, expected finite numbers for a curve"
        )
    right, reference, error = _reference(problem, jacobian)
    scale = float(np.abs(right).max())
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(
            f"f: found a Jacobian at x whose largest entry is {scale}, expected a finite number above 0: errors are "
            "relative to it"
        )
    eps = float(np.finfo(problem.point.dtype).eps)
    steps = 2.0 ** -np.arange(1.0, np.ceil(-np.log2(eps)) + 1)
    sizes = np.maximum(1, np.abs(problem.point))
    errors: dict[Method, list[float]] = {"forward": [], "central": []}
    for method, found in errors.items():
        for step in steps:
            try:
                differences = finite_difference_jacobian(f, x, method, step=step * sizes, wrt=wrt)
            except ValueError as lost:
                if "lost in the rounding" not in str(lost):
                    raise
                found.append(float("nan"))
                continue
            found.append(float(np.abs(differences.astype(np.float64) - right).max()) / scale)
    return StepErrors(
        steps,
        np.array(errors["forward"]),
        np.array(errors["central"]),
        {"forward": eps**0.5, "central": eps ** (1 / 3)},
        reference,
        error / scale,
    )


def _reference(problem: Problem, jacobian: Any) -> tuple[Array, str, float]:
    """Return the right Jacobian, what it comes from, and its error; in float64, whatever the differences use."""
    if jacobian is not None:
        given = real_array(jacobian, "jacobian").astype(np.float64)
        if given.shape != problem.shape:
            raise ValueError(f"jacobian: found shape {given.shape}, expected {problem.shape}")
        return given, "the given Jacobian", 0.0
    precise = Problem(problem.f, problem.x, problem.wrt, dtype=np.float64)
    try:
        if precise.operations * precise.point.size <= COMPLEX_BUDGET:
            found = complex_step(precise)
            if np.isfinite(found).all():
                return found, "the complex step", float(np.finfo(float).eps * np.abs(found).max())
    except (NotAnalyticError, TracingError):
        pass  # the extrapolation needs no traced code
    result = richardson(precise)
    return result.matrix, "Richardson's extrapolation", float(np.max(result.error))
