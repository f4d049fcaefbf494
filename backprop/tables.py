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

    pads = [str.rjust if column in numeric else str.ljust for column in range(len(header))]
    # columns are padded as wholes: a table of thousands of rows takes a few operations of each letter
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


class Tex(str):
    """A cell that is LaTeX already, or Markdown with mathematics; any other is escaped, also between dollars."""

    __slots__ = ()


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
        return "| " + " | ".join(map(markdown_text, cells)) + " |"

    marks = "|" + "|".join("---:" if column in numeric else ":---" for column in range(len(header))) + "|"
    return "\n".join([line(header), marks, *map(line, rows)])


_MARKDOWN = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[|`*$]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|~(?=\S)|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])"
)
"""What Markdown and mathematics in it would read: code, emphasis, tags, entities, links; no _ within a name."""

_PIPES_AND_TAGS = re.compile(r"\||<(?=[A-Za-z/!?])")


def markdown_text(cell: str) -> str:
    r"""Return text for a cell or a line of Markdown; a :class:`Tex` keeps its mathematics.

    Examples
    --------
    >>> print(markdown_text("out_shape, _init_, [a](b), x|y, $n$, [0, 1]"))
    out_shape, \_init\_, [a]\(b), x\|y, \$n\$, [0, 1]
    """
    read = _PIPES_AND_TAGS if isinstance(cell, Tex) else _MARKDOWN
    return read.sub(r"\\\g<0>", str(cell))


def latex_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int] = (),
    caption: str = "",
    *,
    long: bool = False,
) -> str:
    r"""Return a table of LaTeX with the rules of the package booktabs; in a float where there is a caption.

    LaTeX's own letters are escaped, and the signs of bracketings and structures become mathematics; a cell that is
    :class:`Tex` stays as it is. A long one is a longtable, which goes on on the next page.

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
        return " & ".join(cell if isinstance(cell, Tex) else latex_text(cell) for cell in cells) + r" \\"

    def column(place: int) -> str:
        widest = max((len(row[place]) for row in rows), default=0)
        prose = rf">{{\raggedright\arraybackslash}}p{{{_PROSE}\linewidth}}"
        return "r" if place in numeric else prose if long and widest > _LONGEST else "l"

    columns = "".join(map(column, range(len(header))))
    if long:
        above = [rf"\caption{{{latex_text(caption)}}} \\"] if caption else []
        head = [r"\toprule", line(header), r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
        return "\n".join(
            [rf"\begin{{longtable}}{{{columns}}}", *above, *head, *map(line, rows), r"\end{longtable}"]
        )
    table = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(header), r"\midrule", *map(line, rows),
             r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    if caption:
        table = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(caption)}}}",
            *table,
            r"\end{table}",
        ]
    return "\n".join(table)


_LONGEST, _PROSE = 34, 0.28
"""Letters of a cell of a long table from which on its column is wrapped, and the share of the line that it then has."""

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{letter: "\\" + letter for letter in "&%$#_{}"},
    "<": "$<$", ">": "$>$", "|": "$|$", '"': r"\textquotedbl{}",
    "·": r"$\cdot$", "×": r"$\times$", "⊗": r"$\otimes$", "⊕": r"$\oplus$", "∂": r"$\partial$", "∞": r"$\infty$",
    "′": "$'$", "ᵀ": r"$^{\mathsf T}$", "–": "--", "…": r"\dots{}", "≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$",
    "−": "$-$", "µ": r"$\mu$", "±": r"$\pm$", "≠": r"$\ne$", "≈": r"$\approx$", "∇": r"$\nabla$", "√": r"$\surd$",
    "∘": r"$\circ$", "⊙": r"$\odot$", "²": "$^2$", "³": "$^3$", "⁻": "$^-$", "¹": "$^1$", "—": "---", "’": "'",
    **{sign: f"$_{digit}$" for digit, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{letter: f"$\\{name}$" for letter, name in zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", (
        "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "pi", "rho", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
        "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"), strict=True)},
}  # fmt: skip

_NOT_PLAIN = re.compile(f"[{re.escape(''.join(filter(str.isascii, _LATEX)))}]|[^ -~\u00c0-\u017f]")


def latex_text(text: object) -> str:
    r"""Return plain text for LaTeX: its own letters escaped, signs as mathematics, letters it has not by number.

    Examples
    --------
    >>> print(latex_text("50 % of ∂a/∂b 字"))
    50 \% of $\partial$a/$\partial$b [U+5B57]
    """
    return _NOT_PLAIN.sub(lambda found: _LATEX.get(found[0]) or f"[U+{ord(found[0]):04X}]", str(text))


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
