"""Norms and the squared norm of a vector or of all entries of an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.structures import Dense, Jacobian


def flat(x: Any, batch_ndim: int) -> Any:
    """Return the entries of each point along one last axis."""
    return x.reshape((*x.shape[:batch_ndim], math.prod(x.shape[batch_ndim:])))


def row(gradient: Any, x: Any, batch_ndim: int) -> Dense:
    """Return the gradient of a scalar function, entries along the last axis, as a 1×n Jacobian."""
    return Dense.unchecked(gradient[..., None, :], out_shape=(), in_shape=x.shape[batch_ndim:])


class Norm(Function):
    """‖x‖₂ over all entries; the Jacobian is the row xᵀ/‖x‖, and 0 at 0.

    Examples
    --------
    >>> Norm()([3e200, 4e200])
    array(5.e+200)
    >>> Norm().jacobian([3e200, 4e200]).dense()
    array([[0.6, 0.8]])
    """

    vectorized = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the norm; hypot neither overflows nor underflows on the way."""
        return np.hypot.reduce(flat(x, batch_ndim), axis=-1, initial=0)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return xᵀ/‖x‖, by policy 0 at 0."""
        entries = flat(x, batch_ndim)
        norm = np.hypot.reduce(entries, axis=-1, initial=0)[..., None]
        return row(entries / np.where(norm == 0, 1, norm), x, batch_ndim)

    def smooth_piece(self, x: Any) -> Any:
        """Return 1 at 0, else 0."""
        return np.array([int(not np.any(x))])


class SquaredNorm(Function):
    """‖x‖² over all entries; the Jacobian is the row 2xᵀ.

    Examples
    --------
    >>> SquaredNorm().jacobian([1.0, 2.0]).dense()
    array([[2., 4.]])
    """

    vectorized = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the sum of squares."""
        entries = flat(x, batch_ndim)
        return (entries * entries).sum(axis=-1)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return 2xᵀ."""
        return row(2 * flat(x, batch_ndim), x, batch_ndim)
