"""One verdict on a Jacobian, from independent witnesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.layouts import TensorLayout, VecOrder
from jacobians.structures import Jacobian
from verification.candidate import CandidateError, candidate_of, matrix_of
from verification.causes import Cause, Slip
from verification.comparison import RELATIVE, Comparison, precision
from verification.constrained import Directions
from verification.options import require_absolute, require_options, witness_names
from verification.problem import EvaluationError, Problem
from verification.report import CheckReport, Reveal, Witness, Worst
from verification.verdict import decide, needs_both_sides, where_steps_are_too_large, with_adjoint
from verification.witnesses.adjoint import PROJECTIONS, adjoint_witness, check_by_projections
from verification.witnesses.asking import Budget, ask, takes_square_matrices, taylor
from verification.witnesses.finite_difference import richardson
from verification.witnesses.one_sided import one_sided

LARGEST_DENSE = 32 * 1024**2
"""Structured candidates above this many bytes are checked by random projections, without being formed."""


@without_float_errors
def check(
    f: Callable[..., Any],
    x: ArrayLike,
    jacobian: Jacobian | ArrayLike | Callable[[Array], Any] | None = None,
    wrt: str = INPUT,
    *,
    layout: TensorLayout | None = None,
    vec: VecOrder = "row",
    on: Any = None,
    witnesses: Iterable[str] | None = None,
    rtol: float | None = None,
    atol: float = 0.0,
    budget: Budget | None = None,
    max_bytes: int = LARGEST_DENSE,
    seed: int = 0,
) -> CheckReport:
    """Return a verdict, right, wrong or undecided, on the Jacobian of f at x, and what it rests on.

    Every entry of the candidate is compared with ∂f_i/∂x_j as each witness finds it, by a tolerance that is
    relative to the expected answer and follows the precision of x: zeros for a function that is scaled by 1e-9 are
    wrong, and a relative error of 1e-3 in every entry is wrong always. Numerator layout, row-major vec.

    Parameters
    ----------
    f : Function or callable
        A Function, whose own Jacobian is checked unless another is given; or plain NumPy code.
    x : array_like
        The point. Never written to.
    jacobian : Jacobian, array_like of shape (m, n), or callable, optional
        The candidate; a callable is called with x. m and n are the sizes of f(x) and x, 1 for a scalar; shapes
        must be equal, (3,) is not (3, 1).
    wrt : str
        "input", or the name of a parameter of a Function.
    layout : {"numerator", "mixed", "denominator"}, optional
        Says that `jacobian` is a tensor: of shape out_shape + reversed(in_shape), out_shape + in_shape, or
        in_shape + reversed(out_shape).
    vec : {"row", "column"}
        The vec order of an array of shape (m, n): "column" for rows and columns counted down the columns.
    on : {"symmetric", "lower"} or array_like of shape (p, …), optional
        The set that x lies in: the candidate is compared along its directions alone, E_ij + E_ji for symmetric
        matrices, or the p directions that are given in the shape of x.
    witnesses : iterable of str, optional
        Which to ask, out of "finite-difference", "block-identity", "complex-step", "symbolic", "certified"; by
        default all, the Taylor test beside them, and the one-sided derivatives of f where a step of it has a kink.
        "projections" alone compares J v for random directions v, a fraction of the work for a large Jacobian, which
        is not formed.
    rtol : float, optional
        The relative tolerance of an entry; by default 1e-6 for float64, 2e-4 for float32, 1e-2 for float16.
    atol : float
        An absolute tolerance of every entry, 0 unless asked for: as where a right backward pass leaves 6e-16 of 0.
        Random projections don't use it.
    budget : Budget, optional
        What the witnesses that trace may spend; a larger one asks them about larger problems.
    max_bytes : int
        A structured candidate whose dense form is larger is checked by random projections.
    seed : int
        For the random projections.

    Returns
    -------
    CheckReport
        Its ``passed`` is True for "right" alone: NaN, an empty comparison, None, a function that is random or
        writes to its input, and a kink never pass.

    Raises
    ------
    TypeError, ValueError
        If the call makes no sense: x is refused, `wrt` is no parameter, a witness or layout is unknown, plain code
        comes without a Jacobian.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Softmax
    >>> check(Softmax(), [0.5, -1.0, 2.0]).verdict
    'right'
    >>> report = check(np.tanh, [0.5, 1.0], np.diag([0.0, 0.0]))
    >>> report.passed, report.disagreeing[0]
    (False, 'finite-difference')
    """
    names = witness_names(witnesses)
    require_options(rtol, budget, max_bytes, seed)
    require_absolute(atol)
    projections = names == [PROJECTIONS]
    limits = budget or Budget()
    given, half = real_array(x, "x"), _half(x)
    try:
        problem = Problem(f, given, wrt, dtype=np.float64, tracing=limits.complex_step)
    except EvaluationError as error:
        return CheckReport("undecided", str(error), wrt=wrt, cause=Cause.NO_VALUE)
    fault = _fault(problem)
    described: dict[str, Any] = {
        "shape": problem.shape,
        "out_shape": problem.value.shape,
        "in_shape": problem.point.shape,
        "wrt": wrt,
        "dtype": precision(*half, given.dtype),
    }
    if fault:
        cause, reason = fault
        return CheckReport("undecided", reason, cause=cause, **described)
    try:
        with np.errstate(all="ignore"):  # what overflows is named in the report
            candidate = candidate_of(jacobian, problem, given)
            matrix = matrix_of(candidate, problem, layout, 0 if projections else max_bytes, vec)
    except CandidateError as error:
        diagnosis = None if error.array is None else _diagnosis_of_shape(error.array, problem)
        return CheckReport("wrong", str(error), diagnosis=diagnosis, cause=Cause.FORM, **described)
    if on is not None:
        options = {"witnesses": witnesses, "rtol": rtol, "atol": atol, "budget": budget, "seed": seed}
        return _check_on(on, problem, candidate.expand() if matrix is None else matrix, described, options)
    if matrix is None or projections:
        unformed = candidate if isinstance(candidate, Jacobian) else matrix
        return check_by_projections(problem, unformed, described, seed=seed, rtol=rtol)
    described["dtype"] = precision(*half, *_half(candidate), given.dtype, matrix.dtype)
    described["candidate"] = matrix
    if not np.isfinite(matrix).all():
        return _not_finite(matrix, problem, given, described)
    if witnesses is None and not takes_square_matrices(problem):
        names.remove("block-identity")  # the question doesn't arise
    asked = [ask(name, problem, matrix, described["dtype"], rtol, limits, atol) for name in names]
    tolerance = RELATIVE[described["dtype"]] if rtol is None else rtol
    heard = [witness for witness, _ in asked]
    supporting = (
        [] if witnesses is not None else [taylor(problem, matrix, seed, tolerance, atol, described["dtype"])]
    )
    heard, supporting = where_steps_are_too_large(heard, supporting)
    decision = decide(heard, supporting)
    if witnesses is None and needs_both_sides(decision, heard):
        heard.append(one_sided(problem, matrix, tolerance, seed))
        decision = decide(heard, supporting)
    if isinstance(candidate, Jacobian):
        supporting.append(adjoint_witness(candidate, seed, _terms(problem)))
        decision = with_adjoint(decision, supporting[-1])
    comparisons = [comparison for _, comparison in asked]
    worst = _worst(matrix, list(zip(heard, comparisons, strict=False)), problem)
    contradicting = [witness.matrix for witness in heard if witness.status == "disagrees"]
    diagnosis = None
    if decision.verdict == "wrong" and contradicting:
        diagnosis = _diagnosis(matrix, contradicting[-1], problem)
        if diagnosis.name == Slip.RIGHT:  # it takes more for right than the tolerances of this check do
            diagnosis = replace(
                diagnosis, name=Slip.UNKNOWN, sentence="no known mistake fits: it is that small"
            )
    return CheckReport(
        decision.verdict,
        decision.reason + _whole(problem),
        (*heard, *supporting),
        worst,
        diagnosis,
        cause=decision.cause,
        **described,
    )


def _check_on(
    on: Any, problem: Problem, matrix: Array, described: dict[str, Any], options: dict[str, Any]
) -> CheckReport:
    """Return the verdict along the directions of a set of inputs."""
    directions = Directions(on, problem.point)
    report = check(directions.function(problem), directions.coordinates, matrix @ directions.basis, **options)
    worst = report.worst
    if worst is not None:
        worst = replace(worst, in_index=directions.index(worst.index[1]))
    reason = f"{report.reason}, {directions.remark}"
    return replace(report, reason=reason, worst=worst, **{**described, "candidate": report.candidate})


def _half(value: Any) -> list[Any]:
    """Return float16 if an argument is of it: the doors make float32 of it, and its rounding stays."""
    dtype = value.dtype if isinstance(value, Jacobian) else getattr(np.asarray(value), "dtype", None)
    return [np.float16] if dtype == np.float16 else []


def _whole(problem: Problem) -> str:
    """Return what is to be said of a function of whole numbers, "" of another."""
    if not problem.whole:
        return ""
    return f"; f(x) is {problem.whole}, whole numbers: its derivative is 0 or none (was an array of floats meant?)"


def _terms(problem: Problem) -> float:
    """Return the norm of the terms that cancel inside of J, 0 where it isn't known."""
    if problem.sizes is None:
        return 0.0
    terms = problem.sizes.derivatives
    return float(np.nanmax(np.where(np.isfinite(terms), terms, 0))) * float(np.sqrt(terms.size))


