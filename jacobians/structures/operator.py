"""A Jacobian as SciPy's iterative solvers take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import UNCOUNTED
from jacobians.numerics.libraries import NUMPY

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

    from jacobians.structures.base import Jacobian


def linear_operator(jacobian: Jacobian) -> LinearOperator:
    """Return a :class:`scipy.sparse.linalg.LinearOperator` view of one point's Jacobian.

    Raises
    ------
    ValueError
        For a batch.
    TypeError
        For arrays of another library than NumPy.
    """
    from scipy.sparse.linalg import LinearOperator  # imported here: most users never need scipy.sparse

    if jacobian.batch_shape:
        raise ValueError(
            f"as_linear_operator: found batch_shape {jacobian.batch_shape}, expected (): one matrix; take one point"
        )
    if jacobian.home is not NUMPY:
        raise TypeError(
            f"as_linear_operator: found arrays of {jacobian.home.name}, expected NumPy's: SciPy computes with these; "
            f"use matvec and rmatvec"
        )
    transposed = jacobian.T
    return LinearOperator(
        shape=jacobian.shape,
        dtype=jacobian.dtype,
        matvec=lambda v: jacobian.matvec(np.ravel(v)),
        rmatvec=lambda u: transposed.matvec(np.ravel(u)),
        matmat=lambda X: _columns(jacobian, X),
        rmatmat=lambda X: _columns(transposed, X),
    )


@without_float_errors
def _columns(jacobian: Jacobian, X: Any) -> Array:
    return jacobian._apply(real_array(X, "X"), UNCOUNTED)
