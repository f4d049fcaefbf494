"""`backprop report`: train, check, compare, and write what came out."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from backprop import DivergenceError
from backprop.commands import option_sentence, unwritten
from backprop.commands.progress import progress
from backprop.models.loading import is_model_file, load_model
from backprop.models.verified import ImportCheck
from backprop.network_graph import NetworkGraph
from backprop.report.collect import Tick, collect_network
from backprop.report.digits import collect
from backprop.report.record import to_dict
from backprop.report.render import FILES, report_texts
from backprop.report.result import Report
from backprop.report.settings import LOSSES, Settings
from backprop.report.write import require_writable, to_json, write_files
from backprop.tables import text_table
from jacobians.layers.activations import ACTIVATIONS
from jacobians.names import class_name, printable
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array
from verification.commands.running import CallError, is_ours, users_code
from verification.optional_packages import require_extras

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
    network: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME|FILE",
            show_default=False,
            help="Report on this jacobians.Function, or plain NumPy code, instead: a module or a .py file, which is "
            "run, and a name in it; or a model in a file .onnx, .toml or .json.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="ARRAY",
            help='The point of --network: "[1.0, 2.0]"; of several arguments \'{"x": [1.0], "W": [[2.0]]}\'.',
            show_default=False,
        ),
    ] = None,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Let --network load .joblib, .pkl and .pt2, which run code.")
    ] = False,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where report.html, .md, .json and .csv go.")
    ] = Path("report"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON alone on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> int:
    """Verify every Jacobian of a network on the digits, and compare the orders of multiplying them.

    The network learns the UCI digits of the package, or is your own: --network layers.py:net --at "[1.0, 2.0]".

    Exit status: 0 right, 1 wrong or undecided, 2 bad call.
    """
    if network is None and at is not None:
        raise CallError(
            "--at: found a point without --network, expected both; give --network MODULE:NAME, too"
        )
    own = {"layers": layers, "activation": activation, "loss": loss, "batch": batch, "epochs": epochs,
           "learning_rate": learning_rate}  # fmt: skip
    try:
        settings = Settings.parse(seed=seed, **own)
    except ValueError as error:
        raise CallError(option_sentence(str(error))) from None
    if network is not None and settings != (default := Settings(seed=settings.seed)):
        name = next(name for name in own if getattr(settings, name) != getattr(default, name))
        raise CallError(option_sentence(
            f"{name}: found with --network, expected one of them; it belongs to the network on the digits"
        ))  # fmt: skip
    try:
        require_extras("report,cli", "jinja2", "matplotlib")
    except ImportError as error:
        raise CallError(str(error)) from None
    try:
        require_writable(output, FILES)
        with progress(quiet=quiet or as_json) as tick, users_code(f"--network: {network}"):
            report = (
                _digits(settings, learning_rate, tick)
                if network is None
                else _own(network, at, settings.seed, tick, run_code)
            )
            tick("writing", 0, 1)
            paths = write_files(output, report_texts(report))
            tick("writing", 1, 1)
    except OSError as error:
        raise CallError(f"--output: {unwritten(error, output)}") from None
    if as_json:
        typer.echo(to_json(to_dict(report), ascii_only=True), nl=False)
    elif not quiet:
        _show(report, paths)
    return 0 if report.passed else 1


def _digits(settings: Settings, rate: str, tick: Tick) -> Report:
    try:
        return collect(settings, tick)
    except DivergenceError as error:
        raise CallError(
            f"--learning-rate: found {rate}, expected a step with which training does not diverge "
            f"({str(error).split(';')[0]}); choose a smaller one"
        ) from None
    except MemoryError as error:
        raise CallError(f"--layers: {error}; choose smaller layers or a smaller --batch") from None


def _own(network: str, at: str | None, seed: int, tick: Tick, run_code: bool) -> Report:
    """Return the report on a network that stands in a module or a file; what is wrong with it is a bad call."""
    from verification.commands.jacobian import load_object, parse_point

    point: Any
    if is_model_file(network):
        try:
            function = load_model(network, run_code=run_code)
        except (PermissionError, ValueError, ImportError) as error:
            raise CallError(f"--network: {error}") from None
        check: ImportCheck = function.imported  # type: ignore[attr-defined]  # set by every importer
        point = np.random.default_rng(seed).normal(size=check.shape) if at is None else parse_point(at)
    else:
        if at is None:
            raise CallError('--at: found nothing, expected the point of --network, such as --at "[1.0, 2.0]"')
        point = _points(at) if at.lstrip().startswith("{") else parse_point(at)
        function = load_object(network, "--network")
    try:
        return collect_network(function, point, seed=seed, tick=tick)
    except MemoryError as error:
        raise CallError(f"--network: {error}; choose a smaller network") from None
    except Exception as error:
        if is_ours(error):  # an argument is refused, by its name
            name, _, rest = str(error).partition(": ")
            raise CallError(f"{'--at' if name == 'x' else f'--{name}'}: {rest}") from None
        raise CallError(f"--network: {network} raised {class_name(error)}: {error}") from error


def _points(text: str) -> dict[str, Array]:
    """Return arrays by name, of a mapping that is written in Python or JSON; nothing is evaluated."""
    try:
        found = ast.literal_eval(text.strip())
        return {str(name): real_array(value, f"--at: {name}") for name, value in found.items()}
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        raise CallError(
            f'--at: found {shown(text)}, expected arrays of numbers by name, such as \'{{"x": [1.0], "W": [[2.0]]}}\''
        ) from None


def _show(report: Report, paths: list[Path]) -> None:
    """Print the short table."""
    rows = []
    for own in report.derivatives:
        items = [own.comparison[name] for name in ("left", "right", "optimal")]
        worst = f"{max(item.ratio for item in items):.3g}×"
        counts = [f"{item.multiplications:,}" for item in items]
        rows.append([own.title, str(own.points), *counts, worst, own.verdict])
    meet = any(isinstance(own.comparison.chain, NetworkGraph) for own in report.derivatives)
    orders = ("reverse", "forward", "optimal") if meet else ("left", "right", "optimal")
    header = ["derivative", "points", *orders, "ratio", "verdict"]
    console = Console(highlight=False)
    typer.echo(f"Multiplications: {printable(report.title)}\n")
    typer.echo(text_table(header, rows, numeric=(1, 2, 3, 4, 5), width=console.width) + "\n")
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
    console.print(f"verdict: [bold {_COLOURS[report.verdict]}]{report.verdict}[/]")
    console.print(f"written: {', '.join(str(path) for path in paths)}", markup=False, soft_wrap=True)
