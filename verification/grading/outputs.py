"""Results as a table, JSON, JUnit XML, and the results.json of Gradescope."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jacobians.numerics.arguments import checked_flag, checked_instance, checked_list
from verification.grading.results import ItemResult, SubmissionResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_table(results: Sequence[SubmissionResult], *, items: bool = False) -> str:
    """Return a table with a line for each submission, of what students may be told.

    Parameters
    ----------
    results : sequence of SubmissionResult
        What :func:`~verification.grading.marking.grade` returned.
    items : bool
        A line for each item in place of the first remark.

    Examples
    --------
    >>> item = ItemResult("f", "point 1", 0.0, 2.0, "wrong", "wrong", "wrong: the sign is wrong", "", "visible")
    >>> print(to_table([SubmissionResult("ann.py", "Signs", (item,))]))
    submission  marks  remark
    ann.py      0/2    f, point 1: wrong: the sign is wrong
    <BLANKLINE>
    Signs: 1 submission, 0 with full marks
    """
    results, items, rows = checked_results(results), checked_flag(items, "items"), []
    for result in results:
        rows.append([result.name, f"{result.marks:g}/{result.most:g}", "" if items else _remark(result)])
        if items:
            rows += [
                [
                    f"  {item.function}, {point_name(result, item)}",
                    f"  {item.marks:g}/{item.most:g}",
                    told(item),
                ]
                for item in result.items
            ]
            rows += [["", "", remark] for remark in result.remarks]
    head = ["submission", "marks", "remark"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(2)]
    lines = [f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}".rstrip() for row in [head, *rows]]
    full = sum(result.passed for result in results)
    title = results[0].title if results else "nothing"
    count = f"{len(results)} submission{'s' * (len(results) != 1)}"
    return "\n".join([*lines, "", f"{title}: {count}, {full} with full marks"])


def to_json(results: Sequence[SubmissionResult]) -> str:
    """Return all results as JSON, for staff: with what students are not told."""
    results = checked_results(results)
    data = {
        "schema": "explicit-jacobians/grades",
        "schema_version": 1,
        "assignment": results[0].title if results else "",
        "passed": all(result.passed for result in results),
        "submissions": [result.to_dict() for result in results],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def to_junit(results: Sequence[SubmissionResult]) -> str:
    """Return JUnit XML: a suite for each submission, a case for each item; of what students may be told.

    Examples
    --------
    >>> item = ItemResult("f", "point 1", 1.0, 1.0, "right", "right", "right", "", "visible")
    >>> print(to_junit([SubmissionResult("ann.py", "Signs", (item,))]))
    <?xml version="1.0" encoding="utf-8"?>
    <testsuites name="Signs" tests="1" failures="0" errors="0">
      <testsuite name="ann.py" tests="1" failures="0" errors="0" time="0.000">
        <testcase classname="ann.py.f" name="point 1" />
      </testsuite>
    </testsuites>
    """
    results = checked_results(results)
    counts = {"tests": 0, "failures": 0, "errors": 0}
    root = ElementTree.Element("testsuites", name=results[0].title if results else "")
    for result in results:
        failures = sum(item.verdict == "wrong" for item in result.items)
        errors = sum(item.verdict == "no answer" for item in result.items)
        own = {"tests": len(result.items), "failures": failures, "errors": errors}
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "name": result.name,
                **{name: str(value) for name, value in own.items()},
                "time": f"{result.seconds:.3f}",
            },
        )
        for item in result.items:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{result.name}.{item.function}", name=point_name(result, item)
            )
            if not item.passed:
                kind = "failure" if item.verdict == "wrong" else "error"
                problem = ElementTree.SubElement(case, kind, type=item.verdict, message=told(item))
                problem.text = f"{item.marks:g} of {item.most:g} marks"
        counts = {name: counts[name] + own[name] for name in counts}
    for name, value in counts.items():
        root.set(name, str(value))
    for element in root.iter():
        # XML has no way to write most control characters
        element.attrib.update({name: _NOT_XML.sub("�", value) for name, value in element.attrib.items()})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def to_gradescope(result: SubmissionResult) -> dict[str, Any]:
    """Return what Gradescope expects as ``results.json``; it hides by itself what is not visible.

    Parameters
    ----------
    result : SubmissionResult
        Of the one submission that Gradescope's container holds.

    Examples
    --------
    >>> item = ItemResult("f", "point 1", 0.0, 2.0, "wrong", "wrong", "wrong: the sign is wrong", "", "hidden")
    >>> to_gradescope(SubmissionResult("ann.py", "Signs", (item,)))["tests"][0]["visibility"]
    'hidden'
    """
    checked_instance(result, "result", SubmissionResult)
    return {
        "score": result.marks,
        "execution_time": round(result.seconds, 3),
        "output": "\n".join([result.title, *result.remarks]),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": f"{item.function}, {item.point}",
                "score": item.marks,
                "max_score": item.most,
                "status": "passed" if item.passed else "failed",
                "output": item.feedback,
                "output_format": "text",
                "visibility": item.visibility,
            }
            for item in result.items
        ],
    }


def checked_results(results: Any) -> list[SubmissionResult]:
    """Return what was marked, or refuse what is none."""
    found = checked_list(results, "results", "a list of SubmissionResult")
    return [
        checked_instance(result, f"results[{place}]", SubmissionResult) for place, result in enumerate(found)
    ]


def told(item: ItemResult) -> str:
    """Return the feedback of an item, nothing for one that students don't see."""
    return item.feedback if item.visibility == "visible" else ""


def point_name(result: SubmissionResult, item: ItemResult) -> str:
    """Return the name of an item's point; one that students don't see has a number only."""
    if item.visibility == "visible":
        return item.point
    unseen = [other for other in result.items if other.visibility != "visible"]
    return f"hidden {1 + next(k for k, other in enumerate(unseen) if other is item)}"


def _remark(result: SubmissionResult) -> str:
    for item in result.items:
        if not item.passed and told(item):
            return "; ".join([f"{item.function}, {item.point}: {item.feedback}", *result.remarks[:1]])
    return next(
        (f"{item.function}, {point_name(result, item)}" for item in result.items if not item.passed), ""
    )


# --- files -----------------------------------------------------------------------------------------------


def require_writable(path: Path, option: str, read: Iterable[Path] = ()) -> None:
    """Raise unless a file can be written there: asked before the work begins.

    Parameters
    ----------
    path : Path
        The file.
    option : str
        What named it, for the error.
    read : iterable of Path
        What the command reads.

    Raises
    ------
    ValueError
        If its directory is missing or can't be written to, or the path is a directory or one of `read`.
    """
    if path.is_dir():
        raise ValueError(f"{option}: found the directory {path}, expected the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option}: found no directory {path.parent}, expected one; make it first")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{option}: {path.parent} can't be written to, expected a directory of yours")
    if path.exists() and any(other.exists() and other.samefile(path) for other in read):
        raise ValueError(f"{option}: found {path}, which is read here, expected another name")


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it, so that a reader sees the old one or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text if text.endswith("\n") else text + "\n")
            if hasattr(os, "fchmod"):  # not on Windows
                os.fchmod(stream.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
