"""Marks: what came back from a submission, compared with what is expected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from jacobians.numerics.arguments import (
    checked_callable,
    checked_flag,
    checked_instance,
    checked_integer,
    checked_list,
    checked_path,
)
from verification.grading.answers import Fault
from verification.grading.assignment import Assignment, load_assignment
from verification.grading.cluster import mark_on_cluster
from verification.grading.course import Course, course_of
from verification.grading.fields import AssignmentError
from verification.grading.journal import Journal
from verification.grading.prepared import hashes_of, prepared_path
from verification.grading.processes import Processes, readable_directories
from verification.grading.results import SubmissionResult
from verification.grading.roster import Student, checked_roster, seed_of, students_of
from verification.grading.submissions import Submission, read_submissions

SLACK = 1 << 20  # bytes that a process may answer beyond twice the expected arrays


def grade(
    assignment: Assignment | str | Path,
    submissions: Sequence[str | Path],
    *,
    workers: int | None = None,
    roster: Sequence[Student] = (),
    secret: bytes | None = None,
    seed: int | None = None,
    resume: str | Path | None = None,
    scheduler: str | None = None,
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
    scheduler : str, optional
        The address of a Dask scheduler, whose workers mark in place of this machine: with the extra `cluster`.
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
        `resume` is no such file, or one of another assignment; or if no scheduler answers.
    ContainmentError
        Where submissions can't be contained: on Windows.
    """
    if workers is not None:
        workers = checked_integer(workers, "workers")
    confine = checked_flag(confine, "confine")
    if done is not None:
        checked_callable(done, "done", "a function of a SubmissionResult", 1)
    if seed is not None:
        seed = checked_integer(seed, "seed", least=0, most=None)
    if secret is not None:
        checked_instance(secret, "secret", bytes)
    if scheduler is not None:
        checked_instance(scheduler, "scheduler", str)
    roster = checked_roster(roster)
    submissions = [
        checked_path(path, f"submissions[{place}]")
        for place, path in enumerate(checked_list(submissions, "submissions", "a list of paths"))
    ]
    if not isinstance(assignment, Assignment):
        assignment = load_assignment(assignment)
    kept = [path for path in (assignment.reference, prepared_path(assignment)) if path is not None]
    sources = read_submissions(submissions, kept, assignment.settings.entry)
    if confine:
        _require_hidden(assignment, kept)
    students = students_of(dict(zip(sources, map(Path, submissions), strict=True)), roster)
    seeds = _seeds(assignment, sources, students, secret, seed)
    course = course_of(assignment)
    if seeds:
        course.code()  # an error in it is no submission's
    journal = None if resume is None else Journal(checked_path(resume, "resume"), hashes_of(assignment))
    with journal or contextlib.nullcontext():
        results: dict[str, SubmissionResult] = {}
        for name, source in sources.items():
            known = None if journal is None else journal.find(name, source, seeds.get(name))
            if known is not None:
                results[name] = known
        pending = {name: source for name, source in sources.items() if name not in results}
        coming = (
            _mark_here(course, pending, seeds, workers, confine)
            if scheduler is None
            else mark_on_cluster(course, pending, seeds, scheduler, confine)
        )
        for known in list(results.values()):
            if done is not None:
                done(known)
        with contextlib.closing(coming):  # whatever ends this, nothing is left running
            for fresh in coming:
                student = students[fresh.name].id if fresh.name in students else ""
                result = results[fresh.name] = replace(fresh, student=student)
                if journal is not None:
                    journal.add(sources[result.name], result)
                if done is not None:
                    done(result)
    return [results[name] for name in sources]


def _mark_here(
    course: Course,
    pending: Mapping[str, Submission | Fault],
    seeds: Mapping[str, int],
    workers: int | None,
    confine: bool,
) -> Generator[SubmissionResult, None, None]:
    """Yield the result of each submission as it comes from processes of this machine."""
    with Processes(confine=confine) as processes:
        pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="grading")
        try:
            futures = [
                pool.submit(course.result, name, source, seeds.get(name), processes)
                for name, source in pending.items()
            ]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            processes.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
