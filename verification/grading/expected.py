"""The expected answers: from a reference, from a forward function, or from the toolkit, confirmed by witnesses.

They are computed in the marking process, before the first submission starts.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from jacobians.function import INPUT
from jacobians.names import class_name
from jacobians.numerics.arrays import Array
from jacobians.numerics.layouts import from_tensor, to_tensor
from verification.check import check
from verification.diagnosis.diagnose import Diagnosis, diagnose
from verification.grading.assignment import Assignment
from verification.grading.chains import fewest_multiplications
from verification.grading.containment.runner import driver_module
from verification.grading.fields import AssignmentError
from verification.grading.kinks import KINKS, one_sided
from verification.grading.points import Point
from verification.grading.questions import confirmed_formula, layouts_of, shape_of
from verification.grading.reference import finite, load_module, reference_answers, subject, value_of
from verification.grading.tasks import CHAIN_FORMS, PLAIN_FORMS, Form, Output, Task, Tolerance
from verification.problem import Problem
from verification.witnesses.asking import Budget, symbolic
from verification.witnesses.finite_difference import richardson_jacobian

CANCELLED = 1e-3  # of the relative tolerance, as a part of the largest entry: for entries that cancel
SINGLE = 2e-4  # the relative tolerance of answers in float32, if the task's is smaller


@dataclass(frozen=True)
class Expected:
    """One array that a submission should return.

    Attributes
    ----------
    output : Output
        Its name and form.
    answer : numpy.ndarray
        In the form that is asked for.
    derivative : Derivative or None
        What is differentiated, where that is known: for the diagnosis.
    bounds : tuple of numpy.ndarray or None
        At a kink, between what each entry may lie; the answer lies there, too.
    known : callable or None
        Returns the derivative with its function, where that has to be looked for: in code of the course, which need
        not be there.
    evidence : str
        What the witnesses say of it, "" where they were not asked.
    """

    output: Output
    answer: Array
    derivative: Derivative | None = None
    bounds: tuple[Array, Array] | None = None
    known: Callable[[], Derivative] | None = None
    evidence: str = ""

    def nearest(self, found: Array) -> Array:
        """Return the expected answer that is nearest to what was found: there are several at a kink alone."""
        return self.answer if self.bounds is None else np.clip(found, *self.bounds)

    def diagnose(self, found: Array) -> Diagnosis:
        """Return the most likely mistake of an answer that is wrong."""
        known, form = self.derivative, self.output.form
        if self.known is not None:
            with contextlib.suppress(AssignmentError):
                known = self.known()
        if known is None or form in PLAIN_FORMS:
            return diagnose(found, self.answer)
        if found.shape != self.answer.shape and form == "gradient":
            return diagnose(
                found, known.matrix, f=known.function, x=known.x, wrt=known.wrt, in_shape=known.in_shape
            )
        if found.shape != self.answer.shape:
            plain = form in ("matrix", "vjp")
            return diagnose(found, self.answer if plain else known.matrix)
        matrix = known.to_matrix(found, form)
        if known.function is None:
            return diagnose(matrix, known.matrix)
        return diagnose(matrix, known.matrix, f=known.function, x=known.x, wrt=known.wrt)


@dataclass(frozen=True)
class Trial:
    """One call of a submission's function, with what it should return.

    Attributes
    ----------
    place : dict
        The arguments by name.
    expected : tuple of Expected
        One for each output of the task.
    """

    place: Mapping[str, Any]
    expected: tuple[Expected, ...]

    @property
    def answer(self) -> Array:
        """The one answer, of a function that returns one."""
        (expected,) = self.expected
        return expected.answer

    @property
    def nbytes(self) -> int:
        """The bytes of all that is expected."""
        return sum(expected.answer.nbytes for expected in self.expected)


Trials = dict[tuple[str, int], list[Trial]]


@dataclass(frozen=True)
class Code:
    """What the course wrote: the reference file, the file of drivers, and what students have, too."""

    reference: ModuleType | None
    drivers: ModuleType
    handout: ModuleType | None = None

    def forward_of(self, task: Task) -> ModuleType | None:
        """Return the module that `forward` or `toolkit` is looked for in: the reference, or else the handout."""
        wanted = task.forward or task.toolkit
        return (
            self.handout
            if hasattr(self.handout, wanted) and not hasattr(self.reference, wanted)
            else self.reference
        )


@dataclass(frozen=True)
class Derivative:
    """A function at a point, and its Jacobian there, (m, n) in numerator layout and row-major vec."""

    function: Any
    x: Array
    wrt: str
    out_shape: tuple[int, ...]
    in_shape: tuple[int, ...]
    matrix: Array

    def to_matrix(self, answer: Array, form: Form) -> Array:
        """Return an answer of a form as an (m, n) matrix."""
        if form in ("numerator", "mixed", "denominator"):
            return from_tensor(answer, self.out_shape, self.in_shape, form)
        return answer.reshape(self.matrix.shape)

    def to_answer(self, form: Form) -> Array:
        """Return the Jacobian in a form."""
        if form in ("numerator", "mixed", "denominator"):
            return to_tensor(self.matrix, self.out_shape, self.in_shape, form)
        return self.matrix.reshape(self.in_shape) if form in ("gradient", "vjp") else self.matrix


def course_code(assignment: Assignment) -> Callable[[], Code]:
    """Return what loads the code of the course, once, when it is asked."""

    @functools.cache
    def load() -> Code:
        reference, handout = load_module(assignment.reference), load_module(assignment.handout, "handout")
        return Code(reference, driver_module(assignment.driver_code), handout)

    return load


def expected_trials(
    assignment: Assignment,
    *,
    seconds: float | None = None,
    done: Callable[[str, float], object] | None = None,
    student: int | None = None,
    code: Callable[[], Code] | None = None,
) -> Trials:
    """Return the trials of every point, by the name of the function and the number of its point.

    Parameters
    ----------
    assignment : Assignment
        What :func:`~verification.grading.assignment.load_assignment` returned.
    seconds : float, optional
        The time after which it gives up.
    done : callable, optional
        Called with the name of each answer and the seconds that it took.
    student : int, optional
        Where points are a student's own: the seed, and the random points alone are returned; without it the others.
    code : callable, optional
        Returns the code of the course, where it is loaded already.

    Raises
    ------
    AssignmentError
        If the reference can't be imported, a function is missing or raises, or an expected answer is not confirmed
        by the witnesses: a kink at the point, or a reference that is wrong.
    """
    loaded, trials, clock = (code or course_code(assignment))(), {}, _Clock(seconds, done)
    for task in assignment.tasks:
        for number, point in enumerate(task.points):
            if assignment.is_own(point) != (student is not None):
                continue
            where = f"function {task.name!r}, {point.name!r}"
            trials[task.name, number] = [
                _trial(task, point, _real_by(task, place), loaded, f"{where}, place {k}", clock)
                for k, place in enumerate(point.places(student), 1)
            ]
    return trials


class _Clock:
    """What the answers cost, and when it is too much."""

    def __init__(self, seconds: float | None, done: Callable[[str, float], object] | None) -> None:
        self.seconds, self.done = seconds, done
        self.start = self.last = time.perf_counter()
        self.took: list[tuple[float, str]] = []

    def tick(self, where: str) -> None:
        """Note that an answer is there; raise if the time is over."""
        now = time.perf_counter()
        took, self.last = now - self.last, now
        self.took.append((took, where))
        if self.done is not None:
            self.done(where, took)
        if self.seconds is not None and now - self.start > self.seconds:
            costly = "; ".join(
                f"{place}: {cost:.1f} s" for cost, place in sorted(self.took, reverse=True)[:3]
            )
            raise AssignmentError(
                f"the expected answers take longer than {self.seconds:g} s: {len(self.took)} were computed; the "
                f"costly ones: {costly}; choose smaller sizes there, name a reference and confirm = false, or "
                f"allow more time"
            )


def _real_by(task: Task, place: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with those real by which is differentiated: labels and strides stay integers."""
    names = {output.wrt for output in task.outputs} | {task.upstream}
    real = {
        name: value.astype(np.float64)
        for name, value in place.items()
        if name in names and isinstance(value, np.ndarray) and value.dtype.kind in "ib"
    }
    return place | real


