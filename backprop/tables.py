"""One table in the forms that people ask for: text, Markdown, CSV, HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return an aligned text table; columns whose numbers are in `numeric` are aligned to the right.

    Examples
    --------
    >>> print(text_table(["name", "n"], [["a", "10"], ["bc", "5"]], numeric=(1,)))
    name   n
    ────  ──
    a     10
    bc     5
    """
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), "  ".join("─" * width for width in widths), *map(line, rows)])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    r"""Return a Markdown table; pipes in cells are escaped.

    Examples
    --------
    >>> print(markdown_table(["a|b", "n"], [["x", "1"]], numeric=(1,)))
    | a\|b | n |
    |:---|---:|
    | x | 1 |
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    marks = "|" + "|".join("---:" if column in numeric else ":---" for column in range(len(header))) + "|"
    return "\n".join([line(header), marks, *map(line, rows)])


def csv_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    r"""Return a CSV table with a header line.

    Examples
    --------
    >>> csv_table(["a", "b"], [[1, "x,y"]])
    'a,b\n1,"x,y"\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return an HTML table, all text escaped.

    Examples
    --------
    >>> html_table(["n"], [["<1"]])
    '<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>&lt;1</td></tr></tbody></table>'
    """

    def line(cells: Sequence[str], tag: str) -> str:
        made = []
        for column, cell in enumerate(cells):
            style = ' style="text-align:right"' if column in numeric else ""
            made.append(f"<{tag}{style}>{html.escape(str(cell))}</{tag}>")
        return "<tr>" + "".join(made) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"
