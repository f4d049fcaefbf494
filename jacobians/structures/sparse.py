"""Sparse matrices: numbers at places that the spec knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arrays import Array, read_only, real_array, zeros
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, points
from jacobians.structures.base import Jacobian
from jacobians.structures.euclidean import euclidean_at
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options
from jacobians.structures.selection import Scatter, Selection


class Sparse(Jacobian):
    """A matrix of mostly zeros. Stores its other entries; where they stand is part of the spec.

    So the products and sums of two sparse matrices are planned, and costed, from where their entries meet.

    Parameters
    ----------
    matrix : scipy.sparse matrix or array, or array_like, shape (m, n)
        Entries that are stored stay, exact zeros too; those of one place are added. Of an array the zeros leave.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If it is no real matrix, or has no entry.

    Examples
    --------
    >>> Sparse([[0.0, 2.0], [3.0, 0.0]])
    <Sparse 2×2, 2 entries: 2×2, out (2,), in (2,), 2 of 4 numbers stored>
    """

    structure = "Sparse"
    _places = True
    _colour = "#8c6d1f"
    _fields = ("data",)
    _entries = True
    data: Array

    def __init__(
        self,
        matrix: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        if hasattr(matrix, "tocsr"):
            found = matrix.tocsr().copy()
            found.sum_duplicates()
            data = real_array(found.data, "matrix", foreign="refuse")
            rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
            shape, columns = found.shape, found.indices
        else:
            array = real_array(matrix, "matrix", ndim=2, foreign="refuse")
            rows, columns = np.nonzero(array)
            data, shape = read_only(array[rows, columns]), array.shape
        if data.size == 0:
            raise ValueError("matrix: found no entry, expected at least one; make it by Zero(m, n)")
        spec = sparse_spec(int(shape[0]), int(shape[1]), (), rows, columns)
        self._init(data, spec, *checked_options(out_shape, in_shape, batch_shape))

    def _init(self, data: Array, spec: Spec, *options: Any, **named: Any) -> None:
        self.data = data
        rows, columns = places(spec)
        spec = sparse_spec(*spec.shape, tuple(data.shape[:-1]), rows, columns)
        self._set(spec, *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        return {"data": (len(places(spec)[0]),)}

    @classmethod
    def _label(cls, spec: Spec) -> str:
        m, n = spec.shape
        return f"{spec.points_label}Sparse {m}×{n}, {len(places(spec)[0])} entries"

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        rows, columns = places(spec)
        order = np.lexsort((rows, columns))
        return sparse_spec(*spec.shape[::-1], spec.batch, columns[order], rows[order])

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """Return a multiplication and an addition for each entry and column."""
        count = points(spec.batch, batch) * len(places(spec)[0]) * columns
        return Count(count, count)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> Sparse:
        return cls.unchecked(arrays["data"], spec)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        dense = zeros((*self.spec.batch, *self.shape), self.dtype, self.data)
        rows, columns = places(self.spec)
        dense[..., rows, columns] = self.data
        return dense

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        rows, taken = places(self.spec)
        picked = Selection.unchecked(taken, self.shape[1])._apply(columns, ledger)
        return Scatter.unchecked(rows, self.shape[0], self.data)._apply(picked, ledger)

    def _at(self, rows: Array, columns: Array) -> Array:
        n = self.shape[1]
        of_rows, of_columns = places(self.spec)
        known, asked = of_rows * n + of_columns, rows * n + columns
        found = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[found] == asked, self.data[..., found], np.zeros((), self.dtype))

    def _row_norms(self) -> Array:
        m, rows = self.shape[0], places(self.spec)[0]
        values = self.data.reshape(-1, len(rows))
        return euclidean_at(values, np.broadcast_to(rows, values.shape), m).reshape(*self.spec.batch, m)

    def _transpose(self) -> Jacobian:
        rows, columns = places(self.spec)
        return Sparse.unchecked(self.data[..., np.lexsort((rows, columns))], self.spec.T)

    def _scale(self, factor: Any) -> Jacobian:
        return Sparse.unchecked(self.data * factor, self.spec)

    def _latex(self) -> str:
        m, n = self.shape
        return rf"S_{{{m} \times {n}}}"


def sparse_spec(m: int, n: int, batch: Shape, rows: Array, columns: Array) -> Spec:
    """Return the spec of entries at places in the order of the rows."""
    bytes_of = [np.asarray(part, dtype=np.int64).tobytes() for part in (rows, columns)]
    return Spec.of(Sparse.structure, m, n, batch, rows=bytes_of[0], columns=bytes_of[1])


def places(spec: Spec) -> tuple[Array, Array]:
    """Return the rows and the columns of the entries."""
    return np.frombuffer(spec.rows, dtype=np.int64), np.frombuffer(spec.columns, dtype=np.int64)
