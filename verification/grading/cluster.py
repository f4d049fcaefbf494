"""Marking on the machines of a Dask cluster: the same function, submission by submission, with the same results.

Each machine must see the assignment at the same path, with the answers of `verify prepare`, and have this program.
A submission whose worker dies is marked by another one; its result is taken once.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from jacobians.names import class_name
from verification.grading.answers import Fault
from verification.grading.assignment import load_assignment
from verification.grading.course import Course, course_of, not_marked
from verification.grading.fields import AssignmentError
from verification.grading.prepared import hashes_of
from verification.grading.processes import Processes
from verification.grading.results import SubmissionResult
from verification.grading.submissions import Submission
from verification.optional_packages import require_extras

PATIENCE = 30  # seconds for the scheduler to answer


def mark_on_cluster(
    course: Course,
    pending: Mapping[str, Submission | Fault],
    seeds: Mapping[str, int],
    scheduler: str,
    confine: bool,
) -> Generator[SubmissionResult, None, None]:
    """Yield the result of each submission as it comes from a Dask cluster.

    Parameters
    ----------
    course : Course
        The assignment with its answers.
    pending : dict
        The submissions by name.
    seeds : dict
        Of each student's own points.
    scheduler : str
        The scheduler's address, such as ``tcp://10.0.0.1:8786``.
    confine : bool
        As :func:`~verification.grading.marking.grade` has it.

    Raises
    ------
    ValueError
        If no scheduler answers there.
    ImportError
        Without the extra `cluster`.
    """
    client = connected(scheduler)
    import distributed

    as_completed: Any = distributed.as_completed  # distributed has no types

    with client:
        path, hashes = (
            str(course.assignment.path.absolute()),
            tuple(sorted(hashes_of(course.assignment).items())),
        )
        # impure: two students who handed in the same bytes are two
        names = {
            client.submit(mark_there, path, hashes, name, source, seeds.get(name), confine, pure=False): name
            for name, source in pending.items()
        }
        for future in as_completed(list(names), loop=client.loop):
            failure = future.exception()
            if failure is None:
                yield future.result()
            else:
                yield not_marked(course.assignment, names[future], f"{class_name(failure)}: {failure}")
            future.release()


def connected(scheduler: str) -> Any:
    """Return a client of a Dask scheduler.

    Raises
    ------
    ValueError
        If no scheduler answers there.
    ImportError
        Without the extra `cluster`.
    """
    require_extras("cluster", "distributed")
    import distributed

    connect: Any = distributed.Client  # distributed has no types
    try:
        return connect(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"dask: found no scheduler at {scheduler!r}, expected one, as of `dask scheduler`: {error}"
        ) from None


def mark_there(
    path: str,
    hashes: tuple[tuple[str, str], ...],
    name: str,
    source: Submission | Fault,
    seed: int | None,
    confine: bool,
) -> SubmissionResult:
    """Mark one submission on the machine that this is called on."""
    return _course(path, hashes).result(name, source, seed, _processes(confine))


@functools.lru_cache(maxsize=4)
def _course(path: str, hashes: tuple[tuple[str, str], ...]) -> Course:
    assignment = load_assignment(path)
    if tuple(sorted(hashes_of(assignment).items())) != hashes:
        raise AssignmentError(
            f"{Path(path).name}: found another text on this machine, expected the same files"
        )
    return course_of(assignment)


@functools.lru_cache(maxsize=2)
def _processes(confine: bool) -> Processes:
    """Return this process's one keeper of submissions: two would take each other's for strays."""
    keeper = Processes(confine=confine).__enter__()
    atexit.register(keeper.__exit__, None, None, None)
    return keeper