def assert_jacobian(
    f: Callable[..., Any],
    jacobian: Jacobian | ArrayLike | Callable[[Array], Any] | None = None,
    *,
    at: ArrayLike,
    reveal: Reveal = "all",
    **options: Any,
) -> None:
    """Raise AssertionError, with the report, unless the Jacobian of f is right; for tests.

    Parameters
    ----------
    f, jacobian
        As for :func:`check`.
    at : array_like
        The point.
    reveal : {"verdict", "diagnosis", "worst", "all"}
        What the message tells; in a cell for students "all" would print the answer.
    **options
        Further arguments of :func:`check`.

    Raises
    ------
    AssertionError
        If the verdict is "wrong" or "undecided".

    Examples
    --------
    >>> import numpy as np
    >>> assert_jacobian(np.sin, np.diag(np.cos([0.5, 1.0])), at=[0.5, 1.0])
    """
    __tracebackhide__ = True  # pytest shows the line that called
    checked_option(reveal, "reveal", get_args(Reveal))
    report = check(f, at, jacobian, **options)
    if not report.passed:
        raise AssertionError(report.told(reveal))


# --- what is asked before any number is compared ---------------------------------------------------------


def _fault(problem: Problem) -> tuple[Cause, str] | None:
    """Return what makes f no function of its argument, or the comparison empty; None if nothing does."""
    if 0 in problem.shape:
        reason = f"nothing to compare: f(x) has shape {problem.value.shape}, so the Jacobian is empty"
        return Cause.EMPTY, reason
    if not np.isfinite(problem.point).all():
        j = int(np.argmin(np.isfinite(problem.point.reshape(-1))))
        place = problem.index(j)
        return Cause.POINT_NOT_FINITE, (
            f"{problem.wrt} is not finite at {list(place)}: {problem.point[place]}; a derivative there is no limit of "
            "differences"
        )
    given = problem.point.copy()
    with np.errstate(all="ignore"):
        again = np.asarray(problem._call(given))
    if not np.array_equal(given, problem.point, equal_nan=True):
        return Cause.WRITES, "f writes to its input; expected it to leave x as it was (work on x.copy())"
    if not np.array_equal(again, problem.value, equal_nan=True):
        return Cause.RANDOM, "f is random: two calls at x give different values; fix its seed"
    if not np.isfinite(problem.value).all():
        index = problem.out_index(int(np.argmin(np.isfinite(problem.value))))
        return Cause.VALUE_NOT_FINITE, f"f(x) is not finite at output {list(index)}: {problem.value[index]}"
    return None


