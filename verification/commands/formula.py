"""`verify formula`: a derivative as a formula, ours or a person's own, judged at random sizes and values."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from verification.commands.running import CallError

Declarations = Annotated[
    list[str] | None,
    typer.Option(
        "--declare",
        metavar="NAME:WHAT",
        help='"W: h×d", "l: scalar", "S: symmetric".',
        show_default=False,
    ),
]
"""The option that says sizes and properties of names, read by :func:`declared`."""


def run(
    formula: Annotated[
        str, typer.Argument(metavar="FORMULA", help='What is derived: "x\'*A*x".', show_default=False)
    ],
    by: Annotated[str, typer.Argument(metavar="BY", help="The variable.", show_default=False)],
    candidate: Annotated[
        str | None,
        typer.Argument(metavar="DERIVATIVE", help="A derivative of your own.", show_default="ours"),
    ] = None,
    declare: Declarations = None,
    points: Annotated[int, typer.Option("--points", help="How many points, each of sizes of its own.")] = 2,
    seed: Annotated[int, typer.Option("--seed", help="The seed of the random values.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Check a derivative that is written as a formula.

    Example: verify formula "x'*A*x" x "2*A*x"

    Exit status: 0 right, 1 wrong or undecided, 2 the call was wrong.
    """
    from verification.formulas import check_formula

    try:
        report = check_formula(formula, by, candidate, declare=declared(declare), points=points, seed=seed)
    except ValueError as error:
        raise CallError(str(error)) from error
    typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else str(report))
    return 0 if report.passed else 1


def declared(texts: list[str] | None) -> dict[str, str]:
    """Return what options ``--declare "W: h×d"`` say of each name.

    Raises
    ------
    CallError
        If one has no colon, or a name stands twice.

    Examples
    --------
    >>> declared(["W: h×d", "l: scalar"])
    {'W': 'h×d', 'l': 'scalar'}
    """
    found: dict[str, str] = {}
    for text in texts or []:
        name, colon, said = (part.strip() for part in text.partition(":"))
        if not colon or not name or name in found:
            raise CallError(
                f"--declare: found {text!r}, expected a name once, a colon and what it is: 'W: h×d'"
            )
        found[name] = said
    return found
