"""What takes too long for all entries is looked at by projections and some entries, and the report says so."""

import numpy as np
import pytest

from verification import Budget, assert_backward, assert_gradient, check
from verification.witnesses import size
from verification.witnesses.size import Progress

RNG = np.random.default_rng(3)
X, Y = RNG.uniform(-120, 120, size=(5, 300)), RNG.integers(0, 4, 5)
W = RNG.normal(size=(300, 4)) * 1e-3


def svm(W):
    scores = X @ W
    margins = np.maximum(0, scores - scores[np.arange(5), Y][:, None] + 1)
    return (np.sum(margins) - 5) / 5 + 0.1 * np.sum(W * W)


def svm_gradient(W):
    scores = X @ W
    mask = 1.0 * (scores - scores[np.arange(5), Y][:, None] + 1 > 0)
    mask[np.arange(5), Y] -= mask.sum(axis=1)
    return X.T @ mask / 5 + 0.2 * W


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(size, "EVALUATIONS", 10**9)  # every f takes too long


def test_a_large_question_goes_to_projections_and_says_so(slow):
    right = svm_gradient(W)
    report = check(svm, W, right)
    assert report.passed
    assert "differences by all 1,200 entries would take about " in report.reason
    assert "above Budget(seconds=3): 4 random projections and 16 entries of x were looked at" in report.reason
    assert [witness.name for witness in report.witnesses] == ["projections"]
    assert_gradient(svm, right, at=W)
    assert check(svm, W, right, budget=Budget(seconds=np.inf)).agreeing[0] == "finite-difference"
    asked = check(svm, W, right, witnesses=["complex-step", "finite-difference"])  # as it was asked for
    assert asked.agreeing == ("finite-difference",)


def test_what_is_wrong_is_found_and_named_without_all_entries(slow):
    right = svm_gradient(W)
    report = check(svm, W, 5 * right)
    assert (report.verdict, report.diagnosis.name) == ("wrong", "factor")
    assert len(report.worst.place) == 2  # in the shape of W
    assert report.worst.found == (5 * right)[report.worst.place]
    halved = check(svm, W, right - 0.1 * W).diagnosis.sentence  # λ W for 2 λ W
    assert halved == "regularisation: 0.1 times W is missing"
    with pytest.raises(AssertionError, match="would take about"):
        assert_gradient(svm, 2 * right, at=W)


def test_a_backward_pass_of_a_large_layer(slow):
    forward = lambda x, w: (np.tanh(x @ w), (x, w))  # noqa: E731

    def backward(dout, cache):
        x, w = cache
        dz = dout * (1 - np.tanh(x @ w) ** 2)
        return dz @ w.T, x.T @ dz

    assert_backward(forward, backward, x=X / 100, w=W)
    with pytest.raises(AssertionError, match="random projections"):
        assert_backward(forward, lambda dout, cache: (backward(dout, cache)[0], X.T @ dout), x=X / 100, w=W)


def test_sympy_has_a_budget_of_time():
    f = lambda x: np.exp(x) * np.sin(x)  # noqa: E731
    x = np.array([0.3, 0.7])
    J = np.diag(np.exp(x) * (np.sin(x) + np.cos(x)))
    report = check(f, x, J, witnesses=["symbolic"], budget=Budget(seconds=0.0))
    assert report.verdict == "undecided"
    assert report.witnesses[0].reason.startswith("over its budget of time: pass a Budget of more seconds")
    assert str(report.witnesses[0].cause) == "over-budget"
    assert check(f, x, J, witnesses=["symbolic"]).passed


def test_progress_is_shown_on_a_terminal_only(capsys, monkeypatch):
    clock = iter(np.arange(0.0, 100.0, 2.0))
    monkeypatch.setattr(size.time, "perf_counter", lambda: float(next(clock)))
    quiet = Progress("differences", 100)
    quiet.step(10)
    quiet.close()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(size.sys.stderr, "isatty", lambda: True, raising=False)
    shown = Progress("differences", 100)
    shown.step(10)
    shown.step(40)
    shown.close()
    assert "differences: 50 of 100, about 4 s left" in capsys.readouterr().err


@pytest.mark.parametrize("junk", [-1.0, "long", None, np.nan])
def test_a_budget_of_no_time_is_refused(junk):
    with pytest.raises((TypeError, ValueError), match=r"^Budget: found seconds="):
        check(svm, W, svm_gradient(W), budget=Budget(seconds=junk))


def hinge(W, X, y, reg):
    scores = X.dot(W)
    margins = np.maximum(0, scores - scores[np.arange(len(y)), y].reshape(-1, 1) + 1)
    margins[np.arange(len(y)), y] = 0
    return np.sum(margins) / len(y) + reg * np.sum(W * W)


def hinge_gradient(W, X, y, reg, slip):
    rows = np.arange(len(y))
    scores = X.dot(W)
    above = 1.0 * (scores - scores[rows, y].reshape(-1, 1) + 1 > 0)
    above[rows, y] = 0
    above[rows, y] = {"count left out": 0, "counted once": -1, "sign": 1}.get(slip, -above.sum(axis=1))
    if slip == "sign":
        above[rows, y] = above.sum(axis=1) - 1
    data = X.T.dot(above) / (1 if slip == "not divided" else len(y))
    return data + {"no reg": 0, "half reg": 1, "double reg": 4}.get(slip, 2) * reg * W


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("count left out", "is left out at −"),
        ("counted once", "is counted once, expected once for each"),
        ("sign", "the sign of the result of reshape"),
        ("not divided", "the divisor 150 is left out"),
        ("no reg", "regularisation: 0.1 times w is missing"),
        ("half reg", "regularisation: 0.05 times w is missing"),
        ("double reg", "regularisation: 0.1 times w is there that should not be"),
    ],
)
def test_mistakes_over_many_points_are_named_along_random_directions(slip, words):
    rng = np.random.default_rng(4)
    X, y, W = (
        rng.normal(size=(150, 3072)) * 30,
        rng.integers(10, size=150),
        rng.normal(size=(3072, 10)) * 1e-4,
    )
    report = check(lambda w: hinge(w, X, y, 0.05), W, hinge_gradient(W, X, y, 0.05, slip))
    assert report.verdict == "wrong"
    assert words in report.diagnosis.sentence
