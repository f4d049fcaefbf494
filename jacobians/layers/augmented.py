"""The affine layer with its bias folded into the matrix, and what carries the unit past the activations.

With x̂ = [1; x] and Â = [[1, 0], [b, A]] an affine layer is linear: Âx̂ = [1; Ax + b]. An activation must leave the
first entry alone: σ(1) is not 1. A matrix of k columns, a point each, has a row of ones for the unit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.elementwise import Elementwise
from jacobians.numerics.arguments import checked_flag, shown
from jacobians.numerics.arrays import Array, read_only
from jacobians.numerics.blas_threads import product
from jacobians.structures import Dense, Diagonal, Identity, Jacobian, Kronecker, Selection


class AugmentedAffine(Function):
    """z = Θ[1; x], the affine layer whose bias is the first column of Θ.

    In numerator layout with row-major vec: ∂z/∂x = Θ without its first column, ∂z/∂Θ = I_h ⊗ [1; x]ᵀ. For a
    matrix X of k columns these are the Kronecker products with I_k and [1ᵀ; X]ᵀ, as those of :class:`Affine`.

    With ``carry_unit=True`` it is [1; x] ↦ [1; Θ[1; x]]: the input brings its unit along, the first entry passes
    through, ∂/∂x̂ is Â of :attr:`augmented`, and ∂/∂Θ is [0; I_h] ⊗ x̂ᵀ with a selection as its first factor.

    Parameters
    ----------
    Theta : array_like, shape (h, d + 1)
        The bias in the first column.
    carry_unit : bool
        Whether input and output have the unit as their first entry.

    Raises
    ------
    TypeError, ValueError
        If Theta is no real matrix of at least two columns, or x has another number of entries.

    Examples
    --------
    >>> layer = AugmentedAffine([[5.0, 1.0, 2.0]])
    >>> layer([10.0, 100.0])
    array([215.])
    >>> layer.jacobian([10.0, 100.0], wrt="Theta").dense()
    array([[  1.,  10., 100.]])
    >>> layer.augmented
    array([[1., 0., 0.],
           [5., 1., 2.]])
    >>> AugmentedAffine([[5.0, 1.0, 2.0]], carry_unit=True)([1.0, 10.0, 100.0])
    array([  1., 215.])
    """

    parameter_names = ("Theta",)
    vectorized = True

    def __init__(self, Theta: Any, *, carry_unit: bool = False) -> None:
        self.Theta = self.parameter(Theta, "Theta", ndim=2)
        if self.Theta.shape[1] < 2:
            raise ValueError(
                f"Theta: found shape {self.Theta.shape}, expected (h, d + 1): the bias and at least one column more"
            )
        self.carry_unit = checked_flag(carry_unit, "carry_unit")

    @classmethod
    def from_affine(cls, A: Any, b: Any, *, carry_unit: bool = False) -> AugmentedAffine:
        """Make one of a matrix A (h, d) and a bias b (h,).

        Raises
        ------
        TypeError, ValueError
            If A is no real matrix or b is not of shape (h,).

        Examples
        --------
        >>> AugmentedAffine.from_affine([[1.0, 2.0]], [5.0]).Theta
        array([[5., 1., 2.]])
        """
        matrix, bias = cls.parameter(A, "A", ndim=2), cls.parameter(b, "b")
        if bias.shape != matrix.shape[:1]:
            raise ValueError(
                f"b: found shape {bias.shape}, expected ({matrix.shape[0]},), one entry for each row of A; "
                f"NumPy would broadcast another shape against Ax: reshape it"
            )
        return cls(np.column_stack([bias, matrix]), carry_unit=carry_unit)

    @property
    def augmented(self) -> Array:
        """Â = [[1, 0], [b, A]], shape (h + 1, d + 1), read-only."""
        unit = np.eye(1, self.Theta.shape[1], dtype=self.Theta.dtype)
        return read_only(np.concatenate([unit, self.Theta]))

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (d,) or (d, k), or (d + 1,) or (d + 1, k) with the unit."""
        columns = self.Theta.shape[1]
        expected = columns if self.carry_unit else columns - 1
        if len(shape) not in (1, 2) or shape[0] != expected:
            what = "with the unit as its first entry " if self.carry_unit else "without the unit "
            raise ValueError(
                f"x: found shape {shape}, expected ({expected},) or ({expected}, k) {what}"
                f"for Theta of shape {self.Theta.shape}"
                + ("; points along the first axis need batched=True" if len(shape) > 1 else "")
            )

    def _with_unit(self, x: Any, batch_ndim: int) -> Any:
        """Return x̂, whose first entry (row) is the unit."""
        if self.carry_unit:
            return x
        axis = batch_ndim
        first = x[(slice(None),) * axis + (slice(0, 1),)]
        return np.concatenate([np.ones_like(first), x], axis=axis)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return Θx̂, below the first entry of x̂ where the unit is carried."""
        unit = self._with_unit(x, batch_ndim)
        vectors = x.ndim - batch_ndim == 1
        z = product(unit, self.Theta.T) if vectors else product(self.Theta, unit)
        if not self.carry_unit:
            return z
        return np.concatenate([unit[(slice(None),) * batch_ndim + (slice(0, 1),)], z], axis=batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return Â or Θ without its bias by x, [0; I] ⊗ x̂ᵀ or I ⊗ x̂ᵀ by Θ; for k columns times I_k."""
        h, columns = self.Theta.shape
        dtype = np.result_type(x.dtype, self.Theta.dtype)
        many = x.shape[batch_ndim + 1 :]  # (k,) for a matrix
        rows = h + 1 if self.carry_unit else h
        if wrt == INPUT:
            A = Dense.unchecked(self.augmented if self.carry_unit else self.Theta[:, 1:])
            shapes: dict[str, Any] = {
                "out_shape": (rows, *many),
                "in_shape": x.shape[batch_ndim:],
            }
            return Kronecker.unchecked(A, Identity.unchecked(many[0], dtype=dtype), **shapes) if many else A
        unit = self._with_unit(x, batch_ndim)
        points = Dense.unchecked(unit.mT if many else unit[..., None, :])
        places: Jacobian = Identity.unchecked(h, dtype=dtype)
        if self.carry_unit:
            places = Selection.unchecked(np.arange(-1, h), h, repeats=False, dtype=dtype)
        return Kronecker.unchecked(places, points, out_shape=(rows, *many), in_shape=(h, columns))


