"""Products with a network's Jacobian at one point or at the points of a batch, by compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.compiling.arguments import check_out
from jacobians import Jacobian
from jacobians.equality import ByValue
from jacobians.numerics.arguments import checked_flag, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.products.pairwise import products_of_pairs


class ProductsAt(ByValue):
    """Products with the Jacobian at one point, or at the points of a batch; made by :meth:`CompiledProducts.at`.

    Attributes
    ----------
    jacobian : Jacobian
        The Jacobian itself, of the values that are kept.
    """

    def __init__(self, compiled: Any, values: dict[str, Array]) -> None:
        # compiled: the CompiledProducts that made it, which says what it stores and has its code
        self._compiled, self._values = compiled, values

    @property
    def jacobian(self) -> Jacobian:
        """The Jacobian itself, of the values that are kept."""
        like: Jacobian = self._compiled._like
        names = iter(self._compiled._stored.values())
        return like.mapped(lambda _: self._values[next(names)])

    @without_float_errors
    def matvec(self, v: Any, out: Array | None = None) -> Array:
        """Return J·v: shape (m,), or (N, m) for N points.

        Parameters
        ----------
        v : array_like, shape (n,) or (N, n)
        out : numpy.ndarray, optional
            Where the answer goes.

        Raises
        ------
        TypeError, ValueError
            If v or out is refused.
        """
        return self._called("matvec", out, self._vector(v, "v", self._compiled.spec.shape[1]))

    @without_float_errors
    def rmatvec(self, u: Any, out: Array | None = None, *, summed: bool = False) -> Array:
        """Return Jᵀ·u: shape (n,), or (N, n) for N points, each by itself; or Σ_p J_pᵀ u_p, shape (n,).

        Parameters
        ----------
        u : array_like, shape (m,) or (N, m)
        out : numpy.ndarray, optional
            Where the answer goes.
        summed : bool
            Whether to return the sum over the points: no row a point is formed.

        Raises
        ------
        TypeError, ValueError
            If an argument is refused.
        """
        checked_flag(summed, "summed")
        compiled = self._compiled
        vector = self._vector(u, "u", compiled.spec.shape[0])
        if not summed or not compiled._lead:
            return self._called("rmatvec", out, vector)
        return self._called(
            "rmatvec_summed", out, np.broadcast_to(vector, (*compiled._lead, *vector.shape[-1:]))
        )

    @without_float_errors
    def row_norms(self, out: Array | None = None) -> Array:
        """Return the Euclidean norms of the rows: shape (m,), or (N, m) for N points."""
        return self._called("row_norms", out)

    @without_float_errors
    def dense(self, out: Array | None = None) -> Array:
        """Return the dense Jacobian: shape (m, n), or (N, m, n) for N points, written into `out` block by block."""
        return self.jacobian._dense(None, out, self._compiled._ledger)

    @without_float_errors
    def tangent_kernel(self, other: ProductsAt | None = None, *, max_bytes: int | None = None) -> Array:
        """Return J_p·K_qᵀ for all pairs of points, shape (N, N', m, m'), as :func:`backprop.tangent_kernel` does.

        Parameters
        ----------
        other : ProductsAt, optional
            With K, the Jacobian by as many inputs at the points of the second index; these points by default.
        max_bytes : int, optional
            The most that the answer may take; 2 GiB by default.

        Raises
        ------
        TypeError, ValueError
            If `other` is none of these, or one of the two is not compiled for a batch.
        MemoryBudgetError
            If the answer would take more than `max_bytes`.
        """
        if not isinstance(other, ProductsAt | None):
            raise TypeError(
                f"other: found {shown(other)}, expected products at points, as compiled.at(x) returns"
            )
        K = None if other is None or other is self else other.jacobian
        return products_of_pairs(self.jacobian, K, max_bytes, self._compiled._ledger)

    def _vector(self, value: Any, name: str, size: int) -> Array:
        compiled = self._compiled
        own = compiled._own(value)
        vector = (
            value if own else real_array(value, name, foreign="refuse").astype(compiled.dtype, copy=False)
        )
        shape = (*compiled._lead, size)
        if vector.shape not in (shape, (size,)):
            expected = f"{shape}" if len(shape) == 1 else f"{shape} or ({size},)"
            raise ValueError(f"{name}: found shape {vector.shape}, expected {expected}")
        return vector

    def _called(self, name: str, out: Array | None, *vector: Array) -> Array:
        of_one = self._compiled._lead and vector and vector[0].ndim == 1
        (found,) = self._compiled._codes[f"{name}_of_one" if of_one else name](
            *self._values.values(), *vector
        )
        if out is None:
            return found
        check_out(out, found.shape, found.dtype)
        np.copyto(out, found)
        return out
