"""Decisions read causes: no sentence, least of all one that f raised, changes a verdict."""

import ast
from pathlib import Path

import numpy as np
import pytest

import verification
from jacobians.structures import Dense
from verification import check, diagnose
from verification.causes import Cause, Slip
from verification.problem import Problem
from verification.report import SENTENCES, Witness
from verification.verdict import decide

TEXTS = [*SENTENCES.values(), "kink at the point: a comparison", "the shape is wrong"]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_of_an_exception_of_f_decides_nothing(text):
    def f(x):
        if type(x) is not np.ndarray:
            raise TypeError(f"arrays only ({text})")
        return 2 * x

    alone = check(f, [1.0, 2.0], 2 * np.eye(2), witnesses=["symbolic"])
    assert (alone.verdict, alone.cause, alone.witnesses[0].cause) == (
        "undecided",
        Cause.NO_WITNESS,
        Cause.FAILED,
    )
    assert text in alone.witnesses[0].reason
    assert check(f, [1.0, 2.0], 2 * np.eye(2)).verdict == "right"
    assert check(f, [1.0, 2.0], 3 * np.eye(2)).verdict == "wrong"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("cause", "verdict", "says"),
    [
        (Cause.AGREES, "right", Cause.AGREES),
        (Cause.DIFFERS, "wrong", Cause.DIFFERS),
        (Cause.CANCELLED, "wrong", Cause.CANCELLED),
        (Cause.KINK, "undecided", Cause.KINK),
        (Cause.ROUNDING, "undecided", Cause.ROUNDING),
        (Cause.OFF_EVERYWHERE, "undecided", Cause.OFF_EVERYWHERE),
        (Cause.IMPRECISE, "undecided", Cause.IMPRECISE),
    ],
)
def test_a_verdict_is_made_from_causes_whatever_the_sentences_say(text, cause, verdict, says):
    status = {
        Cause.AGREES: "agrees",
        Cause.DIFFERS: "disagrees",
        Cause.CANCELLED: "disagrees",
    }.get(cause, "undecided")
    decision = decide([Witness("symbolic", status, reason=text, cause=cause)])
    assert (decision.verdict, decision.cause) == (verdict, says)


def test_no_decision_reads_a_sentence():
    room = Path(verification.__file__).parent
    found = []
    for path in sorted(room.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                names = {
                    part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "")
                    for part in (node.left, *node.comparators)
                }
                if names & {"reason", "evidence", "SENTENCES"} and "None" not in ast.dump(node):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert [line for line in found if "cause" not in line] == []


@pytest.mark.parametrize(
    ("f", "x", "candidate", "cause"),
    [
        (np.tanh, [0.5], [[1 - np.tanh(0.5) ** 2]], Cause.AGREES),
        (np.tanh, [0.5], [[1.0]], Cause.DIFFERS),
        (np.tanh, [30.0], [[0.0]], Cause.CANCELLED),
        (np.abs, [0.0], [[0.0]], Cause.KINK),
        (lambda x: x[:0], [0.5], np.empty((0, 1)), Cause.EMPTY),
        (np.tanh, [np.nan], [[1.0]], Cause.POINT_NOT_FINITE),
        (lambda x: 1 / (x - 1), [1.0], [[1.0]], Cause.VALUE_NOT_FINITE),
        (lambda x: x.__imul__(2), [0.5], [[2.0]], Cause.WRITES),
        (lambda x: None, [0.5], [[2.0]], Cause.NO_VALUE),
        (np.tanh, [0.5], [1.0, 2.0], Cause.FORM),
        (np.tanh, [0.5], [[np.nan]], Cause.CANDIDATE_NOT_FINITE),
    ],
)
def test_every_verdict_has_its_cause(f, x, candidate, cause):
    report = check(f, x, candidate)
    assert report.cause == cause
    assert report.to_dict()["cause"] == str(cause)
    assert all(witness.cause is not None for witness in report.witnesses)


def test_a_diagnosis_is_made_of_slips_of_a_closed_set():
    J = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert diagnose(-J, J).causes == (Slip.SIGN,)
    assert diagnose(2 * J.T, J).causes == (Slip.TRANSPOSED, Slip.FACTOR)
    assert diagnose(J, J).causes == (Slip.RIGHT,)


def test_the_noise_of_a_problem_does_not_depend_on_what_was_asked_before():
    def problem():
        return Problem(lambda x: np.exp(x) - np.exp(x) + 1e8 * (x - x), [0.3, 1.0], tracing=10**6)

    first, second = problem(), problem()
    noise = first.noise
    assert second.sizes is not None
    np.testing.assert_array_equal(second.noise, noise)
    assert (noise >= first.rounding).all()
    assert first.rounding.max() > 0
    assert Problem(lambda x: x, [0.3]).sizes is None  # nobody asked for a trace


def test_every_witness_of_products_has_its_cause():
    x = np.array([0.3, -0.7])

    J = Dense(np.diag(np.cos(x)))
    alone = {"witnesses": ["projections"]}
    for f, candidate, options, cause in (
        (np.sin, J, alone, Cause.AGREES),
        (np.sin, np.diag(np.cos(x)), alone, Cause.AGREES),
        (np.sin, -1.0 * J, alone, Cause.DIFFERS),
        (lambda v: np.abs(v - x) + x, J, alone, Cause.KINK),
        (np.sin, J, {}, Cause.AGREES),
    ):
        report = check(f, x, candidate, **options)
        assert report.cause == cause, str(report)
        assert all(witness.cause is not None for witness in report.witnesses)
