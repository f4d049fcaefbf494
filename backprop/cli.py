"""The command `backprop`: report, cost, sweep, derive, train, notes.

A command is a function in a file of its own in `backprop/commands/`; it returns the exit status: 0 right,
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
    >>> main(["cost", "1x2", "2x3"]) == 0
    strategy  multiplications  additions  flops  ratio  largest intermediate
    ...
    True
    """
    return run_app("backprop", _app, argv, "interrupted; no file is left half-written")


def _app() -> typer.Typer:
    from backprop.commands.cost import run as cost
    from backprop.commands.derive import run as derive
    from backprop.commands.notes import run as notes
    from backprop.commands.report import run as report
    from backprop.commands.sweep import run as sweep
    from backprop.commands.train import run as train
    from verification.commands.application import new_app

    app = new_app(
        "backprop",
        "Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs.",
    )
    app.command("report")(report)
    app.command("cost")(cost)
    app.command("sweep")(sweep)
    app.command("derive")(derive)
    app.command("train")(train)
    app.command("notes")(notes)
    return app
