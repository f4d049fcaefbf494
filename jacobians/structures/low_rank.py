"""A diagonal plus a matrix of low rank."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np

from jacobians.arrays import Array, real_array
from jacobians.namespaces import require_one_library, spread_to
from jacobians.placing import diagonal_of, set_diagonal
from jacobians.spec import Spec, broadcast
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point, latex_matrix, latex_vector
from jacobians.structures.doors import checked_options
from jacobians.structures.euclidean import euclidean
from jacobians.structures.linear_map import Shape

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
    _fields = ("d", "U", "V")
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

    def _init(
        self,
        d: Array,
        U: Array,
        V: Array,
        out_shape: Shape | None,
        in_shape: Shape | None,
        batch_shape: Shape | None,
    ) -> None:
        batch = broadcast(tuple(d.shape[:-1]), tuple(U.shape[:-2]), tuple(V.shape[:-2]))
        # one batch for all three, so that the spec tells what each product costs
        self.d = _for_batch(d, batch, 1)
        self.U, self.V = _for_batch(U, batch, 2), _for_batch(V, batch, 2)
        self._set(Spec.low_rank(d.shape[-1], U.shape[-1], batch), out_shape, in_shape, batch_shape)

    @classmethod
    def unchecked(
        cls,
        d: Any,
        U: Any,
        V: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> Self:
        """Make one below the doors, from arrays of any scalar type."""
        made = cls.__new__(cls)
        made._init(d, U, V, out_shape, in_shape, batch_shape)
        return made

    def _expand(self) -> Array:
        low_rank = self.U @ self.V.mT
        return set_diagonal(low_rank, diagonal_of(low_rank) + self.d)

    def _apply(self, columns: Array) -> Array:
        return self.d[..., None] * columns + self.U @ (self.V.mT @ columns)

    def _row_norms(self) -> Array:
        # some rows at a time, entry by entry: U(VᵀV)Uᵀ would cancel against the diagonal
        norms = np.empty_like(self.d)
        n = self.shape[0]
        step = max(1, _MOST_ENTRIES // self.d.size)
        for start in range(0, n, step):
            some = slice(start, start + step)
            rows = self.U[..., some, :] @ self.V.mT
            places = np.arange(rows.shape[-2])
            rows[..., places, start + places] += self.d[..., some]
            norms[..., some] = euclidean(rows)
        return norms

    def _transpose(self) -> Jacobian:
        return DiagonalPlusLowRank.unchecked(self.d, self.V, self.U)

    def _scale(self, factor: Any) -> Jacobian:
        return DiagonalPlusLowRank.unchecked(self.d * factor, self.U * factor, self.V)

    def _latex(self) -> str:
        diagonal = latex_vector(first_point(self.d, 1), most=3)
        U, V = (latex_matrix(first_point(factor, 2), most=3) for factor in (self.U, self.V))
        return rf"\operatorname{{diag}}({diagonal}) + {U}{V}^{{\mathsf T}}"


def _for_batch(array: Array, batch: Shape, ndim: int) -> Array:
    shape = batch + tuple(array.shape[array.ndim - ndim :])
    return cast(Array, spread_to(array, shape))
