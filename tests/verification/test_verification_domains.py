"""Points near the edge of a domain, and witnesses that fail: a check never raises because of them."""

import numpy as np
import pytest

from jacobians import (
    GELU,
    Affine,
    BinaryCrossEntropy,
    Elementwise,
    Function,
    Norm,
    Sequential,
    Sigmoid,
    SiLU,
    Tanh,
)
from jacobians.structures import Diagonal
from verification import check
from verification.causes import Cause
from verification.problem import Problem
from verification.report import Witness
from verification.verdict import decide
from verification.witnesses.one_sided import one_sided

X = np.array([0.7, -0.2, -0.4, 0.5])


@pytest.mark.parametrize("near", [0.1, 1e-9, 1 - 1e-9, 1 - 2.0**-53])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_is_checked_at_points_whose_neighbours_are_outside_its_domain(near, dtype):
    p = np.array([0.1, 0.5, 0.9, min(near, 1 - np.finfo(dtype).epsneg)], dtype=dtype)
    report = check(BinaryCrossEntropy([0, 1, 1, 0]), p)
    assert report.passed, str(report)
    wrong = check(
        BinaryCrossEntropy([0, 1, 1, 0]), p, BinaryCrossEntropy([0, 1, 1, 0]).jacobian(p).dense() * 1.001
    )
    assert wrong.verdict == "wrong", str(wrong)


def test_plain_code_that_raises_outside_its_domain():
    def logarithms(x):
        if np.any(np.asarray(x) <= 0):
            raise ValueError("x must be positive")
        return np.log(x)

    x = np.array([0.1, 1.0, 3.0])
    assert check(logarithms, x, np.diag(1 / x)).passed
    assert check(logarithms, x, np.diag(1 / x**2)).verdict == "wrong"


def test_a_point_outside_the_domain_is_refused_at_the_door_still():
    with pytest.raises(ValueError, match=r"1\.5"):
        check(BinaryCrossEntropy([0, 1]), [0.5, 1.5])


class FailsInBatches(Function):
    vectorized = True

    def forward(self, x, batch_ndim=0):
        if batch_ndim:
            raise RuntimeError("no batches here")
        return x**2

    def derivative(self, x, wrt="input", batch_ndim=0):
        return Diagonal(2 * x)

    def smooth_piece(self, x):
        raise RuntimeError("no pieces here")


def test_an_exception_in_a_witness_is_its_reason_and_the_check_goes_on():
    report = check(FailsInBatches(), X)
    assert report.passed, str(report)
    failed = {witness.name: witness.reason for witness in report.witnesses if witness.status == "unavailable"}
    assert "no batches here" in failed["finite-difference"]
    assert "no batches here" in failed["taylor"]
    assert check(FailsInBatches(), X, np.diag(X)).verdict == "wrong"


def test_a_function_that_overflows_in_float32_alone_is_undecided():
    net = Sequential(Sigmoid(), BinaryCrossEntropy([0.0]))
    report = check(net, np.array([20.0], dtype=np.float32), np.array([[np.nan]], dtype=np.float32))
    assert (report.verdict, report.reason) == ("undecided", "f(x) is not finite in float32")
    assert check(net, np.array([20.0]), np.array([[np.nan]])).verdict == "wrong"
    deep = Sequential(
        Affine(np.ones((1, 1), np.float32), None),
        Sigmoid(),
        Affine(np.ones((1, 1), np.float32), None),
        net[1],
    )
    assert check(deep, np.array([20.0], dtype=np.float32)).verdict == "undecided"  # ∞ in its own Jacobian


@pytest.mark.parametrize("act", [Sigmoid, SiLU, Tanh, GELU])
@pytest.mark.parametrize("W", [[[1.0], [0.9]], [[0.8]]])
def test_the_kink_of_a_norm_is_a_kink_however_its_argument_became_zero(act, W):
    shift = Affine(
        np.eye(len(W)), -act()(np.zeros(len(W)))
    )  # the real part of a complex step may be 1e-60 here
    report = check(Sequential(Affine(W, None), act(), shift, Norm()), [0.0])
    assert report.verdict == "undecided", str(report)
    assert "kink" in report.reason


