"""Products with selections and scatters: specs, costs and code of their rows in the table of products.

Taking or placing entries is free; only weights multiply, and only entries that meet at one place are added.
"""

from __future__ import annotations

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arrays import Array, zeros
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import points
from jacobians.spec import Spec, broadcast
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank, Jacobian, Scatter, Selection
from jacobians.structures.selection import blank, take_rows


def _take(values: Array, indices: Array) -> Array:
    """Return the entries of `values` (…, n) at `indices` (…, m)."""
    return take_rows(values[..., None], np.maximum(indices, 0))[..., 0]


# --- with diagonals: the weights change ------------------------------------------------------------------


def chosen(left: Spec, right: Spec) -> Spec:
    """Return the spec of S·diag(d)."""
    batch = broadcast(left.batch, right.batch)
    return Spec.selection(*left.shape, batch, weighted=True, repeats=left.repeats)


def weighed(left: Spec, right: Spec) -> Spec:
    """Return the spec of diag(d)·S."""
    batch = broadcast(left.batch, right.batch)
    return Spec.selection(*right.shape, batch, weighted=True, repeats=right.repeats)


def weights_cost(left: Spec, right: Spec) -> Count:
    """One multiplication for each weight that there already is."""
    rows = left.shape[0] if left.weighted or right.weighted else 0
    return Count(points(left, right) * rows, 0)


def _with_weights(S: Selection, weights: Array, ledger: Ledger) -> Selection:
    if S.weights is not None:
        weights = ledger.scale(S.weights, weights)
    return S._reweighted(weights)


def select_diagonal(L: Selection, R: Diagonal, ledger: Ledger) -> Jacobian:
    """S·diag(d): row i has the weight w_i·d[j_i]."""
    return _with_weights(L, _take(R.d, L.indices), ledger)


def diagonal_select(L: Diagonal, R: Selection, ledger: Ledger) -> Jacobian:
    """diag(d)·S: row i has the weight d_i·w_i."""
    return _with_weights(R, L.d, ledger)


# --- with matrices ---------------------------------------------------------------------------------------


def dense_select_cost(left: Spec, right: Spec) -> Count:
    """mn multiplications by weights; mn additions where columns may meet."""
    entries = points(left, right) * left.shape[0] * left.shape[1]
    return Count(entries if right.weighted else 0, entries if right.repeats else 0)


def dense_select(L: Dense, R: Selection, ledger: Ledger) -> Jacobian:
    """A·S: column i of A, times w_i, goes to (or is added to) column j_i."""
    columns = L.A if R.weights is None else ledger.scale(L.A, R.weights[..., None, :])
    batch = broadcast(L.spec.batch, R.spec.batch)
    columns = np.broadcast_to(columns, batch + columns.shape[-2:])
    indices = np.broadcast_to(R.indices, (*batch, R.shape[0]))
    # columns of weight zero go to an extra last place
    places = np.where(indices < 0, R.shape[1], indices)
    placed = zeros((*batch, L.shape[0], R.shape[1] + 1), columns.dtype, columns, places)
    for point in np.ndindex(*batch):
        where = (slice(None), places[point])
        if R.spec.repeats:
            ledger.add_at(placed[point], where, columns[point])
        else:
            placed[point][where] = columns[point]
    return Dense.unchecked(placed[..., : R.shape[1]])


def select_low_rank_cost(left: Spec, right: Spec) -> Count:
    """mrn, m(r−1)n for (SU)Vᵀ, mr more by weights, m weights of the diagonal, and m additions of it."""
    (m, n), r = left.shape, right.rank
    cost = Count(m * r * n, m * (r - 1) * n) + Count(0, m)
    if left.weighted:
        cost = cost + Count(m * r + m, 0)
    return points(left, right) * cost


