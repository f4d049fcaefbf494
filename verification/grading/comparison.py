"""One answer against one expected array: right or wrong, and what there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from jacobians.numerics.arrays import Array
from verification.diagnosis.diagnose import Diagnosis
from verification.grading.answers import Answer, Fault
from verification.grading.assignment import Reveal, Task, Tolerance
from verification.grading.expected import Trial

CANCELLED = 1e-3  # of the relative tolerance, as a part of the largest entry: for entries that cancel
SINGLE = 2e-4  # the relative tolerance of answers in float32, if the task's is smaller

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
    """

    verdict: Verdict
    code: str
    sentence: str = ""
    evidence: str = ""
    worst: str = ""

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


def judge(answer: Answer | Fault, trial: Trial, task: Task) -> Outcome:
    """Compare one answer with the expected one.

    Parameters
    ----------
    answer : Answer or Fault
        What came back.
    trial : Trial
        What is expected.
    task : Task
        Its form and tolerance.

    Examples
    --------
    >>> task = Task("f", ("x",), "f", "", "", "", "", "value", Tolerance(), ())
    >>> judge(Answer(np.array([[1.0]])), Trial({}, np.array([1.0])), task).sentence
    'the shape is (1, 1), expected (1,); the numbers are right'
    """
    if isinstance(answer, Fault):
        return Outcome("no answer", answer.code, answer.sentence)
    found, expected = answer.array, trial.answer
    if found.shape != expected.shape:
        return _of_shape(found, trial, task)
    finite = np.isfinite(found)
    if not finite.all():
        first = [int(k) for k in np.argwhere(~finite)[0]]
        count = f"{int((~finite).sum())} of {found.size} entries" if found.ndim else "the answer"
        return Outcome(
            "wrong", "not finite", f"NaN or infinity in {count}" + (f", first at {first}" if first else "")
        )
    excess = deviation_excess(found, expected, task.tolerance)
    notes = _notes(answer, task)
    if (excess <= 1).all():
        return Outcome("right", "right", notes)
    index = np.unravel_index(int(np.argmax(excess)), excess.shape)
    place = [int(k) for k in index]
    entry = f"worst entry {place}" if place else "worst entry"
    worst = f"{entry}: found {float(found[index])!r}, expected {float(expected[index])!r}"
    diagnosis = _diagnosis(found, trial, task)
    sentence = diagnosis.without_values  # where one entry is wrong the sentence names both
    if diagnosis.name == "right":
        sentence = "the deviation is small, and above the tolerance"
    sentence += f"; {notes}" if notes else ""
    return Outcome("wrong", "wrong", sentence, diagnosis.evidence, worst)


def deviation_excess(found: Array, expected: Array, tolerance: Tolerance) -> Array:
    """Return the deviation of each entry by what is tolerated there: above 1 is wrong.

    Examples
    --------
    >>> deviation_excess(np.array([1.0, 2e-9]), np.array([1.0, 0.0]), Tolerance(1e-6)).round(1)
    array([0., 2.])
    """
    relative = max(tolerance.relative, SINGLE) if found.dtype == np.float32 else tolerance.relative
    size = np.abs(expected)
    tolerated = relative * np.maximum(size, CANCELLED * size.max(initial=0.0)) + tolerance.absolute
    with np.errstate(over="ignore"):
        deviation = np.abs(found.astype(np.float64) - expected)
        excess = deviation / np.where(tolerated > 0, tolerated, 1.0)
    return np.where((tolerated == 0) & (deviation > 0), np.inf, excess)


def _of_shape(found: Array, trial: Trial, task: Task) -> Outcome:
    expected = trial.answer
    sentence = f"the shape is {found.shape}, expected {expected.shape}"
    if found.size == expected.size and np.isfinite(found).all():
        if _equal(found.reshape(expected.shape), expected, task):
            sentence += "; the numbers are right"
        elif found.ndim == 2 and found.T.shape == expected.shape and _equal(found.T, expected, task):
            sentence += "; it is the transpose of the answer"
    elif (
        task.form in ("matrix", "gradient")
        and trial.derivative is not None
        and np.isfinite(found).all()
        and found.size
    ):
        diagnosis = _diagnosis(found, trial, task)
        if diagnosis.name not in ("shape", "unknown"):
            sentence += f"; {diagnosis.sentence}"
    return Outcome("wrong", "shape", sentence)


def _diagnosis(found: Array, trial: Trial, task: Task) -> Diagnosis:
    try:
        with np.errstate(all="ignore"):
            return trial.diagnose(found, task.form)
    except Exception:  # the answer is anything at all, and the marks don't depend on what explains it
        return Diagnosis("unknown", "no known mistake fits", "")


def _equal(found: Array, expected: Array, task: Task) -> bool:
    return bool((deviation_excess(found, expected, task.tolerance) <= 1).all())


def _notes(answer: Answer, task: Task) -> str:
    names = [task.arguments[place] for place in answer.written if place < len(task.arguments)]
    return f"it writes to its argument{'s' * (len(names) > 1)} {', '.join(names)}" if names else ""
