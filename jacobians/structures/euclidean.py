"""Euclidean norms of rows whose squares may overflow or vanish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np

from jacobians.numerics.arrays import Array, is_recorded


def euclidean(rows: Array) -> Array:
    """Return the norms along the last axis; where squares would leave the range, of scaled rows.

    Parameters
    ----------
    rows : numpy.ndarray, shape (…, n)

    Returns
    -------
    numpy.ndarray, shape (…)
        NaN where a row holds NaN, else ∞ where it holds an infinite number.

    Examples
    --------
    >>> euclidean(np.array([[3.0, 4.0], [3e200, 4e200], [3e-200, 4e-200]]))
    array([5.e+000, 5.e+200, 5.e-200])
    """
    if is_recorded(rows):  # one call, for what it does depends on the numbers
        return cast(Array, rows.__array_function__(euclidean, (type(rows),), (rows,), {}))
    with np.errstate(all="ignore"):
        squares = np.asarray(np.vecdot(rows, rows))
        norms = np.asarray(np.sqrt(squares))
        if not _all_exact(squares):
            least, most = _exact_range(rows.dtype)
            doubtful = ~((squares >= least) & (squares <= most))
            found = rows[doubtful]
            scale = np.abs(found).max(axis=-1)
            usual = np.isfinite(scale) & (scale > 0)
            shrunk = found[usual] / scale[usual, None]
            scale[usual] *= np.sqrt(np.vecdot(shrunk, shrunk))
            norms[doubtful] = scale
    return norms


def norm_of_parts(norms: Sequence[Array]) -> Array:
    """Return the norms of what is made of parts, from the norms of these.

    Parameters
    ----------
    norms : sequence of numpy.ndarray
        At least one; their shapes broadcast.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> norm_of_parts([np.array([3.0, 3e200]), np.array([4.0, 4e200])])
    array([5.e+000, 5.e+200])
    """
    if len(norms) == 1:
        return norms[0]
    if any(is_recorded(part) for part in norms):
        shape = np.broadcast_shapes(*(part.shape for part in norms))
        return euclidean(np.stack([np.broadcast_to(part, shape) for part in norms], axis=-1))
    with np.errstate(all="ignore"):
        squares = norms[0] * norms[0]
        for part in norms[1:]:
            squares = squares + part * part
        if _all_exact(squares):
            return cast(Array, np.sqrt(squares))
    return euclidean(np.stack(np.broadcast_arrays(*norms), axis=-1))


def _all_exact(squares: Array) -> bool:
    """Return whether all sums of squares are in the range in which they lost nothing; False for NaN."""
    least, most = _exact_range(squares.dtype)
    return bool(
        np.minimum.reduce(squares, axis=None) >= least and np.maximum.reduce(squares, axis=None) <= most
    )


@cache
def _exact_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.finfo(dtype)
    # below, squares of small entries have lost digits to underflow
    return limits.tiny / limits.eps**2, limits.max


def euclidean_at(values: Array, places: Array, count: int) -> Array:
    """Return the norms of the values that are put at each place.

    Parameters
    ----------
    values : numpy.ndarray, shape (batch, n)
    places : numpy.ndarray of int, shape (batch, n)
        −1 for none.
    count : int
        The number of places.

    Returns
    -------
    numpy.ndarray, shape (batch, count)

    Examples
    --------
    >>> euclidean_at(np.array([[3e200, 4e200, 1.0]]), np.array([[1, 1, 0]]), 2)
    array([[1.e+000, 5.e+200]])
    """
    scale = np.zeros((len(values), count + 1), dtype=values.dtype)  # the extra last place takes what has none
    squares = np.zeros_like(scale)
    at = np.arange(len(values))[:, None], places
    np.maximum.at(scale, at, np.abs(values))
    with np.errstate(all="ignore"):
        unit = np.where(np.isfinite(scale) & (scale > 0), scale, 1)
        np.add.at(squares, at, (values / unit[at]) ** 2)
        norms = np.where(np.isfinite(scale), unit * np.sqrt(squares), scale)
    return norms[:, :count]
