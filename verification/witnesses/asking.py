"""The witnesses of a check: each finds the Jacobian in its own way, or says why it can't."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jacobians.function import INPUT
from jacobians.numerics.arrays import Array
from verification.causes import Cause
from verification.comparison import Comparison, Evidence, compare
from verification.problem import LARGEST_TRACE, Problem
from verification.report import Status, Witness, sentence
from verification.tracing.graph import KinkError, OverTimeError
from verification.tracing.rounding import sizes
from verification.tracing.scalars import NotAnalyticError, TracingError, UndecidedError
from verification.witnesses.block_identity import NotAMatrixFunctionError, block_jacobian
from verification.witnesses.complex_step import imaginary_quotients
from verification.witnesses.finite_difference import (
    FIRST_STEP,
    LEVEL_RATIO,
    MOST_LEVELS,
    richardson,
)
from verification.witnesses.resolution import too_far, too_fast, unseen
from verification.witnesses.symbolic import symbolic_value

COMPLEX_BUDGET = 3_000_000  # scalar operations, about a second
GRAPH_BUDGET = 150_000  # scalar operations times derivatives of each, below a second
BALL_BUDGET = 1_500_000  # the same of balls, which take a tenth of the time: below half a second
LEAST_ORDER = 0.8  # of the remainder: below it the steps are too large to say anything, or it is rounding
TIMES = 10  # of a budget's seconds: what sympy may take
BLOCK_LARGEST = 256  # entries of the matrix of a matrix function


class UnavailableError(Exception):
    """A witness can't run on this problem; the message is the reason."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class Budget:
    """What the witnesses that trace may spend, in scalar operations.

    Attributes
    ----------
    symbolic, certified : int
        Operations of the forward code times the entries of the point or of the value, whichever are fewer.
    complex_step : int
        Operations of the forward code times the entries of the point.
    seconds : float
        What the differences of all entries may take, by the time that f takes: above it a check looks at random
        projections and some entries. The symbolic witness stops after ten times that.
    """

    symbolic: int = GRAPH_BUDGET
    complex_step: int = COMPLEX_BUDGET
    certified: int = BALL_BUDGET
    seconds: float = 3.0

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, int | float) and not isinstance(self.seconds, bool)
        if not number or not self.seconds >= 0:
            raise ValueError(f"Budget: found seconds={self.seconds!r}, expected a number of at least 0")


def _smooth(matrix: Array, remark: str = "") -> Evidence:
    """Return evidence without any error but rounding."""
    return Evidence(matrix, np.zeros(matrix.shape), np.zeros(matrix.shape, dtype=bool), remark)


def finite_difference(problem: Problem, budget: Budget) -> Evidence:
    """Central differences extrapolated to step 0, with an error estimate and the kinks for each entry."""
    result = richardson(problem)
    if not np.isfinite(result.error).any():
        raise UnavailableError(
            Cause.NOT_FINITE, "f is not finite around the point, on both sides in any direction"
        )
    unknown = too_fast(problem, result)[:, None] | too_far(problem, result)
    error = np.where(unknown, np.inf, result.error)
    return Evidence(result.matrix, error, result.kinks, unseen=unseen(problem))


def complex_steps(problem: Problem, budget: Budget) -> Evidence:
    """The complex step, where the traced code is analytic."""
    _within(problem, problem.point.size, budget.complex_step, "complex_step")
    matrix, error = imaginary_quotients(problem)
    return Evidence(matrix, error, np.zeros(matrix.shape, dtype=bool))


def symbolic(problem: Problem, budget: Budget) -> Evidence:
    """Sympy's derivative of the traced code, in 50 digits."""
    _within(problem, min(problem.shape), budget.symbolic, "symbolic")
    found = symbolic_value(problem, TIMES * budget.seconds)
    return _smooth(found.matrix, f"sympy took {found.sympy:.2f} s, tracing {found.tracing:.2f} s")


def certified(problem: Problem, budget: Budget) -> Evidence:
    """Balls that enclose every entry: half their width is the error."""
    from verification.witnesses.certified import enclose

    _within(problem, min(problem.shape), budget.certified, "certified")
    enclosure = enclose(problem)
    return Evidence(enclosure.middle, enclosure.radius, np.zeros(enclosure.middle.shape, dtype=bool))