def _not_finite(matrix: Array, problem: Problem, given: Array, described: dict[str, Any]) -> CheckReport:
    with np.errstate(all="ignore"):
        values = np.asarray(problem.f(given.copy()))
    if not np.isfinite(values).all():  # as the logarithm of a probability that is 0 in float32
        reason = f"f(x) is not finite in {given.dtype}"
        return CheckReport("undecided", reason, cause=Cause.VALUE_NOT_FINITE, **described)
    if not np.isnan(matrix).any() and _slope_is_unknown(problem, np.isinf(matrix)):
        reason = "the candidate is infinite where f itself has no finite slope that differences could find"
        return CheckReport("undecided", reason, cause=Cause.NOT_FINITE, **described)
    i, j = (int(k) for k in np.argwhere(~np.isfinite(matrix))[0])
    count = int((~np.isfinite(matrix)).sum())
    return CheckReport(
        "wrong",
        f"the candidate has {matrix[i, j]} in {count} of {matrix.size} entries, first at [{i}, {j}]",
        worst=Worst((i, j), problem.out_index(i), problem.index(j), float(matrix[i, j]), float("nan")),
        cause=Cause.CANDIDATE_NOT_FINITE,
        **described,
    )


def _slope_is_unknown(problem: Problem, entries: NDArray[np.bool_]) -> bool:
    """Say whether differences find no finite slope in any of the entries, as of √x at 0."""
    try:
        return not np.isfinite(richardson(problem).error[entries]).any()
    except Exception:  # f's own, beside x
        return True


