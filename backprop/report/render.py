"""The files of a report: the page, Markdown and LaTeX from templates, and the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backprop.network_graph import NetworkPlan
from backprop.plan import Plan
from backprop.ratios import format_ratio
from backprop.report import tables
from backprop.report.figures import (
    cost_figures,
    digit_figure,
    error_figures,
    jacobian_figures,
    network_figure,
    step_figure,
    training_figure,
    tree_groups,
)
from backprop.report.pictures import tree_text
from backprop.report.record import to_dict
from backprop.report.result import Derivative, Report
from backprop.report.write import to_csv, to_json
from backprop.tables import latex_text, markdown_text
from jacobians.numerics.arguments import checked_instance
from verification.optional_packages import require_extras
from verification.web_page import web_page

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_NUMBERS = 8
"""Numbers of the point that stand in the text; all of them are in the JSON."""

FILES = ("report.html", "report.md", "report.tex", "report.json", "report.csv")


def report_texts(report: Report) -> dict[str, str]:
    """Return the texts of all files of a report by name: HTML, Markdown, LaTeX, JSON and CSV.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is missing.
    """
    data = to_dict(report)
    texts = render_html(report), render_markdown(report), render_latex(report), to_json(data), to_csv(data)
    return dict(zip(FILES, texts, strict=True))


def render_html(report: Report) -> str:
    """Return the page: one self-contained file, its pictures inside; heads of tables sort where scripts run.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is missing.
    """
    checked_instance(report, "report", Report)
    require_extras("report,cli", "jinja2", "matplotlib")
    training = report.training
    groups = by_points(report)
    costs = cost_figures(*groups.values())
    body = _rendered(
        "report.html.j2", report,
        digit=training and digit_figure(training, report), curve=training and training_figure(training),
        diagram=network_figure(report), jacobians=jacobian_figures(report), steps=step_figure(report),
        errors=error_figures(report), costs=dict(zip(groups, costs, strict=True)),
        trees=tree_groups(next(iter(groups.values()))),
    )  # fmt: skip
    return web_page(f"{report.asked.heading or 'Jacobians'}: {report.title}", body)


def render_markdown(report: Report) -> str:
    """Return the report as Markdown, without pictures.

    Raises
    ------
    ImportError
        If jinja2 is missing.
    """
    checked_instance(report, "report", Report)
    require_extras("report,cli", "jinja2")
    return _rendered("report.md.j2", report, trees=_cheapest(report))


def render_latex(report: Report) -> str:
    """Return the report as a document of LaTeX with the rules of booktabs, without pictures.

    Raises
    ------
    ImportError
        If jinja2 is missing.
    """
    checked_instance(report, "report", Report)
    require_extras("report,cli", "jinja2")
    orders = [
        (own.title, plan.strategy, plan.bracketing)
        for own in next(iter(by_points(report).values()))
        for plan in own.comparison.plans
    ]
    data = to_dict(report)
    brief = {count: tables.cost_table(data, count, brief=True) for count in data["asked"]["points"]}
    body = _rendered("report.tex.j2", report, orders=orders, brief=brief)
    return latex_document(report.asked.title, report.asked.author, body)


def latex_document(title: str, author: str, body: str) -> str:
    """Return a document of LaTeX; `body` is LaTeX already."""
    return _environment().get_template("document.tex.j2").render(title=title, author=author, body=body)


def by_points(report: Report) -> dict[int, list[Derivative]]:
    """Return the derivatives by the number of points at once."""
    groups: dict[int, list[Derivative]] = {}
    for own in report.derivatives:
        groups.setdefault(own.points, []).append(own)
    return groups


def facts(report: Report) -> dict[str, Any]:
    """Return what the summary says, counted once for all files."""
    checks = [own.check.verdict for own in report.checked]
    first = next(iter(by_points(report).values()))
    widest = max(first, key=lambda own: max(item.ratio for item in own.comparison.alternatives))
    dearest = max(widest.comparison.alternatives, key=lambda item: item.ratio)
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
        "widest_ratio": dearest.ratio,
        "widest_dearest": dearest.multiplications,
        "widest_way": _WAYS[dearest.strategy],
        "widest_best": min(item.multiplications for item in widest.comparison.alternatives),
    }


_WAYS = {
    "left": "from the left", "right": "from the right", "optimal": "in the optimal order", "reverse": "in reverse mode",
    "forward": "in forward mode", "markowitz": "in Markowitz's order",
}  # fmt: skip


def _cheapest(report: Report) -> list[tuple[str, str]]:
    """Return the best of the compared orders as text, of the derivatives of loss and output by the input."""
    found = []
    for own in next(iter(by_points(report).values()))[:2]:
        plan = min(own.comparison.plans, key=lambda plan: plan.cost)
        found.append((f"{own.title}, {plan.strategy}", _in_words(plan)))
    return found


def _in_words(plan: Plan | NetworkPlan) -> str:
    if isinstance(plan, NetworkPlan):
        return str(plan)
    return tree_text(plan.tree, plan.chain.names, plan.chain.specs)


def _rendered(template: str, report: Report, **more: Any) -> str:
    data = to_dict(report)
    training = report.training
    return _environment().get_template(template).render(
        report=data, facts=facts(report), counts=data["asked"]["points"], trained=training is not None,
        loss_given=report.loss is not None, layers=tables.layer_table(data), forward=tables.forward_table(data),
        checks=tables.check_table(data), witnesses=tables.witness_table(data),
        cost_tables={count: tables.cost_table(data, count) for count in data["asked"]["points"]},
        history=tables.training_table(data) if training is not None else None, **more,
    )  # fmt: skip


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
    made.filters["ratio"] = format_ratio
    made.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    made.filters["point"] = _point
    made.filters["badge"] = tables.badge
    made.filters["line"] = markdown_text
    made.filters["code"] = lambda text: text.replace("`", "'")
    made.filters["tex"] = latex_text
    made.filters["tex_bracketing"] = lambda text: latex_text(text).replace(
        r"$\cdot$", r"$\cdot$\allowbreak{}"
    )
    made.filters["loss"] = lambda loss: "not finite" if loss is None else f"{loss:.4g}"
    made.filters["at"] = _at
    made.filters["options"] = _options
    return made


def _options(data: Mapping[str, Any]) -> str:
    """Return the options that make a report on the digits again, its words left aside."""
    settings, asked = data["settings"], data["asked"]
    given = {
        **settings, "points": asked["points"], "by": asked["by"],
        "strategies": asked["strategies"], "objective": asked["objective"],
    }  # fmt: skip
    del given["batch"]
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in given.items()
    }
    return " ".join(f"--{name.replace('_', '-')} {text}" for name, text in texts.items() if text)


def _at(count: int) -> str:
    return "one point" if count == 1 else f"{count} points at once"


def _point(point: Mapping[str, Any]) -> str:
    """Return a point in a line: its first numbers, and its shape where these don't show it."""
    values, shape = point["values"], point["shape"]
    shown: Sequence[str] = [
        "not finite" if value is None else f"{value:.6g}" for value in values[:SHOWN_NUMBERS]
    ]
    more = ["…"] if len(values) > SHOWN_NUMBERS else []
    if not shape:
        return shown[0]
    said = f"({', '.join([*shown, *more])})"
    return (
        said if len(shape) == 1 and not more else f"{said} of shape {'×'.join(map(str, shape))}, row by row"
    )
