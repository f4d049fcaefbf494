"""One table in the forms that people ask for: text, Markdown, LaTeX, CSV; of HTML is `jacobians.markup`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

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
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    first = 0 if 0 in numeric else min(widths[0], width // 3)
    most = [n if column in numeric else min(n, width - 2 - first) for column, n in enumerate(widths)]
    if len(widths) > 1 and 0 not in numeric:
        most[0] = first
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(header)):
        if sum(most[c] + 2 for c in blocks[-1]) + most[column] > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(column)

    def lines(cells: Sequence[str], columns: Sequence[int]) -> list[str]:
        parts = [[cells[c]] if c in numeric else wrapped(str(cells[c]), most[c]) for c in columns]
        height = max(map(len, parts))
        padded = [
            [
                text.rjust(most[c]) if c in numeric else text.ljust(most[c])
                for text in part + [""] * (height - len(part))
            ]
            for c, part in zip(columns, parts, strict=True)
        ]
        return ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]

    def block(columns: Sequence[int]) -> str:
        ruled = [*lines(header, columns), "  ".join("─" * most[c] for c in columns)]
        return "\n".join(ruled + [line for row in rows for line in lines(row, columns)])

    return "\n\n".join(map(block, blocks))


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines, broken behind a blank or the dot of a product where there is one.

    Examples
    --------
    >>> wrapped("(A·B)·(C·D)", 8)
    ['(A·B)·', '(C·D)']
    """
    lines = []
    while len(text) > width:
        place = max(text.rfind(" ", 0, width), text.rfind("·", 0, width)) + 1
        place = place or width
        lines.append(text[:place].rstrip())
        text = text[place:]
    return [*lines, text]


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


def _latex(cell: str) -> str:
    text = str(cell)
    if len(text) > 1 and text[0] == text[-1] == "$":
        return text
    return "".join(_LATEX.get(letter, letter) for letter in text)


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
