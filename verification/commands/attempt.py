"""`verify try`: a student's own look at the public points of an assignment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verification.commands.running import CallError, users_code
from verification.grading import AssignmentError, ContainmentError, try_out


def run(
    assignment: Annotated[
        Path, typer.Argument(metavar="ASSIGNMENT.toml", help="What was handed out.", show_default=False)
    ],
    submission: Annotated[
        Path, typer.Argument(metavar="SUBMISSION", help="What is to be handed in.", show_default=False)
    ],
) -> int:
    """Try what you have at the public points that a handed-out forward function decides; staff mark the others.

    Exit status: 0 if all of these are right, 1 if one is not, 2 if the call is wrong.
    """
    try:
        with users_code("the submission"):
            attempt = try_out(assignment, submission)
    except (AssignmentError, ContainmentError, ValueError) as error:
        raise CallError(str(error)) from error
    typer.echo(str(attempt))
    return 0 if attempt.passed else 1
