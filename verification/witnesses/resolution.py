"""What differences can't see: functions that are faster than their steps, and changes that rounding swallows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jacobians.numerics.arrays import Array
from verification.problem import FAR, MILD, TOO_FAR, Problem
from verification.witnesses.finite_difference import FIRST_STEP, RichardsonResult
from verification.witnesses.steps import UNDERFLOW

PROBES = (
    2.0**-30,
    2.0**-36,
)  # relative; far below the steps of the extrapolation, where gross errors still show
STILL = 2.0 ** -np.array([24.0, 30, 36, 42])  # relative; stairs may be as narrow
LINES = 3  # a change may be small along one of them
FLAT = 64.0  # roundings of f, which a change must exceed that doesn't come
GROSS = 0.1  # a part of a change: by less, the probe contradicts nothing
STEADY = 1e-3  # noise above this part of a value, and of its linear change over the size of x, is none
NOISES = 16.0  # of the noise, one that two values rarely have
SAFETY = 8.0  # as in the comparison


def too_fast(problem: Problem, found: RichardsonResult) -> NDArray[np.bool_]:
    """Return the outputs, shape (m,), that move within the steps of the differences, so that these know nothing.

    Differences at steps that fall by 4 may agree by chance where f repeats itself within each of them: a sawtooth's do
    in one of four cases; a staircase looks like a slope to them. Either f stands still at a tiny step, or what is left
    of smooth functions after sixth differences is as large as f, or a tiny step along all entries gives another change
    than the extrapolated matrix.

    Examples
    --------
    >>> from verification.witnesses.finite_difference import richardson
    >>> problem = Problem(lambda x: np.array([np.sin(1e9 * x[0]), np.sin(x[0])]), [0.3])
    >>> too_fast(problem, richardson(problem))
    array([ True, False])
    """
    x = problem.point.reshape(-1)
    none = np.zeros(problem.value.size, dtype=bool)
    if x.dtype != np.float64:
        return none  # a probe would be lost in the rounding of x
    slopes = np.where(np.isfinite(found.matrix), found.matrix, 0)
    sizes = np.where(x == 0, 2.0**-10, np.abs(x))
    # far from 0 the differences take steps of the size 1, too; what is below them is still above the rounding of x
    sizes = np.where(sizes > FAR, np.maximum(1.0, 2.0**-18 * sizes), sizes)
    direction = np.where(np.arange(x.size) % 2, -1.0, 1.0) * sizes
    points = np.stack([x + side * probe * direction for side in (1, -1) for probe in PROBES])
    near = _near(x, sizes)
    try:  # all of them in one call
        both = np.concatenate([points, near]).reshape(-1, *problem.point.shape)
        values, still = np.split(problem.evaluate_many(both).astype(np.float64), [len(points)])
    except Exception:  # f's own
        return none
    with np.errstate(all="ignore"):
        (above, below), (up, down) = np.split(values, 2), np.split(points, 2)
        change, predicted = above - below, (up - down) @ slopes.T
        errors = np.abs(up - down) @ np.where(np.isfinite(found.error), found.error, 0).T
        allowed = GROSS * np.maximum(np.abs(change), np.abs(predicted)) + NOISES * problem.noise
        apart = (np.abs(change - predicted) > allowed + SAFETY * errors + UNDERFLOW).any(axis=0)
        seen = np.where(np.abs(slopes) > SAFETY * found.error, np.abs(slopes), 0)
        size = np.maximum(np.abs(problem.value.reshape(-1)), seen @ np.abs(direction))
        unsteady = problem.noise > np.maximum(STEADY * size, 4 * problem.rounding)
    return apart | unsteady | _stands_still(problem, slopes, near, still)


def _near(x: Array, sizes: Array) -> Array:
    """Return points around x along a few lines, row by row, at steps that a stair may hide."""
    random = np.random.default_rng(0)
    lines = random.choice([-1.0, 1.0], size=(LINES, x.size)) * random.uniform(0.5, 1.5, size=(LINES, x.size))
    return np.asarray((x + STILL[:, None, None] * lines * sizes).reshape(-1, x.size))


def _stands_still(problem: Problem, slopes: Array, points: Array, values: Array) -> NDArray[np.bool_]:
    """Say of each output whether it doesn't move where its differences say that it does, as within a stair."""
    x, value = problem.point.reshape(-1), problem.value.reshape(-1)
    # what f adds up may be of the size of x, as in x − sin x
    roundings = np.maximum(problem.eps * np.maximum(np.abs(value), problem.largest), problem.rounding)
    # (c + x) − c stands still, too, within the rounding of c: while that is small it is noise, which the errors hold
    least = MILD * np.maximum(np.abs(value), np.abs(slopes) @ np.abs(x))
    roundings = np.maximum(FLAT * roundings, NOISES * np.minimum(problem.noise, least))
    moved = np.abs((points - x) @ slopes.T) > roundings
    return np.asarray((moved & (values == value)).any(axis=0))


def too_far(problem: Problem, found: RichardsonResult) -> NDArray[np.bool_]:
    """Return the entries, shape (m, n), by inputs so large that every step may hold periods of f, and which f shows.

    sin x at 1e15 has a value an eighth apart from the next; what is found by the quotients of such steps is a
    derivative only if they converge to it, not if they are merely small beside a candidate.

    Examples
    --------
    >>> from verification.witnesses.finite_difference import richardson
    >>> problem = Problem(lambda x: np.array([np.sin(x[0]) / x[0], x[0] ** 2]), [8.666883210108314e17])
    >>> too_far(problem, richardson(problem)).tolist()
    [[True], [False]]
    """
    far = np.abs(problem.point.reshape(1, -1)) >= TOO_FAR
    converged = (found.error <= STEADY * np.abs(found.matrix)) | (found.matrix == 0)
    return np.asarray(far & ~converged)


def unseen(problem: Problem) -> Array:
    """Return how large a derivative may be, shape (1, n), that leaves all values as they are, to the last bit.

    A logarithm of a softmax that is saturated is 0, and rounds a slope of 1e-22 away between terms of size 1. Where
    code is traced, the size of its terms is known, and 0 is returned.
    """
    x = np.abs(problem.point.reshape(1, -1).astype(np.float64))
    if problem.sizes is not None:
        return np.zeros_like(x)
    largest = max(float(np.abs(problem.value).max(initial=0)), float(x.max(initial=0)))
    return np.asarray(SAFETY * problem.eps.max(initial=0) * largest / (FIRST_STEP * np.maximum(1, x)))
