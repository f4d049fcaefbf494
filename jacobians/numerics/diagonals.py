"""Entries on a diagonal: placed, taken and replaced, which costs nothing.

NumPy writes to the places; arrays of other libraries, some of which can't be written to, are chosen from two.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from jacobians.numerics.arrays import Array, alongside, is_recorded, zeros
from jacobians.numerics.libraries import home_of, is_foreign


def diagonal_matrix(d: Array, out: Array | None = None) -> Array:
    """Return diag(d), shape (…, n, n), of d (…, n), in `out` if given; zeros beside an infinite number stay zeros.

    Examples
    --------
    >>> diagonal_matrix(np.array([1.0, np.inf]))
    array([[ 1.,  0.],
           [ 0., inf]])
    """
    n = d.shape[-1]
    if out is not None:
        out[...] = 0
        return set_diagonal(out, d)
    if is_foreign(d):
        spread = d[..., None, :]
        xp = home_of(d).namespace
        return cast(Array, xp.where(_eye(d, n), spread, xp.zeros_like(spread)))
    dense = zeros((*d.shape, n), d.dtype, d)
    dense[..., np.arange(n), np.arange(n)] = d
    return dense


def diagonal_of(matrix: Array) -> Array:
    """Return the diagonal (…, n) of a matrix (…, n, n).

    Examples
    --------
    >>> diagonal_of(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    n = matrix.shape[-1]
    if is_foreign(matrix):
        entries = home_of(matrix).namespace.reshape(matrix, (*matrix.shape[:-2], n * n))
        return cast(Array, entries[..., :: n + 1])
    return matrix[..., np.arange(n), np.arange(n)]


def set_diagonal(matrix: Array, values: Array) -> Array:
    """Return a fresh matrix (…, n, n) with other values (…, n) on its diagonal; one of NumPy's is written to.

    Examples
    --------
    >>> set_diagonal(np.ones((2, 2)), np.array([5.0, 6.0]))
    array([[5., 1.],
           [1., 6.]])
    """
    n = matrix.shape[-1]
    if is_foreign(matrix):
        return cast(Array, home_of(matrix).namespace.where(_eye(matrix, n), values[..., None, :], matrix))
    if isinstance(matrix, np.ndarray) and not matrix.flags.writeable:
        matrix = matrix.copy()  # of a run on shapes, whose results are a repeated zero
    if is_recorded(values) and not is_recorded(matrix):
        matrix = alongside(matrix, values).copy()  # numbers that nobody stores, beside recorded ones
    matrix[..., np.arange(n), np.arange(n)] = values
    return matrix


def _eye(beside: Array, n: int) -> Array:
    """Return the places of the diagonal, True, on the device of another array."""
    return cast(Array, home_of(beside).eye(n, np.float32) != 0)
