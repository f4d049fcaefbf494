"""The expected answers: from a reference, from a forward function, or from the toolkit, confirmed by witnesses.

They are computed in the marking process, before the first submission starts.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import jacobians
from jacobians import Function
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.layouts import from_tensor, to_tensor
from verification.check import check
from verification.diagnosis.diagnose import Diagnosis, diagnose
from verification.grading.assignment import Assignment, Form, Task
from verification.grading.fields import AssignmentError
from verification.witnesses.finite_difference import richardson_jacobian
from verification.witnesses.symbolic import symbolic_jacobian


@dataclass(frozen=True)
class Trial:
    """One call of a submission's function, with the answer that is expected.

    Attributes
    ----------
    place : dict
        The arguments by name.
    answer : numpy.ndarray
        In the form that the task asks for.
    derivative : Derivative or None
        What is differentiated, where that is known: for the diagnosis.
    """

    place: Mapping[str, Array]
    answer: Array
    derivative: Derivative | None = None

    def diagnose(self, found: Array, form: Form) -> Diagnosis:
        """Return the most likely mistake of an answer that is wrong.

        Parameters
        ----------
        found : numpy.ndarray
            The answer.
        form : str
            What it should be.
        """
        known = self.derivative
        if known is None or form == "value":
            return diagnose(found, self.answer)
        if found.shape != self.answer.shape and form == "gradient":
            return diagnose(
                found, known.matrix, f=known.function, x=known.x, wrt=known.wrt, in_shape=known.in_shape
            )
        if found.shape != self.answer.shape:
            return diagnose(found, self.answer if form == "matrix" else known.matrix)
        return diagnose(
            known.to_matrix(found, form), known.matrix, f=known.function, x=known.x, wrt=known.wrt
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
        return self.matrix.reshape(self.in_shape) if form == "gradient" else self.matrix


def expected_trials(assignment: Assignment) -> dict[tuple[str, int], list[Trial]]:
    """Return the trials of every item, by the name of the function and the number of its point.

    Parameters
    ----------
    assignment : Assignment
        What :func:`~verification.grading.assignment.load_assignment` returned.

    Raises
    ------
    AssignmentError
        If the reference can't be imported, a function is missing or raises, or an expected answer is not confirmed
        by the witnesses: a kink at the point, or a reference that is wrong.
    """
    module = _reference_module(assignment)
    trials = {}
    for task in assignment.tasks:
        for number, item in enumerate(task.items):
            where = f"function {task.name!r}, {item.name!r}"
            trials[task.name, number] = [
                _trial(task, _real_by(task, place), module, f"{where}, place {k}")
                for k, place in enumerate(item.point.places(), 1)
            ]
    return trials


def _real_by(task: Task, place: dict[str, Array]) -> dict[str, Array]:
    """Return the arguments with that real by which is differentiated: labels and strides stay integers."""
    by = place.get(task.wrt)
    return place if by is None or by.dtype.kind != "i" else place | {task.wrt: by.astype(np.float64)}


def _trial(task: Task, place: dict[str, Array], module: ModuleType | None, where: str) -> Trial:
    try:
        with np.errstate(all="ignore"):
            return _answer(task, place, module, where)
    except AssignmentError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:  # the reference is code of the course
        raise AssignmentError(f"{where}: the reference raised {type(error).__name__}: {error}") from error


def _answer(task: Task, place: dict[str, Array], module: ModuleType | None, where: str) -> Trial:
    given: Array | None = None
    if task.reference:
        given = _numbers(_function(module, task.reference, where)(*_copies(task, place)), where)
    if task.form == "value":
        if given is None:
            f, x, _ = _subject(task, place, module, where)
            given = _numbers(f(x), where)
        return Trial(place, given)
    if not (task.forward or task.toolkit):
        assert given is not None
        return Trial(place, given)
    f, x, wrt = _subject(task, place, module, where)
    with np.errstate(all="ignore"):
        out_shape = np.shape(f(x))
    in_shape = place[task.wrt].shape
    m, n = int(np.prod(out_shape)), int(np.prod(in_shape))
    if task.form == "gradient" and m != 1:
        raise AssignmentError(
            f"{where}: form: found 'gradient' of a function with {m} outputs, expected one output"
        )
    derivative = Derivative(f, x, wrt, out_shape, in_shape, np.zeros((m, n)))
    if given is not None:
        expected = derivative.to_answer(task.form).shape
        if given.shape != expected:
            raise AssignmentError(f"{where}: the reference returned shape {given.shape}, expected {expected}")
        matrix = derivative.to_matrix(given, task.form)
    elif task.toolkit:
        matrix = f.jacobian(x, wrt).dense()
    else:
        matrix = _by_witnesses(f, x)
    report = check(f, x, matrix, wrt)
    if not report.passed:
        more = f"; {report.diagnosis}" if report.diagnosis is not None else ""
        raise AssignmentError(f"{where}: the expected answer is not confirmed: {report.reason}{more}")
    derivative = Derivative(f, x, wrt, out_shape, in_shape, matrix)
    return Trial(place, derivative.to_answer(task.form), derivative)


def _by_witnesses(f: Callable[[Any], Any], x: Array) -> Array:
    """Return the Jacobian as the most precise witness that can run finds it."""
    try:
        return symbolic_jacobian(f, x).value
    except Exception:  # code that can't be traced: whatever it raises then
        return richardson_jacobian(f, x).matrix


def _subject(
    task: Task, place: dict[str, Array], module: ModuleType | None, where: str
) -> tuple[Any, Array, str]:
    """Return the function that is differentiated, its input, and by what."""
    if task.toolkit:
        parameters = {name: _copy(value) for name, value in place.items() if name != task.input}
        f = _model(task.toolkit, module, where)(**parameters)
        if not isinstance(f, Function):
            raise AssignmentError(
                f"{where}: toolkit: {task.toolkit!r} returned {type(f).__name__}, expected a jacobians.Function"
            )
        return f, place[task.input], _parameter(task, f, where)
    forward = _function(module, task.forward, where)
    if task.form == "value":
        return lambda x: forward(*_copies(task, place)), place[task.arguments[0]], INPUT

    def of_one(value: Any) -> Any:
        return forward(*(value if name == task.wrt else _copy(place[name]) for name in task.arguments))

    return of_one, place[task.wrt], INPUT


def _model(name: str, module: ModuleType | None, where: str) -> Callable[..., Any]:
    """Return what makes a Function of parameters: a class of the toolkit, or a function of the reference module."""
    kind = getattr(jacobians, name, None)
    if inspect.isclass(kind) and issubclass(kind, Function) and not inspect.isabstract(kind):
        return kind
    own = getattr(module, name, None)
    if not callable(own):
        named = ((key, getattr(jacobians, key)) for key in jacobians.__all__)
        classes = [key for key, kind in named if inspect.isclass(kind) and issubclass(kind, Function)]
        near = difflib.get_close_matches(name, classes, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AssignmentError(
            f"{where}: toolkit: found {name!r}, expected a function of the reference module that returns a "
            f"Function, or one out of {', '.join(classes)}{hint}"
        )
    return own


def _parameter(task: Task, f: Function, where: str) -> str:
    """Return the name that the Function has for the argument by which is differentiated: "0.W" for "W"."""
    if task.wrt in (task.input, ""):
        return INPUT
    names = [name for name in f.parameters if name == task.wrt or name.endswith(f".{task.wrt}")]
    if len(names) != 1:
        raise AssignmentError(
            f"{where}: wrt: found {task.wrt!r}, expected the name of one parameter out of "
            f"{', '.join(map(repr, f.parameters)) or 'none'}"
        )
    return names[0]


def _copies(task: Task, place: dict[str, Array]) -> list[Any]:
    """Return what a submission gets too: copies of the arrays, and a number where there is no axis."""
    return [_copy(place[name]) for name in task.arguments]


def _copy(array: Array) -> Any:
    return array.copy() if array.ndim else array.item()


def _numbers(value: Any, where: str) -> Array:
    array = real_array(value, "the reference").astype(np.float64)
    if not np.isfinite(array).all():
        raise AssignmentError(f"{where}: the reference returned NaN or infinity, expected finite numbers")
    return array


def _function(module: ModuleType | None, name: str, where: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise AssignmentError(f"{where}: found no function {name!r} in the reference module, expected one")
    return function


def _reference_module(assignment: Assignment) -> ModuleType | None:
    path = assignment.reference
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("assignment_reference", path)
    if spec is None or spec.loader is None:
        raise AssignmentError(f"reference: found {path.name!r}, expected the name of a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles of it look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit, GeneratorExit) as error:  # code of the course
        raise AssignmentError(
            f"reference: {path.name} can't be imported: {type(error).__name__}: {error}"
        ) from error
    return module
