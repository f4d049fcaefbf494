"""The base class of all structured Jacobians: what each of them can do, whatever it stores."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np

from jacobians.arrays import Array, format_bytes, real_array, require_budget
from jacobians.layouts import MatrixLayout, TensorLayout, VecOrder, to_matrix, to_tensor
from jacobians.namespaces import NUMPY, common_dtype, home_of, numpy_dtype, owned
from jacobians.spec import Spec, broadcast
from jacobians.structures.display import html_summary
from jacobians.structures.linear_map import LinearMap, Shape


class Jacobian(LinearMap):
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
    spec: Spec
    _fields: ClassVar[tuple[str, ...]] = ()  # attributes that hold arrays
    _children: ClassVar[tuple[str, ...]] = ()  # attributes that hold Jacobians
    _movable: ClassVar[bool] = True  # whether it goes along with foreign arrays if it stores none of its own

    # ndarray @ J and np.float64 * J come to us
    __array_ufunc__ = None

    # --- what a structure writes -----------------------------------------------------------------------

    @abstractmethod
    def _expand(self) -> Array:
        """Return the dense form, batch axes of the stored arrays leading."""

    def _write(self, out: Array) -> None:
        """Write the dense form into an array whose batch axes the stored ones broadcast to."""
        out[...] = self._expand()

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
        self.spec = spec
        m, n = spec.shape
        self.out_shape = (m,) if out_shape is None else self._checked("out_shape", tuple(out_shape), m)
        self.in_shape = (n,) if in_shape is None else self._checked("in_shape", tuple(in_shape), n)
        self.batch_shape = spec.batch if batch_shape is None else broadcast(tuple(batch_shape), spec.batch)
        parts = [part for name in self._fields + self._children if (part := getattr(self, name)) is not None]
        if parts:
            self.dtype = numpy_dtype(parts[0]) if len(parts) == 1 else common_dtype(*parts)
            self.home = parts[0].home if self._children else home_of(parts[0])
        else:
            self.dtype = np.dtype(dtype)

    def _checked(self, name: str, shape: Shape, size: int) -> Shape:
        if shape != (size,) and math.prod(shape) != size:
            m, n = self.spec.shape
            raise ValueError(
                f"{name}: found {shape} with {math.prod(shape)} entries, expected {size} entries "
                f"for a {m}×{n} {self.structure}"
            )
        return shape

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

    def dense(self, max_bytes: int | None = None, *, out: Array | None = None) -> Array:
        """Return the matrix as an array of shape batch_shape + (m, n), freshly allocated.

        Parameters
        ----------
        max_bytes : int, optional
            The most that the answer may take; 2 GiB by default.
        out : numpy.ndarray, optional
            An array of that shape and of the Jacobian's dtype, to write into; it spares the allocation, and the
            budget does not count.

        Raises
        ------
        MemoryBudgetError
            If it would take more; nothing is allocated.
        TypeError, ValueError
            If `out` is no such array.

        Examples
        --------
        >>> from jacobians.structures import Diagonal
        >>> Diagonal([1.0, 2.0]).dense()
        array([[1., 0.],
               [0., 2.]])
        """
        if out is not None:
            self._check_out(out)
        else:
            self._require_budget(self.batch_shape, max_bytes)
            if self.home is not NUMPY:
                return cast(Array, owned(self._expand(), self.batch_shape + self.shape))
            out = np.empty(self.batch_shape + self.shape, self.dtype)
        self._write(out)
        return out

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

    def _check_out(self, out: Any) -> None:
        expected = self.batch_shape + self.shape
        self._require_numpy("out")
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: found {type(out).__name__}, expected an array of shape {expected}")
        if out.shape != expected or out.dtype != self.dtype:
            raise ValueError(
                f"out: found shape {out.shape} and dtype {out.dtype}, expected {expected} and {self.dtype}; "
                f"make it by np.empty({expected}, np.{self.dtype})"
            )
        if not out.flags.writeable:
            raise ValueError("out: found a read-only array, expected one to write into; pass a copy of it")

    def _require_budget(self, batch: Shape, max_bytes: int | None) -> None:
        require_budget(
            (*batch, *self.shape),
            self.dtype.itemsize,
            f"the dense form of {self.spec.label}",
            f"use matvec, rmatvec or @, which work on the {format_bytes(self.nbytes)} that are stored, "
            f"or pass a larger max_bytes",
            max_bytes,
        )

    # --- other forms of the same map -------------------------------------------------------------------

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
        other = self._copy()
        m, n = self.spec.shape
        other.out_shape = self._checked("out_shape", out_shape, m)
        other.in_shape = self._checked("in_shape", in_shape, n)
        return other

    def broadcast_batch(self, batch_shape: Sequence[int]) -> Self:
        """Return the same Jacobian for the points of `batch_shape`, storing nothing new."""
        if tuple(batch_shape) == self.batch_shape:
            return self
        other = self._copy()
        other.batch_shape = broadcast(tuple(batch_shape), self.batch_shape)
        return other

    def _copy(self) -> Self:
        other = object.__new__(type(self))  # copy.copy takes several times as long, which small products feel
        other.__dict__.update(self.__dict__)
        return other

    # --- arithmetic ------------------------------------------------------------------------------------

    def __matmul__(self, other: Any) -> Any:
        from jacobians.products import multiply, operand  # products are built on structures

        if isinstance(other, Jacobian):
            return multiply(self, other)
        array = _factor(other, "right operand")
        return self.matvec(array) if array.ndim == 1 else multiply(self, operand(array))

    def __rmatmul__(self, other: Any) -> Any:
        from jacobians.products import multiply, operand

        array = _factor(other, "left operand")
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


def _factor(value: Any, name: str) -> Array:
    array = real_array(value, name, foreign="keep")
    if array.ndim == 0:
        raise ValueError(
            f"{name}: found the scalar {value!r}, expected a Jacobian, a vector or a matrix; to scale J use *"
        )
    return array
