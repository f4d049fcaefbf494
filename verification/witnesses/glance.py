"""Whether two differences along random directions suffice to see that J v is right: one batch of values of f."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import product
from jacobians.numerics.ledger import UNCOUNTED
from jacobians.structures import Jacobian
from verification.causes import Cause
from verification.comparison import RELATIVE, Evidence, compare
from verification.problem import Problem
from verification.report import Witness
from verification.witnesses.asking import status_of
from verification.witnesses.resolution import FLAT, GROSS, NOISES, SAFETY, STEADY
from verification.witnesses.steps import UNDERFLOW

PROJECTIONS = "projections"
DIRECTIONS = 2
STEP = 2.0**-13  # along directions of length 1: rounding and h² are both far below what is tolerated
TINY = 2.0**-34, 2.0**-40  # where stairs stand still, and what repeats itself within a step is another
FINE = STEP / 4
BOTH_SIDES = np.array([[STEP, 0], [FINE, 0], [0, STEP]])
"""In units of the directions, which are alike: one is asked for the error and the kinks of both."""
BESIDE = np.array([[TINY[0], -TINY[0]], [-TINY[1], -TINY[1]]])
STILL = 4.0  # roundings of a value

CACHED = 2**20
"""Bytes of the rows of J that are multiplied by one direction after the other while they are in a cache."""


class Glance(NamedTuple):
    """What was seen: a witness that agrees, and the directions and their images, row by row."""

    witness: Witness
    directions: Array
    images: Array


def at_a_glance(problem: Problem, jacobian: Any, dtype: str, rtol: float | None, seed: int) -> Glance | None:
    """Return a witness if two differences along random directions suffice for it to agree; otherwise None.

    No entry of a direction is less than a third of another, so that none of J hides behind a small one.

    Parameters
    ----------
    problem : Problem
        The function and the point, in float64.
    jacobian : Jacobian or numpy.ndarray
        The candidate, m×n.
    dtype : str
        Sets the tolerance, as for :func:`verification.comparison.compare`.
    rtol : float or None
        In its place.
    seed : int
        For the directions.
    """
    start = time.perf_counter()
    shape, x = problem.point.shape, problem.point.reshape(-1)
    random = np.random.default_rng(seed).uniform(-1, 1, size=(DIRECTIONS, x.size))
    directions = (random + np.copysign(0.5, random)) * (np.maximum(1, np.abs(x)) / np.sqrt(x.size))
    # a guess: noise above it shows in the error, and is then measured
    noise = 4 * float(np.finfo(np.float64).eps) * float(np.abs(problem.value).max())
    value = problem.value.reshape(-1)
    smaller = Problem(
        lambda t: problem.evaluate_many((x + t @ directions).reshape(-1, *shape)),
        np.zeros(DIRECTIONS),
        vectorized=True,
        value=value,
        guessed=noise,
    )
    smaller.largest = problem.largest
    values = smaller.evaluate_many(np.concatenate([BOTH_SIDES, -BOTH_SIDES, BESIDE]))
    above, below, beside = values[:3], values[3:6], values[6:]
    with np.errstate(all="ignore"):
        coarse, fine, other = (above - below) / (2 * BOTH_SIDES.max(axis=1))[:, None]
        rounding = 2 * noise / FINE
        error = np.abs(fine - coarse) * (16 / 15) + rounding
        found = np.stack([fine + (fine - coarse) / 15, other], axis=1)
        # by which the slopes on both sides differ
        bent = np.abs(above[:2] - 2 * value + below[:2]) / BOTH_SIDES[:2, :1]
        kinks = (bent[1] > 20 * rounding) & (bent[1] > 0.5 * bent[0])
    if not (np.isfinite(found).all() and np.isfinite(error).all()) or kinks.any():
        return None
    if _too_fast(smaller, found, error, beside - value):
        return None
    tolerance = RELATIVE[dtype] if rtol is None else rtol
    if (SAFETY * (error - rounding) > tolerance * np.abs(found).max(axis=1) + rounding).any():
        return None  # curvature would excuse more than the tolerance does: smaller steps tell
    evidence = Evidence(found, np.stack([error, error], axis=1), np.zeros(found.shape, dtype=bool))
    images = along_directions(jacobian, directions.T)
    if not np.isfinite(images).all():
        return None
    comparison = compare(images, evidence, smaller, dtype, rtol)
    if status_of(evidence, comparison)[0] != "agrees":
        return None
    reason, seconds = f"J v for {DIRECTIONS} random directions v", time.perf_counter() - start
    witness = Witness(PROJECTIONS, "agrees", comparison.error, reason, seconds, cause=Cause.AGREES)
    return Glance(witness, directions, images.T.astype(np.float64))


def _too_fast(problem: Problem, found: Array, error: Array, changes: Array) -> bool:
    """Say whether an output changes otherwise by tiny steps than the differences say, or by no more than noise.

    :func:`verification.witnesses.resolution.too_fast` says why; these are its questions about two directions.
    """
    value, noise, predicted = np.abs(problem.value), problem.noise, BESIDE @ found.T
    with np.errstate(all="ignore"):
        allowed = GROSS * np.maximum(np.abs(changes), np.abs(predicted)) + NOISES * noise
        allowed += SAFETY * np.abs(BESIDE).sum(axis=1, keepdims=True) * error + UNDERFLOW
        # points of a batch round otherwise than one alone: what stands still may differ by that
        still = np.abs(changes) <= STILL * problem.eps * value
        moved = np.abs(predicted) > FLAT * problem.eps * np.maximum(value, problem.largest)
        seen = np.where(np.abs(found) > SAFETY * error[:, None], np.abs(found), 0).sum(axis=1) * 2.0**-10
        unsteady = noise > STEADY * np.maximum(value, seen)
        apart = ~(np.abs(changes - predicted) <= allowed)  # NaN too
    return bool(apart.any() or (still & moved).any() or unsteady.any())


def along_directions(jacobian: Any, directions: Array) -> Array:
    """Return J V in the precision of J, without forming a structured J.

    Rows of an array are taken from memory once, for all directions one after the other: a product with a few columns
    at once takes longer than as many with one.
    """
    if isinstance(jacobian, Jacobian):
        return np.asarray(jacobian._apply(directions, UNCOUNTED), dtype=jacobian.dtype)
    images = np.empty((directions.shape[1], len(jacobian)), dtype=jacobian.dtype)
    columns = np.ascontiguousarray(directions.T, dtype=jacobian.dtype)
    count = max(1, CACHED // max(1, jacobian.itemsize * jacobian.shape[1]))
    for begin in range(0, len(jacobian), count):
        part = slice(begin, begin + count)
        for column, image in zip(columns, images, strict=True):
            image[part] = product(jacobian[part], column)
    return images.T
