"""Tests of a Jacobian as a linear map, which never form it: the adjoint identity and random projections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from jacobians.equality import by_value
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.structures import Jacobian
from verification.causes import Cause
from verification.comparison import UNDERFLOW_GROWTH, Comparison
from verification.problem import FAR, TOO_FAR, Problem
from verification.report import CheckReport, Witness, Worst
from verification.witnesses.asking import Budget, ask
from verification.witnesses.glance import PROJECTIONS, along_directions, at_a_glance

TRIALS = 4
COLUMNS = 4
EVEN = 16.0  # entries of x up to which directions in proportion to them see all columns alike


@by_value
class AdjointResult(NamedTuple):
    """Whether matvec and rmatvec are transposes of each other.

    Attributes
    ----------
    passed : bool
        True if every trial is within rounding; also the truth value of the result.
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

    def __bool__(self) -> bool:
        return self.passed

    @property
    def decided(self) -> bool:
        """Whether the products were finite, so that they say something."""
        return bool(np.isfinite(self.deviation) and np.isfinite(self.tolerance))


@without_float_errors
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

    All products are compared in units of the largest entry, so that none over- or underflows; what is subnormal has
    lost a subnormal number. Products that aren't finite decide nothing: the deviation is then NaN.

    Raises
    ------
    TypeError
        If the argument is no map.
    ValueError
        If there is no trial, or a batch of maps is given.

    Examples
    --------
    >>> from jacobians.structures import Dense
    >>> adjoint_test(Dense(np.arange(6.0).reshape(2, 3))).passed
    True
    """
    return _tested(
        jacobian, checked_integer(trials, "trials"), checked_integer(seed, "seed", least=0, most=None), terms
    )


def _tested(
    jacobian: Any, trials: int, seed: int, terms: float = 0.0, known: tuple[Array, Array] | None = None
) -> AdjointResult:
    """Return what :func:`adjoint_test` does; `known` are vectors and their images, row by row, in place of new ones."""
    m, n = _sizes(jacobian)
    rng = np.random.default_rng(seed)
    limits = np.finfo(np.float32 if getattr(jacobian, "dtype", None) == np.float32 else np.float64)
    eps = float(limits.eps)
    tolerance = 64.0 * eps * float(max(m, n)) ** 0.5

    def apply(product: Callable[[Any], Any], vectors: Array) -> Array:
        if isinstance(jacobian, Jacobian):  # a LinearOperator takes one vector
            return np.asarray(product(vectors), dtype=np.float64)
        return np.stack([np.asarray(product(vector), dtype=np.float64) for vector in vectors])

    with np.errstate(all="ignore"):
        left = rng.normal(size=(trials, m))
        if known is None:
            right = rng.normal(size=(trials, n))
            known = right, apply(jacobian.matvec, right)
        right, forwards = known
        backwards = apply(jacobian.rmatvec, left)
        largest = max(float(np.max(np.abs(part), initial=0)) for part in (forwards, backwards))
        if not np.isfinite(largest):
            return AdjointResult(False, float("nan"), float("nan"), trials)
        exponent = -int(np.frexp(largest)[1])
        forwards, backwards = np.ldexp(forwards, exponent), np.ldexp(backwards, exponent)
        parts = []
        for u, v, forward, backward in zip(left, right, forwards, backwards, strict=True):
            length = float(np.linalg.norm(u) * np.linalg.norm(v))
            scale = float(
                np.linalg.norm(u) * np.linalg.norm(forward) + np.linalg.norm(backward) * np.linalg.norm(v)
            )
            gap = abs(float(u @ forward) - float(backward @ v))
            parts.append((gap / scale if scale > 0 else gap, length / scale if scale > 0 else 0.0))
        if all(part <= tolerance for part, _ in parts):
            return AdjointResult(True, max(part for part, _ in parts), tolerance, trials)
        # more than the sums of the products round: what do their terms?
        of_n = _Images(lambda vectors: apply(jacobian.matvec, vectors), n, rng)
        of_m = _Images(lambda vectors: apply(jacobian.rmatvec, vectors), m, rng)
        lost = float(np.ldexp(UNDERFLOW_GROWTH * float(limits.smallest_subnormal), exponent))
        defect = max(of_n.defect(exponent), of_m.defect(exponent))
        rounded = 64 * (defect + eps * float(np.ldexp(terms, exponent)) + lost)
        worst = (0.0, tolerance)
        for part, share in parts:
            allowed = tolerance + rounded * share
            if not part / allowed <= worst[0] / worst[1]:  # NaN is the worst
                worst = (part, allowed)
    return AdjointResult(bool(worst[0] <= worst[1]), worst[0], worst[1], trials)


def _sizes(jacobian: Any) -> tuple[int, int]:
    """Return (m, n) of one point's map, or refuse what is none."""
    if isinstance(jacobian, np.ndarray) or not all(
        hasattr(jacobian, name) for name in ("shape", "matvec", "rmatvec")
    ):
        raise TypeError(
            f"jacobian: found {class_name(jacobian)}, expected a Jacobian or a map with shape, matvec and rmatvec; "
            f"a matrix is one as jacobians.Dense(matrix)"
        )
    batch = getattr(jacobian, "batch_shape", ())
    if batch or len(jacobian.shape) != 2:
        raise ValueError(
            f"jacobian: found a batch of shape {tuple(batch) or tuple(jacobian.shape[:-2])}, expected the map of one "
            f"point: test the points one by one"
        )
    m, n = jacobian.shape
    return int(m), int(n)


