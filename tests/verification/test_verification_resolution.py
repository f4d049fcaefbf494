"""What differences, complex steps and traces can't see is not told as a disagreement."""

import math

import mpmath
import numpy as np
import pytest
import scipy.special

from verification import check
from verification.causes import Slip
from verification.problem import Problem
from verification.tracing.scalars import ComplexScalars, TracingError
from verification.witnesses.finite_difference import richardson
from verification.witnesses.resolution import too_fast, unseen

FREQUENCIES = [2.4153823691702746e7, 1.09e10, 2.61208029216886e11]
POINTS = np.random.default_rng(0).normal(size=(8, 2))


# --- faster than the steps -------------------------------------------------------------------------------


@pytest.mark.parametrize("w", FREQUENCIES)
def test_a_sawtooth_within_the_steps_is_never_called_wrong(w):
    for x in POINTS:
        assert check(lambda x: np.mod(w * x, 1.0), x, w * np.eye(2)).verdict != "wrong"
        assert check(lambda x: x * w - np.floor(x * w), x, w * np.eye(2)).verdict != "wrong"


@pytest.mark.parametrize("w", FREQUENCIES)
def test_differences_that_oscillations_mislead_contradict_no_symbols(w):
    for x in POINTS[:4]:
        with mpmath.workdps(50):
            exact = [float(w * mpmath.cos(mpmath.mpf(w) * mpmath.mpf(float(t)))) for t in x]
        report = check(lambda x: np.sin(w * x), x, np.diag(exact))
        assert report.verdict == "right", report
        assert check(lambda x: np.sin(w * x), x, -np.diag(exact)).verdict == "wrong"


def test_only_the_output_that_is_too_fast_is_left_out():
    for x in POINTS:
        problem = Problem(lambda x: np.array([np.sin(1e9 * x[0]), x[0] * x[1], np.exp(x[1])]), x)
        assert too_fast(problem, richardson(problem)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.exp(x) / np.exp(x).sum(),
        lambda x: np.array([(1 - np.cos(x[0])) / x[0] ** 2, x[1] - np.sin(x[1])]),
        lambda x: np.tanh(x.astype(np.float32)),
        lambda x: np.array([x @ x, np.abs(x).sum(), x[0] * 1e-300]),
        lambda x: 1e8 + x**2,
        lambda x: x * 0,
    ],
)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_what_is_smooth_at_the_steps_is_not_too_fast(f, scale):
    for x in POINTS * scale:
        problem = Problem(f, x)
        assert not too_fast(problem, richardson(problem)).any()


# --- swallowed by rounding -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f", [scipy.special.log_softmax, lambda z: scipy.special.log_softmax(z)[:1]], ids=["vector", "loss"]
)
@pytest.mark.parametrize("lead", [30.0, 40.0, 60.0])
def test_a_saturated_softmax_of_a_library_is_not_called_wrong(f, lead):
    z = np.array([lead + 3.0, -2.0, 1.5])
    p = scipy.special.softmax(z)
    J = np.eye(3) - p
    J[0, 0] = p[1:].sum()
    report = check(f, z, J if f is scipy.special.log_softmax else J[:1])
    assert report.verdict != "wrong", report
    J[1, 0] = -0.999
    if f is scipy.special.log_softmax:
        assert check(f, z, J).verdict == "wrong"


def test_only_code_that_is_not_traced_may_swallow_a_derivative():
    x = np.array([50.0, -2.0])
    assert (unseen(Problem(lambda x: x * 2, x, tracing=10**5)) == 0).all()
    assert (unseen(Problem(lambda x: np.array([float(x[0])]), x)) < 1e-11).all()
    assert (unseen(Problem(lambda x: np.array([float(x[0]) * 0]), x, tracing=10**5)) > 0).all()
    dead = lambda x: np.array([max(float(x[1]), 0.0), float(x[0])])  # noqa: E731
    assert check(dead, x, [[0.0, 0.0], [1.0, 0.0]]).verdict == "right"
    assert check(dead, x, [[0.0, 1e-9], [1.0, 0.0]]).verdict == "wrong"


