"""A result is not true because it exists: what has a verdict is true if the verdict is "right", and only then."""

import dataclasses
import importlib
import inspect

import numpy as np
import pytest

import verification
from verification.grading.comparison import Outcome
from verification.grading.results import ItemResult, SubmissionResult

MODULES = (
    "jacobians",
    "verification",
    "verification.grading",
    "backprop",
    "backprop.report",
    "backprop.notes",
)


def judged() -> list[type]:
    """Return every class that a public module gives and that has a verdict or says whether it passed."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for thing in vars(module).values():
            if inspect.isclass(thing) and thing.__module__.partition(".")[0] in ("verification", "backprop"):
                fields = (
                    {f.name for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set()
                )
                names = fields | set(getattr(thing, "_fields", ())) | set(dir(thing))
                if {"verdict", "passed"} & names:
                    found.add(thing)
    return sorted(found, key=lambda kind: kind.__name__)


def test_there_are_such_classes():
    assert {"CheckReport", "TaylorResult", "AdjointResult", "Report", "SubmissionResult"} <= {
        kind.__name__ for kind in judged()
    }


@pytest.mark.parametrize("kind", judged(), ids=lambda kind: kind.__name__)
def test_everything_with_a_verdict_says_when_it_is_true(kind):
    assert kind.__bool__ is not None
    assert any("__bool__" in vars(base) for base in kind.__mro__ if base not in (object, tuple))


@pytest.mark.parametrize("ask", [verification.check, verification.taylor_test])
def test_a_wrong_jacobian_fails_an_assertion(ask):
    assert ask(np.square, [1.0, 2.0], np.diag([2.0, 4.0]))
    assert not ask(np.square, [1.0, 2.0], np.diag([2.0, 5.0]))


def test_what_is_undecided_is_not_true():
    assert not verification.check(np.abs, [0.0, 1.0], np.eye(2))


def test_marks_are_true_if_all_is_right():
    item = ItemResult("f", "p", 1.0, 1.0, "right", "right", "", "", "visible")
    lost = dataclasses.replace(item, marks=0.0, verdict="wrong")
    assert item
    assert not lost
    assert SubmissionResult("s", "a", (item,), 0.0, "", 0, ())
    assert not SubmissionResult("s", "a", (item, lost), 0.0, "", 0, ())
    assert Outcome("right", "right")
    assert not Outcome("no answer", "time")
