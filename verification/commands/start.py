"""`verify init`, `verify schema`, `verify gradescope`: what stands before the first marking."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verification.commands.running import CallError
from verification.grading import AssignmentError, load_assignment
from verification.grading.outputs import require_writable
from verification.grading.starting import to_schema, write_autograder, write_first_assignment


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where it is written.", show_default=False)
    ],
) -> int:
    """Write a first assignment, with a right and a wrong submission, that can be marked at once."""
    try:
        paths = write_first_assignment(directory)
    except ValueError as error:
        raise CallError(str(error)) from error
    except OSError as error:
        raise CallError(f"{error.filename}: can't be written: {error.strerror}") from error
    for path in paths:
        typer.echo(path)
    typer.echo(f"now: verify grade {directory / 'assignment.toml'} {directory / 'submissions'}/*.py")
    return 0


def schema() -> int:
    """Print the JSON schema of assignments, by which editors complete them."""
    typer.echo(to_schema())
    return 0


def gradescope(
    assignment: Annotated[
        Path, typer.Argument(metavar="ASSIGNMENT.toml", help="What is asked for.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="The zip that Gradescope takes.")
    ] = Path("autograder.zip"),
    wheel: Annotated[
        Path | None,
        typer.Option(
            "--wheel",
            metavar="FILE",
            help="A wheel of this program to go in.",
            show_default="made of what is installed here",
        ),
    ] = None,
) -> int:
    """Write the autograder of an assignment for Gradescope: setup.sh, run_autograder, and what the marking needs."""
    try:
        require_writable(output, "--output")
        names = write_autograder(load_assignment(assignment), output, wheel)
    except (AssignmentError, ValueError) as error:
        raise CallError(str(error)) from error
    except OSError as error:
        raise CallError(f"{error.filename}: can't be read or written: {error.strerror}") from error
    typer.echo(f"{output}: {', '.join(names)}")
    return 0