class _Images:
    """The images of v + w, v and w: how far rounding alone takes a map from linearity, relative to its argument.

    Maps whose terms cancel round by more than their results show.
    """

    def __init__(self, apply: Callable[[Any], Any], size: int, rng: np.random.Generator) -> None:
        v, w = rng.normal(size=(2, TRIALS, size))
        self.sums = v + w
        self.images = np.split(apply(np.concatenate([v + w, v, w])), 3)

    def defect(self, exponent: int) -> float:
        """Return it in units of 2 to the power of −exponent."""
        of_sum, of_v, of_w = (np.ldexp(part, exponent) for part in self.images)
        gaps = np.linalg.norm(of_sum - of_v - of_w, axis=1)
        return float(np.max(gaps / np.linalg.norm(self.sums, axis=1)))


def adjoint_witness(
    jacobian: Jacobian, seed: int, terms: float = 0.0, known: tuple[Array, Array] | None = None
) -> Witness:
    """Return the adjoint test as a witness of a check; it speaks about J alone, not about f.

    `known` are vectors and their images, row by row, where there are some.
    """
    result = _tested(jacobian, TRIALS if known is None else len(known[0]), seed, terms, known)
    if not result.decided:
        return Witness("adjoint", "undecided", reason="the products overflow", cause=Cause.NOT_FINITE)
    reason = f"⟨u, Jv⟩ = ⟨Jᵀu, v⟩ in {result.trials} trials"
    if not result.passed:
        reason = (
            f"matvec and rmatvec are not transposes: ⟨u, Jv⟩ and ⟨Jᵀu, v⟩ differ by {result.deviation:.1e}"
        )
        return Witness("adjoint", "disagrees", result.deviation, reason, cause=Cause.NOT_TRANSPOSES)
    return Witness("adjoint", "agrees", result.deviation, reason, cause=Cause.AGREES)


def projected(
    problem: Problem, seed: int, columns: int = COLUMNS, guessed: float | None = None, far: float = np.inf
) -> tuple[Problem, Array]:
    """Return the problem t ↦ f(x + V t) at t = 0, whose Jacobian is J V, and V.

    V has four random directions, which see every column, and some single columns; its rows have the sizes of the
    entries of x, so that no step is lost in their rounding; those of entries above `far` have the size 1, as f may bend
    within steps in proportion to them. `guessed` is a noise that stands for the measured one.
    """
    n = problem.point.size
    rng = np.random.default_rng(seed)
    directions = np.zeros((n, TRIALS + columns))
    directions[:, :TRIALS] = rng.normal(size=(n, TRIALS)) / np.sqrt(n)
    if columns:
        picked = rng.choice(n, size=min(columns, n), replace=False)
        directions[picked, TRIALS + np.arange(len(picked))] = 1.0
    shape, x = problem.point.shape, problem.point.reshape(-1)
    sizes = np.abs(x)
    directions *= np.where((sizes > far) & (sizes < TOO_FAR), 1, np.maximum(1, sizes))[:, None]

    def along(t: Array) -> Array:
        return problem.evaluate_many((x + t @ directions.T).reshape(-1, *shape))

    start = np.zeros(TRIALS + columns)
    smaller = Problem(along, start, vectorized=True, value=problem.value.reshape(-1), guessed=guessed)
    smaller.largest = problem.largest
    return smaller, directions


