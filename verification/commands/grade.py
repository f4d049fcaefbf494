"""`verify grade`: mark submissions by an assignment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from verification.commands.running import CallError, users_code
from verification.grading import (
    AssignmentError,
    ContainmentError,
    SubmissionResult,
    grade,
    to_gradescope,
    to_json,
    to_junit,
    to_table,
)
from verification.grading.gradebook import Layout, to_gradebook, write_feedback, write_statistics
from verification.grading.outputs import require_writable, write_text
from verification.grading.roster import read_roster, read_secret


def run(
    assignment: Annotated[
        Path, typer.Argument(metavar="ASSIGNMENT.toml", help="What is asked for.", show_default=False)
    ],
    submissions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SUBMISSION...",
            help="What was handed in: .py, .ipynb, folders, .zip, .tar.gz.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="How many run at one time.", show_default="one for each processor"),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            "--roster", metavar="FILE", help="CSV with the columns id and submission.", show_default=False
        ),
    ] = None,
    secret: Annotated[
        Path | None,
        typer.Option(
            "--secret",
            metavar="FILE",
            help="What the seeds of students' own points come from, with their ids.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="The seed of own points itself, from a report.", show_default=False),
    ] = None,
    items: Annotated[bool, typer.Option("--items", help="A line for each point.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON alone: for staff, with what students are not told.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            help="Write each result there as it comes, and take from it what is marked already.",
            show_default=False,
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            help="Mark on the workers of this Dask scheduler.",
            show_default=False,
        ),
    ] = None,
    gradebook: Annotated[
        Path | None,
        typer.Option("--gradebook", metavar="FILE", help="Write marks as CSV.", show_default=False),
    ] = None,
    layout: Annotated[Layout, typer.Option("--layout", help="The gradebook's columns.")] = "plain",
    statistics: Annotated[
        Path | None,
        typer.Option(
            "--statistics",
            metavar="FILE",
            help="Write what the class got wrong, as HTML or .json.",
            show_default=False,
        ),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            "--feedback", metavar="DIRECTORY", help="Write a text for each student.", show_default=False
        ),
    ] = None,
    gradescope: Annotated[
        Path | None,
        typer.Option(
            "--gradescope",
            metavar="FILE",
            help="Write Gradescope's results.json (one submission).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Mark submissions: each runs contained (not sandboxed) in a process of its own, and only arrays come back.

    Exit status: 0 if all have full marks, 1 if one has not, 2 if the call or the assignment is wrong.
    """
    paths = submissions or []
    read = [path for path in (assignment, roster, secret, resume) if path is not None] + paths
    try:
        for path, option in (
            (junit, "--junit"),
            (gradescope, "--gradescope"),
            (gradebook, "--gradebook"),
            (statistics, "--statistics"),
        ):
            if path is not None:
                require_writable(path, option, read)
        if layout != "plain" and roster is None:
            raise CallError(
                f"--layout: found {layout!r} without --roster, expected one with the columns of {layout}"
            )
        if gradescope is not None and len(paths) != 1:
            raise CallError(
                f"--gradescope: found {len(paths)} submissions, expected one: its results.json is that of one student"
            )
        students = [] if roster is None else read_roster(roster)
        shown = not as_json and sys.stderr.isatty()
        with _progress(len(paths), shown=shown) as done, users_code("the reference"):
            results = grade(
                assignment,
                paths,
                workers=workers,
                roster=students,
                secret=None if secret is None else read_secret(secret),
                seed=seed,
                resume=resume,
                scheduler=dask,
                done=done,
            )
    except (AssignmentError, ContainmentError, ValueError) as error:
        raise CallError(str(error)) from error
    try:
        _write(results, junit, gradescope)
        if gradebook is not None:
            write_text(gradebook, to_gradebook(results, students, layout))
        if statistics is not None:
            write_statistics(results, statistics)
        if feedback is not None:
            write_feedback(results, feedback)
    except ValueError as error:
        raise CallError(str(error)) from error
    except OSError as error:
        raise CallError(f"{error.filename}: can't be written: {error.strerror}") from error
    typer.echo(to_json(results) if as_json else to_table(results, items=items))
    return 0 if all(result.passed for result in results) else 1


def _write(results: Sequence[SubmissionResult], junit: Path | None, gradescope: Path | None) -> None:
    if junit is not None:
        write_text(junit, to_junit(results))
    if gradescope is not None:
        write_text(gradescope, json.dumps(to_gradescope(results[0]), indent=2, ensure_ascii=False))


@contextmanager
def _progress(count: int, *, shown: bool) -> Iterator[Callable[[SubmissionResult], object] | None]:
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        yield lambda result: bar.update(task, advance=1, description=result.name)
