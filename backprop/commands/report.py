"""`backprop report`: train, check, compare, and write what came out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from backprop import DivergenceError
from backprop.commands import CallError
from backprop.report.collect import Tick
from backprop.report.digits import collect
from backprop.report.extras import require_extras
from backprop.report.record import to_dict
from backprop.report.render import FILES, report_texts
from backprop.report.result import Report
from backprop.report.settings import LOSSES, Settings
from backprop.report.write import require_writable, to_json, write_files
from jacobians.activations import ACTIVATIONS

_COLOURS = {"right": "green", "wrong": "red", "undecided": "yellow"}


def run(
    layers: Annotated[
        str, typer.Option(metavar="SIZES", help="Sizes with commas between: 64 pixels in, 10 classes out.")
    ] = "64,32,16,10",
    activation: Annotated[
        str, typer.Option(metavar="NAME", help=f"Between the layers: {', '.join(ACTIVATIONS)}.")
    ] = "tanh",
    loss: Annotated[
        str, typer.Option(metavar="NAME", help=f"{', '.join(LOSSES)}.")
    ] = "softmax-cross-entropy",
    seed: Annotated[str, typer.Option(metavar="N", help="Repeats everything but the times.")] = "0",
    batch: Annotated[
        str, typer.Option(metavar="N", help="Compare the chains for N points at once, too.")
    ] = "1",
    epochs: Annotated[str, typer.Option(metavar="N", help="Passes of training; 0 for none.")] = "10",
    learning_rate: Annotated[str, typer.Option(metavar="RATE", help="The step of training.")] = "0.1",
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where report.html, .md, .json and .csv go.")
    ] = Path("report"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON alone on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> int:
    """Verify every Jacobian of a network on the digits, and compare the orders of multiplying them.

    The network learns the UCI digits of the package. Exit status: 0 right, 1 wrong or undecided, 2 bad call.
    """
    try:
        settings = Settings.parse(
            layers=layers, activation=activation, loss=loss, seed=seed, batch=batch, epochs=epochs,
            learning_rate=learning_rate,
        )  # fmt: skip
    except ValueError as error:
        raise CallError(_option(str(error))) from None
    try:
        require_extras("jinja2", "matplotlib")
    except ImportError as error:
        raise CallError(str(error)) from None
    try:
        require_writable(output, FILES)
        with _progress(quiet=quiet or as_json) as tick:
            report = collect(settings, tick)
            tick("writing", 0, 1)
            paths = write_files(output, report_texts(report))
            tick("writing", 1, 1)
    except OSError as error:
        raise CallError(f"--output: {error}") from None
    except DivergenceError as error:
        raise CallError(
            f"--learning-rate: found {learning_rate}, expected a step with which training does not diverge "
            f"({str(error).split(';')[0]}); choose a smaller one"
        ) from None
    except MemoryError as error:
        raise CallError(f"--layers: {error}; choose smaller layers or a smaller --batch") from None
    if as_json:
        typer.echo(to_json(to_dict(report), ascii_only=True), nl=False)
    elif not quiet:
        _show(report, paths)
    return 0 if report.passed else 1


def _option(sentence: str) -> str:
    """Return a sentence that begins with a setting as one that begins with its option."""
    name, rest = sentence.split(":", 1)
    return f"--{name.replace('_', '-')}:{rest}"


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tick]:
    """Give what is told of progress; bars go to standard error, and only where somebody watches."""
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


def _show(report: Report, paths: list[Path]) -> None:
    """Print the short table."""
    console = Console(soft_wrap=False, highlight=False)
    table = Table(title=f"Multiplications: {report.title}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("derivative", no_wrap=True)
    table.add_column("points", justify="right")
    for name in ("left", "right", "optimal"):
        table.add_column(name, justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("verdict")
    points = 1
    for own in report.derivatives:
        if own.points != points:
            points = own.points
            table.add_section()
        items = [own.comparison[name] for name in ("left", "right", "optimal")]
        counts = [f"{item.multiplications:,}" for item in items]
        worst = f"{max(item.ratio for item in items):.3g}×"
        verdict = Text(own.verdict, style=_COLOURS[own.verdict])
        table.add_row(Text(own.title), str(own.points), *counts, worst, verdict)
    console.print(table)
    right = sum(layer.check.passed for layer in report.checked)
    counted = sum(own.counted for own in report.derivatives)
    console.print(
        f"{right} of {len(report.checked)} Jacobians of layers are right; the counted cost equals the predicted "
        f"cost in {counted} of {len(report.derivatives)} comparisons.",
        markup=False,
    )
    for layer in report.checked:
        if not layer.check.passed:
            console.print(f"{layer.title}: {layer.check.verdict}: {layer.check.reason}", markup=False)
    for own in report.derivatives:
        if own.verdict != "right":
            reason = own.check.reason if own.check.verdict == own.verdict else "its products or costs differ"
            console.print(f"{own.title}, {own.points} points: {own.verdict}: {reason}", markup=False)
    console.print(Text.assemble("verdict: ", (report.verdict, f"bold {_COLOURS[report.verdict]}")))
    console.print(f"written: {', '.join(str(path) for path in paths)}", markup=False, soft_wrap=True)
