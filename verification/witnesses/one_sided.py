"""Whether f has a derivative where a step of its code has none: both one-sided derivatives along many directions.

½‖z − y‖² at its minimum is smooth, though the norm in it is not. Where the limits of (f(x + hu) − f(x))/h and of
(f(x) − f(x − hu))/h for h → 0 are J u for every axis and for random u, J is right; where one is not, there is a kink.
"""

from __future__ import annotations

import time

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Cause
from verification.comparison import NATURAL_RESOLUTION, RESOLUTION, SAFETY
from verification.problem import Problem
from verification.report import Witness
from verification.witnesses.finite_difference import FIRST_STEP, LEVEL_RATIO, MOST_LEVELS
from verification.witnesses.steps import UNDERFLOW

DIRECTIONS = (
    8  # beside the axes; no function that is linear along them all, and not beside them, is looked for
)
NAME = "one-sided"


def one_sided(problem: Problem, matrix: Array, relative: float, seed: int = 0) -> Witness:
    """Return whether both one-sided derivatives are J u, for the axes and for random directions u.

    Parameters
    ----------
    problem : Problem
        The function and the point.
    matrix : numpy.ndarray, shape (m, n)
        The candidate J; finite.
    relative : float
        How far J u may be off, as a part of the sum of the sizes of its terms.
    seed : int
        For the directions.

    Returns
    -------
    Witness
        "agrees"; otherwise "undecided", with the cause KINK if a one-sided derivative is another number: at a kink
        no candidate is wrong.

    Examples
    --------
    >>> one_sided(Problem(lambda x: np.linalg.norm(x) ** 2, [0.0, 0.0]), np.zeros((1, 2)), 1e-6).status
    'agrees'
    >>> one_sided(Problem(np.linalg.norm, [0.0, 0.0]), np.zeros((1, 2)), 1e-6).cause
    <Cause.KINK: 'kink'>
    """
    start = time.perf_counter()
    n = problem.point.size
    random = np.random.default_rng(seed).normal(size=(DIRECTIONS, n))
    # a point of one entry has two directions, and both are those of its axis
    directions = np.concatenate([np.eye(n), random]) if n > 1 else np.eye(1)
    directions *= np.maximum(1, np.abs(problem.point.reshape(-1)))
    images = directions @ matrix.T.astype(np.float64)
    terms = np.abs(directions) @ np.abs(matrix.T.astype(np.float64))
    wrong = precise = None
    for side in (1.0, -1.0):
        found, error, natural = _limits(problem, side * directions)
        deviation = np.abs(found - side * images)
        # the slopes at the first step are the scale of what is 0
        sharp = error <= np.maximum(RESOLUTION * terms, NATURAL_RESOLUTION * natural)
        off = np.isfinite(found) & (deviation > relative * terms + SAFETY * error)
        wrong = off if wrong is None else wrong | off
        precise = sharp if precise is None else precise & sharp
    assert wrong is not None
    assert precise is not None
    seconds, count = time.perf_counter() - start, 2 * len(directions)
    if wrong.any():
        reason = "a one-sided derivative of f is not J u"
        return Witness(NAME, "undecided", reason=reason, seconds=seconds, cause=Cause.KINK)
    if not precise.all():
        reason = "the one-sided derivatives are not precise enough"
        return Witness(NAME, "undecided", reason=reason, seconds=seconds, cause=Cause.IMPRECISE)
    reason = f"J u is the derivative of f to each side along {count} directions"
    return Witness(NAME, "agrees", reason=reason, seconds=seconds, cause=Cause.AGREES)


def _limits(problem: Problem, directions: Array) -> tuple[Array, Array, Array]:
    """Return the limits of (f(x + hu) − f(x))/h, their errors, and the largest quotients at the first step.

    Neville's scheme over h that fall by 4; all of shape (directions, m), the last of shape (m,).
    """
    x, value = problem.point.reshape(-1), problem.value.reshape(-1).astype(np.float64)
    shape = (len(directions), value.size)
    best, error, natural = np.full(shape, np.nan), np.full(shape, np.inf), np.zeros(value.size)
    previous: list[Array] = []
    for level in range(MOST_LEVELS):
        h = FIRST_STEP / LEVEL_RATIO**level
        points = (x + h * directions).reshape(-1, *problem.point.shape)
        values = problem.evaluate_many(points).astype(np.float64)
        with np.errstate(all="ignore"):
            slopes = (values - value) / h
            if level == 0:
                natural = np.max(np.abs(slopes), axis=0, where=np.isfinite(slopes), initial=0)
            noise = 2 * np.maximum(np.maximum(problem.noise, problem.eps * np.abs(values)), UNDERFLOW) / h
            # x + hu is rounded too, relative to x, which f multiplies by its slope
            noise = noise + 2 * float(np.finfo(np.float64).eps) * np.abs(slopes) / h
            row = [slopes]
            for i, old in enumerate(previous):
                row.append(row[i] + (row[i] - old) / (LEVEL_RATIO ** (i + 1) - 1))
                estimate = np.maximum(np.abs(row[i + 1] - row[i]), np.abs(row[i + 1] - old)) + noise
                better = estimate < error  # False for NaN
                best, error = np.where(better, row[i + 1], best), np.where(better, estimate, error)
            apart = np.min([np.abs(found - best) for found in row], axis=0) - 4 * noise
            error = np.where(apart > error, apart, error)
        previous = row
    return best, error, natural
