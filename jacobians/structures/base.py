"""The base class of all structured Jacobians: what each of them can do, whatever it stores."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self, cast, overload

import numpy as np

from jacobians.numerics.arguments import checked_shape, real_number, shown
from jacobians.numerics.arrays import Array, real_array, refuse_sparse
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import NUMPY, common_dtype, home_of, numpy_dtype
from jacobians.spec import Spec, broadcast, own, owner
from jacobians.structures.agreement import agree, is_outside, require_entries
from jacobians.structures.dense_forms import DenseForms
from jacobians.structures.display import html_summary
from jacobians.structures.linear_map import Shape
from jacobians.structures.outside import hold
from jacobians.structures.pairs_of_points import Term, add_dense


class Jacobian(DenseForms):
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
    # the products and sums of two Jacobians, which jacobians.products and jacobians.products.sums bind
    _product: ClassVar[Callable[[Jacobian, Jacobian], Jacobian]]
    _sum: ClassVar[Callable[[Jacobian, Jacobian], Jacobian]]

    # ndarray @ J and np.float64 * J come to us
    __array_ufunc__ = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._outside = is_outside(cls.__module__)
        if "structure" in vars(cls):
            own(cls.structure, cls)
        if cls._outside:
            hold(cls)

    # --- what a structure writes -----------------------------------------------------------------------

    @abstractmethod
    def _scale(self, factor: Any) -> Jacobian:
        """Return factor·J for a scalar."""

    def _transpose(self) -> Jacobian:
        if self._on_diagonal:
            return self
        raise NotImplementedError(
            f"{self.structure}: found no method _transpose(), expected one that returns Jᵀ"
        )

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
        if self._outside:
            agree(self, spec)
        self.spec = spec
        m, n = spec.shape
        self.out_shape = (m,) if out_shape is None else self._checked("out_shape", tuple(out_shape), m)
        self.in_shape = (n,) if in_shape is None else self._checked("in_shape", tuple(in_shape), n)
        self.batch_shape = spec.batch if batch_shape is None else broadcast(tuple(batch_shape), spec.batch)
        if len(self._fields) == 1 and type(array := getattr(self, self._fields[0])) is np.ndarray:
            self.dtype, self.home = array.dtype, NUMPY  # what most are: it spares a third of the time
            return
        if not self._fields and (parts := self.parts):
            self.dtype = common_dtype(*parts)
            self.home = parts[0].home
            return
        own_arrays = [array for name in self._fields if (array := getattr(self, name)) is not None]
        holding = own_arrays or self.parts
        if holding:
            self.dtype = numpy_dtype(holding[0]) if len(holding) == 1 else common_dtype(*holding)
            self.home = home_of(holding[0]) if own_arrays else holding[0].home
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

    # --- other forms of the same map -------------------------------------------------------------------

    @property
    def T(self) -> Jacobian:
        """The transpose: denominator layout as a Jacobian of its own."""
        return self._transpose().reshaped(self.in_shape, self.out_shape).broadcast_batch(self.batch_shape)

    def reshaped(self, out_shape: Sequence[int] | None = None, in_shape: Sequence[int] | None = None) -> Self:
        """Return the same map between differently shaped output and input (row-major)."""
        out_shape = self.out_shape if out_shape is None else _tuple(out_shape, "out_shape")
        in_shape = self.in_shape if in_shape is None else _tuple(in_shape, "in_shape")
        if out_shape == self.out_shape and in_shape == self.in_shape:
            return self
        other = self._copy()
        m, n = self.spec.shape
        other.out_shape = self._checked("out_shape", out_shape, m)
        other.in_shape = self._checked("in_shape", in_shape, n)
        return other

    def broadcast_batch(self, batch_shape: Sequence[int]) -> Self:
        """Return the same Jacobian for the points of `batch_shape`, storing nothing new."""
        batch_shape = _tuple(batch_shape, "batch_shape")
        if batch_shape == self.batch_shape:
            return self
        other = self._copy()
        try:
            other.batch_shape = broadcast(batch_shape, self.batch_shape)
        except ValueError:
            raise ValueError(
                f"batch_shape: found {batch_shape}, expected axes that broadcast to {self.batch_shape}, those of "
                f"{self.label}"
            ) from None
        return other

    def summed(self) -> Jacobian:
        """Return Σ_p J_p over all points, in a structure that holds it: of matrices a matrix, of A ⊗ B_p A ⊗ Σ B_p.

        Where no other does it is a :class:`~jacobians.structures.PointSum`, which keeps the terms.

        Examples
        --------
        A Gauss–Newton matrix by the weights of a layer, with the Hessian H of the loss by its outputs:

        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 1.0]], None).jacobian([[1.0, 2.0], [3.0, 4.0]], wrt="W", batched=True)
        >>> H = np.array([[2.0]])
        >>> (J.T @ H @ J).summed().dense()
        array([[20., 28.],
               [28., 40.]])
        """
        total = self._summed() if self.spec.batch else self._once()
        repeats = math.prod(self.batch_shape) // self.spec.batch_size  # points that share their numbers
        return (total * repeats if repeats > 1 else total).reshaped(self.out_shape, self.in_shape)

    def _once(self) -> Self:
        """Return the same for the points of which numbers are stored, not repeated for others."""
        once = self._copy()
        once.batch_shape = self.spec.batch
        return once

    def _summed(self) -> Jacobian:
        """Return the sum over the points of which numbers are stored."""
        if not self._entries:
            return cast(Jacobian, owner("PointSum")(self))
        axes, xp = tuple(range(len(self.spec.batch))), self.home.namespace
        total = self.mapped(
            lambda array: cast(Array, xp.sum(array, axis=axes)),
            spec=self.spec.with_batch(()),
            batch_shape=(),
        )
        if self._outside:
            require_entries(self, total)
        return total

    def _add_pairs(self, other: Jacobian, products: Array, weight: Array, symmetric: bool) -> None:
        """Add (J_p·K_qᵀ)·weight[p, q] to `products` (m, m', N, N') for all pairs of points.

        If symmetric, only where i ≥ j.
        """
        if self._on_diagonal and other._on_diagonal:
            d, e = self._diagonal(), other._diagonal()
            for i in range(self.shape[0]):
                products[i, i] += weight * (d[..., i][..., None] * e[..., i])
        else:
            add_dense(products, [Term(self.expand(), other.expand(), weight)], symmetric)

    def _copy(self) -> Self:
        other = object.__new__(type(self))  # copy.copy takes several times as long, which small products feel
        other.__dict__.update(self.__dict__)
        return other

    __copy__ = _copy

    # --- arithmetic ------------------------------------------------------------------------------------

    # what an array of unknown axes gives depends on them: a vector J·v, a matrix a Jacobian
    @overload
    def __matmul__(self, other: Jacobian) -> Jacobian: ...
    @overload
    def __matmul__(self, other: np.ndarray[tuple[int], Any]) -> Array: ...
    @overload
    def __matmul__(self, other: np.ndarray[tuple[int, int], Any]) -> Jacobian: ...
    @overload
    def __matmul__(self, other: Any) -> Any: ...

    @without_float_errors
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Jacobian):
            return Jacobian._product(self, other)
        array = _factor(other, "right operand")
        return self.matvec(array) if array.ndim == 1 else Jacobian._product(self, _dense(array))

    @without_float_errors
    def __rmatmul__(self, other: Any) -> Any:
        array = _factor(other, "left operand")
        return self.rmatvec(array) if array.ndim == 1 else Jacobian._product(_dense(array), self)

    @without_float_errors
    def __add__(self, other: Any) -> Jacobian:
        if not isinstance(other, Jacobian):
            return _left_to(other, "other", "__radd__", "a Jacobian; to add an array take Dense(…)")
        return Jacobian._sum(self, other)

    @without_float_errors
    def __mul__(self, factor: Any) -> Jacobian:
        if not isinstance(factor, int | float | np.integer | np.float64 | np.float32):
            return _left_to(factor, "factor", "__rmul__", "a real number; the product of Jacobians is J @ K")
        if isinstance(factor, int) and not isinstance(factor, bool):
            real_number(factor, "factor", infinite=True)  # an integer may be beyond the range of floats
        if type(factor) is not int or self.home is not NUMPY:
            factor = float(
                factor
            )  # Python's: a scalar of NumPy's would change the precision, others know none
        return self._scale(factor).reshaped(self.out_shape, self.in_shape).broadcast_batch(self.batch_shape)

    __rmul__ = __mul__

    @without_float_errors
    def __truediv__(self, divisor: Any) -> Jacobian:
        if not isinstance(divisor, int | float | np.integer | np.float64 | np.float32):
            return _left_to(divisor, "divisor", "__rtruediv__", "a real number")
        number = real_number(divisor, "divisor", infinite=True)
        if number == 0:
            raise ZeroDivisionError("divisor: found 0, expected another number")
        return self * (1 / number)

    @property
    def ndim(self) -> int:
        """None: what asks an operand for it, as SciPy's sparse matrices do, takes it for an array."""
        raise AttributeError(
            f"{self.label}: found no ndim, for it is no array; beside a sparse matrix of SciPy take Sparse(matrix)"
        )

    def __getitem__(self, key: Any) -> Any:
        raise TypeError(
            f"key: found {shown(key)}, expected no index: {self.label} holds no array of entries; take "
            f".dense()[{shown(key)}], or rows by rmatvec and columns by matvec"
        )

    def __neg__(self) -> Jacobian:
        return self * -1.0

    def __sub__(self, other: Any) -> Jacobian:
        if not isinstance(other, Jacobian):
            return _left_to(other, "other", "__rsub__", "a Jacobian; to subtract an array take Dense(…)")
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


def _left_to(value: Any, name: str, method: str, expected: str) -> Any:
    """Return NotImplemented, which asks the other operand, or refuse one that can't know of Jacobians."""
    refuse_sparse(value, name)
    knows = hasattr(type(value), method) and not isinstance(value, type)
    if not knows or isinstance(value, complex | str | bytes | Iterable | np.generic | np.ndarray):
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}")
    return NotImplemented


def _dense(array: Array) -> Jacobian:
    return cast(Jacobian, owner("Dense")(array))


def _tuple(shape: Any, name: str) -> Shape:
    # products ask with tuples of Python's integers, thousands of times
    if type(shape) is tuple and all(type(size) is int and size > 0 for size in shape):
        return shape
    return checked_shape(shape, name)


def _factor(value: Any, name: str) -> Array:
    refuse_sparse(value, name)
    array = real_array(value, name, foreign="keep")
    if array.ndim == 0:
        raise ValueError(
            f"{name}: found the scalar {shown(value)}, expected a Jacobian, a vector or a matrix; to scale J use *"
        )
    return array
