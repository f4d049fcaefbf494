"""The result of a submission: marks and feedback, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jacobians.equality import ByValue
from verification.grading.outcome import Outcome, Verdict
from verification.grading.points import Point, Reveal
from verification.grading.tasks import Output, Task


@dataclass(frozen=True, eq=False)
class ItemResult(ByValue):
    """What a submission got for one point of one function, or for one of the arrays that it returns there.

    Attributes
    ----------
    function, point : str
        Their names.
    marks, most : float
        What it got, and what it could have got.
    verdict : {"right", "wrong", "no answer"}
        "right" only if every place is right.
    code : str
        Of the first place that is not right: see :class:`~verification.grading.comparison.Outcome`.
    feedback : str
        What the student may be told.
    detail : str
        All that is known, for staff.
    visibility : str
        "visible", or when the student sees it.
    mistake : str
        What the diagnosis names, "" for none: see :class:`~verification.grading.comparison.Outcome`.
    """

    function: str
    point: str
    marks: float
    most: float
    verdict: Verdict
    code: str
    feedback: str
    detail: str
    visibility: str
    mistake: str = ""

    @property
    def passed(self) -> bool:
        """True if the submission is right at every place."""
        return self.verdict == "right"

    def __bool__(self) -> bool:
        """Return :attr:`passed`."""
        return self.passed


def item_result(
    task: Task, point: Point, output: Output, outcomes: Sequence[Outcome], reveal: Reveal
) -> ItemResult:
    """Return the result for one array that a function returns, with its outcomes at all places of a point."""
    most = round(point.marks * output.share, 6)
    right = [outcome for outcome in outcomes if outcome.verdict == "right"]
    half = sum(outcome.mistake in task.half_marks_for for outcome in outcomes)
    share = (len(right) + half / 2) / len(outcomes)
    if len(right) < len(outcomes) and not point.partial:
        share = 0.5 if len(right) + half == len(outcomes) else 0.0
    # the first that is not right is told; a remark on a right one otherwise
    worst = next((outcome for outcome in outcomes if outcome.verdict != "right"), outcomes[0])
    feedback, detail = worst.feedback(reveal), worst.detail
    if len(outcomes) > 1 and len(right) < len(outcomes):
        count = f"{len(right)} of {len(outcomes)} places right"
        feedback = f"{count}; {feedback}" if feedback else ""
        detail = f"{count}; {detail}"
    return ItemResult(
        task.name,
        f"{point.name}, {output.name}" if output.name else point.name,
        round(most * share, 6),
        most,
        worst.verdict,
        worst.code,
        feedback,
        detail,
        point.visibility,
        worst.mistake,
    )


@dataclass(frozen=True, eq=False)
class SubmissionResult(ByValue):
    """What one submission got.

    Attributes
    ----------
    name : str
        The name of the file, with as much of its path as tells it from the others.
    title : str
        Of the assignment.
    items : tuple of ItemResult
        In the order of the assignment.
    seconds : float
        That its processes took.
    output : str
        The beginning of what it printed.
    left_behind : int
        Processes that it left behind, and that were killed.
    endings : tuple of str
        How each of its processes ended.
    remarks : tuple of str
        What there is to say of the whole: the cells of a notebook that raised, and were left there.
    student : str
        The id from the roster, "" without one.
    seed : int or None
        That the student's own points come from.
    """

    name: str
    title: str
    items: tuple[ItemResult, ...]
    seconds: float = 0.0
    output: str = ""
    left_behind: int = 0
    endings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    student: str = ""
    seed: int | None = None

    @property
    def marks(self) -> float:
        """What it got."""
        return round(sum(item.marks for item in self.items), 6)

    @property
    def most(self) -> float:
        """What it could have got."""
        return round(sum(item.most for item in self.items), 6)

    @property
    def passed(self) -> bool:
        """True if every item is right."""
        return all(item.passed for item in self.items)

    def __bool__(self) -> bool:
        """Return :attr:`passed`."""
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for staff, with what students are not told."""
        return {
            "submission": self.name,
            "assignment": self.title,
            "student": self.student,
            "seed": self.seed,
            "marks": self.marks,
            "most": self.most,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "left_behind": self.left_behind,
            "endings": list(self.endings),
            "output": self.output,
            "remarks": list(self.remarks),
            "items": [
                {
                    "function": item.function,
                    "point": item.point,
                    "marks": item.marks,
                    "most": item.most,
                    "verdict": item.verdict,
                    "code": item.code,
                    "mistake": item.mistake,
                    "visibility": item.visibility,
                    "feedback": item.feedback,
                    "detail": item.detail,
                }
                for item in self.items
            ],
        }


def labels(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file: as many of the last parts of its path as tell it from the others.

    Raises
    ------
    ValueError
        If a file comes twice.

    Examples
    --------
    >>> labels([Path("ann/hw1.py"), Path("bob/hw1.py"), Path("bob/hw2.py")])
    ['ann/hw1.py', 'bob/hw1.py', 'hw2.py']
    """
    absolute = [path.absolute() for path in paths]
    for number, path in enumerate(absolute):
        if path in absolute[:number]:
            raise ValueError(f"submissions: found {paths[number]} twice, expected every file once")
    found = []
    for path in absolute:
        others = [other for other in absolute if other != path]
        count = 1
        while any(other.parts[-count:] == path.parts[-count:] for other in others):
            count += 1
        # a name that is no text on this system is shown with escapes
        found.append("/".join(path.parts[-count:]).encode("utf-8", "backslashreplace").decode())
    return found


def submission_result(data: Mapping[str, Any]) -> SubmissionResult:
    """Return the result that :meth:`SubmissionResult.to_dict` wrote down.

    Raises
    ------
    KeyError, TypeError
        If it is something else.
    """
    names = [each.name for each in fields(ItemResult)]
    return SubmissionResult(
        data["submission"],
        data["assignment"],
        tuple(ItemResult(**{name: item[name] for name in names}) for item in data["items"]),
        data["seconds"],
        data["output"],
        data["left_behind"],
        tuple(data["endings"]),
        tuple(data["remarks"]),
        data["student"],
        data["seed"],
    )
