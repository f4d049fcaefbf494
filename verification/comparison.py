"""When a candidate equals what a witness found: entry by entry, as far as the witness's precision permits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.numerics.arrays import Array
from verification.problem import Problem

RELATIVE = {"float64": 1e-6, "float32": 2e-4, "float16": 1e-2}
"""How far an entry may be off, relatively: far below the 1e-3 that is always wrong."""

ROUNDINGS = 4.0  # of eps each: what a right candidate may lose
UNDERFLOW_GROWTH = 4096.0  # what the gains of a network make of a subnormal number, at the most
HALF_GROWTH = 16.0  # the same in float16, where 4096 of them are 2e-4
SAFETY = 8.0  # an error estimate may be short by this factor
RESOLUTION = 2.5e-4  # a witness whose error is larger than this part of a row can't judge the row
CONFIRMED = {"float64": 9e-4, "float32": 9e-4, "float16": 2e-2}
"""An entry is confirmed if it is off by less than this, relatively: 1e-3 in all of them is wrong, but in float16."""
STEADY = 1e-3  # noise above this part of a value is none
VISIBLE = 1e-6  # of a row: a deviation that is smaller needs no excuse
NATURAL_RESOLUTION = 1e-7  # the same, for a row of zeros, as a part of the terms that cancel in it


def _least_numbers(eps: Array) -> tuple[Array, Array]:
    """Return the smallest positive number and the smallest normal one of the floats that each value rounds to."""
    kinds = [np.finfo(name) for name in ("float16", "float32", "float64")]
    units, places = np.unique(eps, return_inverse=True)
    finds = [next(kind for kind in kinds if unit >= kind.eps) for unit in units]
    columns = [(float(kind.smallest_subnormal), float(kind.smallest_normal)) for kind in finds]
    least, normal = np.array(columns)[places].T.reshape(2, -1, 1)
    return least, normal


@dataclass(frozen=True)
class Evidence:
    """The Jacobian that a witness found.

    Attributes
    ----------
    matrix : numpy.ndarray, shape (m, n)
        The values.
    error : numpy.ndarray, shape (m, n)
        Estimated absolute errors; 0 stands for rounding.
    kinks : numpy.ndarray of bool, shape (m, n)
        Entries about which nothing can be said because of a kink.
    remark : str
        For the report.
    unseen : numpy.ndarray, shape (1, n)
        By how much a derivative that was found to be 0 may differ from it unseen.
    """

    matrix: Array
    error: Array
    kinks: NDArray[np.bool_]
    remark: str = ""
    unseen: Array | float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The result for every entry.

    Attributes
    ----------
    wrong, unresolved : numpy.ndarray of bool, shape (m, n)
        Entries that differ, and entries that the witness is not precise enough for.
    excess : numpy.ndarray, shape (m, n)
        The deviation by what is tolerated; above 1 is wrong.
    error : float
        The largest deviation relative to the size of its row; of a row that is all noise, as a part of what is
        tolerated there times rtol.
    off_everywhere : bool
        Every entry is off by 9e-4 or more, and still by no more than rounding might explain: neither right nor wrong.
    excused : int
        How many entries deviate by more than 1e-6 of their row, and only the rounding of terms that cancel allows it.
    """

    wrong: NDArray[np.bool_]
    unresolved: NDArray[np.bool_]
    excess: Array
    error: float
    off_everywhere: bool = False
    excused: int = 0


def precision(*dtypes: Any) -> str:
    """Return the narrowest of "float16", "float32" and "float64" that one of the dtypes is."""
    known = [str(np.dtype(dtype)) for dtype in dtypes]
    return next((name for name in ("float16", "float32") if name in known), "float64")


