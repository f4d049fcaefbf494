"""Derivatives on a constrained set of inputs: along its directions, as for symmetric matrices, and along no other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array
from verification.problem import Problem

NAMED = ("symmetric", "lower")


class Directions:
    """The directions of a set of inputs.

    Attributes
    ----------
    basis : numpy.ndarray, shape (n, p)
        A direction a column, in row-major vec: E_ij + E_ji for symmetric matrices.
    coordinates : numpy.ndarray, shape (p,)
        Those of the point.
    rest : numpy.ndarray
        The point without what the directions span.
    name : str
        Of the set, for sentences.

    Raises
    ------
    TypeError, ValueError
        If `on` is no name of a set and no list of directions in the shape of the point, or the point isn't in the set.

    Examples
    --------
    >>> Directions("symmetric", np.eye(2)).basis.T
    array([[1., 0., 0., 0.],
           [0., 1., 1., 0.],
           [0., 0., 0., 1.]])
    """

    def __init__(self, on: Any, point: Array) -> None:
        self.shape = point.shape
        self.name = on if isinstance(on, str) else "given"
        if isinstance(on, str):
            self.basis = _named(on, point)
        else:
            given = real_array(on, "on").astype(np.float64)
            if given.ndim != point.ndim + 1 or given.shape[1:] != point.shape:
                raise ValueError(
                    f"on: found shape {given.shape}, expected {'symmetric'!r}, {'lower'!r} or directions of shape "
                    f"(count, {', '.join(map(str, point.shape))})"
                )
            self.basis = given.reshape(len(given), -1).T
        if np.linalg.matrix_rank(self.basis) < self.basis.shape[1]:
            raise ValueError("on: found directions that depend on each other, expected a basis")
        self.coordinates = np.linalg.lstsq(self.basis, point.reshape(-1), rcond=None)[0]
        self.rest = point - (self.basis @ self.coordinates).reshape(point.shape)
        self.rest[np.abs(self.rest) <= 1e-14 * np.abs(point).max(initial=0)] = 0

    def function(self, problem: Problem) -> Any:
        """Return the function of the coordinates."""
        rest, basis, shape = self.rest, self.basis, self.shape

        def along(t: Any) -> Any:
            return problem._call(np.reshape(basis @ t, shape) + rest)

        return along

    def index(self, k: int) -> tuple[int, ...]:
        """Return the entry of the point that stands for a direction: the first that it moves."""
        first = int(np.flatnonzero(self.basis[:, k])[0])
        return tuple(int(i) for i in np.unravel_index(first, self.shape))

    @property
    def remark(self) -> str:
        """What is to be said of the verdict."""
        return f"along the {self.basis.shape[1]} directions of the {self.name} set"


def _named(on: str, point: Array) -> Array:
    if on not in NAMED:
        raise ValueError(
            f"on: found {shown(on)}, expected one of {', '.join(map(repr, NAMED))}, or directions"
        )
    if point.ndim != 2 or point.shape[0] != point.shape[1]:
        raise ValueError(f"on: found {on!r} for a point of shape {point.shape}, expected a square matrix")
    n = len(point)
    away = point - point.T if on == "symmetric" else np.triu(point, 1)
    if np.abs(away).max() > 1e-12 * np.abs(point).max():
        expected = "a symmetric matrix" if on == "symmetric" else "zeros above the diagonal"
        raise ValueError(f"on: found {on!r} and a point that isn't, expected {expected}")
    rows, columns = np.tril_indices(n)
    order = np.lexsort((rows, columns)) if on == "symmetric" else np.arange(rows.size)
    basis = np.zeros((math.prod(point.shape), rows.size))
    for k, place in enumerate(order):
        i, j = rows[place], columns[place]
        basis[i * n + j, k] = 1
        if on == "symmetric":
            basis[j * n + i, k] = 1
    return basis
