"""Determinants, solutions and factors of matrices of any scalar type.

Where a type has sizes to choose pivots by, Gaussian elimination with partial pivoting; where it has none
(symbols), expansions without a division by anything but the determinant, right wherever that is not 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.tracing.scalars import Scalars, TracingError

Entries = NDArray[Any]

LEAST_PIVOT = 1e-16  # of the largest, both of squares
LARGEST_EXPANSION = 8  # an n×n expansion has n·2ⁿ terms


class _SingularError(TracingError):
    """Elimination found no pivot."""


def determinant(scalars: Scalars, a: Entries) -> Entries:
    """Return the determinants of matrices in the last two axes.

    Examples
    --------
    >>> from verification.tracing.scalars import MpmathScalars
    >>> from verification.tracing.arrays import entries_of
    >>> scalars = MpmathScalars(20)
    >>> print(determinant(scalars, entries_of([[1.0, 2.0], [3.0, 4.0]], scalars)))
    -2.0
    """
    return _each(a, lambda matrix: _determinant(scalars, matrix))


def inverse(scalars: Scalars, a: Entries) -> Entries:
    """Return the inverses of matrices in the last two axes."""
    n = a.shape[-1]
    eye = np.empty((n, n), dtype=object)
    for i, j in np.ndindex(n, n):
        eye[i, j] = scalars.constant(int(i == j))
    return _each(a, lambda matrix: _solve(scalars, matrix, eye))


def solve(scalars: Scalars, a: Entries, b: Entries) -> Entries:
    """Return the solutions of a·x = b, where b is a vector (one axis) or has its columns in the last axis."""
    columns = b[:, None] if b.ndim == 1 else b
    if columns.ndim == 2:
        solved = _each(a, lambda matrix: _solve(scalars, matrix, columns))
    else:
        batch = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
        left = np.broadcast_to(a, batch + a.shape[-2:])
        right = np.broadcast_to(columns, batch + columns.shape[-2:])
        solved = np.empty(right.shape, dtype=object)
        for index in np.ndindex(*batch):
            solved[index] = _solve(scalars, left[index], right[index])
    return solved[..., 0] if b.ndim == 1 else solved


def cholesky(scalars: Scalars, a: Entries) -> Entries:
    """Return the lower triangular factors L of L·Lᵀ = a; only the lower triangle of a is read."""
    return _each(a, lambda matrix: _cholesky(scalars, matrix))


def require_rank(scalars: Scalars, gram: Entries) -> None:
    """Raise TracingError unless AᵀA has full rank by far: its pivots are squares, as far as they have sizes."""
    if not _pivots(scalars):
        return
    triangle, _, _ = _eliminate(scalars, gram, np.empty((len(gram), 0), dtype=object))
    sizes = [scalars.magnitude(entry) or 0.0 for entry in np.diagonal(triangle)]
    if min(sizes) <= LEAST_PIVOT * max(sizes):
        raise TracingError("np.linalg: the matrix has no full rank at the point, or only just")


def _each(a: Entries, compute: Callable[[Entries], Any]) -> Entries:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"found shape {a.shape}, expected square matrices in the last two axes")
    batch = a.shape[:-2]
    result: Entries | None = None
    for index in np.ndindex(*batch):
        value = compute(a[index])
        if result is None:
            core = value.shape if isinstance(value, np.ndarray) else ()  # a determinant is a scalar
            result = np.empty(batch + core, dtype=object)
        result[index] = value
    if result is None:
        raise ValueError(f"found shape {a.shape} with an empty axis, expected at least one matrix")
    return result


def _pivots(scalars: Scalars) -> bool:
    return scalars.magnitude(scalars.constant(1)) is not None


def _eliminate(scalars: Scalars, a: Entries, b: Entries) -> tuple[Entries, Entries, int]:
    """Return a as an upper triangle, b carried along, and the sign of the row permutation."""
    divide = scalars.primitives["divide"]
    a, b, sign = a.copy(), b.copy(), 1
    for k in range(len(a)):
        sizes = [scalars.magnitude(entry) or 0.0 for entry in a[k:, k]]
        pivot = k + int(np.argmax(sizes))
        if sizes[pivot - k] == 0.0:
            raise _SingularError("np.linalg: the matrix is singular at the point")
        if pivot != k:
            a[[k, pivot]], b[[k, pivot]], sign = a[[pivot, k]], b[[pivot, k]], -sign
        for i in range(k + 1, len(a)):
            # in a cell of its own: a step of a graph by itself doesn't multiply arrays
            factor = np.empty((), dtype=object)
            factor[()] = divide(a[i, k], a[k, k])
            a[i, k:] = a[i, k:] - factor * a[k, k:]
            b[i] = b[i] - factor * b[k]
    return a, b, sign


def _determinant(scalars: Scalars, a: Entries) -> Any:
    indices = tuple(range(len(a)))
    if not _pivots(scalars):
        return _expansion(scalars, a)(indices, indices)
    try:
        triangle, _, sign = _eliminate(scalars, a, np.empty((len(a), 0), dtype=object))
    except _SingularError:
        return _expansion(scalars, a)(indices, indices)  # its derivative need not be 0
    return functools.reduce(scalars.primitives["multiply"], np.diagonal(triangle), scalars.constant(sign))


def _solve(scalars: Scalars, a: Entries, b: Entries) -> Entries:
    divide = scalars.primitives["divide"]
    if _pivots(scalars):
        triangle, right, _ = _eliminate(scalars, a, b)
        solution = right.copy()
        for i in reversed(range(len(a))):
            known = solution[i] if i == len(a) - 1 else solution[i] - triangle[i, i + 1 :] @ solution[i + 1 :]
            for j in range(b.shape[1]):
                solution[i, j] = divide(known[j], triangle[i, i])
        return solution
    minor = _expansion(scalars, a)
    indices = tuple(range(len(a)))
    whole = minor(indices, indices)
    adjugate = np.empty(a.shape, dtype=object)
    for i, j in np.ndindex(*a.shape):
        rows, columns = indices[:j] + indices[j + 1 :], indices[:i] + indices[i + 1 :]
        adjugate[i, j] = divide(minor(rows, columns) * (-1) ** (i + j), whole)
    return scalars.matmul(adjugate, b)


def _expansion(scalars: Scalars, a: Entries) -> Callable[[tuple[int, ...], tuple[int, ...]], Any]:
    if len(a) > LARGEST_EXPANSION:
        raise TracingError(
            f"np.linalg: a {len(a)}×{len(a)} matrix of {scalars.name} scalars is too large to expand, at most "
            f"{LARGEST_EXPANSION}×{LARGEST_EXPANSION}; use a numeric witness"
        )

    @functools.cache
    def minor(rows: tuple[int, ...], columns: tuple[int, ...]) -> Any:
        if not rows:
            return scalars.constant(1)
        terms = [
            a[rows[0], column] * minor(rows[1:], columns[:k] + columns[k + 1 :]) * (-1) ** k
            for k, column in enumerate(columns)
        ]
        return scalars.sum(terms)

    return minor


def _cholesky(scalars: Scalars, a: Entries) -> Entries:
    factor = np.empty(a.shape, dtype=object)
    factor[...] = scalars.constant(0)
    for i in range(len(a)):
        for j in range(i + 1):
            rest = a[i, j] - scalars.sum([factor[i, k] * factor[j, k] for k in range(j)])
            factor[i, j] = (
                scalars.primitives["sqrt"](rest)
                if i == j
                else scalars.primitives["divide"](rest, factor[j, j])
            )
    return factor
