"""Bars of progress for commands: on standard error, and only where somebody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from backprop.report.collect import Tick


@contextmanager
def progress(*, quiet: bool) -> Iterator[Tick]:
    """Give what is told of progress: a stage, how much of it is done, how much there is.

    Examples
    --------
    >>> with progress(quiet=True) as tick:
    ...     tick("training", 1, 2)
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:18}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tick(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield tick
