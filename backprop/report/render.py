"""The page and the Markdown text of a report, from templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backprop.compare import format_seconds
from backprop.network_graph import NetworkGraph, NetworkPlan
from backprop.plan import MODES, Plan, format_ratio
from backprop.report.pictures import (
    data_uri,
    draw_costs,
    draw_digit,
    draw_jacobian,
    draw_training,
    tree_text,
)
from backprop.report.record import to_dict
from backprop.report.result import Derivative, Report, Training
from backprop.report.tree_picture import draw_tree
from backprop.report.write import to_csv, to_json
from backprop.tables import markdown_table
from jacobians.numerics.arguments import checked_instance
from verification.optional_packages import require_extras

if TYPE_CHECKING:
    from jinja2 import Environment

LONG_CHAIN = 8
"""Factors up to which a tree is scaled down to a narrow screen."""

SHOWN_NUMBERS = 8
"""Numbers of the point that stand in the text; all of them are in the JSON."""

FILES = ("report.html", "report.md", "report.json", "report.csv")


@dataclass(frozen=True)
class Picture:
    """A picture of the page: where it comes from, what it shows in words, what stands below; a wide one scrolls."""

    source: str
    alt: str
    caption: str = ""
    code: str = ""
    wide: bool = False


def report_texts(report: Report) -> dict[str, str]:
    """Return the texts of all files of a report by name: HTML, Markdown, JSON and CSV.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is missing.
    """
    data = to_dict(report)
    texts = render_html(report), render_markdown(report), to_json(data), to_csv(data)
    return dict(zip(FILES, texts, strict=True))


def render_html(report: Report) -> str:
    """Return the page: one self-contained file, its pictures inside.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is missing.
    """
    checked_instance(report, "report", Report)
    require_extras("report,cli", "jinja2", "matplotlib")
    singles, several = _by_points(report)
    training = report.training
    return _environment().get_template("report.html.j2").render(
        report=to_dict(report), facts=_facts(report), single=_table_data(singles), several=_table_data(several),
        digit=training and _digit_picture(training, report), curve=training and _training_picture(training),
        loss_given=report.loss is not None,
        jacobians=_jacobian_pictures(report), steps=_step_picture(report), errors=_error_pictures(report),
        costs=_cost_pictures(singles, several), trees=_tree_groups(singles), dead_units=_dead_units(singles),
    )  # fmt: skip


def render_markdown(report: Report) -> str:
    """Return the report as Markdown, without pictures.

    Raises
    ------
    ImportError
        If jinja2 is missing.
    """
    checked_instance(report, "report", Report)
    require_extras("report,cli", "jinja2")
    singles, several = _by_points(report)
    trees = [
        (own.title, _in_words(plan))
        for own in singles[:2]
        for plan in own.comparison.plans
        if plan.strategy == "optimal"
    ]
    return _environment().get_template("report.md.j2").render(
        report=to_dict(report), facts=_facts(report), single=_table_data(singles), several=_table_data(several),
        trained=report.training is not None, loss_given=report.loss is not None,
        trees=trees, table=markdown_table, dead_units=_dead_units(singles),
    )  # fmt: skip


def _in_words(plan: Plan | NetworkPlan) -> str:
    if isinstance(plan, NetworkPlan):
        return str(plan)
    return tree_text(plan.tree, plan.chain.names, plan.chain.specs)


def _dead_units(derivatives: Sequence[Derivative]) -> int:
    """Return how many units of the longest chain exact zeros switch off; all are counted in the costs."""
    live = (own.comparison.chain.live_units for own in derivatives)
    return max((units.dropped for units in live if units is not None), default=0)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("backprop.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["number"] = lambda count: f"{count:,}"
    made.filters["seconds"] = format_seconds
    made.filters["ratio"] = lambda ratio: format_ratio(math.inf if ratio is None else ratio)
    made.filters["sizes"] = lambda shape: "×".join(map(str, shape)) or "scalar"
    made.filters["error"] = _error
    made.filters["worst"] = _worst
    made.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    made.filters["agreeing"] = _agreeing
    made.filters["remark"] = _remark
    made.filters["point"] = _point
    return made


def _point(point: Mapping[str, Any]) -> str:
    """Return a point in a line: its first numbers, and its shape where these don't show it."""
    values, shape = point["values"], point["shape"]
    shown = ["not finite" if value is None else f"{value:.6g}" for value in values[:SHOWN_NUMBERS]]
    more = ["…"] if len(values) > SHOWN_NUMBERS else []
    if not shape:
        return shown[0]
    said = f"({', '.join(shown + more)})"
    return (
        said if len(shape) == 1 and not more else f"{said} of shape {'×'.join(map(str, shape))}, row by row"
    )


