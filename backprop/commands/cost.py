"""`backprop cost`: what a bare chain costs from the left, from the right and in the cheapest order."""

from __future__ import annotations

import json
import math
import re
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from backprop.chain import Chain
from backprop.commands import unwritten
from backprop.compare import Comparison, compare
from backprop.plan import Plan
from backprop.plan_display import step_cells
from backprop.symbolic_costs import symbolic_costs
from backprop.tables import WIDTH, markdown_table
from jacobians import Spec
from jacobians.numerics.arguments import near
from verification.commands.running import CallError

MOST_FACTORS = 200
"""The interval programme takes the cube of this number of steps."""

CONVENTION = (
    "The optimum has the fewest multiplications; a ratio compares multiplications; "
    "flops = multiplications + additions."
)

_SIZE = r"([0-9]{1,100}|[A-WYZa-wyz]_?[0-9]{0,3})"  # x and X stand between two sizes
_SHAPE = re.compile(rf"{_SIZE}\s*[x×X*,]\s*{_SIZE}")
_SQUARE = re.compile(rf"{_SIZE}:(diagonal|identity)")
_IDENTITY = re.compile(rf"I_?{_SIZE}")
_EXPECTED = (
    "rows x columns such as 1x100 (dense), 100:diagonal, 100:identity or I100, "
    "or I10(x)1x5 for a Kronecker product"
)