def _stands(problem: Problem, jacobian: Any, dtype: str, rtol: float | None, seed: int) -> bool:
    """Say whether steps of the size 1 find a difference too, where there are entries that are far larger."""
    sizes, eps = np.abs(problem.point.reshape(-1)), np.finfo(np.float64).eps
    if np.max(problem.eps) > eps or not np.any((sizes > FAR) & (sizes < TOO_FAR)):
        return True
    # such steps are lost in part in the rounding of x, which J carries on
    rounded = np.random.default_rng(seed).normal(size=(sizes.size, TRIALS)) * np.spacing(sizes)[:, None]
    carried = np.abs(along_directions(jacobian, rounded)).max(initial=0)
    noise = float(np.nanmax([np.max(problem.noise, initial=0), carried]))
    smaller, directions = projected(problem, seed, guessed=noise, far=FAR)
    candidate = along_directions(jacobian, directions)
    return ask("finite-difference", smaller, candidate, dtype, rtol, Budget())[0].status == "disagrees"


def check_by_projections(
    problem: Problem,
    jacobian: Any,
    described: dict[str, Any],
    *,
    seed: int,
    rtol: float | None,
    columns: int = COLUMNS,
    glance: bool = True,
) -> CheckReport:
    """Return the verdict on J V against differences along V, and on the adjoint: a Jacobian is never formed.

    Parameters
    ----------
    problem : Problem
        The function and the point.
    jacobian : Jacobian or numpy.ndarray
        The candidate, m×n.
    described : dict
        What the report says about the problem.
    seed : int
        For the directions.
    rtol : float or None
        As for :func:`verification.check`.
    columns : int
        The single columns that are looked at beside the random directions.
    glance : bool
        Whether two differences along the random directions alone may do.
    """
    worst = None
    known = None
    seen = at_a_glance(problem, jacobian, described["dtype"], rtol, seed) if glance else None
    if seen is not None:
        first = seen.witness
        # along directions of very different sizes a few entries alone would be seen
        known = seen[1:] if np.max(np.abs(problem.point), initial=0) <= EVEN else None
    else:
        smaller, directions = projected(problem, seed, columns)
        candidate = along_directions(jacobian, directions)
        if not np.isfinite(candidate).all():
            reason = "J v is not finite for a finite v"
            return CheckReport("wrong", reason, cause=Cause.CANDIDATE_NOT_FINITE, **described)
        witness, comparison = ask("finite-difference", smaller, candidate, described["dtype"], rtol, Budget())
        reason = witness.reason or f"J v for {len(directions.T)} directions v"
        first = replace(witness, name=PROJECTIONS, reason=reason, matrix=None)
        if first.status == "disagrees" and not _stands(problem, jacobian, described["dtype"], rtol, seed):
            reason = "f may bend within steps in proportion to x: those of the size 1 find no difference"
            first = replace(first, status="undecided", reason=reason, cause=Cause.IMPRECISE)
        if comparison is not None and witness.matrix is not None and first.status == "disagrees":
            worst = _worst(problem, directions, candidate, witness.matrix, comparison)
    witnesses = [first]
    if isinstance(jacobian, Jacobian):
        second = adjoint_witness(jacobian, seed, known=known)
        if second.status == "disagrees":
            noise = float(np.linalg.norm(problem.noise)) / float(np.finfo(float).eps)
            second = adjoint_witness(jacobian, seed, noise)
        witnesses.append(second)
    for witness in witnesses:
        if witness.status == "disagrees":
            reason = f"{witness.name}: {witness.reason}"
            return CheckReport("wrong", reason, tuple(witnesses), worst, cause=witness.cause, **described)
    if first.status == "agrees":
        reason = "not formed; " + ", and ".join(witness.reason for witness in witnesses)
        return CheckReport("right", reason, tuple(witnesses), cause=Cause.AGREES, **described)
    reason = f"{first.name}: {first.reason}"
    return CheckReport("undecided", reason, tuple(witnesses), cause=first.cause, **described)


def _worst(
    problem: Problem, directions: Array, candidate: Array, expected: Array, comparison: Comparison
) -> Worst | None:
    """Return the entry that deviates most of those in single columns, None if none of them is wrong."""
    excess = np.where(np.arange(candidate.shape[1]) < TRIALS, 0, comparison.excess)
    i, k = (int(p) for p in np.unravel_index(int(np.argmax(excess)), candidate.shape))
    if excess[i, k] <= 1:
        return None
    j = int(np.argmax(np.abs(directions[:, k])))
    found, right = (float(part[i, k] / directions[j, k]) for part in (candidate, expected))
    return Worst((i, j), problem.out_index(i), problem.index(j), found, right)
