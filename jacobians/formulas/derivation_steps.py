"""From a derivative to its steps: the differentials of its lines, of the formula, and the identification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacobians.formulas.steps import Differential, Step, Steps
from jacobians.formulas.text import text
from jacobians.formulas.tree import FormulaError, is_number

if TYPE_CHECKING:
    from jacobians.formulas.formula import Derivative


def steps_of(d: Derivative) -> Steps:
    """Return the lines of a derivation with the rules by which they follow.

    Raises
    ------
    FormulaError
        For a derivative of higher order.
    """
    if d.order > 1:
        raise FormulaError(
            f"steps: found a derivative of order {d.order}, expected one of the first; the gradient's own text is a "
            f"formula, derive(text, {d.by!r}).steps"
        )
    program, shapes = d.program, d.shapes
    at = Differential(shapes, d.by)
    found = []
    for line, node in program.lets:
        if at.depends(node):
            at.rules.clear()
            made = at.of(node)
            at.moving.add(line)
            found.append(Step("; ".join(at.rules) or "a line", f"{at.name_of(line)} = {text(made)}", made))
    at.rules.clear()
    made = at.of(program.body)
    names = "; ".join(at.rules) or "differential"
    found.append(Step(names, f"df = {text(made)}", made))
    if is_number(made, 0):
        found.append(Step("nothing moves", f"∂f/∂{d.by} = {d.text}"))
        return Steps(found)
    by, moved = d.by, at.name_of(d.by)
    rows, columns = d.axes(by)
    matrix = bool(rows and columns)
    if d.half:
        found.append(
            Step(
                f"{by} is symmetric: entries beside the diagonal count twice, G + Gᵀ − G ⊙ I",
                f"∂f/∂vech({by}) = vech({d.text})",
            )
        )
    elif d.kind.startswith("gradient"):
        if matrix:
            found.append(
                Step(
                    "cyclic permutation under the trace, tr A = tr Aᵀ, linearity",
                    f"df = tr(({d.text})ᵀ·{moved})",
                )
            )
            found.append(Step(f"identification: df = tr(Gᵀ·{moved})", f"∂f/∂{by} = G = {d.text}"))
        elif rows or columns:
            found.append(
                Step(
                    "a number is its own transpose",
                    f"df = ({d.text})ᵀ·{moved}" if rows else f"df = ({d.text})·{moved}ᵀ",
                )
            )
            found.append(
                Step(
                    f"identification: df = gᵀ·{moved}" if rows else f"identification: df = g·{moved}ᵀ",
                    f"∂f/∂{by} = g = {d.text}",
                )
            )
        else:
            found.append(Step(f"identification: df = f′·{moved}", f"∂f/∂{by} = {d.text}"))
    elif d.kind.startswith("Jacobian"):
        stacked = "vec " if len(d.shape) - d.outputs > 1 or d.outputs > 1 else ""
        if stacked:
            found.append(
                Step(
                    "vec(A·X·B) = (A ⊗ Bᵀ)·vec X, rows one after another", f"vec df = ({d.text})·vec {moved}"
                )
            )
        elif rows or columns:
            found.append(Step(f"{moved} taken out to the right", f"df = ({d.text})·{moved}"))
        found.append(Step(f"identification: {stacked}df = J·{stacked}{moved}", f"J = ∂f/∂{by} = {d.text}"))
    else:
        found.append(Step("entry by entry", d.text))
    return Steps(found)
