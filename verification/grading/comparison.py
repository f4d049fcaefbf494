"""One answer against one expected array: right or wrong, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.diagnose import Diagnosis
from verification.grading.answers import Answer, Fault
from verification.grading.chains import BracketingError, multiplications_of
from verification.grading.expected import Expected, deviation_excess
from verification.grading.points import Reveal
from verification.grading.tasks import Task

Verdict = Literal["right", "wrong", "no answer"]


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes
    ----------
    verdict : {"right", "wrong", "no answer"}
        The third is for whatever is not an array.
    code : str
        "right", "shape", "not finite", "wrong", or the code of a fault.
    sentence : str
        What is wrong, without an expected value.
    evidence : str
        More of it, which may name expected values.
    worst : str
        The worst entry with both values.
    mistake : str
        What the diagnosis names, without what belongs to this answer alone: the same for the same slip of others.
    """

    verdict: Verdict
    code: str
    sentence: str = ""
    evidence: str = ""
    worst: str = ""
    mistake: str = ""

    def feedback(self, reveal: Reveal) -> str:
        """Return what a student is told.

        Examples
        --------
        >>> outcome = Outcome("wrong", "wrong", "the sign is wrong", worst="worst entry [0]: found 1.0, expected -1.0")
        >>> outcome.feedback("nothing"), outcome.feedback("verdict"), outcome.feedback("diagnosis")
        ('', 'wrong', 'wrong: the sign is wrong')
        """
        if reveal == "nothing":
            return ""
        if reveal == "verdict":
            return self.verdict
        parts = [self.sentence] if self.sentence else []
        if reveal == "worst" and self.worst:
            parts.append(self.worst)
        return ": ".join([self.verdict, "; ".join(parts)]) if parts else self.verdict

    def __bool__(self) -> bool:
        """Return whether the verdict is "right"."""
        return self.verdict == "right"

    @property
    def detail(self) -> str:
        """All of it, for staff."""
        return "; ".join(part for part in (self.sentence, self.evidence, self.worst) if part)


def judge(
    answer: Answer | Fault, expectation: Expected, task: Task, place: Mapping[str, Any] | None = None
) -> Outcome:
    """Compare one answer with the expected one.

    Parameters
    ----------
    answer : Answer or Fault
        What came back.
    expectation : Expected
        What is expected.
    task : Task
        Its tolerance.
    place : dict
        The arguments: where a chain is bracketed, its sizes are among them.

    Examples
    --------
    >>> task = Task(name="f", arguments=["x"], reference="f", form="value", point=[{"values": {"x": 1.0}}])
    >>> expected = Expected(task.outputs[0], np.array([1.0]))
    >>> judge(Answer(np.array([[1.0]])), expected, task).sentence
    'the shape is (1, 1), expected (1,); the numbers are right'
    """
    if isinstance(answer, Fault):
        return Outcome("no answer", answer.code, answer.sentence)
    if expectation.output.form == "bracketing":
        return _of_bracketing(answer, expectation, (place or {})[task.taken])
    if answer.text is not None:
        return Outcome("no answer", "forged", "it sent a text where an array was asked for")
    found, expected = answer.array, expectation.answer
    if found.shape != expected.shape:
        return _of_shape(found, expectation, task)
    finite = np.isfinite(found)
    if not finite.all():
        first = [int(k) for k in np.argwhere(~finite)[0]]
        count = f"{int((~finite).sum())} of {found.size} entries" if found.ndim else "the answer"
        return Outcome(
            "wrong", "not finite", f"NaN or infinity in {count}" + (f", first at {first}" if first else "")
        )
    expected = expectation.nearest(found)
    excess = deviation_excess(found, expected, task.tolerance)
    notes = _notes(answer, task)
    if (excess <= 1).all():
        return Outcome("right", "right", notes)
    index = np.unravel_index(int(np.argmax(excess)), excess.shape)
    entry_place = [int(k) for k in index]
    entry = f"worst entry {entry_place}" if entry_place else "worst entry"
    worst = f"{entry}: found {float(found[index])!r}, expected {float(expected[index])!r}"
    if expectation.output.form == "multiplications":  # a factor or a sign of one number tells the number
        return Outcome("wrong", "wrong", "it is another number", worst=worst)
    diagnosis = _diagnosis(found, expectation)
    sentence = diagnosis.without_values  # where one entry is wrong the sentence names both
    if diagnosis.name == "right":
        sentence = "the deviation is small, and above the tolerance"
    sentence += f"; {notes}" if notes else ""
    return Outcome("wrong", "wrong", sentence, diagnosis.evidence, worst, str(diagnosis.name))


def _of_bracketing(answer: Answer, expectation: Expected, sizes: Array) -> Outcome:
    """Judge a bracketing by what it costs: any that costs no more than the cheapest is right."""
    if answer.text is None:
        return Outcome("no answer", "type", "it returned an array, expected a text such as '(AB)C'")
    least = int(expectation.answer)
    try:
        cost = multiplications_of(answer.text, [int(size) for size in sizes])
    except BracketingError as error:
        return Outcome("wrong", "bracketing", f"it is no bracketing of the chain: {error}")
    if cost == least:
        return Outcome("right", "right")
    return Outcome(
        "wrong",
        "wrong",
        f"this bracketing takes {cost:,} multiplications, and another one fewer",
        worst=f"found {cost:,} multiplications, expected {least:,}",
    )


def _of_shape(found: Array, expectation: Expected, task: Task) -> Outcome:
    expected, form = expectation.answer, expectation.output.form
    sentence = f"the shape is {found.shape}, expected {expected.shape}"
    if found.size == expected.size and np.isfinite(found).all():
        if _equal(found.reshape(expected.shape), expectation, task):
            sentence += "; the numbers are right"
        elif found.ndim == 2 and found.T.shape == expected.shape and _equal(found.T, expectation, task):
            sentence += "; it is the transpose of the answer"
            return Outcome("wrong", "shape", sentence, mistake=str(Slip.TRANSPOSED))
    elif (
        form in ("matrix", "gradient")
        and expectation.derivative is not None
        and np.isfinite(found).all()
        and found.size
    ):
        diagnosis = _diagnosis(found, expectation)
        if diagnosis.name not in ("shape", "unknown"):
            sentence += f"; {diagnosis.sentence}"
    return Outcome("wrong", "shape", sentence, mistake="shape")


def _diagnosis(found: Array, expectation: Expected) -> Diagnosis:
    try:
        with np.errstate(all="ignore"):
            return expectation.diagnose(found)
    except Exception:  # the answer is anything at all, and the marks don't depend on what explains it
        return Diagnosis("unknown", "no known mistake fits", "")


def _equal(found: Array, expectation: Expected, task: Task) -> bool:
    return bool((deviation_excess(found, expectation.nearest(found), task.tolerance) <= 1).all())


def _notes(answer: Answer, task: Task) -> str:
    names = [task.arguments[place] for place in answer.written if place < len(task.arguments)]
    return f"it writes to its argument{'s' * (len(names) > 1)} {', '.join(names)}" if names else ""
