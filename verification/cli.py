"""The command `verify`: jacobian, grade.

A command is a function in a file of its own in `verification/commands/`; it returns the exit status: 0 right,
1 something is wrong or undecided, 2 the call was wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from verification.commands import CallError

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130  # what shells use
EXTRA = 'pip install "explicit-jacobians[cli]"'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the command's name; by default those of the process.

    Examples
    --------
    >>> main(["jacobian", "numpy:sin", "numpy:diag", "--at", "2.0.0"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that has no letter for ∂ shows an escape in its place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        return _refuse(
            "verify",
            f"found no {' and no '.join(missing)}, expected the packages of the extra cli; run {EXTRA}",
        )
    return _run(_app(), list(sys.argv[1:] if argv is None else argv))


def _app() -> typer.Typer:
    import typer

    from verification.commands import grade, jacobian

    app = typer.Typer(
        name="verify",
        help="Check Jacobians by independent witnesses, and mark assignments.",
        epilog="Exit status: 0 right, 1 something is wrong or undecided, 2 the call was wrong.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.command("jacobian")(jacobian.run)
    app.command("grade")(grade.run)
    return app


def _run(app: typer.Typer, arguments: list[str]) -> int:
    import typer

    command = typer.main.get_command(app)
    kinds = typer.BadParameter.__mro__
    # the class has no public name in typer
    usage_errors: tuple[type[Exception], ...] = tuple(
        kind for kind in kinds if issubclass(kind, Exception) and kind.__name__ == "ClickException"
    )
    path = " ".join(["verify", *[name for name in arguments[:1] if not name.startswith("-")]])
    try:
        status = command.main(args=arguments, prog_name="verify", standalone_mode=False)
        sys.stdout.flush()
    except CallError as error:
        return _refuse(path, " ".join(str(error).split()))  # it may hold what somebody's code said
    except usage_errors as error:
        return _refuse(_path(error), _sentence(error))
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe has seen enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if status == INTERRUPTED:  # typer may return it for Ctrl-C
        return _refuse(path, "interrupted; nothing that it started is left running", INTERRUPTED)
    return int(status or 0)


def _path(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "verify"


def _sentence(error: Any) -> str:
    path = _path(error)
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see `{path} --help`"


def _refuse(path: str, sentence: str, status: int = 2) -> int:
    print(f"{path}: {sentence}", file=sys.stderr)  # noqa: T201  # typer may be what is missing
    return status
