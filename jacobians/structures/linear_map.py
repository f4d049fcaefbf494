"""What every Jacobian does as a linear map: products with vectors from both sides, and the norms of its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from jacobians.numerics.arguments import checked_flag
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import UNCOUNTED, Ledger, summed_over
from jacobians.numerics.libraries import NUMPY, Home, is_foreign, namespace_of, owned, spread_to
from jacobians.spec import Spec, broadcast
from jacobians.structures.devices import beside_array
from jacobians.structures.operator import linear_operator

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

    from jacobians.structures.base import Jacobian

Shape = tuple[int, ...]


class LinearMap(ABC):
    """A linear map for each point of a batch; :class:`~jacobians.Jacobian` adds what it looks like."""

    out_shape: Shape
    in_shape: Shape
    batch_shape: Shape
    spec: Spec
    dtype: np.dtype[Any]
    home: Home = NUMPY

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(m, n): the numbers of outputs and inputs."""

    @property
    @abstractmethod
    def T(self) -> Jacobian:
        """The transpose."""

    # --- what a structure writes -----------------------------------------------------------------------

    @abstractmethod
    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        """Return J·X for columns X of shape (…, n, k), unexpanded; the ledger multiplies and adds."""

    @abstractmethod
    def _transpose(self) -> Jacobian:
        """Return Jᵀ; shapes and batch are set by :attr:`T`."""

    @abstractmethod
    def _row_norms(self) -> Array:
        """Return the norms of the rows, batch axes of the stored arrays leading or left out."""

    def _pull(self, u: Array, ledger: Ledger = UNCOUNTED) -> Array:
        """Return Σ Jᵀu, shape (n,), over all points, for u of shape (batch of the stored arrays) + (m,)."""
        return ledger.add_points(self._transpose()._apply(u[..., None], ledger)[..., 0], ())

    # --- what everybody uses ---------------------------------------------------------------------------

    @without_float_errors
    def matvec(self, v: Any) -> Array:
        """Return J·v without expanding J.

        Parameters
        ----------
        v : array_like, shape (…, n)
            Leading axes broadcast against :attr:`batch_shape`.

        Returns
        -------
        numpy.ndarray, shape (…, m)

        Raises
        ------
        ValueError
            If the last axis of v is not n.
        """
        vector = real_array(v, "v", foreign="keep")
        if vector.ndim == 0 or vector.shape[-1] != self.shape[1]:
            raise ValueError(
                f"v: found shape {vector.shape}, expected ({self.shape[1]},) for {self.spec.label}"
            )
        lead = self._met(tuple(vector.shape[:-1]), "v")
        jacobian = beside_array(cast("Jacobian", self), vector, "v")
        if vector.ndim > 1 and not self.spec.batch and not is_foreign(vector):
            # one map for all vectors: they are columns of one matrix
            columns = jacobian._apply(np.reshape(vector, (-1, self.shape[1])).T, UNCOUNTED)
            result = np.reshape(columns.T, (*vector.shape[:-1], self.shape[0]))
        else:
            result = jacobian._apply(vector[..., None], UNCOUNTED)[..., 0]
        return cast(Array, owned(result, (*lead, self.shape[0])))

    @without_float_errors
    def rmatvec(self, u: Any, *, summed: bool = False) -> Array:
        """Return Jᵀ·u without expanding J, or the sum of all points' Jᵀ·u without storing one row a point.

        Parameters
        ----------
        u : array_like, shape (…, m)
            Leading axes broadcast against :attr:`batch_shape`.
        summed : bool
            Whether to return Σ_p J_pᵀ u_p over all leading axes. For J_p = S_p ⊗ a_pᵀ, the Jacobian by a weight
            matrix, that is Σ_p (S_pᵀ u_p) a_pᵀ: one product of matrices over all points.

        Returns
        -------
        numpy.ndarray, shape (…, n), or (n,) if summed

        Raises
        ------
        TypeError, ValueError
            If the last axis of u is not m, or summed is not True or False.

        Examples
        --------
        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 1.0]]).jacobian([[1.0, 2.0], [3.0, 4.0]], wrt="W", batched=True)
        >>> J.rmatvec([[1.0], [10.0]])
        array([[ 1.,  2.],
               [30., 40.]])
        >>> J.rmatvec([[1.0], [10.0]], summed=True)
        array([31., 42.])
        """
        checked_flag(summed, "summed")
        vector = real_array(u, "u", foreign="keep")
        if vector.ndim == 0 or vector.shape[-1] != self.shape[0]:
            raise ValueError(
                f"u: found shape {vector.shape}, expected ({self.shape[0]},) for {self.spec.label}"
            )
        self._met(tuple(vector.shape[:-1]), "u")
        if not summed:
            return self.T.matvec(vector)
        self._require_numpy("summed")
        batch = broadcast(self.batch_shape, vector.shape[:-1])
        result = self._pull(summed_over(spread_to(vector, (*batch, self.shape[0])), self.spec.batch))
        return result.astype(np.result_type(self.dtype, vector.dtype), copy=False)

    @without_float_errors
    def row_norms(self) -> Array:
        """Return the Euclidean norm of every row, unexpanded: of each output's gradient at each point.

        No square overflows or vanishes on the way. The squared norms are the diagonal of J·Jᵀ.

        Returns
        -------
        numpy.ndarray, shape batch_shape + (m,)

        Examples
        --------
        By the weights of a layer each row of I_h ⊗ xᵀ has the norm of x:

        >>> from jacobians import Affine
        >>> Affine([[1.0, 1.0], [2.0, 2.0]]).jacobian([3.0, 4.0], wrt="W").row_norms()
        array([5., 5.])
        """
        self._require_numpy("row_norms")
        return cast(Array, owned(self._row_norms(), (*self.batch_shape, self.shape[0])))

    @without_float_errors
    def directional(self, direction: Any) -> Array:
        """Return the derivative in a direction that has the shape of the input: ∂y/∂X applied to it.

        For a scalar function of a matrix this is tr(∂f/∂X · Y) with ∂f/∂X in numerator layout.

        Parameters
        ----------
        direction : array_like, shape batch_shape + in_shape

        Returns
        -------
        numpy.ndarray, shape batch_shape + out_shape

        Raises
        ------
        ValueError
            If the direction has another shape.
        """
        array = real_array(direction, "direction", foreign="keep")
        lead = array.ndim - len(self.in_shape)
        if lead < 0 or array.shape[lead:] != self.in_shape:
            raise ValueError(
                f"direction: found shape {array.shape}, expected {self.in_shape}, the shape of the input"
            )
        xp = namespace_of(array)
        result = self.matvec(xp.reshape(array, (*array.shape[:lead], self.shape[1])))
        return cast(Array, xp.reshape(result, result.shape[:-1] + self.out_shape))

    def as_linear_operator(self) -> LinearOperator:
        """Return a :class:`scipy.sparse.linalg.LinearOperator` view of one point's Jacobian.

        Raises
        ------
        ValueError, TypeError
            For a batch: a LinearOperator is one matrix; for arrays of another library than NumPy.
        """
        return linear_operator(cast("Jacobian", self))

    def _met(self, batch: Shape, name: str) -> Shape:
        """Return the batch axes of vectors and map together."""
        if not batch or batch == self.batch_shape:
            return self.batch_shape
        try:
            return broadcast(self.batch_shape, batch)
        except ValueError:
            raise ValueError(
                f"{name}: found the batch axes {batch}, expected axes that broadcast to {self.batch_shape}, the "
                f"batch_shape of {self.spec.label}"
            ) from None

    def _require_numpy(self, name: str) -> None:
        if self.home is not NUMPY:
            raise TypeError(
                f"{name}: found a Jacobian with arrays of {self.home.name}, expected NumPy's arrays; "
                f"make it of these, or use matvec and rmatvec"
            )
