"""Plans as notebooks and pages show them: the steps as a table, the bracketing as a tree."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jacobians.markup import html_table
from jacobians.numerics.letters import number_text
from jacobians.picture import Picture

if TYPE_CHECKING:
    from backprop.plan import Plan


def step_cells(plan: Plan) -> list[list[str]]:
    """Return a row of text for each step: number, product, structures, result, multiplications, additions, rule."""
    # products of the same two specs differ in the names of their operands alone
    alike: dict[int, list[str]] = {}
    rows = []
    for number, (left, right, product) in enumerate(zip(*plan._formed, strict=True), 1):
        cells = alike.get(id(product))
        if cells is None:
            a, b, spec, cost, formula = product
            cells = alike[id(product)] = [
                f"{a.label} · {b.label}", spec.label, number_text(cost.multiplications), number_text(cost.additions),
                formula,
            ]  # fmt: skip
        rows.append([str(number), f"{left} · {right}", *cells])
    return rows


def plan_html(plan: Plan) -> str:
    """Return the bracketing, the cost and a table of the steps as HTML."""
    rows = [[number, product, *rest] for number, product, _, *rest in step_cells(plan)]
    header = ["step", "product", "result", "multiplications", "additions", "rule"]
    title = escape(f"{plan.strategy}: {plan.bracketing}, {plan.cost}")
    return f"<p>{title}</p>{html_table(header, rows, numeric=(0, 3, 4))}"


def plan_picture(plan: Plan) -> Picture:
    """Return the bracketing as a tree, with the multiplications of each product."""
    from backprop.report.tree_picture import draw_tree

    return Picture(draw_tree(plan))
