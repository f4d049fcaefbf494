"""`backprop report`: train, check, compare, and write what came out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from backprop import DivergenceError
from backprop.commands import option_sentence, unwritten
from backprop.commands.progress import progress
from backprop.commands.report_shown import show, show_end
from backprop.models.loading import is_model_file, load_model
from backprop.models.verified import ImportCheck
from backprop.report.asked import ORDERS, parse_asked
from backprop.report.collect import Tick, collect_network
from backprop.report.digits import collect
from backprop.report.record import to_dict
from backprop.report.render import FILES, report_texts
from backprop.report.result import Report
from backprop.report.settings import LOSSES, Settings
from backprop.report.several import folder_of, several_dict, several_texts, several_verdict
from backprop.report.write import require_writable, to_json, write_files
from jacobians.layers.activations import ACTIVATIONS
from jacobians.names import class_name, printable
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.planning.objectives import OBJECTIVES
from verification.commands.running import CallError, is_ours, users_code
from verification.optional_packages import require_extras


def run(
    layers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIZES",
            show_default="64,32,16,10",
            help="Sizes with commas between: 64 pixels in, 10 classes out. Repeated: networks side by side.",
        ),
    ] = None,
    activation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="tanh",
            help=f"Between the layers: {', '.join(ACTIVATIONS)}. May be repeated.",
        ),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="softmax-cross-entropy",
            help=f"{', '.join(LOSSES)}. May be repeated.",
        ),
    ] = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Repeats everything but the times.")] = "0",
    batch: Annotated[str, typer.Option(metavar="N", help="The same as --points 1,N on the digits.")] = "1",
    epochs: Annotated[str, typer.Option(metavar="N", help="Passes of training; 0 for none.")] = "10",
    learning_rate: Annotated[str, typer.Option(metavar="RATE", help="The step of training.")] = "0.1",
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME|FILE",
            show_default=False,
            help="Report on this jacobians.Function, or plain NumPy code, instead: a module or a .py file, which is "
            "run, and a name in it; or a model in a file .onnx, .toml or .json. Repeated: side by side.",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARRAY",
            help='The point of --network: "[1.0, 2.0]"; of several arguments \'{"x": [1.0], "W": [[2.0]]}\'. '
            "One for all networks, or one for each.",
            show_default=False,
        ),
    ] = None,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Let --network load .joblib, .pkl and .pt2, which run code.")
    ] = False,
    points: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Compare for so many points at once: 1,32.", show_default="1"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Derivatives by input or by parameters: input,0.W.", show_default="all"
        ),
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=f"Of {', '.join(ORDERS)}.", show_default="left,right,optimal"),
    ] = None,
    objective: Annotated[
        str, typer.Option(metavar="NAME", help=f"What optimal has least of: {', '.join(OBJECTIVES)}.")
    ] = "multiplications",
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Stands above the report.", show_default=False)
    ] = "",
    author: Annotated[str, typer.Option(metavar="TEXT", help="Stands below it.", show_default=False)] = "",
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where report.html, .md, .tex, .json and .csv go.")
    ] = Path("report"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON alone on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> int:
    """Verify every Jacobian of a network on the digits, and compare the orders of multiplying them.

    The network learns the UCI digits of the package, or is your own: --network layers.py:net --at "[1.0, 2.0]".
    Several of them are compared in one report, and each has its own in a folder beside it.

    Exit status: 0 right, 1 wrong or undecided, 2 bad call.
    """
    if network is None and at is not None:
        raise CallError(
            "--at: found a point without --network, expected both; give --network MODULE:NAME, too"
        )
    usual: dict[str, str] = {"batch": batch, "epochs": epochs, "learning_rate": learning_rate}
    repeated = {"layers": layers, "activation": activation, "loss": loss}
    try:
        asked = parse_asked(
            points=points, by=by, strategies=strategies, objective=objective, heading=title, author=author
        )
        chosen = [Settings.parse(seed=seed, **usual, **own, asked=asked) for own in _alike(repeated)]
    except ValueError as error:
        raise CallError(option_sentence(str(error))) from None
    if network is not None and chosen != [default := Settings(seed=chosen[0].seed, asked=asked)]:
        name = next(
            name
            for name in (*repeated, *usual)
            if any(getattr(own, name) != getattr(default, name) for own in chosen)
            or len(repeated.get(name) or "") > 1
        )
        raise CallError(option_sentence(
            f"{name}: found with --network, expected one of them; it belongs to the network on the digits"
        ))  # fmt: skip
    try:
        require_extras("report,cli", "jinja2", "matplotlib")
    except ImportError as error:
        raise CallError(str(error)) from None
    models: dict[str, Callable[[Tick], Report]] = {}
    if network is None:
        for settings in chosen:
            name = f"{','.join(map(str, settings.layers))}, {settings.activation}, {settings.loss}"
            models[_unlike(name, models)] = partial(_digits, settings, learning_rate)
    else:
        for own in _alike({"network": network, "at": at}):
            call = partial(_own, own["network"], own.get("at"), chosen[0], run_code)
            models[_unlike(printable(own["network"]), models)] = call
    try:
        folders = [output / folder_of(place) for place in range(len(models))] if len(models) > 1 else []
        for place in (output, *folders):
            require_writable(place, FILES)
        with progress(quiet=quiet or as_json) as tick, users_code(f"--network: {', '.join(network or ())}"):
            reports = {name: _made(make, tick, name if folders else "") for name, make in models.items()}
            tick("writing", 0, 1)
            paths = [
                path
                for place, report in zip(folders, reports.values(), strict=False)
                for path in write_files(place, report_texts(report))
            ]
            [*_, report] = reports.values()
            texts = several_texts(reports, folders=True) if folders else report_texts(report)
            paths += write_files(output, texts)
            tick("writing", 1, 1)
            # it asks the layers again
            data = (several_dict(reports) if folders else to_dict(report)) if as_json else {}
            passed = all(own_report.passed for own_report in reports.values())
    except OSError as error:
        raise CallError(f"--output: {unwritten(error, output)}") from None
    if as_json:
        typer.echo(to_json(data, ascii_only=True), nl=False)
    elif not quiet:
        for name, own_report in reports.items():
            if folders:
                typer.echo(f"{name}\n")
            show(own_report)
            if folders:
                typer.echo("")
        show_end(several_verdict(reports), paths)
    return 0 if passed else 1


def _made(make: Callable[[Tick], Report], tick: Tick, name: str) -> Report:
    """Return a report; of several models the sentence of a refusal names the one."""
    try:
        return make(tick)
    except CallError as error:
        if not name or name in str(error):
            raise
        raise CallError(f"{error}; found in {name}") from None


def _alike(options: Mapping[str, list[str] | None]) -> list[dict[str, str]]:
    """Return the options of each model: one that is given once is that of all of them."""
    given = {name: values for name, values in options.items() if values}
    count = max(map(len, given.values()), default=1)
    for name, values in given.items():
        if len(values) not in (1, count):
            most = next(other for other, own in given.items() if len(own) == count)
            raise CallError(
                f"--{name}: found {len(values)} beside {count} of --{most}, expected 1 or {count}; repeat it for each"
            )
    return [{name: values[place % len(values)] for name, values in given.items()} for place in range(count)]


def _unlike(name: str, names: Collection[str]) -> str:
    """Return a name that is none of the others."""
    if name not in names:
        return name
    return next(own for number in count(2) if (own := f"{name} ({number})") not in names)


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
    except ValueError as error:
        if not is_ours(error):
            raise
        raise CallError(option_sentence(str(error))) from None


def _own(network: str, at: str | None, settings: Settings, run_code: bool, tick: Tick) -> Report:
    """Return the report on a network that stands in a module or a file; what is wrong with it is a bad call."""
    from verification.commands.jacobian import load_object, parse_point

    point: Any
    if is_model_file(network):
        try:
            function = load_model(network, run_code=run_code)
        except (PermissionError, TypeError, ValueError, MemoryError, ImportError) as error:
            raise CallError(f"--network: {error}") from None
        check: ImportCheck = function.imported  # type: ignore[attr-defined]  # set by every importer
        random = np.random.default_rng(settings.seed)
        point = random.normal(size=check.shape) if at is None else parse_point(at)
    else:
        if at is None:
            raise CallError('--at: found nothing, expected the point of --network, such as --at "[1.0, 2.0]"')
        point = _points(at) if at.lstrip().startswith("{") else parse_point(at)
        function = load_object(network, "--network")
    try:
        return collect_network(function, point, seed=settings.seed, asked=settings.asked, tick=tick)
    except MemoryError as error:
        raise CallError(f"--network: {error}; choose a smaller network") from None
    except Exception as error:
        if is_ours(error):  # an argument is refused, by its name
            name, _, rest = str(error).partition(": ")
            if not name.isidentifier():  # the method of a layer, and no option
                raise CallError(f"--network: {error}") from None
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
