"""Answers that are texts: a bracketing of a chain, a formula, the structure of a Jacobian, a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jacobians.structures as structures
from jacobians.formulas import FormulaError
from jacobians.numerics.arguments import near
from jacobians.numerics.arrays import MemoryBudgetError
from verification.causes import Slip
from verification.formulas import written_alike
from verification.grading.answers import Answer
from verification.grading.chains import BracketingError, multiplications_of
from verification.grading.expected import Expected
from verification.grading.outcome import Outcome
from verification.grading.questions import LAYOUTS, report_on
from verification.grading.tasks import Form, Task

STRUCTURES = tuple(name for name in structures.__all__ if name[0].isupper() and name != "Jacobian")


def judge_text(answer: Answer, expectation: Expected, task: Task, place: Mapping[str, Any]) -> Outcome:
    """Judge a text by the rule of its form.

    Examples
    --------
    >>> import numpy as np
    >>> task = Task(name="f", form="formula", formula="x'*A*x", wrt="x", point=[{}])
    >>> expected = Expected(task.outputs[0], np.zeros(0))
    >>> judge_text(Answer(np.zeros(0), text="2*A*x"), expected, task, {}).sentence
    'right for symmetric A'
    """
    form = expectation.output.form
    if answer.text is None:
        return Outcome("no answer", "type", f"it returned an array, expected a text such as {_SUCH[form]!r}")
    return _RULES[form](answer.text, expectation, task, place)


def _bracketing(text: str, expectation: Expected, task: Task, place: Mapping[str, Any]) -> Outcome:
    """Judge a bracketing by what it costs: any that costs no more than the cheapest is right."""
    least = int(expectation.answer)
    try:
        cost = multiplications_of(text, [int(size) for size in place[task.taken]])
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


def _formula(text: str, expectation: Expected, task: Task, place: Mapping[str, Any]) -> Outcome:
    """Judge a formula by its values at random points of distinct sizes, in whatever layout it is; and by its form."""
    try:
        report = report_on(task, text)
    except (FormulaError, MemoryBudgetError) as error:
        return Outcome("wrong", "formula", f"it is no formula here: {error}")
    worst = f"found {text}, expected {task.written_as or report.expected}"
    if not report:
        sentence = report.mistake or "it is not the derivative"
        mistake = report.mistake if report.slip is Slip.UNKNOWN else str(report.slip)
        return Outcome("wrong", "wrong", sentence, report.diagnosis, worst, mistake)
    if task.written_as and not written_alike(text, task.written_as):
        return Outcome("wrong", "form", "it is the derivative, written in another form", worst=worst)
    return Outcome("right", "right", evidence=report.layout)


def _structure(text: str, expectation: Expected, task: Task, place: Mapping[str, Any]) -> Outcome:
    """Judge the name of a structure: case, spaces and hyphens don't count."""
    expected = str(expectation.answer)
    if _letters(text) == _letters(expected):
        return Outcome("right", "right")
    if _letters(text) not in map(_letters, STRUCTURES):
        hint = near(text.replace(" ", ""), STRUCTURES)
        return Outcome("wrong", "structure", f"no structure is called {text[:60]!r}{hint}")
    return Outcome(
        "wrong", "wrong", "it has another structure", worst=f"found {text!r}, expected {expected!r}"
    )


def _layout(text: str, expectation: Expected, task: Task, place: Mapping[str, Any]) -> Outcome:
    """Judge the name of a layout: where an array is the same in several, each of them is right."""
    expected = expectation.answer.tolist()
    if text.strip().lower() in expected:
        return Outcome("right", "right")
    if text.strip().lower() not in LAYOUTS:
        return Outcome("wrong", "layout", f"no layout is called {text[:60]!r}{near(text, LAYOUTS)}")
    found = f"found {text!r}, expected {' or '.join(map(repr, expected))}"
    return Outcome("wrong", "wrong", "the array is in another layout", worst=found)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_RULES: dict[Form, Callable[[str, Expected, Task, Mapping[str, Any]], Outcome]] = {
    "bracketing": _bracketing,
    "formula": _formula,
    "structure": _structure,
    "layout": _layout,
}
_SUCH: dict[Form, str] = {
    "bracketing": "(AB)C",
    "formula": "(A + A')*x",
    "structure": "Kronecker",
    "layout": "numerator",
}
