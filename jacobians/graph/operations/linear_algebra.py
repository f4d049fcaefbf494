"""Rows of numpy.linalg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.graph.operations.contraction import pair
from jacobians.graph.operations.table import TABLE, Operation, Place, linear
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense, Identity, Jacobian, Kronecker


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
            return pair(-inverse, columns.T)
        return pair(inverse, Identity(columns.shape[1]))

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


TABLE[np.cross] = Operation("numpy.cross", linear)
for _name, _rule in (("inv", _inv), ("det", _det), ("slogdet", _slogdet), ("solve", _solve),
                     ("cholesky", _cholesky)):  # fmt: skip
    TABLE[getattr(np.linalg, _name)] = Operation(f"numpy.linalg.{_name}", _rule)
