"""The verdicts of the formulas as a table for the terminal and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from backprop.notes.formula import Finding, Result
from backprop.tables import Tex, markdown_table, markdown_text, text_table

SECTIONS = {
    "A": "Jacobian conventions",
    "B": "the chain rule, and what a bracketing costs",
    "C": "a 2-3-4-1 network, vectorised",
    "D": "blocks, layers of one's own, derivatives by the input",
    "E": "the δ recursion",
}


def verdict(result: Result) -> str:
    """Return "right", or what is wrong with the row, in a few words."""
    if result.passed:
        return "right"
    wrong = [finding.name for finding in result.witnesses if not finding.agrees]
    if wrong:
        return f"WRONG: {', '.join(wrong)}"
    return "WRONG: the printed formula passes"


def slip_sentence(result: Result) -> str:
    """Return what is wrong with the printed formula and how it fails; empty where there is no slip."""
    if result.formula.slip is None or result.slip is None:
        return ""
    return f"{result.formula.slip.what}: {how_far(result.slip)}"


def how_far(finding: Finding) -> str:
    """Return by how much a value is off.

    Examples
    --------
    >>> how_far(Finding("printed", False, 0.5))
    'off by 50 % of the largest entry'
    >>> how_far(Finding("printed", False, float("inf"), "shape (2,) against (2, 3)"))
    'shape (2,) against (2, 3)'
    """
    if finding.remark:
        return finding.remark
    if finding.agrees:
        return "it agrees"
    percent = 100 * finding.difference
    return (
        f"off by {percent:.0f} % of the largest entry"
        if percent >= 10
        else f"off by {percent:.2g} % of the largest entry"
    )


def text_page(results: Sequence[Result]) -> str:
    """Return the table for the terminal, the slips below it, and one line that sums up.

    Examples
    --------
    >>> from backprop.notes import verify
    >>> text_page(verify(["B12"])).splitlines()[-1]
    '1 of 1 formulas right, each by 2 witnesses or more; printed slips shown failing: 1'
    """
    rows = [
        [
            result.formula.id,
            verdict(result),
            result.formula.title,
            result.formula.shapes,
            result.formula.layout,
            ", ".join(finding.name for finding in result.witnesses),
        ]
        for result in results
    ]
    # the witnesses last: a narrow terminal breaks the end of a line
    lines = [text_table(["id", "verdict", "what", "shapes", "layout", "witnesses"], rows)]
    slips = [
        f"  {result.formula.id}  {slip_sentence(result)}; the right one {'passes' if result.passed else 'FAILS'}"
        for result in results
        if result.slip is not None
    ]
    if slips:
        lines += ["", "Printed formulas that are wrong:", *slips]
    problems = [
        f"  {result.formula.id}  {finding.name}: {how_far(finding)}"
        for result in results
        for finding in result.witnesses
        if not finding.agrees
    ]
    if problems:
        lines += ["", "Witnesses that disagree:", *problems]
    passed = sum(result.passed for result in results)
    failing = sum(result.slip is not None and not result.slip.agrees for result in results)
    least = min(len(result.witnesses) for result in results)
    count = f"{passed} of {len(results)} formulas right"
    return "\n".join(
        [*lines, "", f"{count}, each by {least} witnesses or more; printed slips shown failing: {failing}"]
    )


def markdown_page(results: Sequence[Result]) -> str:
    """Return the page of the documentation, a section a set of notes."""
    lines = [
        "# Every formula of the notes",
        "",
        "Made by `backprop notes --markdown`. Each row is a value that the toolkit gives through its public interface,",
        "compared with independent witnesses; a printed formula that is wrong is evaluated, too, and has to fail.",
        "i counts outputs, j inputs; numerator layout unless a row says otherwise.",
    ]
    for letter, title in SECTIONS.items():
        own = [result for result in results if result.formula.id.startswith(letter)]
        if not own:
            continue
        rows = [
            [
                result.formula.id,
                Tex(f"{markdown_text(result.formula.title)}: ${result.formula.latex}$"),
                result.formula.shapes,
                result.formula.layout,
                ", ".join(finding.name for finding in result.witnesses),
                verdict(result),
            ]
            for result in own
        ]
        header = ["id", "formula", "shapes", "layout", "witnesses", "verdict"]
        lines += ["", f"## {letter}. {title[0].upper()}{title[1:]}", "", markdown_table(header, rows)]
        slips = [
            f"- **{result.formula.id}**, printed ${result.formula.slip.printed}$: {slip_sentence(result)}."
            for result in own
            if result.formula.slip is not None
        ]
        if slips:
            lines += ["", "Slips of the print:", "", *slips]
    return "\n".join(lines) + "\n"