def _error(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:.1e}" if value else "0"


def _worst(worst: Mapping[str, Any] | None) -> str:
    if worst is None:
        return "–"
    found, expected = (f"{float(worst[key]):.10g}" for key in ("found", "expected"))
    return f"[{worst['index'][0]}, {worst['index'][1]}]: {found}, expected {expected}"


def _agreeing(check: Mapping[str, Any]) -> str:
    ran = [witness for witness in check["witnesses"] if witness["status"] != "unavailable"]
    agree = sum(witness["status"] == "agrees" for witness in ran)
    return f"{agree} of {len(ran)}"


def _remark(check: Mapping[str, Any]) -> str:
    """Return who agrees, or for a Jacobian that is not right why."""
    if check["passed"]:
        return ", ".join(witness["name"] for witness in check["witnesses"] if witness["status"] == "agrees")
    return "; ".join(text for text in (check["reason"], check["diagnosis"]) if text)


# --- facts and tables ------------------------------------------------------------------------------------


def _by_points(report: Report) -> tuple[list[Derivative], list[Derivative]]:
    singles = [own for own in report.derivatives if own.points == 1]
    return singles, [own for own in report.derivatives if own.points > 1]


def _table_data(derivatives: list[Derivative]) -> list[dict[str, Any]]:
    return [
        {
            "title": own.title,
            "points": own.points,
            "verdict": own.verdict,
            "check": own.check.to_dict(),
            "disagreement": own.disagreement,
            "alternatives": [
                {**row, "bracketing": plan.bracketing}
                for row, plan in zip(
                    own.comparison.to_dict()["alternatives"], own.comparison.plans, strict=True
                )
            ],
        }
        for own in derivatives
    ]


def _facts(report: Report) -> dict[str, Any]:
    """Return what the summary says, counted once for all files."""
    checks = [own.check.verdict for own in report.checked]
    widest = max(
        report.derivatives,
        key=lambda own: own.comparison["right"].ratio if own.points == 1 else 0.0,
    )
    best = widest.comparison.best
    return {
        "verdict": report.verdict,
        "right_checks": checks.count("right"),
        "checks": len(checks),
        "right_products": sum(own.verdict == "right" for own in report.derivatives),
        "products": len(report.derivatives),
        "counted": sum(own.counted for own in report.derivatives),
        "stored": sum(own.jacobian.storage for own in report.checked),
        "dense": sum(own.jacobian.spec.dense_storage for own in report.checked),
        "widest": widest.title,
        "widest_ratio": widest.comparison["right"].ratio,
        "widest_right": widest.comparison["right"].multiplications,
        "widest_way": "in forward mode"
        if isinstance(widest.comparison.chain, NetworkGraph)
        else "from the right",
        "widest_best": best.multiplications,
    }


# --- pictures --------------------------------------------------------------------------------------------


def _digit_picture(training: Training, report: Report) -> Picture:
    return Picture(
        data_uri(draw_digit(report.x)),
        f"8×8 pixels of a handwritten {training.label}",
        f"Digit {training.index} of the data: a {training.label}, taken for a {training.prediction}.",
    )


