"""The affine layer z = Wx + b, and its matrix-valued form Y = WX + b1ᵀ."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.blas_threads import product
from jacobians.numerics.libraries import common_dtype, home_of, require_one_library
from jacobians.structures import Dense, Jacobian, Kronecker
from jacobians.structures.devices import moved
from jacobians.structures.entrywise import identity


class Affine(Function):
    """z = Wx + b for a vector x, or Y = WX + b1ᵀ for a matrix X of k columns.

    In numerator layout with row-major vec: ∂z/∂x = W, ∂z/∂W = I_h ⊗ xᵀ, ∂z/∂b = I_h, and for a matrix
    ∂Y/∂X = W ⊗ I_k, ∂Y/∂W = I_h ⊗ Xᵀ, ∂Y/∂b = I_h ⊗ 1_k.

    Parameters
    ----------
    W : array_like, shape (h, d)
    b : array_like, shape (h,), or None
        Without a bias there is no parameter "b".

    Raises
    ------
    TypeError, ValueError
        If W is no real matrix or b is not of shape (h,).

    Examples
    --------
    >>> layer = Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0.0, 0.0, 1.0])
    >>> layer([1.0, 1.0])
    array([ 3.,  7., 12.])
    >>> layer.jacobian([1.0, 1.0], wrt="W")
    <I₃ ⊗ Dense 1×2: 3×6, out (3,), in (3, 2), 2 of 18 numbers stored>
    """

    parameter_names = ("W", "b")
    vectorized = True
    array_api = True

    def __init__(self, W: Any, b: Any = None) -> None:
        self.W = self.parameter(W, "W", ndim=2)
        self.b = None if b is None else self.parameter(b, "b")
        require_one_library(W=self.W, b=self.b)
        h = self.W.shape[0]
        if self.b is not None and self.b.shape != (h,):
            raise ValueError(
                f"b: found shape {tuple(self.b.shape)}, expected ({h},), one entry for each row of W; "
                + (
                    f"W is (outputs, inputs), found {tuple(self.W.shape)}: is W.T meant?"
                    if tuple(self.b.shape) == tuple(self.W.shape[1:])
                    else "NumPy would broadcast another shape against Wx: reshape it"
                )
            )

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (d,) or (d, k)."""
        d = self.W.shape[1]
        if len(shape) not in (1, 2) or shape[0] != d:
            raise ValueError(
                f"x: found shape {shape}, expected ({d},) or ({d}, k) for W of shape {tuple(self.W.shape)}"
                + ("; points along the first axis need batched=True" if len(shape) > 1 else "")
            )

    def input_shape(self) -> tuple[int, ...] | None:
        """Return (d,): that of a vector."""
        return (int(self.W.shape[1]),)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return Wx + b, or WX + b1ᵀ."""
        if x.ndim - batch_ndim == 2:
            z = product(self.W, x)
            return z if self.b is None else z + self.b[:, None]
        z = product(self.W, x) if batch_ndim == 0 else product(x, self.W.T)
        if self.b is None:
            return z
        if type(z) is type(self.b) is np.ndarray and z.dtype == self.b.dtype:
            return np.add(z, self.b, out=z)  # nobody else has seen z
        return z + self.b

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return W, I_h ⊗ xᵀ or I_h, or their Kronecker products for a matrix."""
        h, d = self.W.shape
        point = x.shape[batch_ndim:]
        if wrt == INPUT and len(point) == 1:
            return Dense.unchecked(self.W, batch_shape=x.shape[:batch_ndim] if batch_ndim else None)
        dtype, home = common_dtype(x, self.W), home_of(x)
        of_outputs = moved(identity(h, dtype), home)
        if len(point) == 1:
            if wrt == "b":
                return of_outputs
            row = Dense.unchecked(x[..., None, :])
            return Kronecker.unchecked(of_outputs, row, out_shape=(h,), in_shape=(h, d))
        k = point[1]
        if wrt == INPUT:
            columns = moved(identity(k, dtype), home)
            return Kronecker.unchecked(Dense.unchecked(self.W), columns, out_shape=(h, k), in_shape=(d, k))
        if wrt == "b":
            ones = Dense.unchecked(home.ones((k, 1), dtype))
            return Kronecker.unchecked(of_outputs, ones, out_shape=(h, k), in_shape=(h,))
        return Kronecker.unchecked(of_outputs, Dense.unchecked(x.mT), out_shape=(h, k), in_shape=(h, d))
