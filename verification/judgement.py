"""The verdict on one question: a function of one array, a point, and a candidate in a known form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.function import Function
from jacobians.numerics.arrays import Array
from jacobians.structures import Jacobian
from verification.candidate import ROW_MAJOR, CandidateError, Form, candidate_of, matrix_of, place_in
from verification.causes import Cause, Slip
from verification.comparison import RELATIVE, Comparison, precision
from verification.constrained import Directions
from verification.problem import EvaluationError, Problem
from verification.report import CheckReport, Witness, Worst
from verification.verdict import decide, needs_both_sides, where_steps_are_too_large, with_adjoint
from verification.witnesses.adjoint import COLUMNS, TRIALS, adjoint_witness, check_by_projections
from verification.witnesses.asking import Budget, ask, takes_square_matrices, taylor
from verification.witnesses.finite_difference import finite_difference_jacobian, richardson
from verification.witnesses.glance import PROJECTIONS
from verification.witnesses.one_sided import one_sided
from verification.witnesses.resolution import FLAT
from verification.witnesses.size import evaluation_seconds, said_of, seconds_for_all

GROWTH = 4.0  # of quotients from a step to one 10⁵ times smaller: x^0.9 at 0 has it
LARGEST_DENSE = 32 * 1024**2
"""Structured candidates above this many bytes are checked by random projections, without being formed."""

SAMPLED, WORTH = 16, 0.05
"""Entries of x that are looked at one by one, beside random projections, where there are too many for all: fewer where
f takes longer, so that they cost as many evaluations as take half a second."""

Place = Callable[[tuple[int, int]], tuple[int, ...]]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    f : Function or callable
        Of one array.
    x : numpy.ndarray
        The point, in its own precision.
    jacobian : Any
        The candidate; None for a Function's own.
    wrt : str
        "input", or a parameter of a Function.
    form : Form
        Of the candidate.
    label : str
        What the report calls the argument, where that isn't `wrt`.
    note : str
        Ends the reason.
    """

    f: Any
    x: Array
    jacobian: Any
    wrt: str
    form: Form = ROW_MAJOR
    label: str = ""
    note: str = ""


@dataclass(frozen=True)
class Options:
    """How it is asked: the options of :func:`verification.check`, checked; `names` are the witnesses' in order."""

    names: tuple[str, ...]
    all_witnesses: bool
    rtol: float | None
    atol: float
    budget: Budget
    max_bytes: int | None
    seed: int
    on: Any


def judge(question: Question, options: Options) -> CheckReport:
    """Return the verdict."""
    report = _judged(question, options)
    if not question.label and not question.note:
        return report
    return replace(report, wrt=question.label or report.wrt, reason=report.reason + question.note)