def _training_picture(training: Training) -> Picture | None:
    losses = [epoch.loss for epoch in training.history]
    if not losses:
        return None
    return Picture(
        data_uri(draw_training(losses)),
        f"Training curve: the mean loss goes from {losses[0]:.3g} to {losses[-1]:.3g} in "
        f"{len(losses) - 1} epoch{'s' if len(losses) != 2 else ''}",
        "Mean loss of the training digits, before the first and after every epoch.",
    )


def _jacobian_pictures(report: Report) -> list[Picture]:
    pictures = []
    for own in report.checked:
        m, n = own.jacobian.shape
        pictures.append(
            Picture(
                data_uri(draw_jacobian(own.jacobian)),
                f"Heat map of {own.title}, {m} outputs by {n} inputs, structure {own.jacobian.spec.label}",
                own.title,
                own.jacobian.spec.label,
            )
        )
    return pictures


def _step_picture(report: Report) -> Picture | None:
    """Return the errors of differences of the network by their step; None where its Jacobian is 0 or not finite."""
    from verification import step_curve

    try:
        curve = step_curve(report.network, report.x)
    except ValueError:  # there are no relative errors, or it is too large
        return None
    return Picture(
        data_uri(curve.svg),
        "Errors of forward and central differences of the network's Jacobian, by their step: each curve is a V",
        "Finite differences of the network by its input: towards large steps the truncation, towards small ones the "
        "rounding. The ring is the step that is taken by default.",
    )


def _error_pictures(report: Report) -> list[Picture]:
    """Return where the Jacobians that are not right deviate; if all are right, where the worst of them does."""
    drawn = [own for own in report.checked if own.check.expected is not None]
    shown = [own for own in drawn if not own.check.passed]
    if drawn and not shown:
        worst = max(drawn, key=lambda own: own.check.error)
        shown = [worst] if worst.check.error else []
    return [
        Picture(
            data_uri(own.check.picture().svg),
            f"Heat map of the errors of {own.title}, which is {own.check.verdict}; a ring marks the worst entry",
            f"{own.title}: {own.check.verdict}" + (", the largest error of all" if own.check.passed else ""),
        )
        for own in shown
    ]


def _cost_pictures(*groups: list[Derivative]) -> list[Picture]:
    pictures = []
    for group in groups:
        if not group:
            continue
        # left and right have the names of modes where paths meet, and then in the whole picture
        graphs = any(isinstance(own.comparison.chain, NetworkGraph) for own in group)
        costs = {
            own.title: {
                MODES.get(item.strategy, item.strategy) if graphs else item.strategy: item.multiplications
                for item in own.comparison.alternatives
            }
            for own in group
        }
        points = "one point" if group[0].points == 1 else f"{group[0].points} points at once"
        words = "; ".join(
            f"{title}: " + ", ".join(f"{strategy} {count:,}" for strategy, count in own.items())
            for title, own in costs.items()
        )
        pictures.append(
            Picture(
                data_uri(draw_costs(costs)),
                f"Bar chart of multiplications for {points}. {words}",
                f"Multiplications for {points}, on a logarithmic scale.",
            )
        )
    return pictures


def _drawn(plan: Plan | NetworkPlan) -> str:
    return plan.picture() if isinstance(plan, NetworkPlan) else draw_tree(plan)


def _tree_groups(derivatives: list[Derivative]) -> list[tuple[str, list[Picture]]]:
    """Return the trees of every derivative; orders that bracket alike share one."""
    groups = []
    for own in derivatives:
        alike: dict[Any, list[Any]] = {}
        for plan in own.comparison.plans:
            alike.setdefault(plan.order if isinstance(plan, NetworkPlan) else plan.tree, []).append(plan)
        pictures = [
            Picture(
                data_uri(_drawn(plans[0])),
                f"{'Graph: ' if isinstance(plans[0], NetworkPlan) else 'Tree of '}{plans[0].bracketing}",
                f"{' = '.join(plan.strategy for plan in plans)}: {plans[0].cost}",
                plans[0].bracketing,
                wide=len(plans[0].chain) > LONG_CHAIN,
            )
            for plans in alike.values()
        ]
        groups.append((own.title, pictures))
    return groups
