"""No wrong entry is excused by the rounding of another formula, and no disagreement stands beside "right"."""

import mpmath
import numpy as np
import pytest

from verification import check, diagnose
from verification.causes import Cause
from verification.report import Witness
from verification.verdict import decide

CENTRES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
QUERIES = np.array([[0.4, -1.0, 0.2], [1.5, 0.3, -0.6]])


def softmax(shift):
    def f(m, x):
        e = m.exp(x - shift)
        return e / e.sum()

    return f


def responsibilities(m, x):
    e = m.exp(-((x - m.c(CENTRES)) ** 2).sum(1) / 2)
    return e / e.sum()


def kernel(m, x):
    return m.exp(-((x - m.c(CENTRES)) ** 2).sum(1) / 2)


def attention(m, x):
    scores = m.c(QUERIES)[:, :, None] * x  # one maximum for all rows
    e = m.exp(scores - scores.max() - 20)
    return ((e / e.sum(2)[:, :, None]) @ x).sum(1)


def logistic(m, x):
    return 1 / (1 + m.exp(-x))


class Floats:
    exp = staticmethod(np.exp)
    c = staticmethod(np.asarray)


class Digits:
    exp = staticmethod(np.vectorize(mpmath.exp, otypes=[object]))
    c = staticmethod(np.vectorize(mpmath.mpf, otypes=[object]))


CASES = [
    *((softmax(shift), [0.3, -0.2, 0.9]) for shift in (-30.0, 0.0, 0.9, 40.0, 300.0)),
    (responsibilities, [6.0, 7.0]),
    (responsibilities, [0.2, -0.1]),
    (kernel, [6.0, 7.0]),
    (kernel, [0.4, 0.3]),
    (attention, [0.5, -0.4, 1.1]),
    (lambda m, x: m.exp(x), [-4.0, -37.0]),
    (logistic, [0.3, -20.0, 12.0]),
]


def truth(f, x):
    """Return the Jacobian by central differences in 60 digits."""
    with mpmath.workdps(60):
        point = Digits.c(np.array(x))
        h = mpmath.mpf(10) ** -25
        columns = []
        for j in range(len(point)):
            up, down = point.copy(), point.copy()
            up[j], down[j] = up[j] + h, down[j] - h
            columns.append((f(Digits, up) - f(Digits, down)) / (2 * h))
        return np.array(columns).T.astype(float)


@pytest.mark.parametrize(("f", "x"), CASES)
def test_an_exponential_excuses_no_entry_of_the_wrong_sign(f, x):
    J = truth(f, x)
    code = lambda x: f(Floats, x)  # noqa: E731
    assert check(code, x, J).verdict == "right"
    for i, j in np.argwhere(np.abs(J) > 1e-6 * np.abs(J).max(axis=1, keepdims=True)):
        wrong = J.copy()
        wrong[i, j] *= -1
        assert check(code, x, wrong).verdict == "wrong", (i, j)
        wrong = J.copy()
        wrong[i, j] *= 1 + 1e-4
        assert check(code, x, wrong).verdict == "wrong", (i, j)


@pytest.mark.parametrize("z", [10.0, 20.0, 25.0, 30.0])
@pytest.mark.parametrize(
    "f",
    [
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: (1 + np.exp(-z)) ** -1,
        lambda z: np.reciprocal(np.exp(-z) + 1.0),
        lambda z: np.exp(z) / (1 + np.exp(z)),
        lambda z: -3 * (1 / (-1 - np.exp(-z))) / 3,
    ],
)
def test_the_usual_formula_of_a_logistic_function_is_not_wrong(f, z):
    s = 1 / (1 + np.exp(-z))
    report = check(f, [z], [[s * (1 - s)]])
    assert report.verdict != "wrong", str(report)
    assert check(f, [z], [[np.exp(-z) * s * s]]).verdict == "right"
    assert check(f, [z], [[-np.exp(-z) * s * s]]).verdict != "right"


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0])
def test_a_deviation_that_only_rounding_could_explain_is_neither_right_nor_wrong(factor):
    x = np.array([34.0, 0.0, -1.0])
    p = np.exp(x) / np.exp(x).sum()
    J = -np.outer(p, p) + np.diag(p)
    J[0, 0] = p[0] * (p[1] + p[2])
    f = lambda x: np.exp(x) / np.exp(x).sum()  # noqa: E731
    assert check(f, x, J).verdict == "right"
    J[0, 0] *= factor
    report = check(f, x, J)
    assert report.verdict != "right"
    if report.verdict == "undecided":
        assert report.cause == Cause.ROUNDING
        assert report.reason.endswith("1 of 9 entries can't be told from rounding")