# --- stairs of subnormal numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: np.sin(x) * 3e-320, lambda t: mpmath.cos(t) * 3e-320),
        (lambda x: np.exp(-(x**2) - 738) * 1e10, lambda t: -2 * t * mpmath.exp(-t * t - 738) * 10**10),
        (lambda x: np.exp(x - 735), lambda t: mpmath.exp(t - 735)),
        (lambda x: 1e-310 * x**2, lambda t: 2 * t * mpmath.mpf(1e-310)),
        (lambda x: (x * 1e-160) ** 2, lambda t: 2 * t * mpmath.mpf(1e-160) ** 2),
    ],
)
def test_subnormal_values_and_factors_that_underflow_make_no_right_derivative_wrong(f, slope):
    for x in [*POINTS, np.array([0.09261227, 1.63271396]), np.array([0.86811248, -0.00328207])]:
        J = np.diag([float(slope(mpmath.mpf(float(t)))) for t in x])
        report = check(f, x, J)
        assert report.verdict != "wrong", report


# --- whole numbers ---------------------------------------------------------------------------------------

WHOLE = [
    (lambda x: x.astype(int) * x, lambda x: np.diag(np.trunc(x))),
    (lambda x: x.astype(np.int32) * x, lambda x: np.diag(np.trunc(x))),
    (lambda x: x.astype(bool) * x, lambda x: np.eye(2)),
    (lambda x: np.array([x.sum(dtype=int) * x[0]]), lambda x: [[np.trunc(x).sum(), 0]]),
    (lambda x: np.array([np.sum(x, dtype=np.int64) * x[1]]), lambda x: [[0, np.trunc(x).sum()]]),
    (lambda x: np.array([np.multiply(x, 2, dtype=int, casting="unsafe") @ x]), lambda x: [2 * np.trunc(x)]),
    (lambda x: np.array([np.mean(x, dtype=int) * x[0]]), lambda x: [[np.trunc(x).sum() // 2, 0]]),
]


@pytest.mark.parametrize(("f", "slope"), WHOLE)
def test_code_that_drops_the_fraction_has_the_derivative_of_what_it_keeps(f, slope):
    x = np.array([2.45296124, 6.62887498])
    J = np.array(slope(x), dtype=float)
    with np.errstate(all="ignore"):
        assert check(f, x, J).verdict == "right"
        assert check(f, x, 2 * J).verdict == "wrong"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x > 0).astype(int) * x,
        lambda x: (x > 0).astype(float) * x,
        lambda x: np.sum(x > 0, dtype=int) * x * np.array([1, 0]),
        lambda x: x.astype(np.float64) * (x > 0).astype(np.int8),
    ],
)
def test_masks_may_become_whole_numbers_and_are_traced(f):
    report = check(f, [0.5, -2.0], np.diag([1.0, 0.0]))
    assert {w.name: w.status for w in report.witnesses}["symbolic"] == "agrees"
    assert report.passed


def test_the_refusal_of_whole_numbers_names_the_dtype():
    from verification.tracing.arrays import traced
    from verification.tracing.scalars import MpmathScalars

    x = traced([1.5], MpmathScalars(20))
    with pytest.raises(
        TracingError, match=r"^ndarray\.astype: dtype int64 of traced entries, expected one of real"
    ):
        x.astype(np.int64)
    assert x.astype(np.float32).entries[0] == 1.5


# --- one computation -------------------------------------------------------------------------------------


def test_no_diagnosis_says_that_nothing_is_wrong_beside_a_verdict_that_is():
    report = check(np.sin, [0.5], [[np.cos(0.5) * (1 + 1e-8)]], rtol=1e-10)
    assert report.verdict == "wrong"
    assert report.diagnosis.name != Slip.RIGHT
    assert "nothing is wrong" not in str(report)


# --- complex numbers keep the digits of the value --------------------------------------------------------