def block_identity(problem: Problem, budget: Budget) -> Evidence:
    """For matrix functions: the upper right block of f([[A, E], [0, A]])."""
    A = problem.point
    if not takes_square_matrices(problem):
        raise UnavailableError(Cause.INAPPLICABLE, "f takes no square matrix to one of its size")
    if A.size > BLOCK_LARGEST:
        raise UnavailableError(Cause.OVER_BUDGET, f"too large: {A.size} entries, at most {BLOCK_LARGEST}")
    matrix, error = block_jacobian(problem.f, A)
    return Evidence(matrix, error, np.zeros(matrix.shape, dtype=bool))


def takes_square_matrices(problem: Problem) -> bool:
    """Say whether f takes a square matrix to one of its size, so that it may be a matrix function."""
    shape = problem.point.shape
    return problem.wrt == INPUT and len(shape) == 2 and shape[0] == shape[1] and problem.value.shape == shape


def _within(problem: Problem, width: int, most: int, name: str) -> None:
    """Raise if tracing, with `width` derivatives of each operation, would cost more than is allowed.

    A count of operations and not a clock, so that it is repeatable.
    """
    if problem.number_count > LARGEST_TRACE:
        reason = f"too large to trace: {problem.number_count:,} numbers, at most {LARGEST_TRACE:,}"
        raise UnavailableError(Cause.OVER_BUDGET, reason)
    cost = problem.operations * width
    if cost > most:
        reason = f"over its budget: {cost:,} scalar operations, {name}={most:,}; pass a larger Budget"
        raise UnavailableError(Cause.OVER_BUDGET, reason)


WITNESSES: dict[str, Callable[[Problem, Budget], Evidence]] = {
    "finite-difference": finite_difference,
    "block-identity": block_identity,
    "complex-step": complex_steps,
    "symbolic": symbolic,
    "certified": certified,
}
"""From the least to the most precise; a check asks them in this order."""

LOST = 0.05
"""Rounding that is this part of an entry leaves no digit of it."""
PRECISE = frozenset({"symbolic", "certified"})
"""Those whose values carry no rounding of float64, so that a candidate of which no digit is right can be told."""


def ask(
    name: str,
    problem: Problem,
    candidate: Array,
    dtype: str,
    rtol: float | None,
    budget: Budget,
    atol: float = 0.0,
) -> tuple[Witness, Comparison | None]:
    """Run one witness and compare the candidate with what it finds.

    Returns
    -------
    tuple
        The witness with its status, and the comparison of all entries; None if it is unavailable.
    """
    start = time.perf_counter()
    try:
        evidence = WITNESSES[name](problem, budget)
        seconds = time.perf_counter() - start
        comparison = compare(candidate, evidence, problem, dtype, rtol, atol=atol)
        doubtful = np.any(comparison.wrong | comparison.unresolved, axis=0)
        if name == "finite-difference" and doubtful.any():
            kinks = evidence.kinks | _columns_on_a_kink(problem, np.flatnonzero(doubtful))[None, :]
            evidence = replace(evidence, kinks=kinks)
            comparison = compare(candidate, evidence, problem, dtype, rtol, atol=atol)
        cancelled = False
        lost = comparison.off_everywhere and not comparison.wrong.any()
        if lost and name in PRECISE and _no_digit_is_left(problem, evidence.matrix, candidate.dtype):
            strict = compare(
                candidate, evidence, problem, dtype, rtol, sizes(problem, usual=False).derivatives
            )
            cancelled = bool(strict.wrong.any())
            comparison = strict if cancelled else comparison
    except Exception as error:  # whatever stops one witness must not stop the check
        return _stopped(name, error, time.perf_counter() - start), None
    status, cause, count = status_of(evidence, comparison)
    if cancelled:
        cause = Cause.CANCELLED
    reason = evidence.remark if cause == Cause.AGREES else sentence(cause, count, evidence.matrix.size)
    return Witness(name, status, comparison.error, reason, seconds, evidence.matrix, cause, count), comparison


def _stopped(name: str, error: Exception, seconds: float) -> Witness:
    """Return a witness that an exception stopped, with the cause that the type of the exception says."""
    if isinstance(error, UnavailableError):
        cause = error.cause
    else:
        cause = next(
            (cause for kind, cause in _CAUSES.items() if isinstance(error, kind)),
            Cause.FAILED,
        )
    step = error.step if isinstance(error, KinkError) else ""
    return Witness(name, "unavailable", reason=_reason(error), seconds=seconds, cause=cause, step=step)


_CAUSES: dict[type[Exception], Cause] = {  # the narrower first
    KinkError: Cause.STEP_KINK,
    UndecidedError: Cause.OPEN,
    NotAnalyticError: Cause.NOT_ANALYTIC,
    OverTimeError: Cause.OVER_BUDGET,
    TracingError: Cause.UNTRACED,
    NotAMatrixFunctionError: Cause.INAPPLICABLE,
}


