"""`backprop notes`: every formula of the course notes, verified by at least two witnesses a row."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from jacobians.numerics.arguments import near
from verification.commands.running import CallError


def run(
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id", metavar="ID", help="Only this formula, such as B12; may be given several times."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page of the documentation.")
    ] = False,
) -> int:
    """Run every formula of the notes by independent witnesses, and show where the printed ones are wrong.

    Example: backprop notes --id B12
    """
    from backprop.notes import formulas, run  # imports the witnesses
    from backprop.notes.page import markdown_page, text_page

    if as_json and as_markdown:
        raise CallError("--json, --markdown: found both, expected at most one; choose one")
    known = formulas()
    by_letters = {name.casefold(): name for name in known}
    for name in ids or []:
        if name.casefold() not in by_letters:
            raise CallError(f"--id: found {name!r}, expected one of {', '.join(known)}{near(name, known)}")
    chosen = list(dict.fromkeys(by_letters[name.casefold()] for name in ids)) if ids else list(known)
    results = [run(known[name]) for name in chosen]
    passed = all(result.passed for result in results)
    if as_json:
        data = {"passed": passed, "formulas": [result.to_dict() for result in results]}
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif as_markdown:
        typer.echo(markdown_page(results), nl=False)
    else:
        typer.echo(text_page(results))
    return 0 if passed else 1
