"""Pages of one file: their style, tables that a click sorts, and what paper needs."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files

SORTING = """
for (const table of document.querySelectorAll("table.sortable")) {
  if (!table.tHead) continue;
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, place) => {
    const button = document.createElement("span"); // printed tables repeat text on each page, and no buttons
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
    });
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = row => row.cells[place].textContent.trim();
      const number = row => {
        const own = parseFloat(row.cells[place].dataset.key ?? text(row).replaceAll(",", ""));
        return Number.isNaN(own) ? Infinity : own;
      };
      const numeric = !head.classList.contains("text");
      const order = (a, b) => {
        const [m, n] = [number(a), number(b)];
        return numeric ? (m === n ? 0 : m < n ? -1 : 1) : text(a).localeCompare(text(b), "en", {numeric: true});
      };
      const rows = [...body.rows].sort((a, b) => down ? order(b, a) : order(a, b));
      rows.forEach(row => row.cells[0].classList.remove("again"));
      body.append(...rows);
    });
  });
}
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach(part => part.open = true);
});
addEventListener("afterprint", () => closed.forEach(part => part.open = false));
"""
"""Makes the heads of tables buttons that sort, and opens what is closed for as long as the page is printed."""


@cache
def stylesheet() -> str:
    """Return the style of all pages."""
    return (files("verification") / "page.css").read_text(encoding="utf-8")


def web_page(title: str, body: str, *, script: bool = True) -> str:
    """Return a page of one file; `body` is HTML already, and without `script` the page runs no code.

    Examples
    --------
    >>> web_page("a < b", "<p>text</p>").count("a &lt; b")
    1
    """
    code = f"<script>{SORTING}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{stylesheet()}</style>\n</head>\n'
        f"<body>\n{body}\n{code}</body>\n</html>\n"
    )