def _no_digit_is_left(problem: Problem, expected: Array, dtype: np.dtype) -> bool:
    """Say whether a usual formula that cancels leaves nothing of any entry, though no factor of them underflows.

    Then a candidate that deviates by its rounding has no digit right; one that has some is told by nobody.
    """
    if problem.sizes is None:
        return False
    limits = np.finfo(dtype)
    size = np.abs(expected)
    normal = float(np.nanmax(size)) * float(limits.eps) > float(limits.smallest_normal)
    return normal and bool(np.all(LOST * size <= float(limits.eps) * problem.sizes.derivatives))


def _reason(error: Exception) -> str:
    """Return why a witness could not run, in one line."""
    reason = str(error) if isinstance(error, UnavailableError | TypeError | ValueError) else repr(error)
    if isinstance(error, NotAnalyticError):
        reason = reason.partition(";")[0]  # the rest advises another method, and the check asks them all
    return (reason or repr(error)).splitlines()[0]


def status_of(evidence: Evidence, comparison: Comparison) -> tuple[Status, Cause, int]:
    """Return what a witness says of a candidate, why, and about how many entries."""
    known = np.isfinite(evidence.matrix)
    if comparison.wrong.any():
        return "disagrees", Cause.DIFFERS, int(comparison.wrong.sum())
    if comparison.off_everywhere:
        return "undecided", Cause.OFF_EVERYWHERE, known.size
    if comparison.excused:
        return "undecided", Cause.ROUNDING, comparison.excused
    if evidence.kinks.any():
        return "undecided", Cause.KINK, int(evidence.kinks.sum())
    if not known.all():
        return "undecided", Cause.NOT_FINITE, int((~known).sum())
    if comparison.unresolved.any():
        return "undecided", Cause.IMPRECISE, int(comparison.unresolved.sum())
    return "agrees", Cause.AGREES, known.size


def taylor(
    problem: Problem, matrix: Array, seed: int, relative: float, atol: float = 0.0, dtype: str = "float64"
) -> Witness:
    """The remainder of the candidate along a random direction: it falls with order 2 if the candidate is right.

    One number for the whole matrix: it supports a verdict and doesn't make one. It disagrees only where what it sees
    is of order 1, and more than J v may be off by: `relative` times the size of J.
    """
    from verification.witnesses.taylor import remainder

    start = time.perf_counter()
    try:
        result = remainder(problem, matrix, seed, np.dtype(dtype))
    except Exception as error:  # as for the others
        return _stopped("taylor", error, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if np.isnan(result.order):
        reason = "too few remainders above rounding"
        return Witness("taylor", "undecided", reason=reason, seconds=seconds, cause=Cause.IMPRECISE)
    reason = str(result).partition(": ")[2]
    if result.verdict == "right":
        return Witness("taylor", "agrees", reason=reason, seconds=seconds, cause=Cause.AGREES)
    fitted = result.fitted
    off = float(np.median(result.remainders[fitted] / result.steps[fitted])) if fitted.any() else 0.0
    seen = result.verdict == "wrong" and result.order >= LEAST_ORDER
    largest = float(np.abs(matrix).max())  # in units of it no square overflows
    size = largest * float(np.linalg.norm(matrix / largest)) if largest > 0 else 0.0
    if seen and off > relative * size + atol * matrix.size:
        return Witness("taylor", "disagrees", reason=reason, seconds=seconds, cause=Cause.DIFFERS)
    return Witness("taylor", "undecided", reason=reason, seconds=seconds, cause=Cause.IMPRECISE)


def _columns_on_a_kink(problem: Problem, columns: Array) -> NDArray[np.bool_]:
    """Return for which columns j the smooth piece changes between x − h e_j, x and x + h e_j, at the smallest h."""
    kinked = np.zeros(problem.point.size, dtype=bool)
    try:
        here = problem.smooth_piece(problem.point)
    except Exception:  # a piece that isn't known says nothing
        return kinked
    if here is None:
        return kinked
    x = problem.point.reshape(-1)
    for j in columns:
        h = FIRST_STEP / LEVEL_RATIO ** (MOST_LEVELS - 1) * max(1.0, abs(float(x[j])))
        for side in (h, -h):
            try:
                there = problem.smooth_piece(problem.point + side * problem.unit(int(j)))
            except Exception:  # outside of the domain
                there = None
            kinked[j] |= there is None or not np.array_equal(here, there)
    return kinked
