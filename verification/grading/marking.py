"""Marks: what came back from a submission, compared with what is expected."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verification.grading.answers import Fault, Transcript, ending_fault, read_answers
from verification.grading.assignment import Assignment, load_assignment
from verification.grading.comparison import Outcome, judge
from verification.grading.containment.transfer import array_bytes, packed
from verification.grading.expected import Trial, Trials, course_code, expected_trials
from verification.grading.fields import AssignmentError
from verification.grading.journal import Journal
from verification.grading.prepared import hashes_of, prepared_path, prepared_trials
from verification.grading.processes import ContainmentError, Ending, Processes, readable_directories
from verification.grading.reference import question_of
from verification.grading.results import ItemResult, SubmissionResult
from verification.grading.roster import Student, seed_of, students_of
from verification.grading.submissions import Submission, read_submissions
from verification.grading.tasks import Task

SLACK = 1 << 20  # bytes that a process may answer beyond twice the expected arrays


@dataclass(frozen=True)
class _Call:
    """One call of one function: which item, and which of its places."""

    task: Task
    item: int
    trial: Trial


def grade(
    assignment: Assignment | str | Path,
    submissions: Sequence[str | Path],
    *,
    workers: int | None = None,
    roster: Sequence[Student] = (),
    secret: bytes | None = None,
    seed: int | None = None,
    resume: str | Path | None = None,
    done: Callable[[SubmissionResult], object] | None = None,
    confine: bool = True,
) -> list[SubmissionResult]:
    """Mark submissions, each in processes of its own, several at a time.

    Parameters
    ----------
    assignment : Assignment, str or Path
        The assignment, or its file.
    submissions : sequence of str or Path
        The files: Python, notebooks, folders, `.zip` or `.tar.gz`; all are read before the first is run.
    workers : int, optional
        How many run at one time; by default as many as there are processors.
    roster : sequence of Student, optional
        Who handed in what: see :func:`~verification.grading.roster.read_roster`.
    secret : bytes, optional
        Where points are each student's own, of `seed_by = "student"`: what their seeds come from, with the ids.
    seed : int, optional
        The seed itself in its place, for all submissions: that of a report, to look again.
    resume : str or Path, optional
        A file that each result is written to as it comes, a line each. What it holds already, of the same bytes
        handed in for the same assignment, is taken from it, and not marked again.
    done : callable, optional
        Called after each submission with its result, in the order in which they end.
    confine : bool
        Whether the kernel is asked to keep submissions from files, network, signals and shared memory, where it can
        (Landlock, and a filter of system calls).

    Returns
    -------
    list of SubmissionResult
        In the order of `submissions`, whatever happened to one of them.

    Raises
    ------
    AssignmentError
        If the assignment is no assignment, or its expected answers are not confirmed.
    ValueError
        If there are no submissions, one isn't there or comes twice, or `workers` is below 1; or if points are each
        student's own, and there is neither a seed nor a secret and a line of the roster for every submission; or if
        `resume` is no such file, or one of another assignment.
    ContainmentError
        Where submissions can't be contained: on Windows.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers: found {workers!r}, expected a number of at least 1")
    if not isinstance(assignment, Assignment):
        assignment = load_assignment(assignment)
    kept = [path for path in (assignment.reference, prepared_path(assignment)) if path is not None]
    sources = read_submissions(submissions, kept, assignment.settings.entry)
    if confine:
        _require_hidden(assignment, kept)
    students = students_of(sources, roster)
    seeds = _seeds(assignment, sources, students, secret, seed)
    trials, code = trials_of(assignment), course_code(assignment)

    def marked(name: str, source: Submission | Fault, processes: Processes) -> SubmissionResult:
        known = None if journal is None else journal.find(name, source, seeds.get(name))
        if known is not None:
            return known
        try:
            more = expected_trials(assignment, student=seeds[name], code=code) if seeds else {}
        except AssignmentError as error:  # of points that nobody else has
            result = _not_marked(assignment, name, f"the expected answers: {error}")
        else:
            result = mark(assignment, trials | more, name, source, processes)
        student = students[name].id if name in students else ""
        result = replace(result, student=student, seed=seeds.get(name))
        if journal is not None:
            journal.add(source, result)
        return result

    if seeds:
        code()  # an error in it is no submission's
    results: dict[str, SubmissionResult] = {}
    journal = None if resume is None else Journal(Path(resume), hashes_of(assignment))
    with Processes(confine=confine) as processes, journal or contextlib.nullcontext():
        pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="grading")
        try:
            futures = [pool.submit(marked, name, source, processes) for name, source in sources.items()]
            for future in as_completed(futures):
                result = future.result()
                results[result.name] = result
                if done is not None:
                    done(result)
        except BaseException:
            processes.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return [results[name] for name in sources]


def _seeds(
    assignment: Assignment,
    names: Iterable[str],
    students: Mapping[str, Student],
    secret: bytes | None,
    seed: int | None,
) -> dict[str, int]:
    """Return the seed of each submission's own points; none where all have the same points."""
    if assignment.settings.seed_by != "student":
        if seed is not None or secret is not None:
            raise ValueError("seed: found one, expected none: the assignment doesn't say seed_by = 'student'")
        return {}
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
            raise ValueError(f"seed: found {seed!r}, expected an integer of at least 0, below 2**64")
        return dict.fromkeys(names, seed)
    if secret is None:
        raise ValueError(
            "seed: found neither a seed nor a secret, expected one: points are each student's own"
        )
    unknown = [name for name in names if name not in students]
    if unknown:
        raise ValueError(
            f"roster: found no student for {', '.join(unknown[:3])}, expected a line with its name as submission"
        )
    return {name: seed_of(students[name].id, secret) for name in names}


def trials_of(assignment: Assignment) -> Trials:
    """Return the expected answers: those that `verify prepare` wrote, or computed now."""
    if prepared_path(assignment).is_file():
        return prepared_trials(assignment)
    return expected_trials(assignment)


def question_for(task: Task) -> dict[str, Any]:
    """Return how a submission's function is called, as its runner reads it."""
    return question_of(task, task.name, task.driver)


def _require_hidden(assignment: Assignment, files: Sequence[Path]) -> None:
    """Raise where answers lie in a directory that submissions must be able to read."""
    readable = readable_directories("jacobians" not in assignment.settings.forbidden_imports)
    for path in files:
        for directory in readable if path.is_file() else ():
            if path.resolve().is_relative_to(directory):
                raise AssignmentError(
                    f"{path.name}: found it below {directory}, which submissions can read, expected another place; "
                    f"move the assignment"
                )


def _not_marked(assignment: Assignment, name: str, why: str) -> SubmissionResult:
    """Return the result of a submission that staff must look at: nothing is wrong with it."""
    outcome = Outcome("no answer", "failed", f"not marked: {why}")
    items = tuple(
        ItemResult.of(task, point, output, [outcome], assignment.reveal_of(task, point))
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
            "failed", f"not marked: the marking of this submission failed: {type(error).__name__}: {error}"
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
        ItemResult.of(
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
