"""The base class of all structured Jacobians: what each of them can do, whatever it stores."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from jacobians.arrays import Array, format_bytes, real_array, require_budget
from jacobians.layouts import MatrixLayout, TensorLayout, VecOrder, to_matrix, to_tensor
from jacobians.namespaces import NUMPY, Home, home_of, namespace_of, numpy_dtype, owned
from jacobians.spec import Spec, broadcast
from jacobians.structures.display import html_summary
from jacobians.structures.homes import beside_array
from jacobians.structures.operator import linear_operator

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Shape = tuple[int, ...]


class Jacobian(ABC):
    """A linear map with a structure: rows are outputs, columns are inputs (numerator layout, row-major vec).

    The numbers are stored once, unexpanded; :meth:`dense`, :meth:`matrix` and :meth:`tensor` make the full form on
    request, under a byte budget. Leading batch axes of the stored arrays broadcast over :attr:`batch_shape`.

    Attributes
    ----------
    out_shape, in_shape : tuple of int
        The shapes of the output and of the input of the function that was differentiated.
    batch_shape : tuple of int
        The axes that count points; () for one point.
    dtype, home : numpy.dtype, Home
        The precision of the arrays, and where they live: NumPy, or another library and its device.
    """

    structure: ClassVar[str]
    _fields: ClassVar[tuple[str, ...]] = ()  # attributes that hold arrays
    _children: ClassVar[tuple[str, ...]] = ()  # attributes that hold Jacobians
    _movable: ClassVar[bool] = True  # whether it goes along with foreign arrays if it stores none of its own

    # ndarray @ J and np.float64 * J come to us
    __array_ufunc__ = None

    out_shape: Shape
    in_shape: Shape
    batch_shape: Shape
    spec: Spec
    dtype: np.dtype[Any]
    home: Home = NUMPY

    # --- what a structure writes -----------------------------------------------------------------------

    @abstractmethod
    def _expand(self) -> Array:
        """Return the dense form, batch axes of the stored arrays leading."""

    @abstractmethod
    def _apply(self, columns: Array) -> Array:
        """Return J·X for columns X of shape (…, n, k), unexpanded."""

    @abstractmethod
    def _transpose(self) -> Jacobian:
        """Return Jᵀ; shapes and batch are set by :attr:`T`."""

    @abstractmethod
    def _scale(self, factor: Any) -> Jacobian:
        """Return factor·J for a scalar."""

    @abstractmethod
    def _latex(self) -> str:
        """Return LaTeX of bounded length."""

    def _set(
        self,
        spec: Spec,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = None,
    ) -> None:
        """Set what all structures have; `dtype` only where no array says it."""
        m, n = spec.shape
        self.spec = spec
        self.out_shape = (m,) if out_shape is None else tuple(out_shape)
        self.in_shape = (n,) if in_shape is None else tuple(in_shape)
        self.batch_shape = spec.batch if batch_shape is None else broadcast(tuple(batch_shape), spec.batch)
        parts = [part for name in self._fields + self._children if (part := getattr(self, name)) is not None]
        if parts:
            dtypes = [numpy_dtype(part) for part in parts]
            self.dtype = dtypes[0] if len(parts) == 1 else np.result_type(*dtypes)
            self.home = parts[0].home if self._children else home_of(parts[0])
        else:
            self.dtype = np.dtype(dtype)
        for name, shape, size in (("out_shape", self.out_shape, m), ("in_shape", self.in_shape, n)):
            if math.prod(shape) != size:
                raise ValueError(
                    f"{name}: found {shape} with {math.prod(shape)} entries, expected {size} entries "
                    f"for a {m}×{n} {self.structure}"
                )

    # --- sizes -----------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n): the numbers of outputs and inputs."""
        return self.spec.shape

    @property
    def storage(self) -> int:
        """The number of stored numbers."""
        return self.spec.storage

    @property
    def nbytes(self) -> int:
        """The bytes of the stored arrays."""
        stored = [getattr(self, name) for name in self._fields]
        own = sum(math.prod(a.shape) * numpy_dtype(a).itemsize for a in stored if a is not None)
        return own + sum(getattr(self, name).nbytes for name in self._children)

    # --- dense forms -----------------------------------------------------------------------------------

    def dense(self, max_bytes: int | None = None) -> Array:
        """Return the matrix as an array of shape batch_shape + (m, n), freshly allocated.

        Parameters
        ----------
        max_bytes : int, optional
            The most that the answer may take; 2 GiB by default.

        Raises
        ------
        MemoryBudgetError
            If it would take more; nothing is allocated.

        Examples
        --------
        >>> from jacobians.structures import Diagonal
        >>> Diagonal([1.0, 2.0]).dense()
        array([[1., 0.],
               [0., 2.]])
        """
        self._require_budget(self.batch_shape, max_bytes)
        expanded = self._expand()
        shape = self.batch_shape + self.shape
        if self.home is NUMPY and expanded.shape == shape and expanded.flags.writeable:
            return expanded  # fresh already
        return cast(Array, owned(expanded, shape))

    def expand(self) -> Array:
        """Return the dense form, read-only, not repeated over points that share it; within the 2 GiB budget."""
        self._require_budget(self.spec.batch, None)
        return self._expand()

    def matrix(
        self, vec: VecOrder = "row", layout: MatrixLayout = "numerator", max_bytes: int | None = None
    ) -> Array:
        """Return the dense matrix in a vec order and layout named by the caller.

        Parameters
        ----------
        vec : {"row", "column"}
            How matrix-valued output and input are stacked into vectors.
        layout : {"numerator", "denominator"}
            (outputs × inputs), or its transpose.
        max_bytes : int, optional
            As in :meth:`dense`.

        Examples
        --------
        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 2.0], [3.0, 4.0]], None).jacobian([5.0, 6.0], wrt="W")
        >>> J.matrix()
        array([[5., 6., 0., 0.],
               [0., 0., 5., 6.]])
        >>> J.matrix(vec="column")
        array([[5., 0., 6., 0.],
               [0., 5., 0., 6.]])
        """
        return to_matrix(self.dense(max_bytes), self.out_shape, self.in_shape, vec, layout)

    def tensor(self, layout: TensorLayout = "numerator", max_bytes: int | None = None) -> Array:
        """Return the full tensor: no axis of length 1 is added or dropped.

        Parameters
        ----------
        layout : {"numerator", "denominator", "mixed"}
            out_shape + reversed(in_shape), in_shape + reversed(out_shape), or out_shape + in_shape.
        max_bytes : int, optional
            As in :meth:`dense`.

        Examples
        --------
        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], None).jacobian([5.0, 6.0], wrt="W")
        >>> J.tensor().shape, J.tensor("mixed").shape
        ((3, 2, 3), (3, 3, 2))
        """
        return to_tensor(self.dense(max_bytes), self.out_shape, self.in_shape, layout)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.home is not NUMPY:
            raise TypeError(f"{self.label}: its arrays belong to {self.home.name}; convert those of .dense()")
        if copy is False:
            raise ValueError(
                f"{self.structure}: the dense form is made on request, so copy=False can't be met"
            )
        return self.dense().astype(dtype or self.dtype, copy=False)

    def _require_budget(self, batch: Shape, max_bytes: int | None) -> None:
        require_budget(
            (*batch, *self.shape),
            self.dtype.itemsize,
            f"the dense form of {self.spec.label}",
            f"use matvec, rmatvec or @, which work on the {format_bytes(self.nbytes)} that are stored, "
            f"or pass a larger max_bytes",
            max_bytes,
        )

    # --- as a linear map -------------------------------------------------------------------------------

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
        vector = real_array(v, "v", foreign=True)
        if vector.ndim == 0 or vector.shape[-1] != self.shape[1]:
            raise ValueError(
                f"v: found shape {vector.shape}, expected ({self.shape[1]},) for {self.spec.label}"
            )
        result = beside_array(self, vector, "v")._apply(vector[..., None])[..., 0]
        shape = (*np.broadcast_shapes(self.batch_shape, vector.shape[:-1]), self.shape[0])
        return cast(Array, owned(result, shape))

    def rmatvec(self, u: Any) -> Array:
        """Return Jᵀ·u without expanding J.

        Parameters
        ----------
        u : array_like, shape (…, m)
            Leading axes broadcast against :attr:`batch_shape`.

        Returns
        -------
        numpy.ndarray, shape (…, n)

        Raises
        ------
        ValueError
            If the last axis of u is not m.
        """
        vector = real_array(u, "u", foreign=True)
        if vector.ndim == 0 or vector.shape[-1] != self.shape[0]:
            raise ValueError(
                f"u: found shape {vector.shape}, expected ({self.shape[0]},) for {self.spec.label}"
            )
        return self.T.matvec(vector)

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
        array = real_array(direction, "direction", foreign=True)
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
        return linear_operator(self)

    @property
    def T(self) -> Jacobian:
        """The transpose: denominator layout as a Jacobian of its own."""
        return self._transpose().reshaped(self.in_shape, self.out_shape).broadcast_batch(self.batch_shape)

    def reshaped(self, out_shape: Sequence[int] | None = None, in_shape: Sequence[int] | None = None) -> Self:
        """Return the same map between differently shaped output and input (row-major)."""
        out_shape = self.out_shape if out_shape is None else tuple(out_shape)
        in_shape = self.in_shape if in_shape is None else tuple(in_shape)
        if out_shape == self.out_shape and in_shape == self.in_shape:
            return self
        other = copy.copy(self)
        other._set(self.spec, out_shape, in_shape, self.batch_shape, self.dtype)
        return other

    def broadcast_batch(self, batch_shape: Sequence[int]) -> Self:
        """Return the same Jacobian for the points of `batch_shape`, storing nothing new."""
        if tuple(batch_shape) == self.batch_shape:
            return self
        other = copy.copy(self)
        other.batch_shape = np.broadcast_shapes(self.batch_shape, tuple(batch_shape))
        return other

    # --- arithmetic ------------------------------------------------------------------------------------

    def __matmul__(self, other: Any) -> Any:
        from jacobians.products import multiply, operand  # products are built on structures

        if isinstance(other, Jacobian):
            return multiply(self, other)
        array = real_array(other, "right operand", foreign=True)
        return self.matvec(array) if array.ndim == 1 else multiply(self, operand(array))

    def __rmatmul__(self, other: Any) -> Any:
        from jacobians.products import multiply, operand

        array = real_array(other, "left operand", foreign=True)
        return self.rmatvec(array) if array.ndim == 1 else multiply(operand(array), self)

    def __add__(self, other: Any) -> Jacobian:
        from jacobians.sums import add  # sums are built on structures

        if not isinstance(other, Jacobian):
            return NotImplemented
        return add(self, other)

    def __mul__(self, factor: Any) -> Jacobian:
        if not isinstance(factor, int | float | np.integer | np.float64 | np.float32):
            return NotImplemented
        if self.home is not NUMPY:
            factor = float(factor)  # the standard takes Python's numbers beside arrays
        return self._scale(factor).reshaped(self.out_shape, self.in_shape).broadcast_batch(self.batch_shape)

    __rmul__ = __mul__

    def __neg__(self) -> Jacobian:
        return self * -1.0

    def __sub__(self, other: Any) -> Jacobian:
        if not isinstance(other, Jacobian):
            return NotImplemented
        return self + -other

    # --- display: never expands J ----------------------------------------------------------------------

    @property
    def label(self) -> str:
        """A short name of the structure with its sizes."""
        return self.spec.label

    def __repr__(self) -> str:
        m, n = self.shape
        batch = f", batch {self.batch_shape}" if self.batch_shape else ""
        total = m * n * math.prod(self.batch_shape)
        return (
            f"<{self.label}: {m}×{n}, out {self.out_shape}, in {self.in_shape}{batch}, "
            f"{self.storage:,} of {total:,} numbers stored>"
        )

    def _repr_latex_(self) -> str:
        m, n = self.shape
        return rf"$\displaystyle {self._latex()} \in \mathbb{{R}}^{{{m} \times {n}}}$"

    def _repr_html_(self) -> str:
        return html_summary(self)
