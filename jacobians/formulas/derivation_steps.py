"""From a derivative to its steps: the differentials of its lines, of the formula, and the identification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacobians.formulas.steps import Differential, Step, Steps
from jacobians.formulas.text import text
from jacobians.formulas.tree import FormulaError, is_number

if TYPE_CHECKING:
    from jacobians.formulas.formula import Derivative


# by whether the variable has rows and columns: the rule, the line in the gradient and the moving variable, the form
_GRADIENTS = {
    (True, True): ("cyclic permutation under the trace, tr A = tr Aᵀ", "tr(({})ᵀ·{})", "tr(Gᵀ·{})", "G = "),
    (True, False): ("a number is its own transpose", "({})ᵀ·{}", "gᵀ·{}", "g = "),
    (False, True): ("a number is its own transpose", "({})·{}ᵀ", "g·{}ᵀ", "g = "),
    (False, False): ("", "", "f′·{}", ""),
}


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
    line, _, meanings = d.text.partition(" where ")
    where = f" where {meanings}" if meanings else ""
    if d.half:
        rule = f"{by} is symmetric: what stands twice counts twice, G + Gᵀ − G ⊙ I"
        found.append(Step(rule, f"∂f/∂vech({by}) = vech({line}){where}"))
    elif d.kind.startswith("gradient"):
        rule, said, form, letter = _GRADIENTS[bool(rows), bool(columns)]
        if rule:
            found.append(Step(rule, f"df = {said.format(line, moved)}{where}"))
        found.append(Step(f"identification: df = {form.format(moved)}", f"∂f/∂{by} = {letter}{line}{where}"))
    elif d.kind.startswith("Jacobian"):
        stacked = "vec " if matrix or d.outputs > 1 else ""
        rule = (
            "vec(A·X·B) = (A ⊗ Bᵀ)·vec X, rows one after another"
            if stacked
            else f"{moved} taken out to the right"
        )
        if stacked and d.transposes:
            rule = f"{rule}; vec(Xᵀ) = K·vec X"
        found.append(Step(rule, f"{stacked}df = ({line})·{stacked if matrix else ''}{moved}{where}"))
        found.append(
            Step(
                f"identification: {stacked}df = J·{stacked if matrix else ''}{moved}",
                f"J = ∂f/∂{by} = {line}{where}",
            )
        )
    else:
        found.append(Step("entry by entry", d.text))
    return Steps(found)