def _judged(question: Question, options: Options) -> CheckReport:
    names, projections = list(options.names), options.names == (PROJECTIONS,)
    rtol, atol, form = options.rtol, options.atol, question.form
    half, given = _half(question.x), question.x
    try:
        problem = Problem(
            question.f, given, question.wrt, dtype=np.float64, tracing=options.budget.complex_step
        )
    except EvaluationError as error:
        return CheckReport("undecided", str(error), wrt=question.wrt, cause=Cause.NO_VALUE)
    fault = fault_of(problem)
    described: dict[str, Any] = {
        "shape": problem.shape,
        "out_shape": problem.value.shape,
        "in_shape": problem.point.shape,
        "wrt": question.wrt,
        "dtype": precision(*half, given.dtype),
    }
    if fault:
        cause, reason = fault
        return CheckReport("undecided", reason, cause=cause, **described)
    try:
        with np.errstate(all="ignore"):  # what overflows is named in the report
            candidate = candidate_of(question.jacobian, problem, given, form)
            matrix = matrix_of(candidate, problem, 0 if projections else options.max_bytes, form)
    except CandidateError as error:
        diagnosis = None if error.array is None else _diagnosis_of_shape(error.array, problem)
        return CheckReport("wrong", str(error), diagnosis=diagnosis, cause=Cause.FORM, **described)
    if options.on is not None:
        matrix = candidate.expand() if matrix is None else np.asarray(matrix)
        return _along(problem, matrix, described, options)
    if matrix is None or projections or isinstance(matrix, Jacobian):
        unformed = candidate if matrix is None else matrix
        return check_by_projections(problem, unformed, described, seed=options.seed, rtol=rtol)
    described["dtype"] = precision(*half, *_half(candidate), given.dtype, matrix.dtype)
    described["candidate"] = matrix

    def place(index: tuple[int, int]) -> tuple[int, ...]:
        return place_in(candidate, problem, form, index)

    if not np.isfinite(matrix).all():
        return _not_finite(matrix, problem, given, described, place)
    if options.all_witnesses and not takes_square_matrices(problem):
        names.remove("block-identity")  # the question doesn't arise
    if options.all_witnesses and (seconds := seconds_for_all(problem)) > options.budget.seconds:
        return _sampled(problem, matrix, described, options, seconds, place)
    asked = [ask(name, problem, matrix, described["dtype"], rtol, options.budget, atol) for name in names]
    tolerance = RELATIVE[described["dtype"]] if rtol is None else rtol
    heard, supporting = [witness for witness, _ in asked], []
    if options.all_witnesses:
        supporting = [taylor(problem, matrix, options.seed, tolerance, atol, described["dtype"])]
    heard, supporting = where_steps_are_too_large(heard, supporting)
    decision = decide(heard, supporting)
    if options.all_witnesses and needs_both_sides(decision, heard):
        heard.append(one_sided(problem, matrix, tolerance, options.seed))
        decision = decide(heard, supporting)
    if isinstance(candidate, Jacobian) and not form.points:
        supporting.append(adjoint_witness(candidate, options.seed, _terms(problem)))
        decision = with_adjoint(decision, supporting[-1])
    comparisons = [comparison for _, comparison in asked]
    worst = _worst(matrix, list(zip(heard, comparisons, strict=False)), problem)
    contradicting = [witness.matrix for witness in heard if witness.status == "disagrees"]
    diagnosis = None
    if decision.verdict == "wrong" and contradicting:
        diagnosis = _of_wrong(_diagnosis(matrix, contradicting[-1], problem, form))
    return CheckReport(
        decision.verdict,
        decision.reason + _whole(problem),
        (*heard, *supporting),
        None if worst is None else replace(worst, place=place(worst.index)),
        diagnosis,
        cause=decision.cause,
        **described,
    )


def _sampled(
    problem: Problem, matrix: Array, described: dict[str, Any], options: Options, seconds: float, place: Place
) -> CheckReport:
    """Return the verdict by random projections and some entries, where all entries would take too long."""
    seed, rtol = options.seed, options.rtol
    each = max(evaluation_seconds(problem), 1e-9)
    count = max(COLUMNS, min(SAMPLED, int(WORTH / each)))
    report = check_by_projections(
        problem, matrix, described, seed=seed, rtol=rtol, columns=count, glance=False
    )
    said = said_of(seconds, options.budget.seconds, problem)
    reason = f"{report.reason}; {said}: {TRIALS} random projections and {count} entries of x were looked at"
    diagnosis = None
    if report.verdict == "wrong" and len(matrix) == 1:
        # the graph's gradient explains the candidate where the projections confirm it
        right = _of_graph(problem)
        if right is not None and check_by_projections(problem, right, described, seed=seed, rtol=rtol).passed:
            diagnosis = _of_wrong(_diagnosis(matrix, right, problem))
    worst = None if report.worst is None else replace(report.worst, place=place(report.worst.index))
    return replace(report, reason=reason, worst=worst, diagnosis=diagnosis)