def compare(
    candidate: Array,
    evidence: Evidence,
    problem: Problem,
    dtype: str,
    rtol: float | None = None,
    sizes: Array | None = None,
    atol: float = 0.0,
) -> Comparison:
    """Compare a candidate with evidence, entry by entry.

    An entry is wrong if it deviates by more than ``rtol``·|expected| + the witness's error + the rounding that a
    right candidate may carry: 4 eps of the smaller of the largest entries in its row and its column, and 4 eps
    of the terms that the chain rule adds up in it (`sizes`, :mod:`verification.tracing.rounding`). Nothing is absolute:
    a function times 1e-9 is judged as the function. Rounding may explain much where terms cancel; a candidate of which
    no entry is right to 9e-4 is not right for that, though not wrong either. What underflows in the candidate's
    precision (in float32 what is off by less than 6e-42) is not wrong there; where no entry is a normal number, nothing
    is decided.

    Parameters
    ----------
    candidate : numpy.ndarray, shape (m, n)
        What is checked; finite.
    evidence : Evidence
        What a witness found.
    problem : Problem
        The function and the point.
    dtype : str
        "float16", "float32" or "float64": sets rtol; eps is that of the candidate, or of float16.
    rtol : float, optional
        Instead of 1e-6 (float64), 2e-4 (float32) or 1e-2 (float16).
    sizes : numpy.ndarray, optional, shape (m, n)
        By default those of the problem; where they aren't known, the noise of f_i divided by eps·max(1, abs(x_j))
        stands for them.
    atol : float
        An absolute tolerance of every entry, for those who ask.

    Examples
    --------
    >>> problem = Problem(lambda x: 1e-9 * x, [1.0])
    >>> exact = Evidence(np.array([[1e-9]]), np.zeros((1, 1)), np.zeros((1, 1), dtype=bool))
    >>> compare(np.array([[0.0]]), exact, problem, "float64").wrong
    array([[ True]])
    """
    expected, error = evidence.matrix, SAFETY * evidence.error
    limits = np.finfo(np.float16 if dtype == "float16" else candidate.dtype)
    eps = float(limits.eps)
    relative = RELATIVE[dtype] if rtol is None else rtol
    with np.errstate(all="ignore"):
        size = np.where(np.isfinite(expected), np.abs(expected), 0)
        rows, columns = size.max(axis=1, keepdims=True), size.max(axis=0, keepdims=True)
        terms = (problem.noise / problem.eps).reshape(-1, 1)
        natural = terms / np.maximum(1, np.abs(problem.point.reshape(1, -1)))
        if sizes is None and problem.sizes is not None:
            sizes = problem.sizes.derivatives
        cancelled = natural if sizes is None else np.where(np.isfinite(sizes), sizes, natural)
        rounding = ROUNDINGS * eps * (np.minimum(rows, columns) + cancelled)
        # what underflows in a factor has lost a subnormal number, and grows with the factors beside it
        least, normal = (
            np.maximum(own, part)
            for own, part in zip(
                (float(limits.smallest_subnormal), float(limits.smallest_normal)),
                _least_numbers(problem.eps),
                strict=True,
            )
        )
        half = (dtype == "float16") | (problem.eps.reshape(-1, 1) >= np.finfo(np.float16).eps)
        underflow = np.where(half, HALF_GROWTH, UNDERFLOW_GROWTH) * least
        deviation = np.abs(candidate.astype(np.float64) - expected)
        tolerated = relative * size + rounding + error + underflow + atol
        known = np.isfinite(expected) & np.isfinite(error) & ~evidence.kinks
        excess = np.where(known, deviation / tolerated, 0)
        swallowed = (excess > 1) & (expected == 0) & (deviation <= evidence.unseen)
        excess = np.where(swallowed, 1, excess)
        unexcused = tolerated - ROUNDINGS * eps * cancelled
        excused = known & (excess <= 1) & (deviation > unexcused) & (deviation > VISIBLE * rows)
        scale = np.maximum(rows, np.abs(candidate).max(axis=1, keepdims=True))
        # noise that is neither small nor rounding is none: f has an infinite slope, or is faster than the steps
        steady = problem.noise <= np.maximum(
            STEADY * np.abs(problem.value.reshape(-1)), ROUNDINGS * problem.rounding
        )
        zero = size <= 2 * evidence.error  # what is larger is seen, though not to three digits
        small = steady.reshape(-1, 1) & zero & (error <= NATURAL_RESOLUTION * natural)
        precise = (error <= RESOLUTION * scale + atol) | (error <= underflow) | small
        if size.max() > 0 and np.all(rows <= normal):
            precise = np.zeros_like(known)
        part = np.where(known & (deviation > 0), deviation / np.where(rows > 0, rows, scale), 0)
        noisy = (excess <= 1) & (rows <= tolerated)  # a row of nothing but noise has no size to be a part of
        part = np.where(noisy, relative * excess, part)
        # Entries that a relative error can show in; one that is confirmed shows that not all of them have it.
        telling = known & ((size > error) | (candidate != 0))
        larger = np.maximum(size, np.abs(candidate))
        confirmed = telling & (deviation + error <= CONFIRMED[dtype] * larger + atol)
        off = deviation - error > CONFIRMED[dtype] * larger + atol
        off_everywhere = bool(telling.any() and off[telling].all())
        if not confirmed.any() and not off_everywhere:
            precise &= ~telling
    return Comparison(
        excess > 1,
        ~(known & precise) | swallowed,
        excess,
        float(part.max()),
        off_everywhere,
        int(excused.sum()),
    )
