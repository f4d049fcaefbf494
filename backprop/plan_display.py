"""Plans as terminals, notebooks and pages show them: the steps as a table, the bracketing as a tree."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from backprop.ratios import format_ratio
from backprop.tables import WIDTH, text_table, wrapped
from jacobians.markup import aligned, html_table
from jacobians.numerics.letters import number_text
from jacobians.picture import Picture

if TYPE_CHECKING:
    from backprop.plan import Plan

ALIGNED_FROM = 1000
"""Steps from which on HTML aligns them by spaces: the cells of a table take four times the letters of their text."""


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


def plan_text(plan: Plan) -> str:
    """Return the bracketing, cost and comparison with left and right, and a text table of the steps."""
    header = ["step", "product", "structures", "result", "multiplications", "additions", "rule"]
    lines = [
        *wrapped(f"Plan ({plan.strategy}): {plan.bracketing}", WIDTH),
        f"  result                 {plan.spec.label}",
        f"  multiplications        {number_text(plan.cost.multiplications)}",
        f"  additions              {number_text(plan.cost.additions)}",
    ]
    if not plan.cost.symbolic:  # letters are compared by backprop.symbolic_costs
        lines += [
            f"  speedup over left      {format_ratio(plan.speedup('left'))}",
            f"  speedup over right     {format_ratio(plan.speedup('right'))}",
            f"  largest intermediate   {plan.peak_elements:,} stored numbers",
        ]
    if plan.dead_units:
        dropped, units = (
            (0, None) if plan.live_units is None else (plan.live_units.dropped, plan.live_units.units)
        )
        lines.append(
            f"  dead units             {dropped:,} of {units:,} left the chain, which saves {plan.saved}"
            if units
            else "  dead units             none was found"
        )
    elif plan.chain.live_units is not None:
        live = plan.chain.live_units
        lines.append(
            f"  dead units             {live.dropped:,} of {live.units:,} stay (dead_units=True leaves them out)"
        )
    if plan._formed[0]:
        lines.append(text_table(header, step_cells(plan), numeric=(4, 5)))
    return "\n".join(lines)


def plan_html(plan: Plan) -> str:
    """Return the bracketing, the cost and a table of the steps as HTML."""
    rows = [[number, product, *rest] for number, product, _, *rest in step_cells(plan)]
    header = ["step", "product", "result", "multiplications", "additions", "rule"]
    title = escape(f"{plan.strategy}: {plan.bracketing}, {plan.cost}")
    if len(rows) < ALIGNED_FROM:
        return f"<p>{title}</p>{html_table(header, rows, numeric=(0, 3, 4))}"
    widest = sum(max(map(len, column)) + 2 for column in zip(header, *rows, strict=True))
    return f"<p>{title}</p>{aligned(text_table(header, rows, numeric=(0, 3, 4), width=widest))}"


def plan_picture(plan: Plan) -> Picture:
    """Return the bracketing as a tree, with the multiplications of each product."""
    from backprop.report.tree_picture import draw_tree

    return Picture(draw_tree(plan))