def select_low_rank(L: Selection, R: DiagonalPlusLowRank, ledger: Ledger) -> Jacobian:
    """S·(diag(d) + UVᵀ) = (SU)Vᵀ, and w_i·d[j_i] added at (i, j_i)."""
    dense = ledger.matmul(L._apply(R.U, ledger), R.V.mT)
    batch = dense.shape[:-2]
    diagonal = _take(R.d, L.indices)
    if L.weights is not None:
        diagonal = ledger.scale(L.weights, diagonal)
    diagonal = np.broadcast_to(blank(diagonal, L.indices), (*batch, L.shape[0]))
    places = np.broadcast_to(np.maximum(L.indices, 0), diagonal.shape)[..., None]
    there = np.take_along_axis(dense, places, axis=-1)[..., 0]
    np.put_along_axis(dense, places, ledger.add(there, diagonal)[..., None], axis=-1)
    return Dense.unchecked(dense)


# --- with each other -------------------------------------------------------------------------------------


def chosen_twice(left: Spec, right: Spec) -> Spec:
    """Return the spec of S·T: a column chosen twice by either may be chosen twice by the product."""
    return Spec.selection(
        left.shape[0],
        right.shape[1],
        broadcast(left.batch, right.batch),
        weighted=left.weighted or right.weighted,
        repeats=left.repeats or right.repeats,
    )


def twice_cost(left: Spec, right: Spec) -> Count:
    """One multiplication a row where both have weights."""
    return Count(points(left, right) * left.shape[0] if left.weighted and right.weighted else 0, 0)


def select_select(L: Selection, R: Selection, ledger: Ledger) -> Jacobian:
    """S·T: row i takes the column that T takes in row j_i."""
    indices = np.where(L.indices < 0, -1, _take(R.indices, L.indices))
    weights = None
    if R.weights is not None:
        taken = _take(R.weights, L.indices)
        weights = taken if L.weights is None else ledger.scale(L.weights, taken)
    elif L.weights is not None:
        weights = np.broadcast_to(L.weights, indices.shape)
    repeats = L.spec.repeats or R.spec.repeats
    return Selection.unchecked(
        indices, R.shape[1], weights, repeats=repeats, dtype=np.result_type(L.dtype, R.dtype)
    )


def select_scatter_cost(left: Spec, right: Spec) -> Count:
    """mp multiplications where both have weights."""
    both = left.weighted and right.weighted
    return Count(points(left, right) * left.shape[0] * right.shape[1] if both else 0, 0)


def select_scatter(L: Selection, R: Scatter, ledger: Ledger) -> Jacobian:
    """S·Tᵀ: entry (i, k) is w_i·v_k where both choose the same place."""
    dtype = np.result_type(L.dtype, R.dtype)
    rows, columns = L.indices[..., :, None], R.indices[..., None, :]
    if L.weights is not None and R.weights is not None:
        values = ledger.scale(L.weights[..., :, None], R.weights[..., None, :])
    elif L.weights is not None:
        values = L.weights[..., :, None]
    elif R.weights is not None:
        values = R.weights[..., None, :]
    else:
        values = np.ones((), dtype=dtype)
    return Dense.unchecked(np.where((rows == columns) & (rows >= 0), values, np.zeros((), dtype=dtype)))


def scatter_select_cost(left: Spec, right: Spec) -> Count:
    """One addition for each line of the two; one multiplication for each where both have weights."""
    lines = points(left, right) * left.shape[1]
    return Count(lines if left.weighted and right.weighted else 0, lines)


def scatter_select(L: Scatter, R: Selection, ledger: Ledger) -> Jacobian:
    """Sᵀ·T = Σ_k e(i_k) w_k v_k e(j_k)ᵀ: each line adds one entry."""
    batch, lines = broadcast(L.spec.batch, R.spec.batch), L.shape[1]
    if L.weights is not None and R.weights is not None:
        values = ledger.scale(L.weights, R.weights)
    else:
        values = L.line_values() if L.weights is not None else R.line_values()
    values = np.broadcast_to(values, (*batch, lines))
    rows, columns = (np.broadcast_to(J.indices, (*batch, lines)) for J in (L, R))
    empty = (rows < 0) | (columns < 0)
    m, n = L.shape[0], R.shape[1]
    dense = zeros((*batch, m + 1, n + 1), np.result_type(L.dtype, R.dtype), values, empty)
    for point in np.ndindex(*batch):
        at = (np.where(empty[point], m, rows[point]), np.where(empty[point], n, columns[point]))
        ledger.add_at(dense[point], at, values[point])
    return Dense.unchecked(dense[..., :m, :n])
