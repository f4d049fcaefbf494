"""The witnesses of a check: each finds the Jacobian in its own way, or says why it can't."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jacobians.arrays import Array
from jacobians.function import INPUT, Function
from verification.comparison import Comparison, Evidence, compare
from verification.finite_difference import (
    FIRST_STEP,
    LEVEL_RATIO,
    MOST_LEVELS,
    imaginary_quotients,
    richardson,
)
from verification.problem import Problem
from verification.report import CANCELLED, KINK, OFF_EVERYWHERE, Status, Witness
from verification.rounding import sizes
from verification.scalars import NotAnalyticError
from verification.symbolic import symbolic_value

LARGEST_TRACE = 200_000  # numbers in the point and the parameters; one trace makes an object of each
COMPLEX_BUDGET = 3_000_000  # scalar operations, about a second
GRAPH_BUDGET = 150_000  # scalar operations times derivatives of each, below a second
BLOCK_LARGEST = 256  # entries of the matrix of a matrix function


class UnavailableError(Exception):
    """A witness can't run on this problem; the message is the reason."""


@dataclass(frozen=True)
class Budget:
    """What the witnesses that trace may spend, in scalar operations.

    Attributes
    ----------
    symbolic, certified : int
        Operations of the forward code times the entries of the point or of the value, whichever are fewer.
    complex_step : int
        Operations of the forward code times the entries of the point.
    """

    symbolic: int = GRAPH_BUDGET
    complex_step: int = COMPLEX_BUDGET
    certified: int = GRAPH_BUDGET


def _smooth(matrix: Array, remark: str = "") -> Evidence:
    """Return evidence without any error but rounding."""
    return Evidence(matrix, np.zeros(matrix.shape), np.zeros(matrix.shape, dtype=bool), remark)


def finite_difference(problem: Problem, budget: Budget) -> Evidence:
    """Central differences extrapolated to step 0, with an error estimate and the kinks for each entry."""
    result = richardson(problem)
    if not np.isfinite(result.error).any():
        raise UnavailableError("f is not finite around the point, on both sides in any direction")
    return Evidence(result.matrix, result.error, result.kinks)


def complex_steps(problem: Problem, budget: Budget) -> Evidence:
    """The complex step, where the traced code is analytic."""
    _within(problem, problem.point.size, budget.complex_step, "complex_step")
    matrix, error = imaginary_quotients(problem)
    return Evidence(matrix, error, np.zeros(matrix.shape, dtype=bool))


def symbolic(problem: Problem, budget: Budget) -> Evidence:
    """Sympy's derivative of the traced code, in 50 digits."""
    _within(problem, min(problem.shape), budget.symbolic, "symbolic")
    found = symbolic_value(problem)
    return _smooth(found.matrix, f"sympy took {found.sympy:.2f} s, tracing {found.tracing:.2f} s")


def certified(problem: Problem, budget: Budget) -> Evidence:
    """Balls that enclose every entry: half their width is the error."""
    from verification.certified import enclose

    _within(problem, min(problem.shape), budget.certified, "certified")
    enclosure = enclose(problem)
    return Evidence(enclosure.middle, enclosure.radius, np.zeros(enclosure.middle.shape, dtype=bool))


def block_identity(problem: Problem, budget: Budget) -> Evidence:
    """For matrix functions: the upper right block of f([[A, E], [0, A]])."""
    from verification.matrix_functions import block_jacobian

    A = problem.point
    if not takes_square_matrices(problem):
        raise UnavailableError("f takes no square matrix to one of its size")
    if A.size > BLOCK_LARGEST:
        raise UnavailableError(f"too large: {A.size} entries, at most {BLOCK_LARGEST}")
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
    numbers = problem.point.size + (problem.f.parameter_count if isinstance(problem.f, Function) else 0)
    if numbers > LARGEST_TRACE:
        raise UnavailableError(f"too large to trace: {numbers:,} numbers, at most {LARGEST_TRACE:,}")
    cost = problem.operations * width
    if cost > most:
        raise UnavailableError(
            f"over its budget: {cost:,} scalar operations, {name}={most:,}; pass a larger Budget"
        )


WITNESSES: dict[str, Callable[[Problem, Budget], Evidence]] = {
    "finite-difference": finite_difference,
    "block-identity": block_identity,
    "complex-step": complex_steps,
    "symbolic": symbolic,
    "certified": certified,
}
"""From the least to the most precise; a check asks them in this order."""