@pytest.mark.parametrize("x", [-0.9, -1e-3, 1e-5, -3e-8, 1e-9, 0.7, 12.0])
@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("log1p", mpmath.log1p),
        ("expm1", mpmath.expm1),
        ("log_expit", lambda t: -mpmath.log(1 + mpmath.exp(-t))),
        ("arcsinh", mpmath.asinh),
        ("tanh", mpmath.tanh),
        ("erf", mpmath.erf),
    ],
)
def test_complex_functions_lose_no_digit_of_their_real_part(name, exact, x):
    found = ComplexScalars().primitives[name](complex(x, 1e-20 * abs(x))).real
    with mpmath.workdps(40):
        assert abs(found - exact(mpmath.mpf(x))) <= 1e-12 * abs(found)


@pytest.mark.parametrize("x", [1e-9, -3e-8, 1e-6, 1e-4])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: np.log1p(x) / x, lambda t: 1 / (t * (1 + t)) - mpmath.log1p(t) / t**2),
        (lambda x: np.expm1(x) / x, lambda t: mpmath.exp(t) / t - mpmath.expm1(t) / t**2),
        (lambda x: np.sin(x) / x, lambda t: mpmath.cos(t) / t - mpmath.sin(t) / t**2),
        (lambda x: np.arctan(x) / x, lambda t: 1 / (t * (1 + t * t)) - mpmath.atan(t) / t**2),
    ],
)
def test_no_witness_contradicts_a_right_derivative_beside_a_removable_pole(f, slope, x):
    with mpmath.workdps(50):
        J = [[float(slope(mpmath.mpf(x)))]]
    report = check(f, [x], J)
    assert not [witness.name for witness in report.witnesses if witness.status == "disagrees"], report


# --- staircases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [None, ["finite-difference"], ["projections"]])
@pytest.mark.parametrize("height", [1.0, 0.125, 1e-2, 1e-4, 1e-6, 1e-8, 1e-9])
@pytest.mark.parametrize("stairs", [np.floor, np.rint])
def test_stairs_are_no_slope_whatever_their_height(stairs, height, ask):
    rng = np.random.default_rng(5)
    for n in (1, 4):
        x = 5 * rng.normal(size=n)
        f = lambda x: stairs(x / height) * height  # noqa: E731
        code = lambda x, f=f: np.array([float(v) for v in f(np.array(x, dtype=float))])  # not traced  # noqa: E731
        for function in (f, code):
            assert check(function, x, np.zeros((n, n)), witnesses=ask).verdict != "wrong"
            assert check(function, x, np.eye(n), witnesses=ask).verdict != "right"


@pytest.mark.parametrize("ask", [None, ["projections"]])
def test_stairs_beside_a_slope_are_passed_over(ask):
    x = np.array([0.3, -2.7, 5.1])
    f = lambda x: np.floor(x) + np.sin(x)  # noqa: E731
    assert check(f, x, np.diag(np.cos(x)), witnesses=ask).verdict == "right"
    assert check(f, x, np.diag(np.cos(x)) + np.eye(3), witnesses=ask).verdict == "wrong"


@pytest.mark.parametrize("ask", [["finite-difference"], ["projections"]])
@pytest.mark.parametrize("c", [1.0, 30.0, 1e3])
def test_mild_cancelling_in_code_that_is_not_traced_is_rounding_and_no_stairs(c, ask):
    rng = np.random.default_rng(3)
    right, wrong = [], []
    for _ in range(25):
        x = rng.choice([-1, 1], size=3) * rng.uniform(0.2, 2, size=3)
        f = lambda x: np.array([(c + math.sin(float(t))) - c for t in x])  # noqa: E731
        J = np.diag(np.cos(x))
        right.append(check(f, x, J, witnesses=ask).verdict)
        wrong.append(check(f, x, J * (1 + 1e-3), witnesses=ask).verdict)
    assert right.count("right") >= 24, (c, right)
    assert "wrong" not in right
    assert set(wrong) == {"wrong"}