def _trial(task: Task, point: Point, place: dict[str, Any], code: Code, where: str, clock: _Clock) -> Trial:
    try:
        with np.errstate(all="ignore"):
            given = []
            if task.reference or task.answers_by_driver:
                given = reference_answers(task, place, code.reference, code.drivers, where)
            expected = []
            for k, output in enumerate(task.outputs):
                own = f"{where}, {output.name}" if output.name else where
                answer = given[k] if given else None
                expected.append(_expected(task, point, output, place, answer, code.forward_of(task), own))
                clock.tick(own)
            return Trial(place, tuple(expected))
    except AssignmentError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:  # the reference is code of the course
        raise AssignmentError(f"{where}: the reference raised {class_name(error)}: {error}") from error


def _expected(
    task: Task,
    point: Point,
    output: Output,
    place: dict[str, Any],
    given: Array | None,
    module: ModuleType | None,
    where: str,
) -> Expected:
    if output.form in CHAIN_FORMS:
        return Expected(output, np.asarray(float(fewest_multiplications(_sizes(place[task.taken], where)))))
    if output.form == "formula":
        return Expected(output, np.zeros(0), evidence=confirmed_formula(task, where))
    if output.form == "value":
        return Expected(
            output, finite(value_of(task, place, module, where), where) if given is None else given
        )
    if not (task.forward or task.toolkit):
        assert given is not None
        return Expected(output, given)
    f, x, wrt = subject(task, output, place, module, where)
    with np.errstate(all="ignore"):
        out_shape = np.shape(f(x))
    in_shape = place[output.wrt].shape
    m, n = int(np.prod(out_shape)), int(np.prod(in_shape))
    if output.form == "shape":
        return Expected(output, shape_of(out_shape, in_shape, task.layout))
    if output.form == "structure":
        return Expected(output, np.asarray(f.jacobian(x, wrt).structure))
    if output.form == "layout":
        return Expected(output, layouts_of(place[task.input], f, x, out_shape, where))
    if output.form == "gradient" and m != 1:
        raise AssignmentError(
            f"{where}: form: found 'gradient' of a function with {m} outputs, expected one output"
        )
    derivative = Derivative(f, x, wrt, out_shape, in_shape, np.zeros((m, n)))
    if given is not None:
        expected = derivative.to_answer(output.form).shape
        if given.shape != expected:
            raise AssignmentError(f"{where}: the reference returned shape {given.shape}, expected {expected}")
        matrix = derivative.to_matrix(given, output.form)
    elif task.toolkit:
        matrix = f.jacobian(x, wrt).dense()
    else:
        matrix = _by_witnesses(f, x)
    derivative = Derivative(f, x, wrt, out_shape, in_shape, matrix)
    bounds = None
    report = check(f, x, matrix, wrt) if point.confirm else None
    if report is not None and not report.passed:
        more = f"; {report.diagnosis}" if report.diagnosis is not None else ""
        kink = report.cause in KINKS
        if not kink or point.at_kink != "any" or wrt != INPUT:
            hint = "; at_kink = 'any' accepts all between the one-sided derivatives" if kink else ""
            raise AssignmentError(
                f"{where}: the expected answer is not confirmed: {report.reason}{more}{hint}"
            )
        low, high = one_sided(f, x)
        if given is None and not task.toolkit:  # what differences make of a kink is no answer
            derivative = replace(derivative, matrix=(low + high) / 2)
        excess = deviation_excess(derivative.matrix, np.clip(derivative.matrix, low, high), task.tolerance)
        if not (excess <= 1).all():
            raise AssignmentError(
                f"{where}: the expected answer is not confirmed: at this kink {int((excess > 1).sum())} of its "
                f"entries do not lie between the one-sided derivatives"
            )
        low_high = [replace(derivative, matrix=bound).to_answer(output.form) for bound in (low, high)]
        bounds = (low_high[0], low_high[1])
    evidence = "" if report is None else report.reason
    return Expected(output, derivative.to_answer(output.form), derivative, bounds, evidence=evidence)


