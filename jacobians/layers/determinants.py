"""Determinant, logarithm of the determinant, and the inverse of a matrix.

Source of the derivatives: Petersen & Pedersen, "The Matrix Cookbook", 2012, sections 2.1 and 2.2. The determinant has
its derivative everywhere, also at singular matrices; the other two are refused there by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.matrix_functions import require_square
from jacobians.layers.norms import flat, row
from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import product
from jacobians.structures import Dense, Jacobian, Kronecker


class _OfSquareMatrix(Function):
    """A function of a square matrix."""

    vectorized = True

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (n, n)."""
        require_square(shape, "x")


class Determinant(_OfSquareMatrix):
    """det X, a scalar; ∂ det X/∂x_ij is the cofactor C_ij, for invertible X det(X)·X⁻ᵀ.

    The cofactors come from the singular values, X = UΣVᵀ: C = det(U) det(V)·U diag(∏_{k≠i} σ_k) Vᵀ, which holds for
    singular X too. The numerator layout, ``J.tensor()``, is the adjugate Cᵀ.

    Examples
    --------
    >>> Determinant()([[2.0, 0.0], [3.0, 4.0]])
    array(8.)
    >>> Determinant().jacobian([[1.0, 2.0], [2.0, 4.0]]).tensor().round(12)  # singular: the adjugate
    array([[ 4., -2.],
           [-2.,  1.]])
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return det X."""
        with np.errstate(invalid="ignore"):  # NaN in, NaN out, without a warning
            value = np.linalg.det(x)
            if type(x) is np.ndarray and x.dtype.kind == "f" and np.isnan(x).any():
                # elimination may stop at a zero before it meets the NaN
                return np.where(np.isnan(x).any(axis=(-2, -1)), np.nan, value)[()]
            return value

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the row-major vec of the cofactors."""
        return row(flat(cofactors(x), batch_ndim), x, batch_ndim)


class LogDeterminant(_OfSquareMatrix):
    """log |det X|, a scalar; ∂/∂x_ij is (X⁻¹)_ji, so that ``J.tensor()``, the numerator layout, is X⁻¹.

    The determinant itself is not formed: it would overflow for large matrices. At a singular X the value is −∞,
    and the Jacobian, which doesn't exist, is refused.

    Raises
    ------
    ValueError
        By the Jacobian at a singular X.

    Examples
    --------
    >>> LogDeterminant()(np.diag(np.full(500, 1e10)))
    array(11512.92546497)
    >>> LogDeterminant().jacobian([[1.0, 2.0], [3.0, 4.0]]).tensor().round(12)
    array([[-2. ,  1. ],
           [ 1.5, -0.5]])
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return log |det X|."""
        with np.errstate(invalid="ignore"):
            return np.linalg.slogdet(x)[1]

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the row-major vec of X⁻ᵀ."""
        return row(flat(inverse(x).mT, batch_ndim), x, batch_ndim)


class Inverse(_OfSquareMatrix):
    """Y = X⁻¹; d(X⁻¹) = −X⁻¹ dX X⁻¹, so that the Jacobian is −X⁻¹ ⊗ X⁻ᵀ, kept as its factors.

    Raises
    ------
    ValueError
        At a singular X.

    Examples
    --------
    >>> Inverse().jacobian([[2.0, 0.0], [0.0, 4.0]])
    <Dense 2×2 ⊗ Dense 2×2: 4×4, out (2, 2), in (2, 2), 8 of 16 numbers stored>
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return X⁻¹."""
        return inverse(x)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return −X⁻¹ ⊗ X⁻ᵀ."""
        point = x.shape[batch_ndim:]
        Y = inverse(x)
        return Kronecker.unchecked(
            Dense.unchecked(-Y), Dense.unchecked(Y.mT), out_shape=point, in_shape=point
        )


def inverse(x: Any) -> Any:
    """Return the inverses of matrices in the last two axes.

    Raises
    ------
    ValueError
        If one of them is singular.

    Examples
    --------
    >>> inverse(np.array([[0.0, 0.0], [0.0, 1.0]]))
    Traceback (most recent call last):
    ...
    ValueError: x: found a singular matrix, expected an invertible one; np.linalg.pinv has no derivative there
    """
    try:
        with np.errstate(invalid="ignore"):
            return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise ValueError(
            "x: found a singular matrix, expected an invertible one; np.linalg.pinv has no derivative there"
        ) from None


def cofactors(x: Array) -> Array:
    """Return the matrices of cofactors of matrices in the last two axes, singular ones too; NaN for NaN or ∞.

    Examples
    --------
    >>> cofactors(np.array([[1.0, 2.0], [3.0, 4.0]])).round(12)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    # the SVD refuses what is not finite, and would do so for a whole batch
    finite = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    U, sigma, Vt = np.linalg.svd(np.where(finite, x, np.eye(x.shape[-1], dtype=x.dtype)))
    before, after = np.ones_like(sigma), np.ones_like(sigma)
    before[..., 1:] = np.cumprod(sigma[..., :-1], axis=-1)
    after[..., :-1] = np.cumprod(sigma[..., :0:-1], axis=-1)[..., ::-1]
    orientation = np.sign(np.linalg.det(U) * np.linalg.det(Vt))[..., None, None]
    products = product(orientation * (U * (before * after)[..., None, :]), Vt)
    return np.where(finite, products, np.nan).astype(x.dtype)
