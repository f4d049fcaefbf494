"""One way to run a command line, for `verify` and `backprop`: which channel, and which exit status.

The exit status is ours: 0 right, 1 something is wrong or undecided, 2 the call was wrong or the work could not be done.
Nothing else ends with 1, and no code of a user's chooses a status: see :func:`users_code`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jacobians
from jacobians.names import class_name
from verification.optional_packages import require_extras

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130  # what shells use
_DECORATORS = (
    "_ufunc_config.py",
    "contextlib.py",
)  # of NumPy's error states and of contexts: they stand between
_HOUSE = tuple(
    str(Path(jacobians.__file__).parents[1] / name) for name in ("jacobians", "verification", "backprop")
)


class CallError(Exception):
    """The call was wrong: its one sentence goes to stderr, and the exit status is 2."""


# --- code of a user's ------------------------------------------------------------------------------------


@contextlib.contextmanager
def users_code(what: str) -> Iterator[None]:
    """Run code of a user's: what it prints goes to standard error, and it can't end the process.

    Parameters
    ----------
    what : str
        Whose code it is, for the sentence.

    Raises
    ------
    CallError
        If it raises SystemExit, or calls ``os._exit``, or raises what is no Exception; other exceptions, and Ctrl-C,
        are left to the caller.
    """
    process, leave = os.getpid(), os._exit

    def refused(status: int) -> Any:
        if os.getpid() != process:  # a process that was forked there ends as it wants to
            leave(status)
        raise SystemExit(status)

    os._exit = refused
    try:
        with _output_to_errors(), contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, GeneratorExit, or a kind of the user's own
        text = f": {error}" if str(error) else ""
        raise CallError(f"{what} raised {class_name(error)}{text}") from None
    finally:
        os._exit = leave


@contextlib.contextmanager
def _output_to_errors() -> Iterator[None]:
    """Let what is written to the descriptor of standard output, as by compiled code, go to standard error."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def is_ours(error: BaseException) -> bool:
    """Return whether an exception came out of this project alone, as those for arguments that are refused do.

    Examples
    --------
    >>> try:
    ...     jacobians.Affine([[1.0]], None)([1.0, 2.0])
    ... except ValueError as error:
    ...     is_ours(error)
    False
    """
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return all(file.startswith(_HOUSE) or Path(file).name in _DECORATORS for file in files)


# --- the command line ------------------------------------------------------------------------------------


def run_app(name: str, make: Callable[[], typer.Typer], argv: Sequence[str] | None, interrupted: str) -> int:
    """Run a command line and return the exit status.

    Parameters
    ----------
    name : str
        The command's.
    make : callable
        Returns the app; called when its packages are known to be there.
    argv : sequence of str or None
        The arguments after the command's name; None for those of the process.
    interrupted : str
        What is said after Ctrl-C.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # as long as the process lives
    if sys.stdout is None:
        return _refuse(name, "standard output can't be written: it is closed")
    for stream in (sys.stdout, sys.stderr):
        # a terminal that has no letter for ∂ shows an escape in its place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    path = " ".join([name, *[word for word in arguments[:1] if not word.startswith("-")]])
    try:
        require_extras("cli", "typer", "rich", "pydantic")
        status = _status(name, path, make(), arguments)
        sys.stdout.flush()
        if argv is None:  # what somebody's code left for the end of the process chooses no status either
            with users_code("code that runs at the end of the process"):
                atexit._run_exitfuncs()
    except (CallError, ImportError) as error:
        return _refuse(path, " ".join(str(error).split()))  # it may hold what somebody's code said
    except KeyboardInterrupt:
        status = INTERRUPTED
    except SystemExit as error:  # of packages: a pipe without reader, or words that were completed
        if not _closed(error.__context__):
            return error.code if isinstance(error.code, int) else 0
        return _leave_output(0)
    except OSError as error:
        if _closed(error):  # the reader of a pipe has seen enough
            return _leave_output(0)
        _refuse(path, f"standard output can't be written: {error.strerror or error}")
        return _leave_output(2)
    except Exception:
        traceback.print_exc()
        return _refuse(path, "an error of the command's own; please report the lines above")
    if status == INTERRUPTED:  # Typer may return it for Ctrl-C
        return _refuse(path, interrupted, INTERRUPTED)
    return status


def _status(name: str, path: str, app: typer.Typer, arguments: list[str]) -> int:
    import typer

    from verification.commands.application import hide_types

    command = typer.main.get_command(app)
    hide_types(command)
    # Typer brings click along or asks for it, by its version; its errors have one base class either way
    kinds = typer.BadParameter.__mro__
    usage_errors: tuple[type[Exception], ...] = tuple(
        kind for kind in kinds if issubclass(kind, Exception) and kind.__name__ == "ClickException"
    )
    try:
        return int(command.main(args=arguments, prog_name=name, standalone_mode=False) or 0)
    except typer.Abort:
        return INTERRUPTED
    except usage_errors as error:
        context = getattr(error, "ctx", None)
        path = path if context is None else context.command_path
        message = error.format_message().rstrip(".?").replace(". Did you", ", did you")  # type: ignore[attr-defined]
        return _refuse(path, f"{message[:1].lower()}{message[1:]}; see `{path} --help`")


def _closed(error: BaseException | None) -> bool:
    return isinstance(error, BrokenPipeError)


def _leave_output(status: int) -> int:
    """Return a status; the interpreter must not flush again into what can't be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _refuse(path: str, sentence: str, status: int = 2) -> int:
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"{path}: {sentence}", file=sys.stderr)  # noqa: T201  # typer may be what is missing
    return status
