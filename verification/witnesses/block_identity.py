"""The block identity of matrix functions: the upper right block of f([[A, E], [0, A]]) is f′(A)[E]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, real_array, require_budget
from jacobians.numerics.float_errors import without_float_errors
from verification.callables import require_arguments, require_function
from verification.problem import numbers

SAME = 1e-8  # relative: in which f is taken to be a matrix function


class NotAMatrixFunctionError(ValueError):
    """f is no matrix function in the sense of this identity; the message says which property fails."""


@without_float_errors
def block_derivative(f: Callable[[Any], Any], A: Any, E: Any) -> Array:
    """Return the derivative of a matrix function in the direction E: f′(A)[E], shape (n, n).

    It is the upper right block of f([[A, E], [0, A]]), exact but for rounding: no step is taken. This holds for
    matrix functions (powers, inverse, exponential, polynomials, …), which commute with similarities and act on
    blocks of a diagonal one by one; both are tried on random matrices first.

    Parameters
    ----------
    f : callable
        From square matrices of any size to matrices of the same size.
    A, E : array_like, shape (n, n)
        The point and the direction.

    Raises
    ------
    NotAMatrixFunctionError
        If f is no matrix function, as an elementwise one isn't.
    ValueError
        If A or E is not square, or they differ in shape.

    Examples
    --------
    >>> A, E = np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> np.allclose(block_derivative(lambda X: X @ X, A, E), A @ E + E @ A)
    True
    """
    point, direction = _square(A, "A"), _square(E, "E")
    if point.shape != direction.shape:
        raise ValueError(f"E: found shape {direction.shape}, expected {point.shape}, that of A")
    require_matrix_function(f, point)
    return _block(f, point, direction)


@without_float_errors
def block_jacobian(f: Callable[[Any], Any], A: Any) -> tuple[Array, Array]:
    """Return the Jacobian of a matrix function by the block identity, and an estimate of its rounding errors.

    Row-major vec, numerator layout: column j is f′(A)[E_j], where E_j is 1 in entry j.

    Parameters
    ----------
    f : callable
        From square matrices of any size to matrices of the same size.
    A : array_like, shape (n, n)
        The point.

    Returns
    -------
    matrix, error : numpy.ndarray, shape (n², n²)

    Raises
    ------
    MemoryBudgetError
        If the answer would take more than 2 GiB.
    NotAMatrixFunctionError
        If f is no matrix function.

    Examples
    --------
    >>> matrix, error = block_jacobian(np.linalg.inv, [[2.0, 0.0], [0.0, 4.0]])
    >>> matrix.diagonal().round(12), bool(error.max() < 1e-14)
    (array([-0.25  , -0.125 , -0.125 , -0.0625]), True)
    """
    point = _square(A, "A")
    n2 = point.size
    require_budget(
        (n2, n2), 8, "a Jacobian of a matrix function", "call block_derivative for single directions"
    )
    require_matrix_function(f, point)
    matrix, error = np.empty((n2, n2)), np.empty((n2, n2))
    for j in range(n2):
        unit = np.zeros(n2)
        unit[j] = 1.0
        direction = unit.reshape(point.shape)
        whole = _block(f, point, direction)
        part = 8.0 * _block(f, point, direction / 8.0)  # linear in E: the difference is rounding
        matrix[:, j] = whole.reshape(-1)
        error[:, j] = 4 * np.abs(whole - part).reshape(-1) + 64 * np.finfo(float).eps * np.abs(whole).max()
    return matrix, error


def require_matrix_function(f: Callable[[Any], Any], A: Array) -> None:
    """Raise NotAMatrixFunctionError unless f acts near A as matrix functions do."""
    require_function(f)
    require_arguments(f, "f", 1)
    n = len(A)
    rng = np.random.default_rng(0)
    if n == 1:
        raise NotAMatrixFunctionError("1×1 matrices commute, so that nothing tells a matrix function there")
    similarity = np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n)
    # A itself may commute with everything, as multiples of the identity do
    generic = 1.25 * A + 0.1 * max(1.0, float(np.abs(A).max())) * rng.normal(size=(n, n))
    other = similarity @ generic @ np.linalg.inv(similarity)
    zero = np.zeros((n, n))
    with np.errstate(all="ignore"):
        try:
            at, scaled = numbers(f(A.copy())), numbers(f(generic.copy()))
            turned = numbers(f(other.copy()))
            both = numbers(f(np.block([[A, zero], [zero, other]])))
        except Exception as error:  # code for one size only, say
            raise NotAMatrixFunctionError(f"f fails on other matrices than A: {error}") from None
        if at.shape != A.shape or both.shape != (2 * n, 2 * n):
            raise NotAMatrixFunctionError(
                f"f(A) has shape {at.shape}, expected {A.shape}: a matrix function keeps shapes"
            )
        if not _same(turned, similarity @ scaled @ np.linalg.inv(similarity)):
            raise NotAMatrixFunctionError(
                "f does not commute with similarities: f(S A S⁻¹) is not S f(A) S⁻¹"
            )
        if not _same(both, np.block([[at, zero], [zero, turned]])):
            raise NotAMatrixFunctionError("f does not act on diagonal blocks one by one")


def _same(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max() <= SAME * max(np.abs(a).max(), np.abs(b).max()))


def _block(f: Callable[[Any], Any], A: Array, E: Array) -> Array:
    n = len(A)
    with np.errstate(all="ignore"):
        result = numbers(f(np.block([[A, E], [np.zeros((n, n)), A]])))
    return np.array(result[:n, n:])


def _square(value: Any, name: str) -> Array:
    matrix = real_array(value, name, ndim=2).astype(np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name}: found shape {matrix.shape}, expected a square matrix")
    return matrix
