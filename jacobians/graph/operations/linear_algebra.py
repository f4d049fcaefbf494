"""Rows of numpy.linalg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from jacobians.graph.operations.axes import steps
from jacobians.graph.operations.contraction import pair
from jacobians.graph.operations.moves import chosen
from jacobians.graph.operations.table import TABLE, Operation, Place, Steps, linear
from jacobians.numerics.arrays import Array, as_array
from jacobians.structures import Dense, Diagonal, Identity, Jacobian, Kronecker


def _square(A: Any, name: str) -> Array:
    A = as_array(A)
    if A.ndim != 2:
        raise TypeError(f"of an array of shape {A.shape} is not followed: {name} of one matrix is")
    return cast(Array, A)


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
        if n == 1:
            return Identity(1)
        others = np.array([[k for k in range(n) if k != i] for i in range(n)])
        minors = A[others[:, None, :, None], others[None, :, None, :]]
        signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
        return Dense((signs * np.linalg.det(minors)).reshape(1, -1))

    return y, jacobian


def _slogdet(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A = _square(args[0], "the determinant")
    return function(A), lambda place: [None, Dense(np.linalg.inv(A).T.reshape(1, -1))]


def _solve(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    A, B = _square(args[0], "the solution"), as_array(args[1])
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

    def jacobian(place: Place) -> Steps:
        # dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal; NumPy reads the lower triangle of A only
        n = len(L)
        inverse = np.linalg.inv(L)
        i, j = np.indices((n, n)).reshape(2, -1)
        mirrored = chosen(np.maximum(i, j) * n + np.minimum(i, j), n * n)
        halved = np.where(i == j, 0.5, 1.0 * (i > j))
        steps_of = pair(L, Identity(n)), Diagonal(halved), Kronecker(inverse, inverse), mirrored
        return steps(*steps_of, size=n * n)

    return L, jacobian


TABLE[np.cross] = Operation("numpy.cross", linear)
for _name, _rule in (("inv", _inv), ("det", _det), ("slogdet", _slogdet), ("solve", _solve),
                     ("cholesky", _cholesky)):  # fmt: skip
    TABLE[getattr(np.linalg, _name)] = Operation(f"numpy.linalg.{_name}", _rule)