def run(
    shapes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SHAPES...",
            help="The factors, output side first: 1x100 (× works too), 100:diagonal, I100, I10(x)1x5 (or ⊗).",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    symbolic: Annotated[
        bool,
        typer.Option(
            "--symbolic", help="Sizes may be letters: costs as expressions, and when one beats another."
        ),
    ] = False,
    as_latex: Annotated[
        bool, typer.Option("--latex", help="Print LaTeX, with the rules of booktabs.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line a strategy.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.svg",
            help="With --symbolic, draw which order costs least by two sizes.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Compare the costs of a bare chain: left (from the output), right (from the input), optimal.

    Example: backprop cost 1x100 100x100 100x100, or backprop cost nxh hxh hxk --symbolic
    """
    if as_json + as_markdown + as_csv + as_latex > 1:
        raise CallError(
            "--json, --markdown, --csv, --latex: found more than one, expected at most one; choose one"
        )
    if picture is not None and (not symbolic or picture.suffix != ".svg"):
        found = f"{picture.name!r} {'with' if symbolic else 'without'} --symbolic"
        raise CallError(f"--picture: found {found}, expected --symbolic and a name that ends in .svg")
    chain = parse_chain(shapes or [], symbolic=symbolic)
    if symbolic:
        if as_csv:
            raise CallError("--csv: found it with --symbolic, expected --json, --markdown or --latex")
        costs = symbolic_costs(chain)
        costs.check()
        if picture is not None:
            try:
                picture.write_text(costs.picture(), encoding="utf-8")
            except OSError as error:
                raise CallError(f"--picture: {unwritten(error, picture)}") from None
        typer.echo(
            json.dumps(costs.to_dict(), indent=2)
            if as_json
            else costs.to_markdown()
            if as_markdown
            else costs.to_latex()
            if as_latex
            else str(costs)
        )
        return 0
    comparison, plan = compare(chain), chain.plan("optimal")
    if as_json:
        text = json.dumps(to_dict(comparison, plan), indent=2)
    elif as_markdown:
        text = f"{comparison.to_markdown()}\n\n{CONVENTION}\n\n{_steps_markdown(plan)}".rstrip()
    elif as_latex:
        text = comparison.to_latex()
    elif as_csv:
        text = comparison.to_csv().rstrip("\n")
    else:
        text = f"{comparison}\n\n{textwrap.fill(CONVENTION, WIDTH)}\n\n{plan}"
    typer.echo(text)
    return 0


def parse_chain(texts: list[str], *, symbolic: bool = False) -> Chain:
    """Return the chain of factors written as texts, output side first; if asked with letters as sizes.

    Raises
    ------
    CallError
        If there is no factor, one is not understood, or neighbours don't fit.

    Examples
    --------
    >>> parse_chain(["1x100", "100:diagonal", "I_10(x)10×3"])
    Chain(A: Dense 1×100 · B: Diagonal 100×100 · C: I₁₀ ⊗ Dense 10×3)
    """
    # one argument may hold several factors with blanks between, but not around the sign of a product
    tight = (re.sub(r"\s*(\(x\)|[x×X*,⊗:])\s*", r"\1", text) for text in texts)
    texts = [part for text in tight for part in text.split()]
    if not texts:
        raise CallError(f"SHAPES: found none, expected {_EXPECTED}; see `backprop cost --help`")
    if len(texts) > MOST_FACTORS:
        raise CallError(
            f"SHAPES: found {len(texts)} factors, expected at most {MOST_FACTORS}; multiply the chain in parts"
        )
    specs = [parse_factor(text, symbolic=symbolic) for text in texts]
    if symbolic and not any(spec.letters for spec in specs):
        raise CallError(
            "--symbolic: found no letter among the sizes, expected one such as n in nxh; leave it out"
        )
    for place in range(1, len(specs)):
        columns, rows = specs[place - 1].shape[1], specs[place].shape[0]
        if columns != rows:
            raise CallError(
                f"SHAPES: found {texts[place - 1]} before {texts[place]}, expected {columns} = {rows}, the "
                f"columns of a factor to be the rows of the next; write the chain output side first"
            )
    return Chain.from_specs(specs)


def parse_factor(text: str, *, symbolic: bool = False) -> Spec:
    """Return the spec of one factor.

    Parameters
    ----------
    text : str
        ``1x100`` for a dense factor, ``100:diagonal``, ``100:identity`` or ``I100``; factors with ``(x)`` or ``⊗``
        between them are a Kronecker product.

    Raises
    ------
    CallError
        If the text is something else, or a size is 0.

    Examples
    --------
    >>> parse_factor("I3⊗1x4")
    Spec(I₃ ⊗ Dense 1×4)
    """
    specs = [_parse_term(term.strip(), text, symbolic) for term in re.split(r"\(x\)|⊗", text)]
    spec = specs[-1]
    for left in reversed(specs[:-1]):
        spec = Spec.kronecker(left, spec)
    return spec


def _parse_term(term: str, text: str, symbolic: bool) -> Spec:
    shown = text if len(text) <= 60 else text[:57] + "…"
    dense, square, identity = (kind.fullmatch(term) for kind in (_SHAPE, _SQUARE, _IDENTITY))
    match = dense or square or identity
    if match is None:
        kind = near(term.rpartition(":")[2], ("diagonal", "identity")) if ":" in term else ""
        raise CallError(
            f"SHAPES: found {shown!r}, expected {_EXPECTED}{kind or '; see `backprop cost --help`'}"
        )
    written = match.groups() if dense else match.groups()[:1]
    if not symbolic and not all(size.isdigit() for size in written):
        raise CallError(
            f"SHAPES: found letters in {shown!r}, expected numbers; add --symbolic to keep sizes as letters"
        )
    sizes = [int(size) if size.isdigit() else _letter(size) for size in written]
    if 0 in sizes:
        raise CallError(f"SHAPES: found a size of 0 in {shown!r}, expected at least 1; leave the factor out")
    if dense:
        return Spec.dense(sizes[0], sizes[1])
    return Spec.diagonal(sizes[0]) if square and square[2] == "diagonal" else Spec.identity(sizes[0])


def _letter(name: str) -> Any:
    import sympy  # for letters alone

    return sympy.Symbol(name, integer=True, positive=True)


def to_dict(comparison: Comparison, plan: Plan) -> dict[str, Any]:
    """Return comparison and steps of the optimum as plain data: exact integers, no infinite numbers."""
    data = comparison.to_dict()
    for alternative in data["alternatives"]:
        # JSON knows no infinity
        alternative["ratio"] = alternative["ratio"] if math.isfinite(alternative["ratio"]) else None
    steps = [
        {
            "left": step.left,
            "right": step.right,
            "left_structure": step.left_spec.label,
            "right_structure": step.right_spec.label,
            "result": step.spec.label,
            "multiplications": step.cost.multiplications,
            "additions": step.cost.additions,
            "rule": step.formula,
        }
        for step in plan.steps
    ]
    return {"schema": "explicit-jacobians/cost", "schema_version": 1, **data, "steps": steps}


def _steps_markdown(plan: Plan) -> str:
    rows = [[number, product, *rest] for number, product, _, *rest in step_cells(plan)]
    header = ["step", "product", "result", "multiplications", "additions", "rule"]
    return f"Optimal: {plan.bracketing}\n\n{markdown_table(header, rows, numeric=(0, 3, 4))}" if rows else ""
