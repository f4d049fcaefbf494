"""`verify prepare`: compute the expected answers of an assignment once, for all calls of `verify grade`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from verification.commands.running import CallError, users_code
from verification.grading import AssignmentError, load_assignment, prepare

COSTLY = 1.0  # seconds of a place that are worth a line


def run(
    assignment: Annotated[
        Path, typer.Argument(metavar="ASSIGNMENT.toml", help="What is asked for.", show_default=False)
    ],
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", help="Give up after this time.", show_default="no limit"),
    ] = None,
) -> int:
    """Compute the expected answers and what the witnesses say of them, and write them beside the assignment.

    Exit status: 0 if they were written, 2 if an answer is not confirmed or the time is over.
    """
    took: list[tuple[float, str]] = []
    try:
        if seconds is not None and not seconds > 0:
            raise CallError(f"--seconds: found {seconds:g}, expected a number above 0")
        asked = load_assignment(assignment)
        count = sum(point.count * len(task.outputs) for task in asked.tasks for point in task.points)
        with _progress(count, shown=sys.stderr.isatty()) as show, users_code("the reference"):

            def done(where: str, time: float) -> None:
                took.append((time, where))
                show(where)

            path = prepare(asked, seconds=seconds, done=done)
    except AssignmentError as error:
        raise CallError(str(error)) from error
    except OSError as error:
        raise CallError(f"{error.filename}: can't be written: {error.strerror}") from error
    typer.echo(f"{path.name}: {len(took)} answers in {sum(time for time, _ in took):.1f} s")
    for time, where in sorted(took, reverse=True)[:5]:
        if time >= COSTLY:
            typer.echo(f"  costly: {where}: {time:.1f} s")
    return 0


@contextmanager
def _progress(count: int, *, shown: bool) -> Iterator[Callable[[str], object]]:
    if not shown:
        yield lambda where: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        yield lambda where: bar.update(task, advance=1, description=where)
