"""Pages of one file: the style of the report, tables that a click sorts, and what paper needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files

SORTING = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[place].textContent.trim();
    const value = row => parseFloat(key(row).replaceAll(",", ""));
    const numeric = !head.classList.contains("text");
    const rows = [...body.rows].sort((a, b) =>
      numeric ? value(a) - value(b) : key(a).localeCompare(key(b)));
    body.append(...(down ? rows.reverse() : rows));
  }));
}
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach(part => part.open = true);
});
addEventListener("afterprint", () => closed.forEach(part => part.open = false));
"""
"""Sorts tables, and opens what is closed for as long as the page is printed."""


@cache
def stylesheet() -> str:
    """Return the style of all pages."""
    return (files("backprop.report") / "templates" / "report.css").read_text(encoding="utf-8")


def web_page(title: str, body: str) -> str:
    """Return a page of one file; `body` is HTML already.

    Examples
    --------
    >>> web_page("a < b", "<p>text</p>").count("a &lt; b")
    1
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{stylesheet()}</style>\n</head>\n'
        f"<body>\n{body}\n<script>{SORTING}</script>\n</body>\n</html>\n"
    )


def data_table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()
) -> str:
    """Return a table of a page, all text escaped: it scrolls by itself, and each head is a button that sorts.

    Examples
    --------
    >>> data_table("costs", ["n"], [["<1"]]).count("&lt;1")
    1
    """

    def cells(row: Sequence[str]) -> str:
        parts = [
            f"<td>{escape(cell)}</td>" if place in numeric else f'<td class="text">{escape(cell)}</td>'
            for place, cell in enumerate(row)
        ]
        return f"<tr>{''.join(parts)}</tr>"

    heads = "".join(
        f'<th scope="col"{"" if place in numeric else chr(32) + "class=" + chr(34) + "text" + chr(34)}>'
        f'<button type="button">{escape(title)}</button></th>'
        for place, title in enumerate(header)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="sortable">'
        f'<caption><span class="stays">{escape(caption)}</span></caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(cells, rows))}</tbody></table></div>"
    )
