"""What a Jacobian stores: arrays and parts by name, taken apart and made again; what its class knows of a spec."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from jacobians.cost import ZERO_COST
from jacobians.equality import ByValue
from jacobians.numerics.arguments import checked_callable, shown
from jacobians.numerics.arrays import Array, read_only
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import Ledger, ShapeLedger
from jacobians.numerics.libraries import astype, numpy_dtype
from jacobians.spec import Spec, owner
from jacobians.structures.agreement import in_full, taken_as_they_are
from jacobians.structures.linear_map import LinearMap, Shape
from jacobians.structures.options import checked_dtype
from jacobians.structures.stored import Static, stored_shapes

if TYPE_CHECKING:
    from jacobians.structures.base import Jacobian


class Stored(LinearMap, ByValue):
    """A linear map made of named arrays and parts."""

    structure: ClassVar[str]
    _outside: ClassVar[bool]  # whether it is none of the library's
    _fields: ClassVar[tuple[str, ...]] = ()  # attributes that hold arrays of numbers, or None
    _indices: ClassVar[
        tuple[str, ...]
    ] = ()  # attributes that hold arrays of integers, which are always NumPy's
    _children: ClassVar[tuple[str, ...]] = ()  # attributes that hold Jacobians
    _entries: ClassVar[bool] = False  # whether those of one spec add up by their arrays
    _on_diagonal: ClassVar[bool] = False  # whether nothing stands off the diagonal
    _colour: ClassVar[str] = "#333333"  # of its edges in pictures of graphs, in SVG's words
    _places: ClassVar[bool] = False  # whether the dense form only places stored numbers, which costs nothing
    _turned: ClassVar[str] = (
        ""  # the structure of the transpose, where its spec is this one with sizes exchanged
    )
    _by_sizes: ClassVar[bool] = False  # whether costs with its like are formulas that take arrays of sizes

    # --- what a structure writes -----------------------------------------------------------------------

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        """Return the shapes of the arrays that one of `spec` stores, by name, without batch axes."""
        if not cls._indices + cls._fields:
            return {}
        raise NotImplementedError(
            f"{cls.structure}: found no classmethod _arrays(spec), which says what is stored; expected one that "
            f"returns the shapes of the arrays in {cls._indices + cls._fields} by name"
        )

    @classmethod
    def _label(cls, spec: Spec) -> str:
        """Return a short name with sizes, for tables."""
        m, n = spec.shape
        return f"{spec.points_label}{cls.structure} {m}×{n}"

    @classmethod
    @without_float_errors
    def _transposed(cls, spec: Spec) -> Spec:
        """Return the spec of the transpose: where nothing else is stated, that of the transpose of such a one."""
        if cls._turned:
            return spec.turned(cls._turned)
        return spec if cls._on_diagonal else cls._blank(spec)._transpose().spec

    @classmethod
    def _taken_spec(cls, spec: Spec, rows: int | None, columns: int | None) -> Spec:
        """Return the spec of what :meth:`_take` returns for so many rows and columns."""
        m, n = spec.shape
        return replace(spec, shape=(m if rows is None else rows, n if columns is None else columns))

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        """Return a Jacobian of these rows and columns, arrays of integers without repeats, or None for all."""
        raise NotImplementedError(
            f"{self.structure}: found no method _take(rows, columns), which dead units are dropped by; "
            f"expected one that returns a Jacobian"
        )

    @classmethod
    def _carried(cls, spec: Spec) -> tuple[Spec, Callable[[Spec], Spec]] | None:
        """Return the part that takes all that stands to the left, at the cost of that alone, and what it leaves.

        J·(C ⊗ d) = (J·C) ⊗ d: the part is C, and J·C is made (J·C) ⊗ d. None where there is no such part.
        """
        return None

    def _idle(self, axis: int) -> Array | None:
        """Return which rows (axis 0) or columns (1) may leave beside a dead unit, or None if the structure keeps all.

        Those that are finite at every point, for 0·∞ is not 0; :meth:`_take` returns the others.
        """
        return None

    @classmethod
    def _batch_of_parts(cls, spec: Spec, batch: Shape) -> Shape:
        """Return the batch axes of the parts of one with the batch axes `batch`."""
        return batch

    @classmethod
    @without_float_errors  # blank arrays are divided by, too
    def _expansion_cost(cls, spec: Spec) -> Any:
        """Return what the dense form costs: where it isn't stated, counted on arrays of shapes alone."""
        if cls._on_diagonal or cls._places:
            return ZERO_COST
        ledger = ShapeLedger()
        cls._blank(spec)._expand(ledger)
        return ledger.cost

    @classmethod
    @without_float_errors
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Any:
        """Return what J·X costs for columns at points of `batch`; counted where it isn't stated."""
        cls._require_integers(columns)
        ledger = ShapeLedger()
        cls._blank(spec)._apply(np.broadcast_to(0.0, (*batch, spec.shape[1], columns)), ledger)
        return ledger.cost

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> Jacobian:
        """Return one of `spec` that stores these arrays, of any scalar type, and parts; `dtype` if it stores none."""
        stored = (arrays.get(name) for name in cls._indices + cls._fields)
        return cast("Jacobian", cls.unchecked(*stored, *parts))

    @abstractmethod
    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        """Return the dense form, batch axes of the stored arrays leading.

        A structure that only places its numbers may write into `out`, to whose batch axes the stored ones broadcast,
        and return it.
        """

    @classmethod
    def unchecked(cls, *stored: Any, **options: Any) -> Self:
        """Make one below the doors: arrays of any scalar type, and out_shape, in_shape, batch_shape by name."""
        made = cls.__new__(cls)
        made._init(*stored, **options)
        return made

    def _init(self, *stored: Any, **options: Any) -> None:
        """Set the stored arrays, and by :meth:`_set`, which takes what comes behind them, the spec that follows."""
        raise NotImplementedError(
            f"{self.structure}: found no method _init(…), expected one that takes what {self.structure} stores and "
            f"out_shape, in_shape, batch_shape, and calls self._set(spec, out_shape, in_shape, batch_shape)"
        )

    @property
    def nbytes(self) -> int:
        """The bytes of the stored arrays."""
        own_bytes = sum(math.prod(a.shape) * numpy_dtype(a).itemsize for a in self.arrays.values())
        return own_bytes + sum(part.nbytes for part in self.parts)

    # --- taken apart and made again --------------------------------------------------------------------

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays that this structure stores itself, by name; those of its parts are theirs."""
        found = ((name, getattr(self, name)) for name in self._indices + self._fields)
        return {name: array for name, array in found if array is not None}

    @property
    def parts(self) -> tuple[Jacobian, ...]:
        """The Jacobians that this one is made of, as its spec has their specs."""
        return tuple(getattr(self, name) for name in self._children) if self._children else ()

    @classmethod
    def part_names(cls, spec: Spec) -> tuple[str, ...]:
        """Return what the parts are called: by their attributes, or numbered."""
        if not isinstance(spec, Spec):
            raise TypeError(f"spec: found {shown(spec)}, expected a Spec")
        return cls._children or tuple(map(str, range(len(spec.parts))))

    @property
    def static(self) -> Static:
        """What neither the spec nor the arrays say: shapes, precision, home."""
        home = None if self.arrays or self.parts else self.home
        return Static(
            self.out_shape,
            self.in_shape,
            self.batch_shape,
            self.dtype,
            home,
            tuple(p.static for p in self.parts),
            None if owner(self.spec.structure) is type(self) else type(self),
        )

    def _stored_arrays(self) -> list[Array]:
        """The arrays of :meth:`flatten` in their order, without names."""
        own = [array for name in self._indices + self._fields if (array := getattr(self, name)) is not None]
        for part in self.parts:
            own += part._stored_arrays()
        return own

    def flatten(self) -> dict[str, Array]:
        """Return all stored arrays by name, those of parts with the part's name before: ``A_d``, ``0_U``.

        With :attr:`spec` and :attr:`static` they are all that there is: see :meth:`unflatten`.

        Examples
        --------
        >>> from jacobians.structures import Diagonal, Kronecker
        >>> Kronecker(Diagonal([1.0, 2.0]), [[3.0, 4.0]]).flatten()
        {'A_d': array([1., 2.]), 'B_A': array([[3., 4.]])}
        """
        found = self.arrays
        for name, part in zip(self.part_names(self.spec), self.parts, strict=True):
            found |= {f"{name}_{key}": array for key, array in part.flatten().items()}
        return found

    @staticmethod
    def unflatten(spec: Spec, arrays: Mapping[str, Array], static: Static | None = None) -> Jacobian:
        """Make a Jacobian of a spec and arrays: see :func:`unflatten`."""
        return unflatten(spec, arrays, static)

    @classmethod
    def _require_integers(cls, *sizes: Any) -> None:
        for size in sizes:
            if not isinstance(size, int | np.integer):
                raise TypeError(
                    f"{cls.structure}: found {shown(size)} as a size, expected an integer, for its costs are counted "
                    f"on arrays of zeros; write _apply_cost and _expansion_cost as formulas of sizes, and _transposed "
                    f"or _turned, or state _by_sizes = False"
                )

    @classmethod
    def _blank(cls, spec: Spec) -> Jacobian:
        """Return one of `spec` with zeros for numbers, each array a zero that is repeated."""
        cls._require_integers(*spec.shape)
        arrays = {name: np.broadcast_to(zero, shape) for name, (shape, zero) in stored_shapes(spec).items()}
        return unflatten(spec, arrays)

    def mapped(
        self, change: Callable[..., Array], *others: Jacobian, spec: Spec | None = None, **static: Any
    ) -> Jacobian:
        """Return the Jacobian with each stored array changed: ``change(array, array of another, …)``.

        Parameters
        ----------
        change : callable
        *others : Jacobian
            Of the same structure, with the same parts.
        spec : Spec, optional
            That of the result, if it differs.
        **static
            What differs of :attr:`static`, at whatever depth.
        """
        checked_callable(change, "change", "a function of an array", 1 + len(others))
        own, rest = self.flatten(), []
        for other in others:
            found = other.flatten() if isinstance(other, type(self)) else {}
            if found.keys() != own.keys() or not isinstance(other, type(self)):
                raise TypeError(
                    f"others: found {shown(other)}, expected a {self.structure} of the same parts as {self.spec.label}"
                )
            rest.append(found)
        arrays = {name: change(array, *(flat[name] for flat in rest)) for name, array in own.items()}
        return unflatten(spec or self.spec, arrays, self.static.changed(**static))

    @without_float_errors
    def astype(self, dtype: Any) -> Jacobian:
        """Return the Jacobian in another precision, float32 or float64.

        Examples
        --------
        >>> from jacobians.structures import Diagonal
        >>> Diagonal([1.0, 2.0]).astype("float32").d
        array([1., 2.], dtype=float32)
        """
        precision = checked_dtype(dtype)

        def change(array: Array) -> Array:
            integers = isinstance(array, np.ndarray) and array.dtype.kind in "iu"
            return array if integers else cast(Array, astype(array, precision))

        return self.mapped(change, dtype=precision)

    def __hash__(self) -> int:
        return hash((type(self), self.spec))

    def __reduce__(self) -> Any:
        return _restored, (self.spec, self.flatten(), self.static)


def unflatten(spec: Spec, arrays: Mapping[str, Array], static: Static | None = None) -> Jacobian:
    """Return a Jacobian of a spec and arrays named as by :meth:`flatten`, of any scalar type or library.

    Parameters
    ----------
    spec : Spec
    arrays : mapping of str to array
    static : Static, optional
        Shapes, precision and home; flat shapes and float64 by default.

    Raises
    ------
    TypeError, ValueError
        If one of the three is none of its kind, arrays are missing or left over, or what is made has another spec.

    Examples
    --------
    >>> from jacobians.structures import Diagonal
    >>> J = Diagonal([1.0, 2.0])
    >>> J.unflatten(J.spec, {"d": 10 * J.d}, J.static).d
    array([10., 20.])
    """
    if not isinstance(spec, Spec):
        raise TypeError(f"spec: found {shown(spec)}, expected a Spec")
    if not isinstance(arrays, Mapping):
        raise TypeError(f"arrays: found {shown(arrays)}, expected arrays by name, as flatten() returns them")
    if static is not None and (not isinstance(static, Static) or len(static.parts) != len(spec.parts)):
        raise TypeError(
            f"static: found {shown(static)}, expected that of a Jacobian with parts as of {spec!r}"
        )
    kind: Any = owner(spec.structure) if static is None or static.kind is None else static.kind
    expected = kind._arrays(spec)
    names = kind.part_names(spec)
    statics = (None,) * len(names) if static is None else static.parts
    parts = []
    taken = {name: arrays[name] for name in expected if name in arrays}
    count = len(taken)
    for name, part, of_part in zip(names, spec.parts, statics, strict=True):
        inner = {key[len(name) + 1 :]: array for key, array in arrays.items() if key.startswith(f"{name}_")}
        count += len(inner)
        parts.append(unflatten(part, inner, of_part))
    if len(taken) < len(expected) or count < len(arrays):
        raise ValueError(
            f"{spec.structure}: found the arrays {', '.join(arrays) or 'none'}, expected by its _arrays(spec) "
            f"{', '.join(expected) or 'none'} and those of its parts"
        )
    for name, array in taken.items():
        shape = tuple(getattr(array, "shape", ("no array",)))
        if shape != (*spec.batch, *expected[name]):
            raise ValueError(
                f"{spec.structure}: found {name} of shape {shape}, expected by its _arrays(spec) "
                f"{(*spec.batch, *expected[name])}"
            )
    made: Jacobian = kind._unflatten(spec, taken, parts, np.float64 if static is None else static.dtype)
    if made.spec != spec:
        raise ValueError(
            f"{spec.structure}: its _unflatten made {in_full(made.spec)}, expected {in_full(spec)}; the spec that it "
            f"gives to _set, _arrays and _unflatten must agree, and hold no numbers of arrays"
        )
    if kind._outside:
        taken_as_they_are(made, spec, taken, parts)
    if static is None:
        return made
    if static.home is not None:
        made.home = static.home
    return made.reshaped(static.out_shape, static.in_shape).broadcast_batch(static.batch_shape)


def _restored(spec: Spec, arrays: dict[str, Array], static: Static) -> Jacobian:
    return unflatten(spec, {name: read_only(array) for name, array in arrays.items()}, static)