@pytest.mark.parametrize("candidate", [0.0, 1.0])
@pytest.mark.parametrize("witnesses", [None, ["finite-difference", "complex-step"]])
def test_a_complex_step_alone_decides_nothing_at_a_kink(candidate, witnesses):
    for f in (lambda x: np.sqrt(x * x), lambda x: np.sqrt(x * x + 0.0), lambda x: np.sqrt(x @ x)):
        report = check(f, [0.0], [[candidate]], witnesses=witnesses)
        assert report.verdict == "undecided", str(report)


Y = np.array([0.3, -0.7, 1.1])
HALF_SQUARE = Elementwise("half square", lambda t: t * t / 2, lambda t: t)


@pytest.mark.parametrize(
    ("f", "x", "J"),
    [
        (lambda z: 0.5 * np.linalg.norm(z - Y) ** 2, Y, np.zeros((1, 3))),
        (Sequential(Affine(np.eye(3), -Y), Norm(), HALF_SQUARE), Y, None),
        (lambda x: np.linalg.norm(x) ** 3 + 3 * x[0], np.zeros(2), [[3.0, 0.0]]),
        (lambda x: np.sqrt(x @ x) * x, np.zeros(2), np.zeros((2, 2))),
        (lambda x: np.linalg.norm(x - 1e3) ** 2, np.full(2, 1e3), np.zeros((1, 2))),
        (lambda x: 1e-9 * np.linalg.norm(x) ** 2, np.zeros(2), np.zeros((1, 2))),
        (lambda x: np.cbrt(x) ** 3, np.zeros(1), [[1.0]]),
    ],
)
def test_a_kink_of_an_inner_step_is_no_fact_about_f(f, x, J):
    report = check(f, x, J)
    assert report.verdict == "right", str(report)
    wrong = np.zeros(report.shape) if J is None else np.array(J)
    wrong[0, -1] += 1e-3
    assert check(f, x, wrong).verdict != "right"


def test_a_step_with_a_kink_is_named_with_its_function_and_line():
    def distance(z):
        return np.linalg.norm(z - Y) * np.where(z[0] > 10, 1.0, z[1])

    report = check(distance, Y, np.zeros((1, 3)))
    assert report.verdict == "undecided"
    symbolic = next(witness for witness in report.witnesses if witness.name == "symbolic")
    assert symbolic.step.startswith(
        "test_a_step_with_a_kink_is_named_with_its_function_and_line.<locals>.distance"
    )
    line = distance.__code__.co_firstlineno + 1
    assert symbolic.step.endswith(f"line {line} of test_verification_domains.py")
    assert symbolic.step in symbolic.reason


@pytest.mark.parametrize(
    ("f", "J"),
    [
        (lambda x: np.abs(x), np.zeros((2, 2))),
        (lambda x: np.maximum(x, 0), np.zeros((2, 2))),
        (lambda x: np.maximum(x, 0), np.eye(2)),
        (np.linalg.norm, np.zeros((1, 2))),
        (lambda x: np.abs(np.abs(x[0]) - np.abs(x[1])).reshape(1), np.zeros((1, 2))),
        # linear along both axes, and not beside them
        (lambda x: (x[0] ** 3 / (x[0] ** 2 + x[1] ** 2) if x.any() else x[0]).reshape(1), [[1.0, 0.0]]),
    ],
)
def test_a_real_kink_is_never_right_nor_wrong(f, J):
    report = check(f, [0.0, 0.0], J)
    assert report.verdict == "undecided", str(report)
    assert one_sided(Problem(f, [0.0, 0.0]), np.asarray(J), 1e-6).cause == Cause.KINK


def test_a_kink_within_the_step_is_said_of_f():
    for f in (np.abs, lambda x: np.maximum(x, 0)):
        assert "kink within the step" in check(f, [0.0], [[0.0]]).reason
    f = lambda x: (x[0] ** 3 / (x[0] ** 2 + x[1] ** 2) if x.any() else x[0]).reshape(1)  # noqa: E731
    heard = [Witness("finite-difference", "agrees", cause=Cause.AGREES)]
    heard.append(one_sided(Problem(f, [0.0, 0.0]), np.array([[1.0, 0.0]]), 1e-6))
    decision = decide(heard)
    assert (decision.verdict, decision.cause) == ("undecided", Cause.KINK)
    assert decision.reason.startswith("kink within the step")
