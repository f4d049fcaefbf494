"""One answer against one expected array: right or wrong, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.diagnose import Diagnosis
from verification.grading.answers import Answer, Fault
from verification.grading.expected import Expected, deviation_excess
from verification.grading.outcome import Outcome
from verification.grading.tasks import TEXT_FORMS, Task
from verification.grading.texts import judge_text


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
    if expectation.output.form in TEXT_FORMS:
        return judge_text(answer, expectation, task, place or {})
    if answer.text is not None:
        return Outcome("no answer", "forged", "it sent a text where an array was asked for")
    found, expected = answer.array, expectation.answer
    if expectation.output.form == "shape":
        return _of_sizes(found, expected)
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


def _of_sizes(found: Array, expected: Array) -> Outcome:
    """Judge a shape that was asked for: a diagnosis of numbers has nothing to say of it."""
    if np.array_equal(found, expected):
        return Outcome("right", "right")
    axes = f"{found.size} numbers, expected {expected.size}" if found.ndim == 1 else "no row of numbers"
    sentence = "it is another shape" if found.shape == expected.shape else f"it is {axes}"
    worst = f"found {tuple(found.ravel()[:32].tolist())}, expected {tuple(expected.astype(int).tolist())}"
    return Outcome("wrong", "wrong", sentence, worst=worst, mistake="shape")


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
