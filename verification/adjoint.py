"""Tests of a Jacobian as a linear map, which never form it: the adjoint identity and random projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jacobians.structures import Jacobian
from verification.problem import Problem
from verification.report import CheckReport, Witness, Worst

TRIALS = 4
COLUMNS = 4


class AdjointResult(NamedTuple):
    """Whether matvec and rmatvec are transposes of each other.

    Attributes
    ----------
    passed : bool
        True if every trial is within rounding.
    deviation : float
        The largest of abs(⟨u, J v⟩ − ⟨Jᵀu, v⟩) / (‖u‖‖J v‖ + ‖Jᵀu‖‖v‖).
    tolerance : float
        What is within rounding, in that trial.
    trials : int
        How many random pairs were tried.
    """

    passed: bool
    deviation: float
    tolerance: float
    trials: int


def adjoint_test(jacobian: Any, *, trials: int = TRIALS, seed: int = 0, terms: float = 0.0) -> AdjointResult:
    """Return whether ⟨u, J v⟩ = ⟨Jᵀu, v⟩ for random u and v, without forming J.

    Parameters
    ----------
    jacobian : Jacobian, or anything with shape, matvec and rmatvec
        One point's map, of shape (m, n); a scipy LinearOperator will do.
    trials : int
        How many pairs.
    seed : int
        For the pairs.
    terms : float
        The norm of the terms that cancel inside of J, where it is known: their rounding is allowed for too.

    Raises
    ------
    ValueError
        If there is no trial.

    Examples
    --------
    >>> from jacobians.structures import Dense
    >>> adjoint_test(Dense(np.arange(6.0).reshape(2, 3))).passed
    True
    """
    if trials < 1:
        raise ValueError(f"trials: found {trials}, expected at least one: no trial passes nothing")
    m, n = jacobian.shape
    rng = np.random.default_rng(seed)
    single = getattr(jacobian, "dtype", None) == np.float32
    eps = float(np.finfo(np.float32 if single else np.float64).eps)
    tolerance = 64.0 * eps * float(max(m, n)) ** 0.5
    worst = (0.0, tolerance)
    defect = max(_defect(jacobian.matvec, n, rng), _defect(jacobian.rmatvec, m, rng))
    for _ in range(trials):
        u, v = rng.normal(size=m), rng.normal(size=n)
        forward = np.asarray(jacobian.matvec(v), dtype=np.float64)
        backward = np.asarray(jacobian.rmatvec(u), dtype=np.float64)
        length = float(np.linalg.norm(u) * np.linalg.norm(v))
        scale = float(
            np.linalg.norm(u) * np.linalg.norm(forward) + np.linalg.norm(backward) * np.linalg.norm(v)
        )
        gap = abs(float(u @ forward) - float(backward @ v))
        part = gap / scale if scale > 0 else gap
        allowed = tolerance + (64 * (defect + eps * terms) * length / scale if scale > 0 else 0.0)
        if not part / allowed <= worst[0] / worst[1]:  # NaN is the worst
            worst = (part, allowed)
    return AdjointResult(bool(worst[0] <= worst[1]), worst[0], worst[1], trials)


def _defect(apply: Callable[[Any], Any], size: int, rng: np.random.Generator) -> float:
    """Return how far rounding alone takes a map from linearity, relative to its argument.

    Maps whose terms cancel round by more than their results show.
    """
    largest = 0.0
    for _ in range(TRIALS):
        v, w = rng.normal(size=size), rng.normal(size=size)
        gap = np.asarray(apply(v + w), dtype=np.float64) - apply(v) - apply(w)
        largest = max(largest, float(np.linalg.norm(gap) / np.linalg.norm(v + w)))
    return largest


def adjoint_witness(jacobian: Jacobian, seed: int, terms: float = 0.0) -> Witness:
    """Return the adjoint test as a witness of a check; it speaks about J alone, not about f."""
    result = adjoint_test(jacobian, seed=seed, terms=terms)
    reason = f"⟨u, Jv⟩ = ⟨Jᵀu, v⟩ in {result.trials} trials"
    if not result.passed:
        reason = (
            f"matvec and rmatvec are not transposes: ⟨u, Jv⟩ and ⟨Jᵀu, v⟩ differ by {result.deviation:.1e}"
        )
    return Witness("adjoint", "agrees" if result.passed else "disagrees", result.deviation, reason)


def projected(problem: Problem, seed: int) -> tuple[Problem, Any]:
    """Return the problem t ↦ f(x + V t) at t = 0, whose Jacobian is J V, and V.

    V has four random directions, which see every column, and four single columns.
    """
    n = problem.point.size
    rng = np.random.default_rng(seed)
    directions = np.zeros((n, TRIALS + COLUMNS))
    directions[:, :TRIALS] = rng.normal(size=(n, TRIALS)) / np.sqrt(n)
    picked = rng.choice(n, size=min(COLUMNS, n), replace=False)
    directions[picked, TRIALS + np.arange(len(picked))] = 1.0
    shape, x = problem.point.shape, problem.point.reshape(-1)

    def along(t: Any) -> Any:
        return problem.evaluate((x + directions @ t).reshape(shape))

    return Problem(along, np.zeros(TRIALS + COLUMNS)), directions


def check_by_projections(
    problem: Problem, jacobian: Jacobian, described: dict[str, Any], *, seed: int, rtol: float | None
) -> CheckReport:
    """Return the verdict on a Jacobian that is too large to form: J V against differences along V, and the adjoint.

    Parameters
    ----------
    problem : Problem
        The function and the point.
    jacobian : Jacobian
        The candidate, m×n.
    described : dict
        What the report says about the problem.
    seed : int
        For the directions.
    rtol : float or None
        As for :func:`verification.check`.
    """
    from verification.witnesses import Budget, ask

    smaller, directions = projected(problem, seed)
    candidate = jacobian.matvec(directions.T).T.astype(jacobian.dtype)
    if not np.isfinite(candidate).all():
        return CheckReport("wrong", "J v is not finite for a finite v", **described)
    witness, comparison = ask("finite-difference", smaller, candidate, described["dtype"], rtol, Budget())
    first = Witness(
        "projections", witness.status, witness.error, witness.reason or f"J v for {len(directions.T)} directions v",
        witness.seconds,
    )  # fmt: skip
    second = adjoint_witness(jacobian, seed, float(np.linalg.norm(problem.noise)) / np.finfo(float).eps)
    worst = None
    if comparison is not None and witness.matrix is not None and first.status == "disagrees":
        i, k = (int(p) for p in np.unravel_index(int(np.argmax(comparison.excess)), candidate.shape))
        j = int(np.argmax(np.abs(directions[:, k])))
        if k >= TRIALS:
            worst = Worst(
                (i, j),
                problem.out_index(i),
                problem.index(j),
                float(candidate[i, k]),
                float(witness.matrix[i, k]),
            )
    if "disagrees" in (first.status, second.status):
        bad = first if first.status == "disagrees" else second
        return CheckReport("wrong", f"{bad.name}: {bad.reason}", (first, second), worst, **described)
    if first.status == "agrees":
        reason = f"too large to form; {first.reason}, and {second.reason}"
        return CheckReport("right", reason, (first, second), **described)
    return CheckReport("undecided", f"{first.name}: {first.reason}", (first, second), **described)
