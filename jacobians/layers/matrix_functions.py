"""Functions of matrices: products, forms, traces and Gram matrices.

Numerator layout, row-major vec: vec(A X B) = (A ⊗ Bᵀ) vec(X). With column-major vec it is Bᵀ ⊗ A, to be had by
``J.matrix(vec="column")``. Kronecker products are kept as their factors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.composition import Sequential
from jacobians.layers.losses import SquaredError
from jacobians.layers.norms import row
from jacobians.numerics.arguments import checked_flag
from jacobians.numerics.blas_threads import product
from jacobians.numerics.layouts import column_major_order
from jacobians.planning import bracketing
from jacobians.structures import (
    BlockColumn,
    BlockRow,
    Dense,
    Identity,
    Jacobian,
    Kronecker,
    Selection,
)


class LinearMap(Function):
    """Y = A X B of a matrix X, or y = A x of a vector; a factor that is None is the identity.

    ∂Y/∂X = A ⊗ Bᵀ, ∂Y/∂A = I_p ⊗ (XB)ᵀ, ∂Y/∂B = (AX) ⊗ I_q, each kept as its factors; for a vector ∂y/∂x = A
    and ∂y/∂A = I_p ⊗ xᵀ.

    Parameters
    ----------
    A : array_like, shape (p, m), or None
    B : array_like, shape (n, q), or None
        With B only matrices X are taken.

    Raises
    ------
    TypeError, ValueError
        If both are None, one is no real matrix, or X has a shape that doesn't fit between them.

    Examples
    --------
    >>> layer = LinearMap([[1.0, 2.0], [3.0, 4.0]], [[0.0], [1.0], [2.0]])
    >>> J = layer.jacobian([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> J
    <Dense 2×2 ⊗ Dense 1×3: 2×6, out (2, 1), in (2, 3), 7 of 12 numbers stored>
    >>> J.matrix(vec="column")  # Bᵀ ⊗ A
    array([[0., 0., 1., 2., 2., 4.],
           [0., 0., 3., 4., 6., 8.]])
    """

    parameter_names = ("A", "B")
    vectorized = True

    def __init__(self, A: Any = None, B: Any = None) -> None:
        if A is None and B is None:
            raise ValueError("A: found None for A and for B, expected a matrix for at least one of them")
        self.A = None if A is None else self.parameter(A, "A", ndim=2)
        self.B = None if B is None else self.parameter(B, "B", ndim=2)

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` fits between A and B."""
        m = "m" if self.A is None else self.A.shape[1]
        n = "n" if self.B is None else self.B.shape[0]
        vector = self.B is None and len(shape) == 1
        fits = len(shape) == 2 or vector
        fits = fits and (self.A is None or shape[0] == m)
        if not (fits and (self.B is None or shape[1] == n)):
            either = f"({m},) or " if self.B is None else ""
            hint = "; points along the first axis need batched=True" if len(shape) > 1 else ""
            raise ValueError(f"x: found shape {shape}, expected {either}({m}, {n}) for {self!r}{hint}")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return A X B."""
        if x.ndim - batch_ndim == 1:
            return product(x, self.A.T)  # type: ignore[union-attr]  # a vector is taken with A only
        y = x if self.A is None else product(self.A, x)
        return y if self.B is None else product(y, self.B)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return A ⊗ Bᵀ, I_p ⊗ (XB)ᵀ or (AX) ⊗ I_q."""
        point = x.shape[batch_ndim:]
        dtype = np.result_type(x.dtype, *(value.dtype for value in self.parameters.values()))
        if len(point) == 1:
            A = self.parameters["A"]
            if wrt == INPUT:
                return Dense.unchecked(A)
            identity = Identity.unchecked(A.shape[0], dtype=dtype)
            return Kronecker.unchecked(
                identity, Dense.unchecked(x[..., None, :]), out_shape=A.shape[:1], in_shape=A.shape
            )
        p = point[0] if self.A is None else self.A.shape[0]
        q = point[1] if self.B is None else self.B.shape[1]
        if wrt == "A":
            XB = x if self.B is None else product(x, self.B)
            left: Jacobian = Identity.unchecked(p, dtype=dtype)
            right: Jacobian = Dense.unchecked(XB.mT)
            in_shape = (p, point[0])
        elif wrt == "B":
            left = Dense.unchecked(x if self.A is None else product(self.A, x))
            right = Identity.unchecked(q, dtype=dtype)
            in_shape = (point[1], q)
        else:
            left = Identity.unchecked(p, dtype=dtype) if self.A is None else Dense.unchecked(self.A)
            right = Identity.unchecked(q, dtype=dtype) if self.B is None else Dense.unchecked(self.B.mT)
            in_shape = point
        return Kronecker.unchecked(left, right, out_shape=(p, q), in_shape=in_shape)


class QuadraticForm(Function):
    """xᵀAx, a scalar: ∂/∂x = xᵀ(A + Aᵀ), ∂/∂A = xᵀ ⊗ xᵀ.

    The latter is the row-major vec of x xᵀ, kept as two rows of n numbers.

    Parameters
    ----------
    A : array_like, shape (n, n)
        Not symmetric in general.

    Raises
    ------
    TypeError, ValueError
        If A is no real square matrix or x is not of shape (n,).

    Examples
    --------
    >>> form = QuadraticForm([[1.0, 2.0], [0.0, 1.0]])
    >>> form.jacobian([1.0, 1.0]).dense()
    array([[4., 4.]])
    >>> form.jacobian([1.0, 2.0], wrt="A")
    <Dense 1×2 ⊗ Dense 1×2: 1×4, out (), in (2, 2), 4 of 4 numbers stored>
    """

    parameter_names = ("A",)
    vectorized = True

    def __init__(self, A: Any) -> None:
        self.A = self.parameter(A, "A", ndim=2)
        require_square(self.A.shape, "A")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (n,)."""
        n = self.A.shape[0]
        if shape != (n,):
            hint = "; points along the first axis need batched=True" if len(shape) == 2 else ""
            raise ValueError(f"x: found shape {shape}, expected ({n},) for A of shape {self.A.shape}{hint}")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return xᵀAx."""
        return (x * product(x, self.A.T)).sum(axis=-1)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return xᵀ(A + Aᵀ) or xᵀ ⊗ xᵀ."""
        if wrt == INPUT:
            return row(product(x, self.A + self.A.T), x, batch_ndim)
        xT = Dense.unchecked(x[..., None, :])
        return Kronecker.unchecked(xT, xT, out_shape=(), in_shape=self.A.shape)


class Trace(Function):
    """tr(AX), a scalar: ∂/∂X = A in numerator layout; without A, tr X of a square X, and ∂/∂X = I.

    As a 1×mn matrix the Jacobian by X is the row-major vec of Aᵀ, by A that of Xᵀ; ``J.tensor()`` is A itself.

    Parameters
    ----------
    A : array_like, shape (p, m), or None

    Raises
    ------
    TypeError, ValueError
        If A is no real matrix or X is not of shape (m, p), or not square without A.

    Examples
    --------
    >>> J = Trace([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).jacobian([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> J.tensor()
    array([[1., 2., 3.],
           [4., 5., 6.]])
    >>> J.dense()
    array([[1., 4., 2., 5., 3., 6.]])
    """

    parameter_names = ("A",)
    vectorized = True

    def __init__(self, A: Any = None) -> None:
        self.A = None if A is None else self.parameter(A, "A", ndim=2)

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (m, p), the shape of Aᵀ, or square without A."""
        if self.A is None:
            require_square(shape, "x")
        elif shape != self.A.shape[::-1]:
            hint = "; points along the first axis need batched=True" if len(shape) == 3 else ""
            raise ValueError(
                f"x: found shape {shape}, expected {self.A.shape[::-1]}, the shape of the transpose of A{hint}"
            )

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return tr(AX) = Σ A_ij X_ji."""
        if self.A is None:
            return np.trace(x, axis1=-2, axis2=-1)
        return (self.A.T * x).sum(axis=(-2, -1))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the row-major vec of Aᵀ, or of Xᵀ."""
        point = x.shape[batch_ndim:]
        size = math.prod(point)
        if wrt == "A":
            entries = x.mT.reshape((*x.shape[:batch_ndim], 1, size))
            return Dense.unchecked(entries, out_shape=(), in_shape=point[::-1])
        A = np.eye(point[0], dtype=x.dtype) if self.A is None else self.A
        return Dense.unchecked(A.T.reshape(1, size), out_shape=(), in_shape=point)


class Gram(Function):
    """G = F Fᵀ of the rows of F (c × n), or Fᵀ F of its columns.

    dG = dF Fᵀ + F dFᵀ, so that by rows ∂G/∂F = (F ⊗ I_c) K + I_c ⊗ F with the commutation matrix K, and by columns
    (I_n ⊗ Fᵀ) + (Fᵀ ⊗ I_n) K. :meth:`Function.chain`, and with it a composition, keeps the two factors
    [I ⊗ F, F ⊗ I]·[I; K], which store c·n numbers each; :meth:`Function.jacobian` multiplies them out, c²×cn.

    Parameters
    ----------
    columns : bool
        False (by default) for F Fᵀ, (c, c); True for Fᵀ F, (n, n).

    Raises
    ------
    TypeError, ValueError
        If columns is not True or False, or F is no matrix.

    Examples
    --------
    >>> Gram()([[1.0, 2.0], [3.0, 4.0]])
    array([[ 5., 11.],
           [11., 25.]])
    >>> [factor.structure for factor in Gram().chain([[1.0, 2.0], [3.0, 4.0]])]
    ['BlockRow', 'BlockColumn']
    """

    vectorized = True

    def __init__(self, *, columns: bool = False) -> None:
        self.columns = checked_flag(columns, "columns")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is that of a matrix."""
        require_matrix(shape)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return F Fᵀ or Fᵀ F."""
        return product(x.mT, x) if self.columns else product(x, x.mT)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the product of the two factors."""
        return bracketing.product(self._chain(x, wrt, batch_ndim))

    def _chain(self, x: Any, wrt: str, batch_ndim: int, value: Any = None) -> list[Jacobian]:
        point = x.shape[batch_ndim:]
        M = x.mT if self.columns else x
        side, size = M.shape[-2], math.prod(point)
        identity, factor = Identity.unchecked(side, dtype=x.dtype), Dense.unchecked(M)
        # vec(dM Mᵀ) = (I ⊗ M) vec(dM) and vec(M dMᵀ) = (M ⊗ I) vec(dMᵀ); one of dM and dMᵀ is dF, the other is K dF
        terms = [Kronecker.unchecked(identity, factor), Kronecker.unchecked(factor, identity)]
        inputs = [Identity.unchecked(size, dtype=x.dtype), commutation(point, x.dtype).reshaped((size,))]
        if self.columns:
            inputs.reverse()
        return [BlockRow(terms, out_shape=(side, side)), BlockColumn(inputs, in_shape=point)]

    def __repr__(self) -> str:
        return "Gram(columns=True)" if self.columns else "Gram()"


class GramLoss(Sequential):
    """‖F Fᵀ − G₀‖²_F, the style loss, as the composition of :class:`Gram` and :class:`SquaredError`.

    With D = F Fᵀ − G₀ the derivative by F, in the shape of F, is 2(D + Dᵀ)F; for a symmetric G₀ it is
    4(F Fᵀ − G₀)F.

    Parameters
    ----------
    target : array_like, shape (c, c)
        G₀; (n, n) for the columns.
    columns : bool
        As in :class:`Gram`.

    Raises
    ------
    TypeError, ValueError
        If the target is no real square matrix, or the Gram matrix has another shape.

    Examples
    --------
    >>> loss = GramLoss([[1.0, 0.0], [0.0, 1.0]])
    >>> F = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> loss.jacobian(F).tensor("denominator")
    array([[148., 208.],
           [332., 472.]])
    >>> 4 * (F @ F.T - np.eye(2)) @ F
    array([[148., 208.],
           [332., 472.]])
    """

    def __init__(self, target: Any, *, columns: bool = False) -> None:
        loss = SquaredError(target)
        require_square(loss.y.shape, "target")
        super().__init__(Gram(columns=columns), loss)


# --- shapes ----------------------------------------------------------------------------------------------


def commutation(shape: tuple[int, ...], dtype: Any = np.float64) -> Selection:
    """Return the permutation K with K vec(X) = vec(Xᵀ) for matrices X of `shape`, row-major vec.

    Examples
    --------
    >>> commutation((2, 2)).dense()
    array([[1., 0., 0., 0.],
           [0., 0., 1., 0.],
           [0., 1., 0., 0.],
           [0., 0., 0., 1.]])
    """
    order = column_major_order(shape)
    return Selection.unchecked(
        order, order.size, repeats=False, out_shape=shape[::-1], in_shape=shape, dtype=dtype
    )


def require_matrix(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `shape` has two axes."""
    if len(shape) != 2:
        hint = "; points along the first axis need batched=True" if len(shape) == 3 else ""
        raise ValueError(f"x: found shape {shape}, expected a matrix (m, n){hint}")


def require_square(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless `shape` is (n, n)."""
    if len(shape) != 2 or shape[0] != shape[1]:
        hint = "; points along the first axis need batched=True" if len(shape) == 3 else ""
        raise ValueError(f"{name}: found shape {shape}, expected a square matrix (n, n){hint}")
