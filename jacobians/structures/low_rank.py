"""A diagonal plus a matrix of low rank."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.blas_threads import product
from jacobians.numerics.diagonals import diagonal_of, set_diagonal
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import NUMPY, require_one_library, spread_to
from jacobians.spec import Spec, broadcast, points
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point, latex_matrix, latex_vector
from jacobians.structures.euclidean import euclidean
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options

_MOST_ENTRIES = 2**16  # of the rows that are formed at a time


class DiagonalPlusLowRank(Jacobian):
    """diag(d) + U Vᵀ: the Jacobian of the softmax, diag(p) − p pᵀ. Stores n + 2nr numbers a point.

    Parameters
    ----------
    d : array_like, shape (…, n)
    U, V : array_like, shape (…, n, r)
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If an array is refused or the sizes don't fit.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([0.25, 0.75])
    >>> DiagonalPlusLowRank(p, -p[:, None], p[:, None]).dense()
    array([[ 0.1875, -0.1875],
           [-0.1875,  0.1875]])
    """

    structure = "DiagonalPlusLowRank"
    _colour = "#17becf"
    _fields = ("d", "U", "V")
    _by_sizes = True
    d: Array
    U: Array
    V: Array

    def __init__(
        self,
        d: Any,
        U: Any,
        V: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        d, U, V = (real_array(array, name, foreign="keep") for name, array in (("d", d), ("U", U), ("V", V)))
        require_one_library(d=d, U=U, V=V)
        if d.ndim < 1:
            raise ValueError("d: found a scalar, expected the diagonal as an array of shape (n,)")
        n = d.shape[-1]
        for name, factor in (("U", U), ("V", V)):
            if factor.ndim < 2 or factor.shape[-2] != n:
                raise ValueError(
                    f"{name}: found shape {factor.shape}, expected ({n}, r) for d of {n} entries"
                )
        if U.shape[-1] != V.shape[-1]:
            raise ValueError(f"V: found shape {V.shape}, expected rank {U.shape[-1]}, the rank of U")
        self._init(d, U, V, *checked_options(out_shape, in_shape, batch_shape))

    def _init(self, d: Array, U: Array, V: Array, *options: Any, **named: Any) -> None:
        batch = broadcast(tuple(d.shape[:-1]), tuple(U.shape[:-2]), tuple(V.shape[:-2]))
        # one batch for all three, so that the spec tells what each product costs
        self.d, self.U, self.V = d, U, V
        if batch:
            self.d, self.U, self.V = _for_batch(d, batch, 1), _for_batch(U, batch, 2), _for_batch(V, batch, 2)
        self._set(Spec.low_rank(d.shape[-1], U.shape[-1], batch), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        n, r = spec.shape[0], spec.rank
        return {"d": (n,), "U": (n, r), "V": (n, r)}

    @classmethod
    def _label(cls, spec: Spec) -> str:
        m, n = spec.shape
        return f"{spec.points_label}Diagonal + rank {spec.rank} {m}×{n}"

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        return spec

    @classmethod
    def _expansion_cost(cls, spec: Spec) -> Count:
        """The product UVᵀ, n²r and n²(r−1), and n additions."""
        n, r = spec.shape[0], spec.rank
        return spec.batch_size * Count(n * n * r, n * n * (r - 1) + n)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """diag(d)·X + U(VᵀX): nk + (rnk, r(n−1)k) + (nrk, n(r−1)k) and nk additions."""
        n, rank = spec.shape[0], spec.rank
        low_rank = Count(2 * n * rank * columns, rank * (n - 1) * columns + n * (rank - 1) * columns)
        return points(spec.batch, batch) * (low_rank + Count(n * columns, n * columns))

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        low_rank = ledger.matmul(self.U, self.V.mT)
        return set_diagonal(low_rank, ledger.add(diagonal_of(low_rank), self.d))

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        low_rank = ledger.matmul(self.U, ledger.matmul(self.V.mT, columns))
        return ledger.add(ledger.scale(self.d[..., None], columns), low_rank)

    def _at(self, rows: Array, columns: Array) -> Array:
        of_diagonal = np.where(rows == columns, self.d[..., rows], np.zeros((), self.dtype))
        return of_diagonal + np.vecdot(self.U[..., rows, :], self.V[..., columns, :])

    def _row_norms(self) -> Array:
        # some rows at a time, entry by entry: U(VᵀV)Uᵀ would cancel against the diagonal
        norms = np.empty_like(self.d)
        n = self.shape[0]
        step = max(1, _MOST_ENTRIES // self.d.size)
        for start in range(0, n, step):
            some = slice(start, start + step)
            rows = product(self.U[..., some, :], self.V.mT)
            places = np.arange(rows.shape[-2])
            on = (..., places, start + places)
            rows[on] = rows[on] + self.d[..., some]  # not +=: it may be recorded
            norms[..., some] = euclidean(rows)
        return norms

    def _transpose(self) -> Jacobian:
        return DiagonalPlusLowRank.unchecked(self.d, self.V, self.U)

    def _scale(self, factor: Any) -> Jacobian:
        return DiagonalPlusLowRank.unchecked(self.d * factor, self.U * factor, self.V)

    def _latex(self) -> str:
        diagonal = latex_vector(first_point(self.d, 1), most=3)
        first, second = (first_point(factor, 2) for factor in (self.U, self.V))
        # diag(p) − p pᵀ, as a softmax has it, and not diag(p) + (−p) pᵀ
        sign = "-" if self.home is NUMPY and first.max() <= 0 and first.min() < 0 else "+"
        U, V = (latex_matrix(part, most=3) for part in (first if sign == "+" else -first, second))
        return rf"\operatorname{{diag}}({diagonal}) {sign} {U}{V}^{{\mathsf T}}"


def _for_batch(array: Array, batch: Shape, ndim: int) -> Array:
    shape = batch + tuple(array.shape[array.ndim - ndim :])
    return cast(Array, spread_to(array, shape))
