"""The Taylor test: ‖f(x + h v) − f(x) − h J v‖ falls as h² when J is right and as h when it is wrong."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.structures import Jacobian
from jacobians.structures.equality import equal_by_value
from verification.problem import TOO_FAR, Problem

STEPS = 2.0 ** -np.arange(2.0, 15.0)
FITTED = 4  # smallest steps above the noise: a small error of J shows last
RIGHT_ORDER, WRONG_ORDER = 1.8, 1.2
CONSTANT_ORDER = 0.7  # below it the remainder doesn't fall with h as an error of J does: rounding, or a jump
POWER = 1e-3  # of h ‖J v‖: where the rounding hides more than that, remainders within it say nothing
LEAST_SIZE = 1e-3  # entries that are smaller are moved as far as one of this size
LARGE = 2.0**20  # of entries above it the steps are relative: 1 is lost in their rounding, or nearly


class TaylorResult(NamedTuple):
    """The remainders along one direction, and the order at which they fall.

    Attributes
    ----------
    order : float
        The slope of log remainder over log h at the smallest steps above rounding; infinite if the remainder is
        rounding at every step, as for a linear function; NaN if too few are above it.
    verdict : {"right", "wrong", "undecided"}
        Order 2 (or more) is right, 1 is wrong; between them, below 0.7 (rounding does not fall with h), and with too
        few steps above rounding, undecided; so is what is wrong along all entries and right along the tiny ones alone:
        f may be smooth on no more than their own size. Where all is rounding, it is right if that is below 1e-3 of
        h J v.
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

    def __eq__(self, other: object) -> bool:
        return equal_by_value(self, other)

    def __ne__(self, other: object) -> bool:
        return not equal_by_value(self, other)

    def __bool__(self) -> bool:
        return self.verdict == "right"

    @property
    def passed(self) -> bool:
        """Whether the verdict is "right"; also the truth value of the result."""
        return self.verdict == "right"

    def __str__(self) -> str:
        if np.isnan(self.order):
            return f"{self.verdict}: too few remainders are finite and above rounding"
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
    TypeError, ValueError
        If J is not m×n, or no array of real numbers.

    Examples
    --------
    >>> x = np.array([0.5, 1.0])
    >>> right = taylor_test(np.exp, x, np.diag(np.exp(x)))
    >>> wrong = taylor_test(np.exp, x, np.diag(x))
    >>> right.verdict, round(right.order, 1), wrong.verdict, round(wrong.order, 1)
    ('right', 2.0, 'wrong', 1.0)
    """
    seed = checked_integer(seed, "seed", least=0, most=None)
    problem = Problem(f, x, wrt, dtype=np.float64)
    matrix = jacobian if isinstance(jacobian, Jacobian) else real_array(jacobian, "jacobian")
    if matrix.shape != problem.shape:
        raise ValueError(f"jacobian: found shape {matrix.shape}, expected {problem.shape}")
    return remainder(problem, matrix, seed, real_array(x, "x").dtype)


def remainder(problem: Problem, matrix: Any, seed: int, *dtypes: Any) -> TaylorResult:
    """Return the Taylor test of a problem; see :func:`taylor_test`.

    Parameters
    ----------
    problem : Problem
    matrix : Jacobian or numpy.ndarray
    seed : int
    *dtypes : numpy dtype
        What J was computed in, besides its own dtype and those of the point and the value: the least precise counts.
    """
    x = problem.point.reshape(-1).astype(np.float64)
    direction = np.random.default_rng(seed).normal(size=x.size)
    result = _along(problem, matrix, direction * _sizes(x), dtypes)
    far = (np.abs(x) > LARGE) & (np.abs(x) < TOO_FAR)
    if result.verdict != "right" and far.any():
        # f may bend within steps in proportion to such an entry, as sin does: those of the size 1 are asked
        near = _along(problem, matrix, direction * np.where(far, 1, _sizes(x)), dtypes)
        result = result if near.verdict == "undecided" else near
    faint = (x != 0) & (np.abs(x) < LEAST_SIZE)
    if result.verdict != "wrong" or not faint.any():
        return result
    # steps that are larger than such an entry may be larger than what f is smooth on, as log is: its own are asked
    beside = _along(problem, matrix, np.where(faint, direction * np.abs(x), 0), dtypes)
    return result._replace(verdict="undecided") if beside.verdict == "right" else result


def _along(problem: Problem, matrix: Any, direction: Array, dtypes: Any) -> TaylorResult:
    """Return the Taylor test along one direction, in the units of the point."""
    m = problem.shape[0]
    x = problem.point.reshape(-1).astype(np.float64)
    known = [problem.point.dtype, problem.value.dtype, matrix.dtype, *dtypes]
    eps = max(float(np.max(problem.eps)), *(float(np.finfo(dtype).eps) for dtype in known))
    subnormal = max(float(np.finfo(dtype).smallest_subnormal) for dtype in known)
    points = (x + STEPS[:, None] * direction).astype(problem.point.dtype)
    moves = points.astype(np.float64) - x  # as they are taken: nothing of them is lost
    value = problem.value.reshape(m).astype(np.float64)
    moved = problem.evaluate_many(points.reshape(-1, *problem.point.shape)).astype(np.float64)
    with np.errstate(all="ignore"):
        if isinstance(matrix, Jacobian):
            slopes = np.stack([matrix.matvec(move.astype(matrix.dtype)) for move in moves]).astype(np.float64)
            terms = np.abs(slopes)
        else:
            slopes = moves @ matrix.T.astype(np.float64)
            terms = np.abs(moves) @ np.abs(matrix.T.astype(np.float64))
        sizes = [np.abs(value), np.abs(moved), terms]
        largest = max((float(np.max(part[np.isfinite(part)], initial=0)) for part in sizes[1:]), default=0.0)
        exponent = -int(np.frexp(max(largest, float(np.max(sizes[0]))))[1]) if largest > 0 else 0
        scaled = [np.ldexp(part, exponent) for part in (moved, value, slopes, terms)]
        gaps = np.linalg.norm(scaled[0] - scaled[1] - scaled[2], axis=1)
        rounding = np.linalg.norm(np.ldexp(problem.noise.reshape(-1), exponent)) / 4
        ends = np.linalg.norm(np.maximum(np.abs(scaled[0]), np.abs(scaled[1])), axis=1)
        lost = float(np.ldexp(subnormal, exponent)) * m**0.5
        lengths = np.linalg.norm(scaled[3], axis=1)
        noise = 64 * (np.maximum(eps * ends, rounding / 16) + eps * lengths + lost)
        remainders = np.ldexp(gaps, -exponent)
    finite = np.isfinite(gaps) & np.isfinite(noise)
    usable = finite & (gaps > 16 * noise)
    fitted = usable & (np.cumsum(usable[::-1])[::-1] <= FITTED)
    if not usable.any() and finite.all():
        exact = not gaps.any() and not lengths.any()  # no step changes f, and J v is 0
        if exact or bool(np.any(noise <= POWER * lengths)):
            return TaylorResult(float("inf"), "right", STEPS, remainders, fitted)
    if fitted.sum() < 3:
        return TaylorResult(float("nan"), "undecided", STEPS, remainders, fitted)
    order = float(np.polyfit(np.log(STEPS[fitted]), np.log(gaps[fitted]), 1)[0])
    verdict: Literal["right", "wrong", "undecided"] = "undecided"
    if order >= RIGHT_ORDER:
        verdict = "right"
    elif CONSTANT_ORDER <= order <= WRONG_ORDER:
        verdict = "wrong"
    return TaylorResult(order, verdict, STEPS, remainders, fitted)


def _sizes(x: Array) -> Array:
    """Return how far each entry is moved: as its own size below 1, and an entry that is 0 as far as the largest."""
    sizes = np.abs(x)
    own = np.where(sizes > LARGE, sizes, np.minimum(1, sizes))
    typical = min(1.0, float(sizes.max())) or 1.0
    return np.asarray(np.where(sizes == 0, typical, np.maximum(LEAST_SIZE, own)))
