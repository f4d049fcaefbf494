"""The command `backprop`: report, cost, train, notes.

A command is a function in a file of its own in `backprop/commands/`; it returns the exit status: 0 right,
1 something is wrong or undecided, 2 the call was wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backprop.commands import CallError
from backprop.report.extras import require_extras

if TYPE_CHECKING:
    import typer

_INTERRUPTED = 130  # what shells and Typer say after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the command's name; by default those of the process.

    Examples
    --------
    >>> main(["cost", "1x2", "2x3"]) == 0
    strategy  multiplications  additions  flops  ratio  largest intermediate  result     bracketing
    ...
    True
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that has no letter for ∂ shows an escape in its place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        require_extras("typer", "rich")
    except ImportError as error:
        return _refuse("backprop", str(error))
    return _run(_app(), list(sys.argv[1:] if argv is None else argv))


def _app() -> typer.Typer:
    import typer

    from backprop.commands.cost import run as cost
    from backprop.commands.notes import run as notes
    from backprop.commands.report import run as report
    from backprop.commands.train import run as train

    app = typer.Typer(
        name="backprop",
        help="Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs.",
        epilog="Exit status: 0 right, 1 something is wrong or undecided, 2 the call was wrong.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_about)
    app.command("report")(report)
    app.command("cost")(cost)
    app.command("train")(train)
    app.command("notes")(notes)
    return app


def _about() -> None:
    """Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs."""


def _run(app: typer.Typer, arguments: list[str]) -> int:
    import typer

    command = typer.main.get_command(app)
    # Typer brings click along or asks for it, by its version; its errors have one base class either way
    kinds = typer.BadParameter.__mro__
    usage_errors: tuple[type[Exception], ...] = tuple(
        kind for kind in kinds if issubclass(kind, Exception) and kind.__name__ == "ClickException"
    )
    path = " ".join(["backprop", *[name for name in arguments[:1] if not name.startswith("-")]])
    try:
        status = command.main(args=arguments, prog_name="backprop", standalone_mode=False)
        sys.stdout.flush()
    except CallError as error:
        return _refuse(path, str(error))
    except usage_errors as error:
        context = getattr(error, "ctx", None)
        own = path if context is None else context.command_path
        return _refuse(own, f"{_sentence(error)}; see `{own} --help`")
    except (typer.Abort, KeyboardInterrupt):
        status = _INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe has seen enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if status == _INTERRUPTED:  # Typer may return it for Ctrl-C
        return _refuse(path, "interrupted; no file is left half-written", _INTERRUPTED)
    return int(status or 0)


def _sentence(error: Any) -> str:
    """Return what is wrong with a call as one sentence without an end."""
    message = error.format_message().rstrip(".?").replace(". Did you", ", did you")
    return f"{message[:1].lower()}{message[1:]}"


def _refuse(path: str, sentence: str, status: int = 2) -> int:
    print(f"{path}: {sentence}", file=sys.stderr)  # noqa: T201  # typer may be what is missing
    return status