def deviation_excess(found: Array, expected: Array, tolerance: Tolerance) -> Array:
    """Return the deviation of each entry by what is tolerated there: above 1 is wrong.

    Examples
    --------
    >>> deviation_excess(np.array([1.0, 2e-9]), np.array([1.0, 0.0]), Tolerance(1e-6)).round(1)
    array([0., 2.])
    """
    relative = max(tolerance.relative, SINGLE) if found.dtype == np.float32 else tolerance.relative
    size = np.abs(expected)
    tolerated = relative * np.maximum(size, CANCELLED * size.max(initial=0.0)) + tolerance.absolute
    with np.errstate(over="ignore"):
        deviation = np.abs(found.astype(np.float64) - expected)
        excess = deviation / np.where(tolerated > 0, tolerated, 1.0)
    return np.where((tolerated == 0) & (deviation > 0), np.inf, excess)


def _sizes(value: Any, where: str) -> list[int]:
    """Return the sizes of a chain: factor i is sizes[i] × sizes[i + 1]."""
    if (
        not isinstance(value, np.ndarray)
        or value.ndim != 1
        or value.size < 2
        or value.dtype.kind != "i"
        or (value < 1).any()
    ):
        raise AssignmentError(
            f"{where}: input: found no list of sizes, expected two integers above 0 or more"
        )
    return [int(size) for size in value]


def _by_witnesses(f: Callable[[Any], Any], x: Array) -> Array:
    """Return the Jacobian as the most precise witness that can run finds it, within its budget."""
    try:
        return symbolic(Problem(f, x, dtype=np.float64), Budget()).matrix
    except Exception:  # code that can't be traced: whatever it raises then
        return richardson_jacobian(f, x).matrix