def _of_wrong(diagnosis: Any) -> Any:
    """Return a diagnosis of what is wrong: it takes more for right than the tolerances of a check do."""
    if diagnosis.name != Slip.RIGHT:
        return diagnosis
    return replace(diagnosis, name=Slip.UNKNOWN, sentence="no known mistake fits: it is that small")


def _of_graph(problem: Problem) -> Array | None:
    """Return the gradient that the graph of the code has, None where it can't be followed."""
    from verification.diagnosis.tape import tape_of

    try:
        f = problem._call if isinstance(problem.f, Function) else problem.f
        return tape_of(f, problem.point).adjoints(np.ones((1, 1)))[0]
    except Exception:  # as for any diagnosis: the verdict stands without one
        return None


def _along(problem: Problem, matrix: Array, described: dict[str, Any], options: Options) -> CheckReport:
    """Return the verdict along the directions of a set of inputs."""
    directions = Directions(options.on, problem.point)
    question = Question(
        directions.function(problem), directions.coordinates, matrix @ directions.basis, "input"
    )
    report = judge(question, replace(options, on=None))
    worst = report.worst
    if worst is not None:
        inner = directions.index(worst.index[1])
        worst = replace(worst, in_index=inner, place=(*worst.out_index, *inner))
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


# --- what is asked before any number is compared ---------------------------------------------------------


def fault_of(problem: Problem) -> tuple[Cause, str] | None:
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


def _not_finite(
    matrix: Array, problem: Problem, given: Array, described: dict[str, Any], place: Place
) -> CheckReport:
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
        worst=Worst(
            (i, j), problem.out_index(i), problem.index(j), float(matrix[i, j]), float("nan"), place((i, j))
        ),
        cause=Cause.CANDIDATE_NOT_FINITE,
        **described,
    )


def _slope_is_unknown(problem: Problem, entries: NDArray[np.bool_]) -> bool:
    """Say whether differences find no finite slope in any of the entries, as of √x at 0, or ∛x, whose grow."""
    try:
        unknown = ~np.isfinite(richardson(problem).error)
        if not unknown[entries].all():
            unknown |= _grows(problem)
        return bool(unknown[entries].all())
    except Exception:  # f's own, beside x
        return True


def _grows(problem: Problem) -> NDArray[np.bool_]:
    """Say of each entry whether its quotients grow as the step falls, by changes that are above the rounding of f."""
    eps = float(max(np.finfo(problem.point.dtype).eps, problem.eps.max(initial=0)))
    large, small = (eps**power * np.maximum(1, np.abs(problem.point)) for power in (1 / 3, 3 / 4))
    of_large, of_small = (
        np.abs(
            finite_difference_jacobian(
                problem.f, problem.x, "forward", step, problem.wrt, vectorized=problem.vectorized
            )
        )
        for step in (large, small)
    )
    changes = of_small * small.reshape(1, -1)
    # not the measured noise: to sixth differences such a point is nothing but noise
    rounding = np.maximum(problem.eps * np.abs(problem.value.reshape(-1)), problem.rounding)
    return np.asarray((of_small > GROWTH * of_large) & (changes > FLAT * rounding[:, None]))


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


def _diagnosis(matrix: Array, expected: Any, problem: Problem, form: Form = ROW_MAJOR) -> Any:
    from verification.diagnosis.diagnose import Diagnosis, diagnose

    if form.points and form.own_inputs:
        count, k = form.points, np.arange(form.points)
        m = len(matrix) // count
        found, right = (one.reshape(count, m, count, -1)[k, :, k] for one in (matrix, expected))
        if np.allclose(found, right, rtol=1e-6, atol=1e-9 * float(np.abs(expected).max())):
            said = "the Jacobian of each point is right, and f mixes the points: there is more between them"
            return Diagnosis(str(Slip.PER_POINT), said, "")
    try:
        return diagnose(matrix, expected, f=problem.f, x=problem.x, wrt=problem.wrt)
    except Exception as error:  # the verdict stands without an explanation
        return Diagnosis("unknown", "no diagnosis", f"it failed: {error!r}")
