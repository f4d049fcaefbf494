"""Rows of products of matrices and of numpy.linalg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.arrays import Array
from jacobians.graph.operations.table import TABLE, Operation, Place, linear
from jacobians.structures import Dense, Identity, Jacobian, Kronecker


def _pair(A: Any, B: Any) -> Jacobian:
    """Return A ⊗ B, without a factor that is the number 1."""
    for one, other in ((A, B), (B, A)):
        if isinstance(one, Identity) and one.shape == (1, 1):
            return other if isinstance(other, Jacobian) else Dense(other)
    return Kronecker(A, B)


def _matmul(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A, B = (np.asarray(a) for a in args[:2])
    if A.ndim not in (1, 2) or B.ndim not in (1, 2):
        return linear(function, args, kwargs)
    value = function(*args, **kwargs)
    left = A.reshape(-1, A.shape[-1])
    right = B.reshape(B.shape[0], -1)

    def jacobian(place: Place) -> Jacobian:  # vec(A B) = (I ⊗ Bᵀ) vec A = (A ⊗ I) vec B, row-major
        if place == (0,):
            return _pair(Identity(left.shape[0]), right.T)
        return _pair(left, Identity(right.shape[1]))

    return value, jacobian


def _outer(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (np.ravel(x) for x in args)

    def jacobian(place: Place) -> Jacobian:
        return _pair(Identity(a.size), b[:, None]) if place == (0,) else _pair(a[:, None], Identity(b.size))

    return function(a, b), jacobian


def _square(A: Any, name: str) -> Array:
    A = np.asarray(A)
    if A.ndim != 2:
        raise TypeError(f"of an array of shape {A.shape} is not followed: {name} of one matrix is")
    return A


def _inv(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    Y = function(_square(args[0], "the inverse"))
    return Y, lambda place: Kronecker(-Y, Y.T)  # dY = −Y dA Y


def _det(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A = _square(args[0], "the determinant")
    y = function(A)

    def jacobian(
        place: Place,
    ) -> Jacobian:  # the row of cofactors, from minors: right for singular matrices too
        n = len(A)
        cofactors = np.empty((n, n))
        for i, j in np.ndindex(n, n):
            minor = np.delete(np.delete(A, i, axis=0), j, axis=1)
            cofactors[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        return Dense(cofactors.reshape(1, -1))

    return y, jacobian


def _slogdet(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A = _square(args[0], "the determinant")
    return function(A), lambda place: [None, Dense(np.linalg.inv(A).T.reshape(1, -1))]


def _solve(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A, B = _square(args[0], "the solution"), np.asarray(args[1])
    X = function(A, B)
    columns = X.reshape(len(A), -1)

    def jacobian(place: Place) -> Jacobian:  # dX = A⁻¹ (dB − dA X)
        inverse = np.linalg.inv(A)
        if place == (0,):
            return _pair(-inverse, columns.T)
        return _pair(inverse, Identity(columns.shape[1]))

    return X, jacobian


def _cholesky(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if kwargs:
        raise TypeError("takes no options here: the lower triangle is read and returned")
    L = function(_square(args[0], "the factor"))

    def jacobian(place: Place) -> Jacobian:
        # dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal; NumPy reads the lower triangle of A only
        n = len(L)
        inverse = np.linalg.inv(L)
        J = np.zeros((n, n, n, n))
        for i in range(n):
            for j in range(i + 1):
                dA = np.zeros((n, n))
                dA[i, j] = dA[j, i] = 1
                inner = np.tril(inverse @ dA @ inverse.T)
                inner[np.diag_indices(n)] /= 2
                J[:, :, i, j] = L @ inner
        return Dense(J.reshape(n * n, n * n))

    return L, jacobian


for _name, _rule in (("matmul", _matmul), ("dot", _matmul), ("outer", _outer)):
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", _rule)
for _name in ("einsum", "inner", "vdot", "tensordot", "kron", "convolve", "correlate", "cross"):
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", linear)
for _name, _rule in (("inv", _inv), ("det", _det), ("slogdet", _slogdet), ("solve", _solve),
                     ("cholesky", _cholesky)):  # fmt: skip
    TABLE[getattr(np.linalg, _name)] = Operation(f"numpy.linalg.{_name}", _rule)
