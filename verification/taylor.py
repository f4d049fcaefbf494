"""The Taylor test: ‖f(x + h v) − f(x) − h J v‖ falls as h² when J is right and as h when it is wrong."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.arrays import Array
from jacobians.float_errors import without_float_errors
from jacobians.function import INPUT
from jacobians.structures import Jacobian
from verification.problem import Problem

STEPS = 2.0 ** -np.arange(2.0, 15.0)
FITTED = 4  # smallest steps above the noise: a small error of J shows last
RIGHT_ORDER, WRONG_ORDER = 1.8, 1.2


class TaylorResult(NamedTuple):
    """The remainders along one direction, and the order at which they fall.

    Attributes
    ----------
    order : float
        The slope of log remainder over log h at the smallest steps above rounding; infinite if the remainder is
        rounding at every step, as for a linear function.
    verdict : {"right", "wrong", "undecided"}
        Order 2 (or more) is right, 1 is wrong; between them, and with too few steps above rounding, undecided.
    steps, remainders : numpy.ndarray, shape (k,)
        All of them, the steps in falling order.
    fitted : numpy.ndarray of bool, shape (k,)
        Which the slope was fitted to.
    """

    order: float
    verdict: Literal["right", "wrong", "undecided"]
    steps: Array
    remainders: Array
    fitted: Array

    def __str__(self) -> str:
        if np.isinf(self.order):
            return f"{self.verdict}: the remainder is rounding at every step"
        used = self.steps[self.fitted]
        return (
            f"{self.verdict}: the remainder falls with order {self.order:.2f}, "
            f"fitted to {len(used)} steps from {used[0]:.1e} to {used[-1]:.1e}"
        )


@without_float_errors
def taylor_test(f: Any, x: Any, jacobian: Any, wrt: str = INPUT, *, seed: int = 0) -> TaylorResult:
    """Return how fast f(x + h v) − f(x) − h J v falls with h, along one random direction v.

    Parameters
    ----------
    f : Function or callable
        From one array to one array.
    x : array_like
        The point.
    jacobian : Jacobian or array_like, shape (m, n)
        The candidate J: numerator layout, row-major vec.
    wrt : str
        "input", or the name of a parameter of a Function.
    seed : int
        For the direction.

    Raises
    ------
    ValueError
        If J is not m×n.

    Examples
    --------
    >>> x = np.array([0.5, 1.0])
    >>> right = taylor_test(np.exp, x, np.diag(np.exp(x)))
    >>> wrong = taylor_test(np.exp, x, np.diag(x))
    >>> right.verdict, round(right.order, 1), wrong.verdict, round(wrong.order, 1)
    ('right', 2.0, 'wrong', 1.0)
    """
    problem = Problem(f, x, wrt, dtype=np.float64)
    matrix = jacobian if isinstance(jacobian, Jacobian) else np.asarray(jacobian, dtype=np.float64)
    if matrix.shape != problem.shape:
        raise ValueError(f"jacobian: found shape {matrix.shape}, expected {problem.shape}")
    return remainder(problem, matrix, seed)


def remainder(problem: Problem, matrix: Any, seed: int) -> TaylorResult:
    """Return the Taylor test of a problem; see :func:`taylor_test`."""
    m, n = problem.shape
    x = problem.point.reshape(-1)
    direction = np.random.default_rng(seed).normal(size=n) * np.maximum(1e-3, np.minimum(1, np.abs(x)))
    slope = matrix.matvec(direction) if isinstance(matrix, Jacobian) else matrix @ direction
    value = problem.value.reshape(m)
    moved = problem.evaluate_many((x + STEPS[:, None] * direction).reshape(-1, *problem.point.shape))
    with np.errstate(all="ignore"):
        remainders = np.linalg.norm(moved - value - STEPS[:, None] * slope, axis=1)
        noise = 64 * np.finfo(np.float64).eps * (np.linalg.norm(value) + STEPS * np.linalg.norm(slope))
    usable = np.isfinite(remainders) & (remainders > 16 * noise)
    fitted = usable & (np.cumsum(usable[::-1])[::-1] <= FITTED)
    if not usable.any() and np.isfinite(remainders).all():
        return TaylorResult(float("inf"), "right", STEPS, remainders, fitted)
    if fitted.sum() < 3:
        return TaylorResult(float("nan"), "undecided", STEPS, remainders, fitted)
    order = float(np.polyfit(np.log(STEPS[fitted]), np.log(remainders[fitted]), 1)[0])
    verdict: Literal["right", "wrong", "undecided"] = "undecided"
    if order >= RIGHT_ORDER:
        verdict = "right"
    elif order <= WRONG_ORDER:
        verdict = "wrong"
    return TaylorResult(order, verdict, STEPS, remainders, fitted)
