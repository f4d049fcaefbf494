"""Several models side by side: one page, Markdown, LaTeX, JSON and CSV over the reports of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backprop.ratios import format_ratio
from backprop.report import tables
from backprop.report.figures import cost_figures, network_figure
from backprop.report.record import to_dict
from backprop.report.render import FILES, by_points, facts, latex_document
from backprop.report.result import Report, Verdict
from backprop.report.write import CSV_FIELDS, csv_rows, to_json
from backprop.tables import csv_table, latex_text, markdown_text
from jacobians.markup import Html, Keyed, Marked, escaped
from jacobians.numerics.arguments import checked_instance, checked_mapping
from verification.optional_packages import require_extras
from verification.web_page import web_page

HEADING = "Networks side by side, checked and costed"
SCHEMA = "explicit-jacobians/reports"


def several_verdict(reports: Mapping[str, Report]) -> Verdict:
    """Return wrong if one report is, right if all are, else undecided."""
    verdicts = {report.verdict for report in reports.values()}
    return "wrong" if "wrong" in verdicts else "right" if verdicts == {"right"} else "undecided"


def several_texts(reports: Mapping[str, Report], *, folders: bool = False) -> dict[str, str]:
    """Return the texts of all files of a comparison by name: HTML, Markdown, LaTeX, JSON and CSV.

    Parameters
    ----------
    reports : mapping of str to Report
        By the names of the models.
    folders : bool
        Whether the report of each model stands beside them, in a folder that :func:`folder_of` names: then the page
        leads there.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping of reports, or there is none.
    ImportError
        If jinja2 or matplotlib is missing.
    """
    reports = checked_mapping(reports, "reports", "reports by the names of their models")
    if not reports:
        raise ValueError("reports: found none, expected at least one")
    for name, report in reports.items():
        checked_instance(report, f"reports[{name!r}]", Report)
    require_extras("report,cli", "jinja2", "matplotlib")
    data = several_dict(reports)
    overview, costs = _models(reports, data), _costs(data)
    texts = (
        _page(reports, data, overview, costs, folders),
        _markdown(data, overview, costs),
        _latex(data, overview, costs),
        to_json(data),
        csv_table(
            ("model", *CSV_FIELDS), [[own["name"], *row] for own in data["models"] for row in csv_rows(own)]
        ),
    )
    return dict(zip(FILES, texts, strict=True))


def folder_of(place: int) -> str:
    """Return the name of the folder of a model's own report.

    Examples
    --------
    >>> folder_of(0)
    'model-1'
    """
    return f"model-{place + 1}"


def several_dict(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Return the reports as plain data for JSON: each as :func:`to_dict` gives it, with its name."""
    first = next(iter(reports.values()))
    verdict = several_verdict(reports)
    return {
        "schema": SCHEMA,
        "schema_version": 1,
        "verdict": verdict,
        "passed": verdict == "right",
        "title": first.asked.heading or HEADING,
        "author": first.asked.author,
        "models": [{"name": name, **to_dict(report)} for name, report in reports.items()],
    }


def _models(reports: Mapping[str, Report], data: Mapping[str, Any]) -> tables.Table:
    header = ["model", "verdict", "Jacobians right", "parameters", "forward ×", "forward +", "numbers kept",
              "largest saving", "of"]  # fmt: skip
    rows = []
    for own, report in zip(data["models"], reports.values(), strict=True):
        found, total = facts(report), own["layer_costs"]["total"]
        ratio = found["widest_ratio"]
        rows.append([
            own["name"], tables.badge(report.verdict), f"{found['right_checks']} of {found['checks']}",
            f"{own['network']['parameters']:,}", f"{total['forward_multiplications']:,}",
            f"{total['forward_additions']:,}", f"{total['kept']:,}", Keyed(format_ratio(ratio), ratio), found["widest"],
        ])  # fmt: skip
    return tables.Table(
        header, rows, (3, 4, 5, 6, 7),
        "The models: what they cost forward at one point, and by how much the best order beats the dearest.",
    )  # fmt: skip


