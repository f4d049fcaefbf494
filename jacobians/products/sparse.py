"""Products and sums with sparse matrices: what they are follows from where the entries stand."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from jacobians.cost import ZERO_COST, Cost, Count
from jacobians.numerics.arrays import Array, zeros
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import Row, points
from jacobians.products.low_rank import zero_product
from jacobians.products.sums import sum_row
from jacobians.spec import Spec, broadcast
from jacobians.structures import Diagonal, Jacobian, Sparse
from jacobians.structures.sparse import places, sparse_spec

Meeting = tuple[Array, Array, Array, Array, Array]


@lru_cache(maxsize=256)
def _meeting(a: Spec, b: Spec) -> Meeting:
    """Return which entries of two factors meet, where each product goes, and the places of the result."""
    (rows, inner), (others, columns) = places(a), places(b)
    starts = np.searchsorted(others, inner)
    counts = np.searchsorted(others, inner, side="right") - starts
    left = np.repeat(np.arange(len(rows)), counts)
    right = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    flat, to = np.unique(rows[left] * b.shape[1] + columns[right], return_inverse=True)
    return left, right, to.reshape(-1), flat // b.shape[1], flat % b.shape[1]


def _result(a: Spec, b: Spec) -> Spec:
    *_, rows, columns = _meeting(a, b)
    return sparse_spec(a.shape[0], b.shape[1], broadcast(a.batch, b.batch), rows, columns)


def _cost(a: Spec, b: Spec) -> Count:
    """A multiplication and an addition for each pair of entries that meet."""
    pairs = points(a, b) * len(_meeting(a, b)[0])
    return Count(pairs, pairs)


def _product(L: Sparse, R: Sparse, ledger: Ledger) -> Jacobian:
    left, right, to, rows, _ = _meeting(L.spec, R.spec)
    values = ledger.scale(L.data[..., left], R.data[..., right])
    batch = tuple(values.shape[:-1])
    data = zeros((*batch, len(rows)), values.dtype, values)
    for point in np.ndindex(*batch):
        ledger.add_at(data[point], to, values[point])
    return Sparse.unchecked(data, _result(L.spec, R.spec))


def _scaled(sparse: Spec, diagonal: Spec) -> Spec:
    return replace(sparse, batch=broadcast(sparse.batch, diagonal.batch))


def _scaled_cost(sparse: Spec, diagonal: Spec) -> Count:
    """One multiplication for each entry."""
    return Count(points(sparse, diagonal) * len(places(sparse)[0]), 0)


def _columns_scaled(L: Sparse, R: Diagonal, ledger: Ledger) -> Jacobian:
    return Sparse.unchecked(ledger.scale(L.data, R.d[..., places(L.spec)[1]]), L.spec)


def _rows_scaled(L: Diagonal, R: Sparse, ledger: Ledger) -> Jacobian:
    return Sparse.unchecked(ledger.scale(L.d[..., places(R.spec)[0]], R.data), R.spec)


def _meet(a: Spec, b: Spec) -> bool:
    return len(_meeting(a, b)[0]) > 0


ROWS = (
    Row(
        "Sparse",
        "Sparse",
        "A·B: entries that meet",
        _result,
        _cost,
        _product,
        _meet,
    ),
    Row(
        "Sparse",
        "Sparse",
        "A·B = 0: no entries meet",
        lambda a, b: Spec.zero(a.shape[0], b.shape[1]),
        lambda a, b: ZERO_COST,
        zero_product,
    ),
    Row("Sparse", "Diagonal", "A·diag(b): entries scaled", _scaled, _scaled_cost, _columns_scaled),
    Row(
        "Diagonal",
        "Sparse",
        "diag(a)·B: entries scaled",
        lambda a, b: _scaled(b, a),
        lambda a, b: _scaled_cost(b, a),
        _rows_scaled,
    ),
)


# --- sums ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _union(a: Spec, b: Spec) -> Meeting:
    """Return where the entries of both terms stand in the sum, which of the second meet one, and its places."""
    n = a.shape[1]
    flat_a, flat_b = (rows * n + columns for rows, columns in (places(a), places(b)))
    flat = np.union1d(flat_a, flat_b)
    of_a, of_b = np.searchsorted(flat, flat_a), np.searchsorted(flat, flat_b)
    return of_a, of_b, np.isin(flat_b, flat_a), flat // n, flat % n


def _sum_spec(a: Spec, b: Spec) -> Spec:
    *_, rows, columns = _union(a, b)
    return sparse_spec(*a.shape, broadcast(a.batch, b.batch), rows, columns)


def _sum(L: Sparse, R: Sparse, ledger: Ledger) -> Jacobian:
    of_left, of_right, meet, rows, _ = _union(L.spec, R.spec)
    spec = _sum_spec(L.spec, R.spec)
    data = zeros((*spec.batch, len(rows)), np.result_type(L.dtype, R.dtype), L.data, R.data)
    data[..., of_left] = L.data
    data[..., of_right[~meet]] = R.data[..., ~meet]
    data[..., of_right[meet]] = ledger.add(data[..., of_right[meet]], R.data[..., meet])
    return Sparse.unchecked(data, spec)


sum_row(
    "Sparse",
    "Sparse",
    "A + B: entries of one place are added",
    result=_sum_spec,
    cost=lambda a, b: Cost(0, points(a, b) * int(_union(a, b)[2].sum())),
    execute=_sum,
)