def test_no_supporting_witness_disagrees_beside_right():
    agree = Witness("finite-difference", "agrees", cause=Cause.AGREES)
    against = Witness("taylor", "disagrees", reason="order 1.00", cause=Cause.DIFFERS)
    decision = decide([agree], [against])
    assert decision == (
        "undecided",
        Cause.UNEXPLAINED,
        "finite-difference agrees, taylor disagrees: order 1.00",
    )
    assert decide([agree], [Witness("taylor", "undecided")]).verdict == "right"


# --- a verdict and its diagnosis never contradict each other ----------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 2), (2, 3)])
def test_a_gradient_in_the_shape_of_x_is_judged_and_one_of_another_shape_is_not(shape):
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    f = lambda x: np.sum(x**2)  # noqa: E731
    assert check(f, x, 2 * x).passed
    assert check(f, x, 3 * x).verdict == "wrong"
    assert check(f, x, (2 * x)[..., None]).verdict == "wrong"
    assert check(f, x, 2 * x, layout="denominator").passed


def test_nothing_is_said_in_empty_brackets_or_relative_to_zero():
    J = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert str(diagnose(J, J)) == "nothing is wrong: the candidate equals the expected answer"
    for wrong in (J, np.ones((2, 2)), np.eye(2)):
        assert "inf" not in str(diagnose(wrong, 0 * J))
    report = check(lambda x: 0 * x, [1.0, 2.0], np.eye(2))
    assert "-0.0" not in str(report)


def test_a_function_that_returns_a_tuple_is_named():
    report = check(lambda x: (x, 2 * x), [1.0, 2.0], np.eye(2))
    assert report.reason == "f returned a tuple of 2; differentiate one of them: lambda x: f(x)[0]"
    assert not report


def test_rows_and_columns_in_column_major_order_are_named():
    rng = np.random.default_rng(0)
    J = rng.normal(size=(6, 6))
    order = np.arange(6).reshape(2, 3).T.reshape(-1)
    found = diagnose(J[np.ix_(order, order)], J, out_shape=(2, 3), in_shape=(2, 3))
    assert found.sentence == "rows and columns are in column-major (Fortran) order, expected row-major vec"


@pytest.mark.parametrize("left", [6e-16, -3e-14])
def test_an_absolute_tolerance_is_for_those_who_ask(left):
    def f(x):
        return np.sum((x - x.mean()) / np.sqrt(x.var() + 1e-5))  # 0 for every x

    x = np.array([0.3, -1.0, 2.0])
    gradient = np.array([[left, -left, left]])
    assert check(f, x, gradient).verdict != "right"
    assert check(f, x, gradient, atol=1e-12).verdict == "right"
    assert check(f, x, gradient + 1e-9, atol=1e-12).verdict == "wrong"
    with pytest.raises(ValueError, match=r"^atol: found -1, expected a finite absolute tolerance"):
        check(f, x, gradient, atol=-1)


def test_an_infinite_slope_of_f_itself_is_not_called_wrong():
    report = check(np.sqrt, [0.0, 1.0], [[np.inf, 0], [0, 0.5]])
    assert (report.verdict, report.cause) == ("undecided", Cause.NOT_FINITE)
    assert check(np.sqrt, [4.0, 1.0], [[np.inf, 0], [0, 0.5]]).verdict == "wrong"
    assert check(np.sqrt, [0.0, 1.0], [[np.nan, 0], [0, 0.5]]).verdict == "wrong"


def test_a_kink_of_a_step_is_not_told_as_a_fact_about_f():
    y = np.array([0.3, 0.7])
    report = check(lambda z: 0.5 * np.linalg.norm(z - y) ** 2, y, np.zeros((1, 2)))
    assert report.verdict != "wrong"
    assert "f has no derivative" not in report.reason


@pytest.mark.parametrize(
    "f",
    [
        np.cbrt,
        lambda x: np.sign(x) * np.sqrt(np.abs(x)),
        lambda x: 3 + np.cbrt(np.sin(x)),
        lambda x: np.cbrt(x) ** 2,
    ],
    ids=["cube root", "both square roots", "inside", "a cusp"],
)
def test_nor_is_one_that_is_infinite_on_both_sides(f):
    assert check(f, [0.0], [[np.inf]]).verdict == "undecided"
    assert (
        check(f, [0.0, 1.0], np.full((2, 2), np.inf)).verdict == "wrong"
    )  # at 1, and off the diagonal, it is none


@pytest.mark.parametrize(
    "f", [np.abs, np.square, np.sin, lambda x: 1 + x**3, lambda x: 0 * x], ids=list("ksvct")
)
@pytest.mark.parametrize("x", [0.0, 0.7, 1e5])
def test_an_infinite_entry_where_the_slope_is_finite_is_wrong(f, x):
    assert check(f, [x], [[np.inf]]).verdict == "wrong"