PRECISE = frozenset({"symbolic", "certified"})
"""Those whose values carry no rounding of float64, so that a candidate of which no digit is right can be told."""


def sizes_of(problem: Problem, budget: Budget) -> Array | None:
    """Return the sizes of the terms in each entry, None where the code can't be traced, or not cheaply."""
    try:
        _within(problem, problem.point.size, budget.complex_step, "complex_step")
        found = sizes(problem)
        eps = float(np.finfo(np.float64).eps)
        errors = np.where(np.isfinite(found.values), eps * found.values, 0)
        problem.rounding = errors
        problem.noise = np.maximum(problem.noise, errors)  # the differences see this noise too
        return found.derivatives
    except Exception:  # as for a witness: a tolerance that isn't known must not stop the check
        return None


def ask(
    name: str,
    problem: Problem,
    candidate: Array,
    dtype: str,
    rtol: float | None,
    budget: Budget,
    terms: Array | None = None,
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
        comparison = compare(candidate, evidence, problem, dtype, rtol, terms)
        doubtful = np.any(comparison.wrong | comparison.unresolved, axis=0)
        if name == "finite-difference" and doubtful.any():
            kinks = evidence.kinks | _columns_on_a_kink(problem, np.flatnonzero(doubtful))[None, :]
            evidence = Evidence(evidence.matrix, evidence.error, kinks, evidence.remark)
            comparison = compare(candidate, evidence, problem, dtype, rtol, terms)
        cancelled = False
        lost = comparison.off_everywhere and not comparison.wrong.any()
        if lost and name in PRECISE and terms is not None and _is_normal(evidence.matrix, candidate.dtype):
            strict = compare(
                candidate, evidence, problem, dtype, rtol, sizes(problem, usual=False).derivatives
            )
            cancelled = bool(strict.wrong.any())
            comparison = strict if cancelled else comparison
    except Exception as error:  # whatever stops one witness must not stop the check
        return Witness(name, "unavailable", reason=_reason(error), seconds=time.perf_counter() - start), None
    status, reason = status_of(evidence, comparison)
    if cancelled:
        reason = CANCELLED
    return Witness(name, status, comparison.error, reason, seconds, evidence.matrix), comparison


def _is_normal(expected: Array, dtype: np.dtype) -> bool:
    """Say whether the largest entry is so far above what underflows in the precision that no factor of it does."""
    limits = np.finfo(dtype)
    return bool(np.nanmax(np.abs(expected)) * float(limits.eps) > float(limits.smallest_normal))


def _reason(error: Exception) -> str:
    """Return why a witness could not run, in one line."""
    reason = str(error) if isinstance(error, UnavailableError | TypeError | ValueError) else repr(error)
    if isinstance(error, NotAnalyticError):
        reason = reason.partition(";")[0]  # the rest advises another method, and the check asks them all
    return (reason or repr(error)).splitlines()[0]


def status_of(evidence: Evidence, comparison: Comparison) -> tuple[Status, str]:
    """Return what a witness says of a candidate, and why or on what."""
    known = np.isfinite(evidence.matrix)
    if comparison.wrong.any():
        return "disagrees", f"{int(comparison.wrong.sum())} of {known.size} entries differ"
    if comparison.off_everywhere:
        return "undecided", OFF_EVERYWHERE
    if evidence.kinks.any():
        return "undecided", f"{KINK} in {int(evidence.kinks.sum())} of {known.size} entries"
    if not known.all():
        return "undecided", f"no finite derivative in {int((~known).sum())} of {known.size} entries"
    if comparison.unresolved.any():
        return (
            "undecided",
            f"not precise enough in {int(comparison.unresolved.sum())} of {known.size} entries",
        )
    return "agrees", evidence.remark


def taylor(problem: Problem, matrix: Array, seed: int) -> Witness:
    """The remainder of the candidate along a random direction: it falls with order 2 if the candidate is right.

    One number for the whole matrix: it supports a verdict and doesn't make one.
    """
    from verification.taylor import remainder

    start = time.perf_counter()
    try:
        result = remainder(problem, matrix, seed)
    except Exception as error:  # as for the others
        return Witness("taylor", "unavailable", reason=_reason(error), seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    status: dict[str, Status] = {"right": "agrees", "wrong": "disagrees", "undecided": "undecided"}
    if np.isnan(result.order):
        return Witness("taylor", "undecided", reason="too few remainders above rounding", seconds=seconds)
    return Witness("taylor", status[result.verdict], reason=str(result).partition(": ")[2], seconds=seconds)


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
