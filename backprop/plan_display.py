"""Plans as notebooks and pages show them: the steps as a table, the bracketing as a tree."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jacobians.markup import html_table
from jacobians.numerics.letters import number_text
from jacobians.picture import Picture

if TYPE_CHECKING:
    from backprop.plan import Plan


def plan_html(plan: Plan) -> str:
    """Return the bracketing, the cost and a table of the steps as HTML."""
    rows = [
        [str(number), f"{step.left} · {step.right}", step.spec.label, number_text(step.cost.multiplications),
         number_text(step.cost.additions), step.formula]
        for number, step in enumerate(plan.steps, 1)
    ]  # fmt: skip
    header = ["step", "product", "result", "multiplications", "additions", "rule"]
    title = escape(f"{plan.strategy}: {plan.bracketing}, {plan.cost}")
    return f"<p>{title}</p>{html_table(header, rows, numeric=(0, 3, 4))}"


def plan_picture(plan: Plan) -> Picture:
    """Return the bracketing as a tree, with the multiplications of each product."""
    from backprop.report.tree_picture import draw_tree

    return Picture(draw_tree(plan))
