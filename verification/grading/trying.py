"""`verify try`: a student's own look at the public points, without reference and without expected values.

What is decided are the points whose forward function was handed out; everything else is marked by staff.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from jacobians.equality import ByValue
from jacobians.names import class_name
from verification.grading.answers import Answer, Fault, raised_fault, refused_fault
from verification.grading.assignment import Assignment, load_assignment
from verification.grading.comparison import judge
from verification.grading.containment.loading import load_submission
from verification.grading.containment.returned import RefusalError, numbers_of, parts_of, text_of
from verification.grading.containment.runner import MissingError, answered, driver_module
from verification.grading.course import mark, question_for
from verification.grading.expected import Trial, Trials, expected_trials
from verification.grading.fields import AssignmentError
from verification.grading.outcome import Outcome
from verification.grading.outputs import to_table
from verification.grading.processes import Processes
from verification.grading.reference import load_module
from verification.grading.results import SubmissionResult, item_result
from verification.grading.submissions import Submission, read_submissions
from verification.grading.tasks import OWN_FORMS, TEXT_FORMS, Task

CONTAINED = os.name == "posix"  # elsewhere a student's own code runs in the student's own process


@dataclass(frozen=True, eq=False)
class Attempt(ByValue):
    """What a student learns before handing in.

    Attributes
    ----------
    result : SubmissionResult
        Of the points that could be decided.
    by_staff : tuple of str
        The others.
    """

    result: SubmissionResult
    by_staff: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if all that could be decided is right."""
        return self.result.passed

    def __bool__(self) -> bool:
        """Return :attr:`passed`."""
        return self.passed

    def __str__(self) -> str:
        """Return a table with a line for each point."""
        lines = [to_table([self.result], items=True).rpartition("\n\n")[0]]
        lines += [f"marked by staff: {name}" for name in self.by_staff]
        return "\n".join(lines)


def try_out(assignment: str | Path, submission: str | Path | Mapping[str, Any] | ModuleType) -> Attempt:
    """Mark what a student has so far, at the points that a handed-out forward function decides.

    Parameters
    ----------
    assignment : str or Path
        The file that was handed out; no reference is needed.
    submission : str, Path, dict or module
        What is to be handed in; in a notebook ``globals()``, whose functions are called in this process.

    Raises
    ------
    AssignmentError
        If the assignment is none, or hands out no forward function that decides a point.
    ValueError
        If the submission isn't there.
    TypeError
        If the submission is something else.
    """
    if not isinstance(submission, str | Path | Mapping | ModuleType):
        raise TypeError(
            f"submission: found {class_name(submission)}, expected a path or, in a notebook, globals()"
        )
    whole = load_assignment(assignment, handed_out=True)
    public, by_staff = _public(whole)
    trials = expected_trials(public)
    if isinstance(submission, str | Path):
        (found,) = read_submissions([submission], [], public.settings.entry).items()
        result = _result(public, trials, *found)
    else:
        module = submission if isinstance(submission, ModuleType) else SimpleNamespace(**submission)
        result = _in_this_process(public, trials, "this notebook", module)
    return Attempt(result, by_staff)


def _public(assignment: Assignment) -> tuple[Assignment, tuple[str, ...]]:
    """Return the part of an assignment that its handout decides, and the names of what it doesn't."""
    handout = load_module(assignment.handout, "handout")
    tasks, by_staff, hidden = [], [], 0
    for task in assignment.tasks:
        decided = bool(task.forward) and hasattr(handout, task.forward)
        decided = decided or all(output.form in OWN_FORMS for output in task.outputs)
        points = []
        for point in task.points:
            if assignment.is_own(point):
                by_staff.append(f"{task.name}, {point.name}")
            elif point.visibility != "visible":
                hidden += 1
            elif decided:
                points.append(point)
            else:
                by_staff.append(f"{task.name}, {point.name}")
        if points:
            tasks.append(task.model_copy(update={"points": tuple(points), "reference": ""}))
    if hidden:
        by_staff.append(f"{hidden} point{'s' * (hidden > 1)} that {'are' if hidden > 1 else 'is'} not public")
    if not tasks:
        raise AssignmentError(
            f"{assignment.path.name}: found no public point that a function of handout decides, expected one; all of "
            f"it is marked by staff"
        )
    public = assignment.model_copy(
        update={
            "tasks": tuple(tasks),
            "settings": assignment.settings.model_copy(update={"reference": ""}),
        }
    )
    return public, tuple(by_staff)


def _result(
    assignment: Assignment, trials: Trials, name: str, source: Submission | Fault
) -> SubmissionResult:
    if isinstance(source, Fault):
        raise ValueError(f"{name}: {source.sentence}")
    if CONTAINED:
        with Processes() as processes:
            return mark(assignment, trials, name, source, processes)
    with tempfile.TemporaryDirectory() as directory, _inside(Path(directory), source):
        remarks: list[str] = []
        module = load_submission(
            source.entry, lambda number, error: remarks.append(f"cell {number}: {error}")
        )
        return _in_this_process(assignment, trials, name, module, tuple(remarks))


@contextmanager
def _inside(directory: Path, source: Submission) -> Any:
    """Write a student's own files to a directory, and work there: where nothing can be contained."""
    here, path = Path.cwd(), list(sys.path)
    for name, data in source.files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(here)
        sys.path[:] = path


def _in_this_process(
    assignment: Assignment, trials: Trials, name: str, module: Any, remarks: tuple[str, ...] = ()
) -> SubmissionResult:
    drivers = driver_module(assignment.driver_code)
    items = []
    for task in assignment.tasks:
        for number, point in enumerate(task.points):
            outcomes = [
                _outcomes(assignment, task, trial, module, drivers) for trial in trials[task.name, number]
            ]
            reveal = assignment.reveal_of(task, point)
            items += [
                item_result(task, point, output, [outcome[k] for outcome in outcomes], reveal)
                for k, output in enumerate(task.outputs)
            ]
    return SubmissionResult(name, assignment.title, tuple(items), remarks=remarks)


def _outcomes(assignment: Assignment, task: Task, trial: Trial, module: Any, drivers: Any) -> list[Outcome]:
    fault: Fault | None = None
    parts: list[Any] = []
    try:
        value, written = answered(module, question_for(task), dict(trial.place), drivers)
        parts = parts_of(value, task.return_names)
    except (MissingError, RefusalError) as refusal:
        fault = refused_fault(str(refusal), task.return_names)
    except (Exception, SystemExit) as error:  # the student's own
        fault = raised_fault(class_name(error), str(error))
    outcomes = []
    for k, expected in enumerate(trial.expected):
        answer: Answer | Fault
        if fault is not None:
            answer = fault
        else:
            try:
                if expected.output.form in TEXT_FORMS:
                    answer = Answer(np.empty(0), text=text_of(parts[k]).decode())
                else:
                    lists = assignment.settings.accept_lists or expected.output.form == "shape"
                    array = numbers_of(parts[k], lists)
                    answer = Answer(array, tuple(place for place, flag in enumerate(written) if flag))
            except RefusalError as refusal:
                answer = refused_fault(str(refusal), task.return_names)
        outcomes.append(judge(answer, expected, task, trial.place))
    return outcomes
