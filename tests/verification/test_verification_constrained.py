"""Candidates on constrained sets of inputs, and in column-major order: judged as they are meant."""

import numpy as np
import pytest

from jacobians import Gram
from verification import assert_gradient, assert_jacobian, check

RNG = np.random.default_rng(31)
A = RNG.normal(size=(3, 3))
B = A @ A.T + np.eye(3)


def log_det(M):
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(M))))


def smallest(M):
    return np.linalg.eigvalsh(M)[0]


def test_the_inverse_is_right_for_log_det_by_a_symmetric_matrix_and_twice_it_is_wrong():
    inverse = np.linalg.inv(B).reshape(1, -1)
    assert check(log_det, B, inverse).verdict == "wrong"
    report = check(log_det, B, inverse, on="symmetric")
    assert report.passed, str(report)
    assert "along the 6 directions of the symmetric set" in report.reason
    assert report.in_shape == (3, 3)
    assert_gradient(log_det, np.linalg.inv(B), at=B, on="symmetric")
    assert check(log_det, B, 2 * inverse, on="symmetric").verdict == "wrong"


def test_a_single_wrong_entry_is_found_in_the_shape_of_the_matrix():
    inverse = np.linalg.inv(B)
    inverse[2, 1] += 0.1
    report = check(log_det, B, inverse.reshape(1, -1), on="symmetric")
    assert report.verdict == "wrong"
    assert report.worst.in_index == (1, 2)


def test_eigenvalues_of_a_symmetric_matrix():
    v = np.linalg.eigh(B)[1][:, 0]
    assert check(smallest, B, np.outer(v, v).reshape(1, -1)).verdict == "wrong"
    assert check(smallest, B, np.outer(v, v).reshape(1, -1), on="symmetric").passed


def test_lower_triangular_inputs_and_directions_of_ones_own():
    L = np.linalg.cholesky(B)
    f = lambda M: np.sum(np.log(np.diag(M))) + np.sum(M[0, 1:] ** 2 + M[0, 1:])  # noqa: E731  # reads above the diagonal
    right = np.diag(1 / np.diag(L)).reshape(1, -1)
    assert check(f, L, right).verdict == "wrong"
    assert check(f, L, right, on="lower").passed
    x = np.array([1.0, 2.0, 3.0])
    line = lambda z: np.sum(z**2)  # noqa: E731
    assert check(line, x, [[2.0, 4.0, 99.0]], on=[[1.0, 0, 0], [0, 1.0, 0]]).passed
    assert check(line, x, [[2.0, 4.0, 99.0]], on=[[1.0, 0, 1.0]]).verdict == "wrong"


@pytest.mark.parametrize(
    ("x", "on", "sentence"),
    [
        (A, "symmetric", "on: found 'symmetric' and a point that isn't, expected a symmetric matrix"),
        (A, "lower", "on: found 'lower' and a point that isn't, expected zeros above the diagonal"),
        (A[0], "symmetric", "on: found 'symmetric' for a point of shape (3,), expected a square matrix"),
        (A, "upper", "on: found 'upper', expected one of 'symmetric', 'lower', or directions"),
        (
            A,
            [[1.0]],
            "on: found shape (1, 1), expected 'symmetric', 'lower' or directions of shape (count, 3, 3)",
        ),
        (A, [A, 2 * A], "on: found directions that depend on each other, expected a basis"),
    ],
)
def test_sets_that_make_no_sense_are_refused(x, on, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is compared below
        check(lambda M: np.sum(M**2), x, 2 * np.reshape(x, (1, -1)), on=on)
    assert str(caught.value) == sentence


def test_column_major_candidates_are_right_when_they_are_called_so():
    X, V = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 4))
    column = np.kron(V.T, A)  # vec(A X V) = (Vᵀ ⊗ A) vec X, down the columns
    f = lambda X: A @ X @ V  # noqa: E731
    assert check(f, X, column).verdict == "wrong"
    assert check(f, X, column, vec="column").passed
    assert check(f, X, np.kron(A, V.T)).passed
    assert check(f, X, np.kron(A, V.T), vec="column").verdict == "wrong"
    assert_jacobian(f, column, at=X, vec="column")


def test_vec_order_makes_no_sense_beside_a_layout():
    with pytest.raises(ValueError, match="vec: found 'column' for a Jacobian or a tensor"):
        check(Gram(), A, Gram().jacobian(A), vec="column")
    with pytest.raises(ValueError, match="vec: found 'up', expected one of 'row', 'column'"):
        check(np.sin, [1.0], [[np.cos(1.0)]], vec="up")