# --- what a wrong one is told ------------------------------------------------------------------------------


def _worst(matrix: Array, asked: list[tuple[Witness, Comparison | None]], problem: Problem) -> Worst | None:
    """Return the entry that deviates most from the witness that decides: the last that disagrees, or the last."""
    usable = [(witness, comparison) for witness, comparison in asked if comparison is not None]
    deciding = [pair for pair in usable if pair[0].status == "disagrees"] or [
        pair for pair in usable if pair[0].status == "agrees"
    ]
    if not deciding:
        return None
    witness, comparison = deciding[-1]
    assert witness.matrix is not None
    # of those that exceed their tolerance about equally, the largest
    largest = comparison.excess >= 0.99 * comparison.excess.max()
    deviation = np.where(largest, np.abs(matrix - witness.matrix), -1)
    i, j = (int(k) for k in np.unravel_index(int(np.argmax(deviation)), matrix.shape))
    return Worst(
        (i, j), problem.out_index(i), problem.index(j), float(matrix[i, j]), float(witness.matrix[i, j]) + 0.0
    )


def _diagnosis_of_shape(array: Array, problem: Problem) -> Any:
    """Return what a candidate of another shape is, measured by differences; None where that isn't known."""
    m, n = problem.shape
    if m * n * 8 > LARGEST_DENSE:
        return None
    try:
        expected = richardson(problem).matrix
    except Exception:  # f's own, beside x
        return None
    if not np.isfinite(expected).all() or not np.isfinite(array).all():
        return None
    found = _diagnosis(array, expected, problem)
    if found.name == Slip.RIGHT:  # a gradient in the shape of x: the entries are those of J
        from verification.diagnosis.diagnose import Diagnosis

        return Diagnosis(Slip.SHAPE, f"right entries, shape {array.shape} in place of {problem.shape}", "")
    return None if found.name == Slip.SHAPE else found


def _diagnosis(matrix: Array, expected: Any, problem: Problem) -> Any:
    from verification.diagnosis.diagnose import Diagnosis, diagnose

    try:
        return diagnose(matrix, expected, f=problem.f, x=problem.x, wrt=problem.wrt)
    except Exception as error:  # the verdict stands without an explanation
        return Diagnosis("unknown", "no diagnosis", f"it failed: {error!r}")
