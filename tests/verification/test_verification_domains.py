"""Points near the edge of a domain, and witnesses that fail: a check never raises because of them."""

import numpy as np
import pytest

from jacobians import GELU, Affine, BinaryCrossEntropy, Function, Norm, Sequential, Sigmoid, SiLU, Tanh
from jacobians.structures import Diagonal
from verification import check

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
