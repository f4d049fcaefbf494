"""Identity, zero, diagonal and dense Jacobians."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, finite_columns, read_only, real_array, refuse_sparse
from jacobians.numerics.diagonals import diagonal_matrix
from jacobians.numerics.ledger import UNCOUNTED, Ledger
from jacobians.spec import SUBSCRIPTS, Spec, owner, points
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point, latex_matrix, latex_vector
from jacobians.structures.euclidean import euclidean
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_dtype, checked_options


@lru_cache(maxsize=4096)
def _dense_spec(shape: Shape) -> Spec:
    """Return the spec of a matrix of the shape of its array: one look-up, where sizes one by one take several."""
    *batch, m, n = shape
    return Spec.dense(m, n, tuple(batch))


@lru_cache(maxsize=4096)
def _diagonal_spec(shape: Shape) -> Spec:
    return Spec.diagonal(shape[-1], tuple(shape[:-1]))


class Identity(Jacobian):
    """I_n: ∂(x + b)/∂b, and every map that hands its input on. Stores nothing.

    Parameters
    ----------
    n : int
    out_shape, in_shape : tuple of int, optional
        Shapes with n entries; (n,) by default.
    batch_shape : tuple of int, optional
    dtype : dtype, optional
        The dtype of the dense form.

    Examples
    --------
    >>> Identity(3)
    <I₃: 3×3, out (3,), in (3,), 0 of 9 numbers stored>
    """

    structure = "Identity"
    _colour = "#7a8b99"
    _on_diagonal = True
    _by_sizes = True

    def __init__(
        self,
        n: int,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = np.float64,
    ) -> None:
        size = checked_integer(n, "n")
        self._init(size, *checked_options(out_shape, in_shape, batch_shape), checked_dtype(dtype))

    def _init(self, n: int, *options: Any, **named: Any) -> None:
        self._set(Spec.identity(n), *options, **named)

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return "I" + str(spec.shape[0]).translate(SUBSCRIPTS)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        return Count(0, 0)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> Identity:
        return cls.unchecked(spec.shape[0], dtype=dtype)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        if out is not None:
            return diagonal_matrix(np.ones(1, out.dtype), out)
        return cast(Array, self.home.eye(self.shape[0], self.dtype))

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return columns

    def _diagonal(self) -> Array:
        return cast(Array, self.home.ones(self.shape[:1], self.dtype))

    def _scale(self, factor: Any) -> Jacobian:
        return Diagonal.unchecked(self.home.full(self.shape[:1], factor, self.dtype))

    @classmethod
    def _taken_spec(cls, spec: Spec, rows: int | None, columns: int | None) -> Spec:
        if columns is not None:
            return Spec.identity(columns)  # the same ones as rows
        return spec if rows is None else Spec.selection(rows, spec.shape[0], repeats=False)

    def _idle(self, axis: int) -> Array:
        return np.ones(self.shape[0], dtype=bool)

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        if columns is not None:  # the same ones as rows: what is left is an identity
            return Identity.unchecked(columns.shape[0], batch_shape=self.batch_shape, dtype=self.dtype)
        chosen = owner("Selection").unchecked(rows, self.shape[0], repeats=False, dtype=self.dtype)
        return cast(Jacobian, chosen)

    def _latex(self) -> str:
        return f"I_{{{self.shape[0]}}}"


@lru_cache(maxsize=4096)
def identity(n: int, dtype: np.dtype[Any]) -> Identity:
    """Return I_n of a precision: always the same one, for it stores nothing."""
    return Identity.unchecked(n, dtype=dtype)


class Diagonal(Jacobian):
    """diag(d): the Jacobian of an elementwise function. Stores n numbers a point.

    Parameters
    ----------
    d : array_like, shape (…, n)
        The diagonal; leading axes are batch axes.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If d is not a real array with at least one axis.

    Examples
    --------
    >>> Diagonal([1.0, 2.0]).matvec([3.0, 4.0])
    array([3., 8.])
    """

    structure = "Diagonal"
    _colour = "#1f77b4"
    _fields = ("d",)
    _on_diagonal = True
    _by_sizes = True
    _entries = True
    zero_one: bool = False  # whether all entries are known to be 0 or 1, as the slopes of a ReLU are
    d: Array

    def __init__(
        self,
        d: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        array = real_array(d, "d", foreign="keep")
        if array.ndim == 0:
            raise ValueError("d: found a scalar, expected the diagonal as an array of shape (n,)")
        self._init(array, *checked_options(out_shape, in_shape, batch_shape))

    def _init(self, d: Array, *options: Any, **named: Any) -> None:
        self.d = d
        self._set(_diagonal_spec(d.shape), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        return {"d": spec.shape[:1]}

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """One multiplication for each entry of the result."""
        return Count(points(spec.batch, batch) * spec.shape[0] * columns, 0)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return diagonal_matrix(self.d, out)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return ledger.scale(self.d[..., None], columns)

    def _diagonal(self) -> Array:
        return self.d

    def _scale(self, factor: Any) -> Jacobian:
        return Diagonal.unchecked(self.d * factor)

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        # rows and columns are the same ones
        return Diagonal.unchecked(np.take(self.d, rows, axis=-1), batch_shape=self.batch_shape)

    def _latex(self) -> str:
        return rf"\operatorname{{diag}}({latex_vector(first_point(self.d, 1))})"


class Dense(Jacobian):
    """A matrix without structure: ∂(Wx + b)/∂x = W. Stores m·n numbers a point.

    Parameters
    ----------
    A : array_like, shape (…, m, n)
        Leading axes are batch axes. Not copied.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If A is not a real array of two axes or more: (n,), (n, 1) and (1, n) are three things.

    Examples
    --------
    >>> Dense([[1.0, 2.0]]) @ Dense([[3.0], [4.0]])
    <Dense 1×1: 1×1, out (1,), in (1,), 1 of 1 numbers stored>
    """

    structure = _turned = "Dense"
    _places = True
    _colour = "#c1121f"
    _fields = ("A",)
    _by_sizes = True
    _entries = True
    A: Array

    def __init__(
        self,
        A: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        refuse_sparse(A, "A")
        array = real_array(A, "A", foreign="keep")
        if array.ndim < 2:
            raise ValueError(
                f"A: found shape {tuple(array.shape)}, expected a matrix (m, n); "
                f"(n,), (n, 1) and (1, n) are three different things: reshape it"
            )
        self._init(array, *checked_options(out_shape, in_shape, batch_shape))

    def _init(self, A: Array, *options: Any, **named: Any) -> None:
        self.A = A
        self._set(_dense_spec(A.shape), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        return {"A": spec.shape}

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """Return mnk multiplications and m(n−1)k additions."""
        entries = spec.shape[0] * columns
        products = entries * spec.shape[1]
        return points(spec.batch, batch) * Count(products, products - entries)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return read_only(self.A)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return ledger.matmul(self.A, columns)

    def _at(self, rows: Array, columns: Array) -> Array:
        return self.A[..., rows, columns]

    def _pull(self, u: Array, ledger: Ledger = UNCOUNTED) -> Array:
        return ledger.matmul(u.reshape(-1), self.A.reshape(-1, self.shape[1]))

    def _row_norms(self) -> Array:
        return euclidean(self.A)

    def _transpose(self) -> Jacobian:
        return Dense.unchecked(self.A.mT)

    def _scale(self, factor: Any) -> Jacobian:
        return Dense.unchecked(self.A * factor)

    def _idle(self, axis: int) -> Array:
        return finite_columns(self.A if axis == 1 else self.A.mT)

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        A = self.A
        if rows is not None:
            A = np.take(A, rows, axis=A.ndim - 2)
        if columns is not None:
            A = np.take(A, columns, axis=A.ndim - 1)
        out_shape = self.out_shape if rows is None else None
        in_shape = self.in_shape if columns is None else None
        return Dense.unchecked(A, out_shape=out_shape, in_shape=in_shape, batch_shape=self.batch_shape)

    def _latex(self) -> str:
        return latex_matrix(first_point(self.A, 2))
