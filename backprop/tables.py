"""One table in the forms that people ask for: text, Markdown, LaTeX, CSV; of HTML is `jacobians.markup`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import repeat, zip_longest

WIDTH = 80
"""How many letters a line of a text table has at most, unless one number is longer."""


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = (), width: int = WIDTH
) -> str:
    """Return an aligned text table; columns whose numbers are in `numeric` are aligned to the right.

    A table that is wider than `width` is continued below, the first column repeated; a text that is too long by
    itself goes on in the next line. Nothing is cut off, and a number stays in one line.

    Examples
    --------
    >>> print(text_table(["name", "n"], [["a", "10"], ["bc", "5"]], numeric=(1,)))
    name   n
    ────  ──
    a     10
    bc     5
    """
    table = [[*map(str, column)] for column in zip(header, *rows, strict=True)]
    widths = [max(map(len, column)) for column in table]
    first = 0 if 0 in numeric else min(widths[0], width // 3)
    most = [n if column in numeric else min(n, width - 2 - first) for column, n in enumerate(widths)]
    if len(widths) > 1 and 0 not in numeric:
        most[0] = first
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(header)):
        if sum(most[c] + 2 for c in blocks[-1]) + most[column] > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(column)

    # columns are padded as wholes: a table of thousands of rows takes a few operations of each letter
    pads = [str.rjust if column in numeric else str.ljust for column in range(len(header))]
    padded = [[*map(pad, column, repeat(n))] for pad, column, n in zip(pads, table, most, strict=True)]
    broken = [c for c in range(len(header)) if widths[c] > most[c]]

    def block(columns: Sequence[int]) -> str:
        # nothing is left blank at the ends of lines
        *before, last = columns
        ends = padded[last] if last in numeric else table[last]
        lines = [*map("  ".join, zip(*(padded[c] for c in before), ends, strict=True))]
        if "" in ends:
            lines = [*map(str.rstrip, lines)]
        for c in set(broken).intersection(columns):
            for place in [place for place, cell in enumerate(table[c]) if len(cell) > most[c]]:
                lines[place] = _broken(place, columns)
        lines.insert(1, "  ".join("─" * most[c] for c in columns))
        return "\n".join(lines)

    def _broken(place: int, columns: Sequence[int]) -> str:
        parts = [wrapped(table[c][place], most[c]) for c in columns]
        cells = zip_longest(*parts, fillvalue="")
        return "\n".join(
            "  ".join(pads[c](cell, most[c]) for c, cell in zip(columns, line, strict=True)).rstrip()
            for line in cells
        )

    return "\n\n".join(map(block, blocks))


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines, broken behind a blank or the dot of a product where there is one.

    Examples
    --------
    >>> wrapped("(A·B)·(C·D)", 8)
    ['(A·B)·', '(C·D)']
    """
    lines = []
    start = 0
    while len(text) - start > width:
        end = start + width
        place = max(text.rfind(" ", start, end), text.rfind("·", start, end)) + 1 or end
        lines.append(text[start:place].rstrip())
        start = place
    return [*lines, text[start:]]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    r"""Return a Markdown table; pipes and tags in cells are escaped.

    Examples
    --------
    >>> print(markdown_table(["a|b", "n"], [["x", "1"]], numeric=(1,)))
    | a\|b | n |
    |:---|---:|
    | x | 1 |
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(_markdown, cells)) + " |"

    marks = "|" + "|".join("---:" if column in numeric else ":---" for column in range(len(header))) + "|"
    return "\n".join([line(header), marks, *map(line, rows)])


def _markdown(cell: str) -> str:
    text = re.sub(r"(\\*)\|", lambda found: 2 * found[1] + "\\|", str(cell))
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)


def latex_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = (), caption: str = ""
) -> str:
    r"""Return a table of LaTeX with the rules of the package booktabs; in a float where there is a caption.

    A cell between dollar signs is mathematics, and stays as it is; in other cells LaTeX's own letters are escaped, and
    the signs of bracketings and structures become mathematics.

    Examples
    --------
    >>> print(latex_table(["name", "n"], [["A·B", "1,000"]], numeric=(1,)))
    \begin{tabular}{lr}
    \toprule
    name & n \\
    \midrule
    A$\cdot$B & 1,000 \\
    \bottomrule
    \end{tabular}
    """

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(_latex, cells)) + r" \\"

    columns = "".join("r" if column in numeric else "l" for column in range(len(header)))
    table = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(header), r"\midrule", *map(line, rows),
             r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    if caption:
        table = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}", *table, r"\end{table}"]
    return "\n".join(table)


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{letter: "\\" + letter for letter in "&%$#_{}"},
    "·": r"$\cdot$", "×": r"$\times$", "⊗": r"$\otimes$", "⊕": r"$\oplus$", "∂": r"$\partial$", "∞": r"$\infty$",
    "′": "$'$", "ᵀ": r"$^{\mathsf T}$", "–": "--", "…": r"\dots{}", "≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$",
    "−": "$-$",
    **{sign: f"$_{digit}$" for digit, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")},
}  # fmt: skip

_SPECIAL = re.compile(f"[{re.escape(''.join(_LATEX))}]")


def _latex(cell: str) -> str:
    text = str(cell)
    if len(text) > 1 and text[0] == text[-1] == "$":
        return text
    return _SPECIAL.sub(lambda found: _LATEX[found[0]], text)


def csv_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    r"""Return a CSV table with a header line; a text that a spreadsheet would compute begins with an apostrophe.

    Examples
    --------
    >>> csv_table(["a", "b"], [[1, "x,y"]])
    'a,b\n1,"x,y"\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_no_formula(cell) for cell in row] for row in rows])
    return text.getvalue()


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
