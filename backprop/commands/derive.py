"""`backprop derive`: the derivative of a formula as a formula, with sizes as letters."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from verification.commands.formula import Declarations, declared
from verification.commands.running import CallError


def run(
    formula: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA", help='"x\'*A*x", with lines "h = …;" before it.', show_default=False
        ),
    ],
    by: Annotated[str, typer.Argument(metavar="BY", help="The variable, or vech(X).", show_default=False)],
    declare: Declarations = None,
    vec: Annotated[
        str | None, typer.Option("--vec", help="The Jacobian matrix: row or column.", show_default=False)
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="numerator or denominator; of a tensor mixed too.", show_default=False),
    ] = None,
    tensor: Annotated[bool, typer.Option("--tensor", help="Print every entry, in index notation.")] = False,
    hessian: Annotated[bool, typer.Option("--hessian", help="Derive by the same variable again.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX alone.")] = False,
    as_numpy: Annotated[bool, typer.Option("--numpy", help="Print NumPy code alone.")] = False,
    cost: Annotated[
        str | None,
        typer.Option(
            "--cost",
            metavar="SIZES",
            help="What the Jacobian's bracketings cost, with h=256,d=784 or with letters for `letters`.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Judge it, and every printed line, by the witnesses.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Derive a formula: the gradient of a number in the input's shape, else the Jacobian matrix.

    Example: backprop derive "W*x + b" W --declare "W: h×d" --vec column

    Exit status: 0 right, 1 wrong or undecided (with --check), 2 the call was wrong.
    """
    from backprop.formula_costs import formula_costs
    from jacobians import derive

    for chosen, clash in ((tensor and vec is not None, "--tensor, --vec"), (as_latex and as_numpy, "--latex, --numpy"),
                          (tensor and as_latex, "--tensor, --latex"), (hessian and check, "--hessian, --check"),
                          (as_json and (as_latex or as_numpy), "--json with --latex or --numpy"),
                          (cost is not None and (as_latex or as_numpy), "--cost, --latex or --numpy")):  # fmt: skip
        if chosen:
            raise CallError(f"{clash}: found both, expected one of them")
    said = declared(declare)
    try:
        d = derive(formula, by, declare=said)
        d = d.derive(by) if hessian else d
        matrix = vec is not None or (layout is not None and not tensor)
        form = d.matrix(vec or "row", layout or "numerator") if matrix else None
        if as_latex:
            text = form.latex() if form is not None else d.latex()
        elif as_numpy:
            text = form.code() if form is not None else d.code()
        elif form is not None:
            text = repr(form)
        else:
            text = d.tensor(layout or "numerator") if tensor else str(d)
        costs = None if cost is None else formula_costs(d, vec=vec or "row", sizes=_sizes(cost))
        report = None
        if check:
            from verification.formulas import check_formula

            report = check_formula(formula, by, declare=said)
    except ValueError as error:
        raise CallError(str(error)) from error
    if as_json:
        data: dict[str, Any] = {
            "schema": "explicit-jacobians/derivative", "schema_version": 1, "formula": d.formula, "by": by,
            "derivative": d.text, "kind": d.kind, "asked": text, "tensor": d.tensor("mixed"),
            "conditions": d.conditions,
            "sizes": {name: list(shape) for name, shape in d.sizes.items()}, "shape": list(d.shape),
            "check": None if report is None else report.to_dict(),
            "costs": None if costs is None else costs.to_dict(),
        }  # fmt: skip
        text = json.dumps(data, indent=2, ensure_ascii=False)
    else:
        text = "\n".join(str(part) for part in (text, costs, report) if part is not None)
    typer.echo(text)
    return 0 if report is None or report.passed else 1


def _sizes(said: str) -> dict[str, int]:
    """Return sizes as they are written, h=256,d=784; none for `letters`."""
    if said.strip() == "letters":
        return {}
    sizes = {}
    for part in said.split(","):
        name, _, number = part.partition("=")
        if not name.strip().isidentifier() or not number.strip().isdigit() or len(number.strip()) > 12:
            raise CallError(
                f"--cost: found {part.strip()!r}, expected sizes such as h=256,d=784, or the word letters"
            )
        sizes[name.strip()] = int(number)
    return sizes
