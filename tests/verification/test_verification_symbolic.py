"""The symbolic witness against closed forms and against forward code of one's own."""

import numpy as np
import pytest
import sympy

from jacobians import Function
from verification.problem import Problem
from verification.tracing.scalars import TracingError, UndecidedError
from verification.witnesses.symbolic import symbolic_jacobian

RNG = np.random.default_rng(5)


class Liar(Function):
    """x³ with a derivative that must never be read."""

    parameter_names = ("a",)

    def __init__(self, a):
        self.a = self.parameter(a, "a")

    def forward(self, x):
        return self.a * x**3

    def derivative(self, x, wrt="input"):
        raise AssertionError("the symbolic witness read the derivative that it checks")


def test_the_matrix_is_in_symbols_of_the_point():
    x0, x1 = sympy.symbols("x_0 x_1", real=True)
    found = symbolic_jacobian(lambda x: np.array([x[0] ** 2 * x[1], x[0] + x[1]]), [2.0, 3.0])
    assert found.matrix == sympy.Matrix([[2 * x0 * x1, x0**2], [1, 1]])
    assert found.value.tolist() == [[12.0, 4.0], [1.0, 1.0]]
    assert found.value.dtype == np.float64


def test_a_function_by_input_and_by_parameter():
    f = Liar([2.0, 3.0])
    assert symbolic_jacobian(f, [1.0, 2.0]).value.tolist() == [[6.0, 0.0], [0.0, 36.0]]
    by_parameter = symbolic_jacobian(f, [1.0, 2.0], wrt="a")
    assert by_parameter.value.tolist() == [[1.0, 0.0], [0.0, 8.0]]


def test_row_major_vec_and_names_of_matrices():
    found = symbolic_jacobian(lambda X: X.T, np.arange(6.0).reshape(2, 3))
    expected = np.zeros((6, 6))
    for i in range(3):
        for j in range(2):
            expected[i * 2 + j, j * 3 + i] = 1.0
    assert found.value.tolist() == expected.tolist()
    product = symbolic_jacobian(lambda X: X[0, 0] * X[1, 2], np.arange(6.0).reshape(2, 3))
    assert [str(entry) for entry in product.matrix] == ["X".lower() + "_1_2", "0", "0", "0", "0", "x_0_0"]


def test_a_derivative_where_float64_loses_every_digit():
    # d/dx log cosh x = tanh x, and 1 − tanh² 25 = 7.7e-22 is 0 in float64 arithmetic
    found = symbolic_jacobian(np.tanh, 25.0).value[0, 0]
    assert found == pytest.approx(1 / np.cosh(25.0) ** 2, rel=1e-15)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda X: np.linalg.inv(X), lambda X: -np.kron(np.linalg.inv(X), np.linalg.inv(X).T)),
        (lambda X: np.linalg.det(X), lambda X: np.linalg.det(X) * np.linalg.inv(X).T.reshape(1, -1)),
        (lambda X: np.linalg.slogdet(X)[1], lambda X: np.linalg.inv(X).T.reshape(1, -1)),
        (lambda X: np.trace(X @ X), lambda X: 2 * X.T.reshape(1, -1)),
        (lambda X: np.linalg.norm(X), lambda X: (X / np.linalg.norm(X)).reshape(1, -1)),
    ],
)
def test_matrix_functions_against_closed_forms(f, derivative):
    X = RNG.normal(size=(3, 3))
    np.testing.assert_allclose(symbolic_jacobian(f, X).value, derivative(X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
        lambda x: np.exp(x) / np.exp(x).sum(),
    ],
)
def test_pieces_that_fit_are_no_kink(f):
    # at a tie every branch of the maximum meets, and softmax is smooth there
    np.testing.assert_allclose(symbolic_jacobian(f, [1.0, 1.0, 1.0]).value, np.eye(3) / 3 - 1 / 9, rtol=1e-15)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.maximum(x, 0), [0.0, 1.0]),
        (lambda x: np.where(x > 0, x, 2 * x), [0.0, 1.0]),
        (lambda x: np.abs(x), [0.0, 1.0]),
        (lambda x: np.max(x), [1.0, 1.0]),
        (lambda x: np.linalg.norm(x[:1]), [0.0, 1.0]),
    ],
)
def test_kinks_are_undecided(f, x):
    with pytest.raises(UndecidedError, match="kink at the point"):
        symbolic_jacobian(f, x)


def test_a_singular_derivative_is_nan():
    assert np.isnan(symbolic_jacobian(np.sqrt, 0.0).value).all()


def test_branches_that_are_not_taken_may_be_singular():
    f = lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)) + np.log(np.where(x > 0, x, 1.0)) ** 2, x)  # noqa: E731
    assert symbolic_jacobian(f, -1.0).value.tolist() == [[1.0]]


def test_exact_constants():
    inexact = symbolic_jacobian(lambda x: 0.5 * x**2, 3.0)
    exact = symbolic_jacobian(lambda x: 0.5 * x**2, 3.0, exact=True)
    assert exact.matrix[0] == sympy.Symbol("x", real=True)
    assert exact.value == inexact.value == 3.0


def test_what_cannot_be_traced_is_named():
    with pytest.raises(TracingError, match=r"^np\.linalg\.svd: not traced"):
        symbolic_jacobian(lambda X: np.linalg.svd(X)[1], np.eye(2))


def test_operations_grow_with_the_problem():
    X = np.ones((4, 3))
    counts = [Problem(lambda x: X @ x, np.ones((3, columns))).operations for columns in (1, 100)]
    assert counts == [2 * 4 * 3, 2 * 4 * 3 * 100]
