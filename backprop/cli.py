"""The command `backprop`: report, cost, notes.

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
    app.command("notes")(notes)
    return app


def _about() -> None:
    """Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs."""


def _run(app: typer.Typer, arguments: list[str]) -> int:
    import typer

    command = typer.main.get_command(app)
    # Typer brings click along or asks for it, by its version; its errors have one base class either way
    usage_error: type[Exception] = next(
        kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
    )
    path = " ".join(["backprop", *[name for name in arguments[:1] if not name.startswith("-")]])
    try:
        status = command.main(args=arguments, prog_name="backprop", standalone_mode=False)
        sys.stdout.flush()
    except CallError as error:
        return _refuse(path, str(error))
    except usage_error as error:
        return _refuse(_path(error), _sentence(error))
    except (typer.Abort, KeyboardInterrupt):
        return _refuse(path, "interrupted; files that were there before are unchanged", 130)
    except BrokenPipeError:
        # the reader of a pipe has seen enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(status or 0)


def _path(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "backprop"


def _sentence(error: Any) -> str:
    """Return what is wrong with a call as one sentence; parsers of options say what was found and expected."""
    path = _path(error)
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see `{path} --help`"


def _refuse(path: str, sentence: str, status: int = 2) -> int:
    print(f"{path}: {sentence}", file=sys.stderr)  # noqa: T201  # typer may be what is missing
    return status
