"""Expected answers in a file: computed once by `verify prepare`, read by every call of `verify grade`.

The file holds the points as well, so that no other version of NumPy draws others, and what it was made from, so that
one that is stale is refused. It is written for its owner alone, and lies where no submission may read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_callable, checked_instance, real_number
from verification.grading.assignment import Assignment
from verification.grading.containment.transfer import array_bytes, packed, unpacked
from verification.grading.expected import (
    Code,
    Derivative,
    Expected,
    Trial,
    Trials,
    course_code,
    expected_trials,
)
from verification.grading.fields import AssignmentError
from verification.grading.reference import subject
from verification.grading.tasks import Output, Task

SCHEMA = "explicit-jacobians/expected"
VERSION = 1


def prepared_path(assignment: Assignment) -> Path:
    """Return where the expected answers of an assignment are kept: beside it, `hw.expected.npz` for `hw.toml`."""
    return assignment.path.with_suffix(".expected.npz")


def prepare(
    assignment: Assignment,
    *,
    seconds: float | None = None,
    done: Callable[[str, float], object] | None = None,
) -> Path:
    """Compute the expected answers of an assignment, and write them beside it.

    Parameters
    ----------
    assignment : Assignment
        What :func:`~verification.grading.assignment.load_assignment` returned.
    seconds : float, optional
        The time after which it gives up, and says which points are costly; looked at after every place of a point.
    done : callable, optional
        Called after each place with its name and the seconds that it took.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    AssignmentError
        If an answer is not confirmed, or the time is over.
    """
    checked_instance(assignment, "assignment", Assignment)
    seconds = None if seconds is None else real_number(seconds, "seconds", least=0)
    if done is not None:
        checked_callable(done, "done", "a function of a name and a number", 2)
    trials = expected_trials(assignment, seconds=seconds, done=done)
    arrays: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for (task, point), places in trials.items():
        for trial in places:
            given, wanted = list(trial.place.items()), []
            number = len(entries)
            for k, expected in enumerate(trial.expected):
                known = expected.derivative
                arrays[f"{number}-{k}-answer"] = expected.answer
                if known is not None:
                    arrays[f"{number}-{k}-matrix"] = known.matrix
                if expected.bounds is not None:
                    arrays[f"{number}-{k}-low"], arrays[f"{number}-{k}-high"] = expected.bounds
                shapes = None if known is None else [known.out_shape, known.in_shape]
                wanted.append({"name": expected.output.name, "shapes": shapes, "report": expected.evidence})
            data = b"".join(part for _, value in given for part in array_bytes(value))
            arrays[f"{number}-place"] = np.frombuffer(data, np.uint8)
            tree = {name: packed(value) for name, value in given}
            entries.append({"function": task, "point": point, "place": tree, "expected": wanted})
    head = {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "made_from": hashes_of(assignment),
        "trials": entries,
    }
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    path = prepared_path(assignment)
    _write(path, arrays)
    return path


def prepared_trials(assignment: Assignment) -> Trials:
    """Return the expected answers that :func:`prepare` wrote.

    Raises
    ------
    AssignmentError
        If the file is none of these, or was made from another assignment, reference or file of drivers.
    """
    path = prepared_path(assignment)
    again = f"run `verify prepare {assignment.path.name}` again"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            head = json.loads(archive["head"].tobytes())
            if head["schema"] != SCHEMA or head["schema_version"] != VERSION:
                raise AssignmentError(
                    f"{path.name}: found answers of another version of this program; {again}"
                )
            _require_fresh(path, head["made_from"], assignment, again)
            return dict(_read(assignment, head["trials"], archive))
    except AssignmentError:
        raise
    except OSError as error:
        raise AssignmentError(f"{path.name}: can't be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError):
        raise AssignmentError(
            f"{path.name}: found no expected answers of `verify prepare`; {again}"
        ) from None


def _read(
    assignment: Assignment, entries: list[dict[str, Any]], archive: Any
) -> Iterator[tuple[tuple[str, int], list[Trial]]]:
    trials: Trials = {
        (task.name, number): []
        for task in assignment.tasks
        for number, point in enumerate(task.points)
        if not assignment.is_own(point)
    }
    tasks, code = {task.name: task for task in assignment.tasks}, course_code(assignment)
    for number, entry in enumerate(entries):
        task = tasks[entry["function"]]
        stream = io.BytesIO(archive[f"{number}-place"].tobytes())
        place = {name: unpacked(tree, stream) for name, tree in entry["place"].items()}
        expected = tuple(
            _expected(task, output, place, known["shapes"], archive, f"{number}-{k}", code)
            for k, (output, known) in enumerate(zip(task.outputs, entry["expected"], strict=True))
        )
        trials[task.name, entry["point"]].append(Trial(place, expected))
    return iter(trials.items())


def _expected(
    task: Task,
    output: Output,
    place: dict[str, Any],
    shapes: Any,
    archive: Any,
    key: str,
    code: Callable[[], Code],
) -> Expected:
    bounds = (archive[f"{key}-low"], archive[f"{key}-high"]) if f"{key}-low" in archive else None
    expected = Expected(output, archive[f"{key}-answer"], None, bounds)
    if shapes is None:
        return expected
    derivative = Derivative(
        None, place[output.wrt], INPUT, tuple(shapes[0]), tuple(shapes[1]), archive[f"{key}-matrix"]
    )

    def known() -> Derivative:
        f, x, wrt = subject(task, output, place, code().forward_of(task), "the diagnosis")
        return replace(derivative, function=f, x=x, wrt=wrt)

    # only a wrong answer asks for it: a right one needs no code of the course
    return replace(expected, derivative=derivative, known=known)


# --- what it was made from -------------------------------------------------------------------------------


def hashes_of(assignment: Assignment) -> dict[str, str]:
    """Return the hash of each file that the answers come from, those that are there, by its name in the assignment."""
    settings = assignment.settings
    names = (assignment.path.name, settings.reference, settings.drivers, settings.handout)
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name in filter(None, names)
        for path in (assignment.path.parent / name,)
        if path.is_file()
    }


def _require_fresh(path: Path, made_from: dict[str, str], assignment: Assignment, again: str) -> None:
    now = hashes_of(assignment)
    changed = [name for name, value in now.items() if made_from.get(name) != value]
    if changed:
        raise AssignmentError(
            f"{path.name}: found answers that are stale: {' and '.join(changed)} changed since they were computed; "
            f"{again}"
        )


def _write(path: Path, arrays: dict[str, Any]) -> None:
    """Write the file for its owner alone, beside its place, and rename it."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(stream.getvalue())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