class AddUnit(Function):
    """x ↦ [1; x], for a matrix a row of ones above it; the Jacobian is the selection [0; I].

    Examples
    --------
    >>> AddUnit()([3.0, 4.0])
    array([1., 3., 4.])
    >>> AddUnit().jacobian([3.0, 4.0])
    <Selection 3×2: 3×2, out (3,), in (2,), 3 of 6 numbers stored>
    """

    vectorized = True

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if `shape` has no axis."""
        _require_axis(shape, 1)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return [1; x]."""
        first = x[(slice(None),) * batch_ndim + (slice(0, 1),)]
        return np.concatenate([np.ones_like(first), x], axis=batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return [0; I]."""
        n, *rest = point = x.shape[batch_ndim:]
        size, width = math.prod(point), math.prod(rest)
        places = np.concatenate([np.full(width, -1), np.arange(size)])
        return Selection.unchecked(
            places, size, repeats=False, out_shape=(n + 1, *rest), in_shape=point, dtype=x.dtype
        )


class DropUnit(Function):
    """[1; x] ↦ x, for a matrix without its first row; the Jacobian is the selection [0, I].

    Examples
    --------
    >>> DropUnit()([1.0, 3.0, 4.0])
    array([3., 4.])
    >>> DropUnit().jacobian([1.0, 3.0, 4.0]).dense()
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """

    vectorized = True

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless something is left of `shape` without its first entry."""
        _require_axis(shape, 2)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return x without its first entry."""
        return x[(slice(None),) * batch_ndim + (slice(1, None),)]

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return [0, I]."""
        n, *rest = point = x.shape[batch_ndim:]
        size, width = math.prod(point), math.prod(rest)
        places = np.arange(width, size)
        return Selection.unchecked(
            places, size, repeats=False, out_shape=(n - 1, *rest), in_shape=point, dtype=x.dtype
        )


class PassUnit(Function):
    """[1; x] ↦ [1; f(x)]: an activation of all but the first entry (row), which passes through unchanged.

    The Jacobian is diag(1, f′(x)).

    Parameters
    ----------
    activation : Elementwise

    Raises
    ------
    TypeError
        If activation is no :class:`Elementwise`.

    Examples
    --------
    >>> from jacobians import Sigmoid
    >>> PassUnit(Sigmoid())([1.0, 0.0, 1000.0])
    array([1. , 0.5, 1. ])
    >>> PassUnit(Sigmoid()).jacobian([1.0, 0.0]).d
    array([1.  , 0.25])
    """

    vectorized = True

    def __init__(self, activation: Elementwise) -> None:
        if not isinstance(activation, Elementwise):
            raise TypeError(
                f"activation: found {shown(activation)}, expected an elementwise activation; it is an instance: "
                f"Tanh(), not Tanh"
            )
        self.activation = activation

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless something is left of `shape` without its first entry."""
        _require_axis(shape, 2)

    def _parted(self, x: Any, batch_ndim: int) -> tuple[Any, Any]:
        """Return the first entry (row) of each point, and the others."""
        points = (slice(None),) * batch_ndim
        return x[(*points, slice(0, 1))], x[(*points, slice(1, None))]

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return [x_0; f(x_1, …)]."""
        unit, others = self._parted(x, batch_ndim)
        return np.concatenate([unit, self.activation.forward(others, batch_ndim)], axis=batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return diag(1, f′(x))."""
        unit, others = self._parted(x, batch_ndim)
        slopes = np.concatenate([np.ones_like(unit), self.activation.df(others)], axis=batch_ndim)
        point = x.shape[batch_ndim:]
        d = slopes.reshape((*x.shape[:batch_ndim], math.prod(point)))
        return Diagonal.unchecked(d, out_shape=point, in_shape=point)

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of the activation for all entries but the first."""
        return self.activation.smooth_piece(self._parted(x, 0)[1])

    def __repr__(self) -> str:
        return f"PassUnit({self.activation!r})"


def _require_axis(shape: tuple[int, ...], least: int) -> None:
    if len(shape) == 0 or shape[0] < least:
        raise ValueError(
            f"x: found shape {shape}, expected a first axis of at least {least}"
            + (": the unit and what it stands above" if least > 1 else "")
        )
