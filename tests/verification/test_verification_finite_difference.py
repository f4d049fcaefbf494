"""Finite differences against closed forms and against each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacobians import Function
from jacobians.structures import Dense
from verification import check
from verification.problem import EvaluationError
from verification.tracing.scalars import NotAnalyticError, TracingError
from verification.witnesses.finite_difference import finite_difference_jacobian, richardson_jacobian

RNG = np.random.default_rng(3)
A = RNG.normal(size=(3, 4))
POINT = RNG.normal(size=4)
METHODS = ["central", "forward", "complex-step", "richardson"]
TOLERANCE = {"central": 1e-9, "forward": 1e-6, "complex-step": 1e-14, "richardson": 1e-11}


def layer(x):
    return np.tanh(A @ x)


TRUTH = (1 - np.tanh(A @ POINT) ** 2)[:, None] * A


class Recorded(Function):
    """A·x, which writes down the shapes that it was called with, and has no right derivative."""

    vectorized = True
    parameter_names = ("A",)

    def __init__(self, A):
        self.A = self.parameter(A, "A")
        self.shapes = []

    def forward(self, x, batch_ndim=0):
        self.shapes.append(np.shape(x))
        return x @ self.A.T

    def derivative(self, x, wrt="input", batch_ndim=0):
        return Dense(np.zeros((3, 4)))


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_against_its_closed_form(method):
    found = finite_difference_jacobian(layer, POINT, method)
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, TRUTH, rtol=0, atol=TOLERANCE[method])


@pytest.mark.parametrize("method", METHODS)
def test_shapes_are_row_major_on_both_sides(method):
    X = RNG.normal(size=(2, 3))
    found = finite_difference_jacobian(lambda x: x.T * 2.0, X, method)
    expected = np.zeros((6, 6))
    for i in range(3):
        for j in range(2):
            expected[i * 2 + j, j * 3 + i] = 2.0  # Xᵀ[i, j] is X[j, i]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert finite_difference_jacobian(np.sin, 0.5, method).shape == (1, 1)
    assert finite_difference_jacobian(lambda x: x.sum(), X, method).shape == (1, 6)


@pytest.mark.parametrize("method", METHODS)
def test_integers_are_points_too(method):
    np.testing.assert_allclose(
        finite_difference_jacobian(lambda x: x**2, [3, -2], method), np.diag([6.0, -4.0]), atol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_input_is_not_written_to_even_if_f_writes(method):
    def writes(x):
        x *= 2
        return x

    x = np.array([1.0, 3.0])
    np.testing.assert_allclose(finite_difference_jacobian(writes, x, method), 2 * np.eye(2), atol=1e-6)
    assert x.tolist() == [1.0, 3.0]


def test_a_function_is_called_once_for_all_points():
    f = Recorded(A)
    found = finite_difference_jacobian(f, POINT)
    np.testing.assert_allclose(found, A, atol=1e-9)
    assert f.shapes == [(4,), (8, 4)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_plain_code_that_takes_points_along_a_first_axis(method, shape):
    x = np.linspace(0.5, 2, math.prod(shape)).reshape(shape)
    calls = []

    def f(X):
        calls.append(len(X))
        return np.exp(X) * np.sum(X, axis=tuple(range(1, X.ndim)), keepdims=True)

    found = finite_difference_jacobian(f, x, method, vectorized=True)
    one_by_one = finite_difference_jacobian(lambda x: np.exp(x) * np.sum(x), x, method)
    np.testing.assert_allclose(found, one_by_one, rtol=1e-6)
    if method == "central":
        assert calls == [1, 2, 2 * x.size]


@pytest.mark.parametrize("f", [lambda X: X.sum(), lambda X: X[:0]])
def test_vectorized_code_that_leaves_its_points_out_is_refused(f):
    with pytest.raises(ValueError, match=r"^f: found a result of shape .* for 1 point with vectorized=True"):
        finite_difference_jacobian(f, [1.0, 2.0], vectorized=True)


def test_vectorized_code_outside_of_its_domain():
    f = lambda X: np.log(X).sum(axis=1)  # noqa: E731
    np.testing.assert_allclose(
        finite_difference_jacobian(f, [1e-9, 2.0], vectorized=True), [[1e9, 0.5]], rtol=1e-7
    )


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda X: X - X.mean(axis=0), r"^f: found a value at x that changes with the point beside it; "),
        (
            lambda X: X.sum(axis=0)[None],
            r"^f: found shape \(1, 3\) for points of shape \(2, 3\), expected \(2, 3\); ",
        ),
        (
            lambda X: X.reshape(1, 3),
            r"^f: found cannot reshape .* for points of shape \(2, 3\); vectorized=True says",
        ),
    ],
)
def test_points_that_are_mixed_are_refused(f, message):
    for differences in (finite_difference_jacobian, richardson_jacobian):
        with pytest.raises(EvaluationError, match=message):
            differences(f, [1.0, 2.0, 4.0], vectorized=True)


def test_a_function_says_itself_what_it_takes():
    with pytest.raises(ValueError, match=r"^vectorized: found True for a Function"):
        finite_difference_jacobian(Recorded(A), POINT, vectorized=True)


def test_blocks_of_columns_extrapolate_alike(monkeypatch):
    whole = richardson_jacobian(np.sin, np.linspace(0, 3, 7))
    f = lambda X: np.sin(X)  # noqa: E731
    monkeypatch.setattr("verification.problem.BLOCK_BYTES", 8 * 14 * 4)
    parts = richardson_jacobian(f, np.linspace(0, 3, 7), vectorized=True)
    np.testing.assert_allclose(parts.matrix, np.diag(np.cos(np.linspace(0, 3, 7))), atol=1e-12)
    np.testing.assert_allclose(parts.matrix, whole.matrix, atol=1e-12)
    assert not parts.kinks.any()


def test_blocks_bound_the_memory(monkeypatch):
    monkeypatch.setattr("verification.problem.BLOCK_BYTES", 8 * 7 * 2)  # two points of 4 with values of 3
    f = Recorded(A)
    np.testing.assert_allclose(finite_difference_jacobian(f, POINT), A, atol=1e-9)
    assert f.shapes[1:] == [(2, 4)] * 4


@pytest.mark.parametrize("method", METHODS)
def test_parameters_of_a_function(method):
    found = finite_difference_jacobian(Recorded(A), POINT, method, wrt="A")
    np.testing.assert_allclose(found, np.kron(np.eye(3), POINT), atol=1e-7)


def test_float32_steps_follow_the_dtype():
    x = POINT.astype(np.float32)
    a = A.astype(np.float32)
    found = finite_difference_jacobian(lambda x: np.tanh(a @ x), x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, TRUTH, atol=3e-4)


def test_the_step_that_was_taken_is_divided_by():
    # 1e-10 beside 1e5 is rounded by 10 %: a quotient by the step that was asked for is wrong by as much
    found = finite_difference_jacobian(lambda x: x, 1e5, "forward", step=1e-10)
    assert found.tolist() == [[1.0]]


def test_steps_of_ones_own():
    steps = np.array([1e-3, 1e-4])
    found = finite_difference_jacobian(lambda x: x**2, [1.0, 2.0], "forward", step=steps)
    np.testing.assert_allclose(np.diag(found), [2.001, 4.0001], rtol=1e-9)  # forward error of x² is the step


def test_a_domain_that_ends_nearby():
    np.testing.assert_allclose(finite_difference_jacobian(np.log, 1e-9), [[1e9]], rtol=1e-7)
    np.testing.assert_allclose(richardson_jacobian(np.log, 1e-9).matrix, [[1e9]], rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@given(x=st.floats(-30, 30))
def test_richardsons_error_estimate_holds(scale, x):
    result = richardson_jacobian(lambda x: scale * np.sin(x), x)
    error = abs(result.matrix[0, 0] - scale * np.cos(x))
    assert error <= result.error[0, 0]
    assert result.error[0, 0] <= 1e-8 * scale
    assert not result.kinks.any()


@pytest.mark.parametrize(
    ("f", "x", "kink"),
    [
        (np.abs, 0.0, True),
        (lambda x: np.maximum(x, 0), 0.0, True),
        (lambda x: 1e-9 * np.maximum(x, 0), 0.0, True),
        (lambda x: np.abs(x - 1e-3), 0.0, False),
        (lambda x: np.maximum(x, 0) ** 2, 0.0, False),
        (lambda x: np.sqrt(x * x + 1e-6), 0.0, False),
        (lambda x: np.sin(1000 * x), 0.3, False),
        (lambda x: x + 1, 1e-9, False),
        (lambda x: np.exp(x), 30.0, False),
    ],
)
def test_kinks_are_seen_at_the_point_only(f, x, kink):
    assert richardson_jacobian(f, x).kinks.tolist() == [[kink]]


def test_a_kink_at_some_distance_does_no_harm():
    result = richardson_jacobian(lambda x: np.abs(x - 1e-3), 0.0)
    assert abs(result.matrix[0, 0] + 1) <= result.error[0, 0] < 1e-10


def test_the_complex_step_finds_nothing_at_a_branch_point():
    found = finite_difference_jacobian(np.sqrt, [0.0, 4.0], "complex-step")
    assert np.isnan(found[0, 0])
    assert found[1, 1] == 0.25


def test_the_complex_step_is_refused_by_name():
    with pytest.raises(NotAnalyticError, match=r"^absolute: not complex analytic"):
        finite_difference_jacobian(np.abs, 1.0, "complex-step")
    with pytest.raises(TracingError, match=r"^np\.linalg\.eigh: not traced"):
        finite_difference_jacobian(lambda X: np.linalg.eigh(X)[0], np.eye(2), "complex-step")


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: None, r"^f returned None"),
        (lambda x: x * 1j, r"^f\(x\): found dtype complex128"),
        (lambda x: [[1.0], [2.0, 3.0]], r"^f\(x\): found a ragged sequence"),
        (
            lambda x: np.zeros(2 if x[0] > 1 else 3),
            r"^f: found shape \(2,\) at one point and \(3,\) at another",
        ),
    ],
)
def test_values_that_are_no_numbers_are_named(f, message):
    with pytest.raises(EvaluationError, match=message):
        finite_difference_jacobian(f, [1.0, 2.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "backward"}, r"^method: found 'backward', expected one of 'central'"),
        ({"step": [1e-3]}, r"^step: found shape \(1,\), expected one number or the shape \(2,\)"),
        ({"step": 0.0}, r"^step: found a step that is not positive"),
        ({"step": np.nan}, r"^step: found a step that is not positive"),
        ({"step": 1e-20}, r"^step: 1\.0e-20 is lost in the rounding of entry 0 = 1\.0"),
        ({"wrt": "W"}, r"^wrt: found 'W', expected 'input': only a Function has parameters"),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        finite_difference_jacobian(lambda x: x, [1.0, 2.0], **arguments)


# --- beside the largest float --------------------------------------------------------------------------------

LARGEST = float(np.finfo(float).max)


@pytest.mark.parametrize("method", ["central", "forward", "richardson", "complex-step"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_differences_beside_the_largest_float_go_to_the_side_that_is_there(method, sign):
    x = sign * LARGEST
    assert finite_difference_jacobian(lambda x: x / 2, [x], method).tolist() == [[0.5]]
    np.testing.assert_allclose(
        finite_difference_jacobian(lambda x: np.array([x[0] / 4, x[0] / 2]), [x, 3.0], method),
        [[0.25, 0.0], [0.5, 0.0]],
    )
    logarithm = finite_difference_jacobian(lambda x: np.log(sign * x), [x], method)
    assert logarithm[0, 0] * LARGEST == pytest.approx(sign, rel=1e-4)
    half = np.float32(sign * np.finfo("f4").max)
    assert finite_difference_jacobian(lambda x: x / 2, [half], method)[0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["central", "forward", "richardson"])
def test_differences_where_f_overflows_on_one_side_go_to_the_other(method):
    assert finite_difference_jacobian(lambda x: 2 * x, [LARGEST / 2], method)[0, 0] == pytest.approx(2)
    assert finite_difference_jacobian(lambda x: -2 * x, [-LARGEST / 2], method)[0, 0] == pytest.approx(-2)
    slope = finite_difference_jacobian(np.exp, [709.78], method)[0, 0] / np.exp(709.78)
    assert slope == pytest.approx(1, rel=1e-2)


def test_a_check_beside_the_largest_float():
    assert check(lambda x: x / 2, [LARGEST], [[0.5]]).verdict == "right"
    assert check(lambda x: x / 2, [LARGEST], [[0.4]]).verdict == "wrong"


def conjugated(x):
    return np.conj(x) ** 2 if np.iscomplexobj(x) else x**2


def filled(x):
    out = np.zeros(4)
    for k in range(4):
        out[k] = x[k] ** 2
    return out


@pytest.mark.parametrize("f", [np.square, conjugated, filled])
def test_complex_steps_by_numpy_are_those_of_traced_numbers(f):
    x = np.array([0.5, -1.0, 2.0, 3.0])
    found = finite_difference_jacobian(f, x, method="complex-step")
    np.testing.assert_allclose(found, np.diag(2 * x), rtol=1e-14)


def test_what_is_not_analytic_in_a_late_column_is_refused():
    with pytest.raises(NotAnalyticError, match="absolute"):
        finite_difference_jacobian(
            lambda x: np.concatenate([x[:3], np.abs(x[3:])]), np.arange(1.0, 6.0), method="complex-step"
        )
