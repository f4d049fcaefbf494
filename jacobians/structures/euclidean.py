"""Euclidean norms of rows whose squares may overflow or vanish."""

from __future__ import annotations

import numpy as np

from jacobians.arrays import Array


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
    limits = np.finfo(rows.dtype)
    with np.errstate(all="ignore"):
        squares = np.asarray(np.vecdot(rows, rows))
        # below, squares of small entries have lost digits to underflow
        doubtful = ~((squares > limits.tiny / limits.eps**2) & (squares <= limits.max))
        norms = np.asarray(np.sqrt(squares))
        if doubtful.any():
            found = rows[doubtful]
            scale = np.abs(found).max(axis=-1)
            usual = np.isfinite(scale) & (scale > 0)
            shrunk = found[usual] / scale[usual, None]
            scale[usual] *= np.sqrt(np.vecdot(shrunk, shrunk))
            norms[doubtful] = scale
    return norms


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
