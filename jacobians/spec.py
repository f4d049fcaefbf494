"""The array-free shadow of a Jacobian: all that planning needs to know.

A :class:`Spec` says which structure a Jacobian has, its shape, the specs of its parts, its rank and the batch axes
of the arrays that it stores. Result and cost of a product follow from specs alone, so a plan can be made, printed
and compared before a single number exists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from jacobians.numerics.arguments import checked_flag, checked_list, checked_shape, shown
from jacobians.numerics.letters import at_sizes, checked_size, is_symbolic, letters_of

Batch = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """Structure and sizes of a Jacobian, without its numbers.

    Attributes
    ----------
    structure : str
        The name of the leaf class: "Identity", "Zero", "Diagonal", "Dense", "Kronecker", …
    shape : tuple of int
        (outputs, inputs). Sizes may be sympy symbols, positive integers: costs are expressions, for sizes above 1.
    batch : tuple of int
        The batch axes of the stored arrays: () where one array serves all points.
    parts : tuple of Spec
        The two factors of a Kronecker product, or the blocks of a block row or column.
    rank : int
        The rank of the low-rank term of a "DiagonalPlusLowRank".
    weighted, repeats : bool
        For a "Selection": whether its ones are replaced by weights, and whether a column may be chosen twice.
    facts : tuple of (str, value)
        What else a structure's products depend on, by name; each is an attribute, too: ``spec.unit``.

    Examples
    --------
    >>> Spec.dense(3, 4).storage
    12
    >>> Spec.kronecker(Spec.identity(3), Spec.dense(1, 4))
    Spec(I₃ ⊗ Dense 1×4)
    >>> Spec.kronecker(Spec.identity(3), Spec.dense(1, 4)).storage
    4
    """

    structure: str
    shape: tuple[int, int]
    batch: Batch = ()
    parts: tuple[Spec, ...] = ()
    rank: int = 0
    weighted: bool = False
    repeats: bool = False
    facts: tuple[tuple[str, Any], ...] = ()
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        found = self._hash
        if found is None:  # of a nested spec it takes longer than what is looked up by it
            found = hash(self._values())
            object.__setattr__(self, "_hash", found)
        return found

    def _values(self) -> tuple[Any, ...]:
        own = self.structure, self.shape, self.batch, self.parts
        return *own, self.rank, self.weighted, self.repeats, self.facts

    def __reduce__(self) -> Any:
        # without the hash, which differs from process to process
        return Spec, self._values()

    def __getattr__(self, name: str) -> Any:
        if hasattr(
            type(self), name
        ):  # a property failed, of what a class says: its own error, not one about facts
            return object.__getattribute__(self, name)
        for fact, value in self.facts:
            if fact == name:
                return value
        raise AttributeError(f"Spec: found no {name!r} for the structure {self.structure}")

    @classmethod
    def of(
        cls, structure: str, m: int, n: int, batch: Batch = (), parts: Iterable[Spec] = (), **facts: Any
    ) -> Spec:
        """Return the spec of a structure that is known by name: what a class outside the library makes its own by.

        Raises
        ------
        TypeError, ValueError
            If the structure is no name, a size or batch axis none, a part no spec, or a fact unfit for looking up.

        Examples
        --------
        >>> Spec.of("Dense", 2, 3)
        Spec(Dense 2×3)
        """
        if not isinstance(structure, str) or not structure:
            raise TypeError(f"structure: found {shown(structure)}, expected a name such as 'Dense'")
        sizes, batch, of_parts = _sizes(m, n), _batch(batch), _specs(parts, "parts", least=0)
        try:
            return _made(structure, sizes, batch, of_parts, 0, False, False, tuple(facts.items()))
        except TypeError:
            raise TypeError(
                f"{structure}: found facts {shown(facts)}, expected hashable ones by names that no Spec has"
            ) from None

    @classmethod
    def identity(cls, n: int) -> Spec:
        """Return the spec of I_n."""
        return _made("Identity", _sizes(n, n))

    @classmethod
    def zero(cls, m: int, n: int) -> Spec:
        """Return the spec of the m×n zero matrix."""
        return _made("Zero", _sizes(m, n))

    @classmethod
    def diagonal(cls, n: int, batch: Batch = ()) -> Spec:
        """Return the spec of an n×n diagonal matrix."""
        return _made("Diagonal", _sizes(n, n), _batch(batch))

    @classmethod
    def dense(cls, m: int, n: int, batch: Batch = ()) -> Spec:
        """Return the spec of an m×n matrix without structure."""
        return _made("Dense", _sizes(m, n), _batch(batch))

    @classmethod
    def low_rank(cls, n: int, rank: int, batch: Batch = ()) -> Spec:
        """Return the spec of diag(d) + U Vᵀ with n×rank factors."""
        return _made("DiagonalPlusLowRank", _sizes(n, n), _batch(batch), (), _rank(rank))

    @classmethod
    def selection(
        cls, m: int, n: int, batch: Batch = (), *, weighted: bool = False, repeats: bool = True
    ) -> Spec:
        """Return the spec of a matrix with at most one entry in each of its m rows."""
        return _choice("Selection", m, n, batch, weighted, repeats)

    @classmethod
    def scatter(
        cls, m: int, n: int, batch: Batch = (), *, weighted: bool = False, repeats: bool = True
    ) -> Spec:
        """Return the spec of a matrix with at most one entry in each of its n columns."""
        return _choice("Scatter", m, n, batch, weighted, repeats)

    @classmethod
    def kronecker(cls, left: Spec, right: Spec) -> Spec:
        """Return the spec of left ⊗ right."""
        if type(left) is not Spec or type(right) is not Spec:
            _specs((left, right), "left, right")
        (p, r), (q, s) = left.shape, right.shape
        return _made("Kronecker", (p * q, r * s), broadcast(left.batch, right.batch), (left, right))

    @classmethod
    def block_row(cls, blocks: Iterable[Spec]) -> Spec:
        """Return the spec of [J₁, J₂, …]."""
        parts = _specs(blocks, "blocks")
        width = sum(part.shape[1] for part in parts)
        return _made("BlockRow", (parts[0].shape[0], width), broadcast(*(p.batch for p in parts)), parts)

    @classmethod
    def block_column(cls, blocks: Iterable[Spec]) -> Spec:
        """Return the spec of the blocks J₁, J₂, … below each other."""
        parts = _specs(blocks, "blocks")
        height = sum(part.shape[0] for part in parts)
        return _made("BlockColumn", (height, parts[0].shape[1]), broadcast(*(p.batch for p in parts)), parts)

    @property
    def is_identity(self) -> bool:
        """Whether products with it are the other factor: an edge of ±1 of the literature."""
        return self.structure == "Identity"

    @property
    def is_dense(self) -> bool:
        """Whether it is a matrix without structure."""
        return self.structure == "Dense"

    @property
    def T(self) -> Spec:
        """The spec of the transpose."""
        return owner(self.structure)._transposed(self)

    def turned(self, structure: str | None = None) -> Spec:
        """Return a spec of the turned shape with turned parts: the transpose of many structures."""
        m, n = self.shape
        structure = self.structure if structure is None else structure
        return replace(self, structure=structure, shape=(n, m), parts=tuple(part.T for part in self.parts))

    def with_batch(self, batch: Batch) -> Spec:
        """Return the spec of several points: batch axes for each array, at whatever depth."""
        kind = owner(self.structure)
        parts = tuple(part.with_batch(kind._batch_of_parts(self, batch)) for part in self.parts)
        if not kind._arrays(self):
            batch = broadcast(*(part.batch for part in parts))[: len(batch)]
        return replace(self, batch=batch, parts=parts)

    @property
    def letters(self) -> frozenset[Any]:
        """The symbols among its sizes."""
        return letters_of(self)

    def at(self, values: Mapping[Any, int]) -> Spec:
        """Return the spec with integers in the place of symbols."""
        return at_sizes(self, values)

    @property
    def batch_size(self) -> int:
        """The number of points of which numbers are stored: 1 where there is no batch axis."""
        return math.prod(self.batch)

    @property
    def storage(self) -> int:
        """The number of stored numbers: all that the structure keeps, over all points."""
        own = sum(math.prod(shape) for shape in owner(self.structure)._arrays(self).values())
        return own * self.batch_size + sum(part.storage for part in self.parts)

    @property
    def dense_storage(self) -> int:
        """The number of entries of the dense form, over all points of which numbers are stored."""
        return self.shape[0] * self.shape[1] * self.batch_size

    @property
    def label(self) -> str:
        """A short name for tables: ``I₃ ⊗ Dense 1×4``."""
        return owner(self.structure)._label(self)

    @property
    def points_label(self) -> str:
        """The sizes of the batch axes, as labels begin with them: ``5·``."""
        return "".join(f"{size}·" for size in self.batch)

    def __repr__(self) -> str:
        return f"Spec({self.label})"


# --- which class a structure is ------------------------------------------------------------------------

_OWNERS: dict[str, type[Structure]] = {}


class Structure(Protocol):
    """What a spec asks the class of its structure for; :class:`~jacobians.Jacobian` says what each is."""

    @classmethod
    def _arrays(cls, spec: Spec) -> Mapping[str, tuple[int, ...]]: ...

    @classmethod
    def _label(cls, spec: Spec) -> str: ...

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec: ...

    @classmethod
    def _batch_of_parts(cls, spec: Spec, batch: Batch) -> Batch: ...


def own(structure: str, kind: Any) -> None:
    """Make a class the one that knows a structure; a new one takes the place of an old one of the same module.

    Raises
    ------
    TypeError
        If the name is another module's, or stands for any structure in the tables.
    """
    if not isinstance(structure, str) or not structure:
        raise TypeError(f"{kind.__name__}.structure: found {shown(structure)}, expected a name")
    known = _OWNERS.get(structure)
    if structure == "*" or (known is not None and known.__module__ != kind.__module__):
        whose = (
            "any structure in the tables of products"
            if known is None
            else f"the structure of {known.__module__}"
        )
        raise TypeError(
            f"{kind.__name__}.structure: found {structure!r}, which is {whose}, expected a name of its own"
        )
    _OWNERS[structure] = kind


def owner(structure: str) -> Any:
    """Return the class that knows a structure.

    Raises
    ------
    LookupError
        If there is none.

    Examples
    --------
    >>> owner("Dense").__name__
    'Dense'
    """
    try:
        return _OWNERS[structure]
    except KeyError:
        raise LookupError(
            f"structure: found {structure!r}, expected the name of a subclass of Jacobian, one of "
            f"{', '.join(sorted(_OWNERS))}; import the module that defines it"
        ) from None


def _sizes(*numbers: Any) -> Any:
    """Return Python's own integers: True, 1.0 and NumPy's 1 are equal to 1, and would be looked up in its place."""
    for number in numbers:
        if type(number) is not int or number < 1:
            return tuple(map(checked_size, numbers))
    return numbers


def _rank(rank: Any) -> int:
    return rank if type(rank) is int and rank > 0 else checked_size(rank, "rank")


def _batch(batch: Any) -> Any:
    if type(batch) is tuple:
        for size in batch:
            if type(size) is not int or size < 1:
                break
        else:
            return batch
        if any(map(is_symbolic, batch)):
            return tuple(checked_size(size, f"batch[{place}]") for place, size in enumerate(batch))
    return checked_shape(batch, "batch")


def _specs(parts: Any, name: str, least: int = 1) -> tuple[Spec, ...]:
    if type(parts) is tuple and len(parts) >= least and set(map(type, parts)) <= {Spec}:
        return parts  # what products ask with
    expected = "specs such as Spec.dense(2, 3)"
    found = tuple(checked_list(parts, name, expected))
    if len(found) < least or not all(isinstance(part, Spec) for part in found):
        raise TypeError(f"{name}: found {shown(parts)}, expected {expected}")
    return found


def _choice(structure: str, m: int, n: int, batch: Batch, weighted: bool, repeats: bool) -> Spec:
    flags = checked_flag(weighted, "weighted"), checked_flag(repeats, "repeats")
    return _made(structure, _sizes(m, n), _batch(batch), (), 0, *flags)


@lru_cache(maxsize=4096)
def _made(
    structure: str,
    shape: tuple[int, int],
    batch: Batch = (),
    parts: tuple[Spec, ...] = (),
    rank: int = 0,
    weighted: bool = False,
    repeats: bool = False,
    facts: tuple[tuple[str, Any], ...] = (),
) -> Spec:
    """Return a spec, the same one for the same sizes: looking it up takes a fraction of making and comparing it."""
    if facts and any(hasattr(Spec, name) for name, _ in facts):
        raise TypeError("facts")  # where they come from tells which
    return Spec(structure, shape, batch, parts, rank, weighted, repeats, facts)


SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
"""For ``str.translate``: sizes as subscripts of labels."""


def broadcast(*batches: Batch) -> Batch:
    """Return the batch axes of arrays that broadcast against each other.

    Examples
    --------
    >>> broadcast((), (5,))
    (5,)
    """
    found: Batch = ()
    for batch in batches:
        if batch and batch != found:
            if found:
                try:
                    return np.broadcast_shapes(*batches)
                except ValueError:
                    shown = " and ".join(str(each) for each in dict.fromkeys(batches))
                    raise ValueError(f"batch axes: found {shown}, expected axes that broadcast") from None
            found = batch
    return found


def points(*batches: Batch) -> int:
    """Return the number of points of arrays that broadcast against each other.

    Examples
    --------
    >>> points((5, 1), (3,))
    15
    """
    return math.prod(broadcast(*batches))
