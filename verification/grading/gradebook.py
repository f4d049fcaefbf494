"""What staff need after the marking: a gradebook, feedback for each student, and what the class got wrong."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from jacobians.markup import Html, escaped, html_table
from jacobians.numerics.arguments import checked_option, checked_path
from verification.grading.outputs import checked_results, to_table, write_text
from verification.grading.results import SubmissionResult
from verification.grading.roster import Student, checked_roster
from verification.web_page import web_page

Layout = Literal["plain", "canvas", "moodle", "gradescope"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_HEADS: dict[Layout, tuple[str, ...]] = {
    "plain": ("id", "submission"),
    "canvas": ("Student", "ID", "SIS User ID", "SIS Login ID", "Section"),
    "moodle": ("ID number", "Email address"),
    "gradescope": ("Name", "SID", "Email"),
}
_IDS = {"plain": "id", "canvas": "SIS User ID", "moodle": "ID number", "gradescope": "SID"}


def to_gradebook(
    results: Sequence[SubmissionResult], roster: Sequence[Student] = (), layout: Layout = "plain"
) -> str:
    """Return a gradebook as CSV: a line for each student of the roster, also for those who handed in nothing.

    Parameters
    ----------
    results : sequence of SubmissionResult
        What :func:`~verification.grading.marking.grade` returned.
    roster : sequence of Student, optional
        Ids, and the columns that the system wants back: a column of the same name is copied.
    layout : {"plain", "canvas", "moodle", "gradescope"}
        Whose columns.

    Raises
    ------
    ValueError
        If the layout is another one, or needs a roster and there is none.

    Examples
    --------
    >>> from verification.grading import ItemResult
    >>> item = ItemResult("f", "point 1", 1.0, 2.0, "wrong", "wrong", "wrong", "", "visible")
    >>> print(to_gradebook([SubmissionResult("ann.py", "Signs", (item,), student="7")]), end="")
    id,submission,Signs,out of,"f, point 1"
    7,ann.py,1,2,1
    """
    results, roster = checked_results(results), checked_roster(roster)
    checked_option(layout, "layout", LAYOUTS)
    if layout != "plain" and not roster:
        raise ValueError(
            f"layout: found {layout!r} without a roster, expected one: its columns go back to {layout}"
        )
    title = results[0].title if results else "marks"
    items = [f"{item.function}, {item.point}" for item in results[0].items] if results else []
    more = {
        "plain": [title, "out of", *items],
        "canvas": [title],
        "moodle": [title, "Feedback comments"],
        "gradescope": ["Total Score", "Max Points", "Status"],
    }[layout]
    rows = []
    for student in roster:  # a line for each submission of a student's, so that none gets lost
        own: list[SubmissionResult | None] = [result for result in results if result.student == student.id]
        rows += [_row(layout, student, result) for result in own or [None]]
    known = {student.id for student in roster}
    rows += [_row(layout, None, result) for result in results if result.student not in known]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_HEADS[layout], *more])
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return stream.getvalue()


def _row(layout: Layout, student: Student | None, result: SubmissionResult | None) -> list[Any]:
    # a result is not true because it exists
    name = "" if result is None else result.name
    own = student.id if student is not None else "" if result is None else result.student
    columns = {} if student is None else dict(student.columns)
    columns |= {"id": own, "submission": name, _IDS[layout]: columns.get(_IDS[layout]) or own}
    if layout == "canvas":
        columns.setdefault("Student", columns.get("name", name or own))
    head = [columns.get(column, columns.get(column.lower(), "")) for column in _HEADS[layout]]
    if result is None:
        return [*head, *({"gradescope": ["", "", "Missing"]}.get(layout) or [""])]
    marks = f"{result.marks:g}"
    tail: dict[str, list[Any]] = {
        "plain": [marks, f"{result.most:g}", *(f"{item.marks:g}" for item in result.items)],
        "canvas": [marks],
        "moodle": [marks, feedback_of(result)],
        "gradescope": [marks, f"{result.most:g}", "Graded"],
    }
    return [*head, *tail[layout]]


def _harmless(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: what students chose is in some of them."""
    text = str(cell)
    number = re.fullmatch(r"-?\d+(\.\d+)?", text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not number else cell


# --- a student's own ---------------------------------------------------------------------------------------


def feedback_of(result: SubmissionResult) -> str:
    """Return what one student is told: marks and remarks, point by point, of what is not hidden."""
    table = to_table([result], items=True).rpartition("\n\n")[0]
    return f"{result.title}\n\n{table}\n"


def write_feedback(results: Sequence[SubmissionResult], directory: str | Path) -> list[Path]:
    """Write a text file for each student, named by the id, or else by the submission.

    Raises
    ------
    ValueError
        If the directory can't be made.
    """
    results, directory = checked_results(results), checked_path(directory, "directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"feedback: {directory} can't be made: {error.strerror}") from None
    names: Counter[str] = Counter()
    paths = []
    for result in results:
        name = re.sub(r"[^\w.-]+", "_", result.student or result.name).strip("._")[:100] or "submission"
        names[name] += 1
        path = directory / (f"{name}.txt" if names[name] == 1 else f"{name}-{names[name]}.txt")
        write_text(path, feedback_of(result))
        paths.append(path)
    return paths


# --- the class ---------------------------------------------------------------------------------------------


def to_statistics(results: Sequence[SubmissionResult]) -> dict[str, Any]:
    """Return what the class got right and wrong, with the commonest mistakes, as plain data for staff.

    Examples
    --------
    >>> from verification.grading import ItemResult
    >>> items = [
    ...     ItemResult("f", "p", 0.0, 2.0, "wrong", "wrong", "", "by 2", "visible", "the sign is wrong"),
    ...     ItemResult("f", "p", 2.0, 2.0, "right", "right", "", "", "visible"),
    ... ]
    >>> data = to_statistics([SubmissionResult(str(k), "Signs", (item,)) for k, item in enumerate(items)])
    >>> data["mean"], data["points"][0]["mistakes"]
    (1.0, [{'mistake': 'the sign is wrong', 'count': 1}])
    """
    results = checked_results(results)
    marks = sorted(result.marks for result in results)
    points = []
    for number, item in enumerate(results[0].items if results else ()):
        column = [result.items[number] for result in results]
        mistakes = Counter(other.mistake or other.code for other in column if not other.passed)
        points.append(
            {
                "function": item.function,
                "point": item.point,
                "most": item.most,
                "mean": round(sum(other.marks for other in column) / len(column), 6),
                **{
                    verdict.replace(" ", "_"): sum(other.verdict == verdict for other in column)
                    for verdict in ("right", "wrong", "no answer")
                },
                "mistakes": [
                    {"mistake": mistake, "count": count} for mistake, count in mistakes.most_common(5)
                ],
            }
        )
    count = len(marks)
    return {
        "schema": "explicit-jacobians/statistics",
        "schema_version": 1,
        "assignment": results[0].title if results else "",
        "submissions": count,
        "most": results[0].most if results else 0.0,
        "full_marks": sum(result.passed for result in results),
        "mean": round(sum(marks) / count, 6) if count else 0.0,
        "quartiles": [marks[min(count - 1, count * k // 4)] for k in range(5)] if count else [],
        "points": points,
    }


def to_statistics_page(results: Sequence[SubmissionResult]) -> str:
    """Return the same as a page of HTML that needs no other file; all text in it is escaped."""
    data = to_statistics(results)
    rows = [
        [
            f"{point['function']}, {point['point']}",
            *(f"{point[name]:g}" for name in ("mean", "most", "right", "wrong", "no_answer")),
            Html("<br>".join(escaped(f"{own['count']} × {own['mistake']}") for own in point["mistakes"])),
        ]
        for point in data["points"]
    ]
    header = ["point", "mean", "out of", "right", "wrong", "no answer", "commonest mistakes"]
    quartiles = ", ".join(f"{value:g}" for value in data["quartiles"])
    title = f"{data['assignment']}: statistics"
    return web_page(
        title,
        f"<header><h1>{escaped(title)}</h1>\n"
        f"<p>{data['submissions']} submissions, {data['full_marks']} with full marks; mean {data['mean']:g} of "
        f"{data['most']:g}; least, quartiles, most: {quartiles}.</p></header>\n<main>"
        f"{html_table(header, rows, range(1, 6), caption='Every point of the assignment.', page=True)}</main>",
        script=False,
    )


def write_statistics(results: Sequence[SubmissionResult], path: Path) -> None:
    """Write the page, or, where the name ends in ``.json``, the data."""
    is_data = path.suffix == ".json"
    write_text(
        path,
        json.dumps(to_statistics(results), indent=2, ensure_ascii=False)
        if is_data
        else to_statistics_page(results),
    )