def _costs(data: Mapping[str, Any]) -> tables.Table:
    header = ["model", "derivative", "points", "order", "predicted ×", "predicted +", "ratio", "measured", "distance",
              "verdict"]  # fmt: skip
    rows = []
    for own in data["models"]:
        for count in own["asked"]["points"]:
            found = tables.cost_table(own, count)
            at = [found.header.index(name) for name in ("derivative", *header[3:])]
            for row in found.rows:
                title, *rest = (row[place] for place in at)
                rows.append([own["name"], title, str(count), *rest])
    return tables.Table(
        header, rows, (2, 4, 5, 6, 7, 8),
        "Costs of every derivative of every model: × multiplications, + additions; ratio of multiplications to the "
        "fewest of the same derivative; distance is the measured time over that of as many multiplications in one "
        "large product of matrices.",
    )  # fmt: skip


def _page(
    reports: Mapping[str, Report],
    data: Mapping[str, Any],
    overview: tables.Table,
    costs: tables.Table,
    folders: bool,
) -> str:
    if folders:
        rows = [
            [Marked(name, Html(f'<a href="{folder_of(place)}/report.html">{escaped(name)}</a>')), *rest]
            for place, (name, *rest) in enumerate(overview.rows)
        ]
        overview = overview._replace(rows=rows)
    diagrams = "".join(
        f'<figure class="wide" tabindex="0" aria-label="{escaped(name)}">{network_figure(report)}'
        f"<figcaption>{escaped(name)}</figcaption></figure>"
        for name, report in reports.items()
    )
    first = {name: next(iter(by_points(report).values()))[0] for name, report in reports.items()}
    [bars] = cost_figures(list(first.values()), names=list(first))
    titles = ", ".join(dict.fromkeys(own.title for own in first.values()))
    author = f'<p class="author">{escaped(data["author"])}</p>' if data["author"] else ""
    listed = "".join(f"<li>{escaped(text)}</li>" for text in data["models"][0]["conventions"].values())
    verdict = data["verdict"]
    right = sum(report.passed for report in reports.values())
    body = f"""<header><h1>{escaped(data["title"])}</h1>{author}</header>
<main><section id="summary"><h2>Summary</h2>
<p class="banner {verdict}">{tables.badge(verdict).markup}
The reports of {right} of {len(reports)} models are right.</p>
{overview.html()}</section>
<section id="models"><h2>The models</h2>
<p>Layers with their shapes, structures at the arrows, and beside each the multiplications by which one row goes through
it.</p><div class="pair models">{diagrams}</div></section>
<section id="costs"><h2>Costs</h2>
<figure><img src="{bars.source}" alt="{escaped(bars.alt)}"><figcaption>Multiplications of {escaped(titles)}, on a
logarithmic scale.</figcaption></figure>
{costs.html()}</section>
<section id="conventions"><h2>Conventions</h2><ul>{listed}</ul></section></main>"""
    return web_page(data["title"], body)


def _markdown(data: Mapping[str, Any], overview: tables.Table, costs: tables.Table) -> str:
    author = f"{markdown_text(data['author'])}\n\n" if data["author"] else ""
    conventions = "\n".join(f"- {text}" for text in data["models"][0]["conventions"].values())
    return (
        f"# {markdown_text(data['title'])}\n\n{author}**Verdict: {data['verdict']}.**\n\n## Models\n\n"
        f"{overview.caption}\n\n{overview.markdown()}\n\n## Costs\n\n{costs.caption}\n\n{costs.markdown()}"
        f"\n\n## Conventions\n\n{conventions}\n"
    )


def _latex(data: Mapping[str, Any], overview: tables.Table, costs: tables.Table) -> str:
    conventions = "\n".join(rf"\item {latex_text(own)}" for own in data["models"][0]["conventions"].values())
    body = "\n".join([
        rf"\noindent\textbf{{Verdict: {data['verdict']}.}}", r"{\scriptsize", overview.latex(), costs.latex(), "}",
        r"\section{Conventions}", r"{\small\begin{itemize}", conventions, r"\end{itemize}}",
    ])  # fmt: skip
    return latex_document(data["title"], data["author"], body)
