"""An assignment with its answers, ready to mark: one submission at a time, wherever that happens."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jacobians.names import class_name
from verification.grading.answers import Fault, Transcript, ending_fault, read_answers
from verification.grading.assignment import Assignment
from verification.grading.comparison import judge
from verification.grading.containment.transfer import array_bytes, packed
from verification.grading.expected import Code, Trial, Trials, course_code, expected_trials
from verification.grading.fields import AssignmentError
from verification.grading.outcome import Outcome
from verification.grading.prepared import prepared_path, prepared_trials
from verification.grading.processes import ContainmentError, Ending, Processes, readable_directories
from verification.grading.reference import question_of
from verification.grading.results import SubmissionResult, item_result
from verification.grading.submissions import Submission
from verification.grading.tasks import Task

SLACK = 1 << 20  # bytes that a process may answer beyond twice the expected arrays


@dataclass(frozen=True)
class _Call:
    """One call of one function: which item, and which of its places."""

    task: Task
    item: int
    trial: Trial


@dataclass(frozen=True)
class Course:
    """An assignment, its expected answers, and the code of the course.

    Attributes
    ----------
    assignment : Assignment
        What is asked for.
    trials : dict
        The answers that are the same for all.
    code : callable
        Returns the code of the course, for answers that are each student's own.
    """

    assignment: Assignment
    trials: Trials
    code: Callable[[], Code]

    def result(
        self, name: str, source: Submission | Fault, seed: int | None, processes: Processes
    ) -> SubmissionResult:
        """Return what a submission gets, at the points of its own seed where it has one."""
        try:
            own = {} if seed is None else expected_trials(self.assignment, student=seed, code=self.code)
        except AssignmentError as error:  # of points that nobody else has
            result = not_marked(self.assignment, name, f"the expected answers: {error}")
        else:
            result = mark(self.assignment, self.trials | own, name, source, processes)
        return replace(result, seed=seed)


def course_of(assignment: Assignment) -> Course:
    """Return an assignment with the answers that `verify prepare` wrote, or that are computed now."""
    prepared = prepared_path(assignment).is_file()
    trials = prepared_trials(assignment) if prepared else expected_trials(assignment)
    return Course(assignment, trials, course_code(assignment))


def question_for(task: Task) -> dict[str, Any]:
    """Return how a submission's function is called, as its runner reads it."""
    return question_of(task, task.name, task.driver)


def not_marked(assignment: Assignment, name: str, why: str) -> SubmissionResult:
    """Return the result of a submission that staff must look at: nothing is wrong with it."""
    outcome = Outcome("no answer", "failed", f"not marked: {why}")
    items = tuple(
        item_result(task, point, output, [outcome], assignment.reveal_of(task, point))
        for task in assignment.tasks
        for point in task.points
        for output in task.outputs
    )
    return SubmissionResult(name, assignment.title, items)


def mark(
    assignment: Assignment, trials: Trials, name: str, source: Submission | Fault, processes: Processes
) -> SubmissionResult:
    """Mark one submission; whatever goes wrong with it is told in its own result, and touches no other."""
    try:
        return _mark(assignment, trials, name, source, processes)
    except Exception as error:
        fault = Fault(
            "failed", f"not marked: the marking of this submission failed: {class_name(error)}: {error}"
        )
        return _mark(assignment, trials, name, fault, processes)


def _mark(
    assignment: Assignment, trials: Trials, name: str, source: Submission | Fault, processes: Processes
) -> SubmissionResult:
    """Run one submission until every function has had its chance, and mark what it answered."""
    outcomes: dict[tuple[str, int], list[list[Outcome]]] = {key: [] for key in trials}
    endings: list[Ending] = []
    remarks: list[str] = []
    pending = list(assignment.tasks)
    while pending:
        calls = [
            _Call(task, item, trial)
            for task in pending
            for item in range(len(task.points))
            for trial in trials[task.name, item]
        ]
        try:
            if isinstance(source, Fault):
                transcript, ending, fault = Transcript(imported=True), Ending("failed"), source
            else:
                transcript, ending = _ask(assignment, calls, source, processes)
                fault = transcript.refusal or ending_fault(ending, assignment.limits)
        except (ContainmentError, OSError) as error:  # of this machine; the others may be luckier
            transcript, ending = Transcript(imported=True), Ending("failed")
            fault = Fault("failed", f"not marked: {error}")
        endings.append(ending)
        remarks += [remark for remark in transcript.remarks if remark not in remarks]
        settled = _settled(pending, calls, transcript, ending)
        pending = pending[len(settled) :]
        for number, call in enumerate(calls):
            if call.task in settled:
                outcomes[call.task.name, call.item].append(
                    [
                        judge(transcript.answer(number, k) or fault, expected, call.task, call.trial.place)
                        for k, expected in enumerate(call.trial.expected)
                    ]
                )
    items = tuple(
        item_result(
            task,
            point,
            output,
            [outcome[k] for outcome in outcomes[task.name, number]],
            assignment.reveal_of(task, point),
        )
        for task in assignment.tasks
        for number, point in enumerate(task.points)
        for k, output in enumerate(task.outputs)
    )
    return SubmissionResult(
        name,
        assignment.title,
        items,
        sum(ending.seconds for ending in endings),
        "".join(ending.output for ending in endings)[:4000],
        sum(ending.left_behind for ending in endings),
        tuple(ending.end for ending in endings),
        tuple(remarks),
    )


def _settled(pending: list[Task], calls: list[_Call], transcript: Transcript, ending: Ending) -> list[Task]:
    """Return the functions whose marks are decided: at least one, so that the marking ends.

    A function in which the process ended has lost what it did not answer; those after it get a new process.
    """
    unanswered = [
        number
        for number, call in enumerate(calls)
        if not transcript.is_whole(number, len(call.trial.expected))
    ]
    if not unanswered or not transcript.imported or ending.end in ("failed", "stopped"):
        return pending
    place = pending.index(calls[unanswered[0]].task)
    if unanswered[0] > transcript.begun and place > 0:
        return pending[:place]  # it ended before this function was called
    return pending[: place + 1]


def _ask(
    assignment: Assignment, calls: list[_Call], source: Submission, processes: Processes
) -> tuple[Transcript, Ending]:
    """Run one process that is asked for all `calls`, and take apart what it answered."""
    readable = readable_directories("jacobians" not in assignment.settings.forbidden_imports)
    inputs = [{name: call.trial.place[name] for name in call.task.inputs} for call in calls]
    expected = sum(call.trial.nbytes for call in calls)
    head = json.dumps(
        {
            "calls": [
                {
                    **question_for(call.task),
                    "inputs": {name: packed(value) for name, value in given.items()},
                }
                for call, given in zip(calls, inputs, strict=True)
            ],
            "entry": source.entry,
            "drivers": assignment.driver_code,
            "forbidden": assignment.settings.forbidden_imports,
            "accept_lists": assignment.settings.accept_lists,
            "largest": 2 * max(call.trial.nbytes for call in calls) + SLACK // 4,
            "readable": readable,
        }
    ).encode()
    numbers = b"".join(data for given in inputs for value in given.values() for data in array_bytes(value))
    request = struct.pack(">I", len(head)) + head + numbers
    ending = processes.run(
        source.files,
        request,
        assignment.limits,
        largest=2 * expected + SLACK + 4096 * sum(len(call.trial.expected) for call in calls),
        readable=readable,
    )
    return read_answers(ending.answers, [call.task.return_names for call in calls]), ending
