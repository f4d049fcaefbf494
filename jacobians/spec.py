"""The array-free shadow of a Jacobian: all that planning needs to know.

A :class:`Spec` says which structure a Jacobian has, its shape, the specs of its parts, its rank and the batch axes
of the arrays that it stores. Result and cost of a product follow from specs alone, so a plan can be made, printed
and compared before a single number exists.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

Batch = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """Structure and sizes of a Jacobian, without its numbers.

    Attributes
    ----------
    structure : str
        The name of the leaf class: "Identity", "Zero", "Diagonal", "Dense", "Kronecker", …
    shape : tuple of int
        (outputs, inputs).
    batch : tuple of int
        The batch axes of the stored arrays: () where one array serves all points.
    parts : tuple of Spec
        The two factors of a Kronecker product, or the blocks of a block row or column.
    rank : int
        The rank of the low-rank term of a "DiagonalPlusLowRank".
    weighted, repeats : bool
        For a "Selection": whether its ones are replaced by weights, and whether a column may be chosen twice.

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
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        found = self._hash
        if found is None:  # of a nested spec it takes longer than what is looked up by it
            found = hash(
                (self.structure, self.shape, self.batch, self.parts, self.rank, self.weighted, self.repeats)
            )
            object.__setattr__(self, "_hash", found)
        return found

    def __reduce__(self) -> Any:
        # without the hash, which differs from process to process
        return Spec, (
            self.structure,
            self.shape,
            self.batch,
            self.parts,
            self.rank,
            self.weighted,
            self.repeats,
        )

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
        return _made("Diagonal", _sizes(n, n), _sizes(*batch))

    @classmethod
    def dense(cls, m: int, n: int, batch: Batch = ()) -> Spec:
        """Return the spec of an m×n matrix without structure."""
        return _made("Dense", _sizes(m, n), _sizes(*batch))

    @classmethod
    def low_rank(cls, n: int, rank: int, batch: Batch = ()) -> Spec:
        """Return the spec of diag(d) + U Vᵀ with n×rank factors."""
        return _made("DiagonalPlusLowRank", _sizes(n, n), _sizes(*batch), (), operator.index(rank))

    @classmethod
    def selection(
        cls, m: int, n: int, batch: Batch = (), *, weighted: bool = False, repeats: bool = True
    ) -> Spec:
        """Return the spec of a matrix with at most one entry in each of its m rows."""
        return _made("Selection", _sizes(m, n), _sizes(*batch), (), 0, bool(weighted), bool(repeats))

    @classmethod
    def scatter(
        cls, m: int, n: int, batch: Batch = (), *, weighted: bool = False, repeats: bool = True
    ) -> Spec:
        """Return the spec of a matrix with at most one entry in each of its n columns."""
        return _made("Scatter", _sizes(m, n), _sizes(*batch), (), 0, bool(weighted), bool(repeats))

    @classmethod
    def kronecker(cls, left: Spec, right: Spec) -> Spec:
        """Return the spec of left ⊗ right."""
        (p, r), (q, s) = left.shape, right.shape
        return _made("Kronecker", (p * q, r * s), broadcast(left.batch, right.batch), (left, right))

    @classmethod
    def block_row(cls, blocks: Iterable[Spec]) -> Spec:
        """Return the spec of [J₁, J₂, …]."""
        parts = tuple(blocks)
        width = sum(part.shape[1] for part in parts)
        return _made("BlockRow", (parts[0].shape[0], width), broadcast(*(p.batch for p in parts)), parts)

    @classmethod
    def block_column(cls, blocks: Iterable[Spec]) -> Spec:
        """Return the spec of the blocks J₁, J₂, … below each other."""
        parts = tuple(blocks)
        height = sum(part.shape[0] for part in parts)
        return _made("BlockColumn", (height, parts[0].shape[1]), broadcast(*(p.batch for p in parts)), parts)

    @property
    def T(self) -> Spec:
        """The spec of the transpose."""
        m, n = self.shape
        structure = _TRANSPOSED.get(self.structure, self.structure)
        if self.structure in ("Selection", "Scatter") and not self.repeats:
            structure = "Selection"
        return replace(self, structure=structure, shape=(n, m), parts=tuple(part.T for part in self.parts))

    @property
    def batch_size(self) -> int:
        """The number of points of which numbers are stored: 1 where there is no batch axis."""
        return math.prod(self.batch)

    @property
    def storage(self) -> int:
        """The number of stored numbers: all that the structure keeps, over all points."""
        m, n = self.shape
        if self.parts:
            return sum(part.storage for part in self.parts)
        match self.structure:
            case "Identity" | "Zero":
                return 0
            case "Diagonal":
                return n * self.batch_size
            case "DiagonalPlusLowRank":
                return (n + 2 * n * self.rank) * self.batch_size
            case "Selection":
                return m * (1 + self.weighted) * self.batch_size
            case "Scatter":
                return n * (1 + self.weighted) * self.batch_size
            case _:
                return m * n * self.batch_size

    @property
    def dense_storage(self) -> int:
        """The number of entries of the dense form, over all points of which numbers are stored."""
        return self.shape[0] * self.shape[1] * self.batch_size

    @property
    def label(self) -> str:
        """A short name for tables: ``I₃ ⊗ Dense 1×4``."""
        m, n = self.shape
        points = "".join(f"{size}·" for size in self.batch)
        match self.structure:
            case "Identity":
                return "I" + str(n).translate(_SUBSCRIPTS)
            case "Kronecker":
                return " ⊗ ".join(
                    f"({part.label})" if part.structure == "Kronecker" else part.label for part in self.parts
                )
            case "BlockRow":
                return "[" + ", ".join(part.label for part in self.parts) + "]"
            case "BlockColumn":
                return "[" + "; ".join(part.label for part in self.parts) + "]"
            case "DiagonalPlusLowRank":
                return f"{points}Diagonal + rank {self.rank} {m}×{n}"
            case _:
                return f"{points}{self.structure} {m}×{n}"

    def __repr__(self) -> str:
        return f"Spec({self.label})"


def _sizes(*numbers: Any) -> Any:
    """Return Python's own integers: True, 1.0 and NumPy's 1 are equal to 1, and would be looked up in its place."""
    return tuple(map(operator.index, numbers))


@lru_cache(maxsize=4096)
def _made(
    structure: str,
    shape: tuple[int, int],
    batch: Batch = (),
    parts: tuple[Spec, ...] = (),
    rank: int = 0,
    weighted: bool = False,
    repeats: bool = False,
) -> Spec:
    """Return a spec, the same one for the same sizes: looking it up takes a fraction of making and comparing it."""
    return Spec(structure, shape, batch, parts, rank, weighted, repeats)


_TRANSPOSED = {
    "Selection": "Scatter",
    "Scatter": "Selection",
    "BlockRow": "BlockColumn",
    "BlockColumn": "BlockRow",
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


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
                return np.broadcast_shapes(*batches)
            found = batch
    return found


def checked_shape(shape: object, name: str) -> tuple[int, int]:
    """Return a matrix shape as two Python integers, each at least 1.

    Raises
    ------
    TypeError, ValueError
        If it is not a pair of positive integers.

    Examples
    --------
    >>> checked_shape((2, 2**40), "shape")
    (2, 1099511627776)
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)  # type: ignore[attr-defined]  # the except says so
    except TypeError:
        raise TypeError(f"{name}: found {shape!r}, expected a pair of integers (outputs, inputs)") from None
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"{name}: found {shape!r}, expected two sizes (outputs, inputs), each at least 1")
    return sizes[0], sizes[1]
