"""The command `verify`: jacobian, formula, grade, prepare, try, init, schema, gradescope.

A command is a function in a file of its own in `verification/commands/`; it returns the exit status: 0 right,
1 something is wrong or undecided, 2 the call was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verification.commands.running import run_app

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
    >>> main(["jacobian", "numpy:sin", "numpy:diag", "--at", "2.0.0"])
    2
    """
    return run_app("verify", _app, argv, "interrupted; nothing that it started is left running")


def _app() -> typer.Typer:
    from verification.commands import attempt, formula, grade, jacobian, prepare, start
    from verification.commands.application import new_app

    app = new_app("verify", "Check Jacobians by independent witnesses, and mark assignments.")
    app.command("jacobian")(jacobian.run)
    app.command("formula")(formula.run)
    app.command("grade")(grade.run)
    app.command("prepare")(prepare.run)
    app.command("try")(attempt.run)
    app.command("init")(start.init)
    app.command("schema")(start.schema)
    app.command("gradescope")(start.gradescope)
    return app
