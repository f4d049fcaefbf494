"""Jacobians side by side (several parameters) or below each other (several outputs)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar, Self, cast

import numpy as np

from jacobians.cost import ZERO_COST, Cost
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_list
from jacobians.numerics.arrays import Array, refuse_sparse
from jacobians.numerics.ledger import UNCOUNTED, Ledger
from jacobians.spec import Spec, broadcast, owner, points
from jacobians.structures.base import Jacobian
from jacobians.structures.common_factors import CommonFactor, common_factors
from jacobians.structures.devices import together
from jacobians.structures.euclidean import norm_of_parts
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options
from jacobians.structures.stored import apply_cost, expansion_cost


class Blocks(Jacobian):
    """What all that is made of blocks shares."""

    _same: ClassVar[tuple[tuple[int, str], ...]] = ()  # the axes along which all blocks are of one size
    blocks: tuple[Jacobian, ...]

    def __init__(
        self,
        blocks: Sequence[Jacobian],
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        found = checked_blocks(blocks)
        for axis, word in self._same:
            sizes = [block.shape[axis] for block in found]
            if len(set(sizes)) > 1:
                raise ValueError(f"blocks: found {sizes} {word}, expected the same number in each")
        self._init(found, *checked_options(out_shape, in_shape, batch_shape))

    def _init(
        self,
        blocks: Sequence[Jacobian],
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        self.blocks = tuple(blocks)
        first = self.blocks[0]
        if any(block.home is not first.home for block in self.blocks):
            self.blocks = tuple(together(self.blocks, self.structure))
        if batch_shape is None:
            batch_shape = broadcast(*(block.batch_shape for block in self.blocks))
        spec = self._joined(tuple([block.spec for block in self.blocks]))
        self._set(spec, *self._shapes(out_shape, in_shape), batch_shape)

    @staticmethod
    @abstractmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        """Return the spec of blocks of these specs."""

    def _shapes(self, out_shape: Shape | None, in_shape: Shape | None) -> tuple[Shape | None, Shape | None]:
        """Return the shapes of output and input where one is not given and all blocks have it."""
        return out_shape, in_shape

    @property
    def parts(self) -> tuple[Jacobian, ...]:
        """The blocks."""
        return self.blocks

    @classmethod
    def _expansion_cost(cls, spec: Spec) -> Cost:
        """Those of the blocks."""
        return sum((expansion_cost(part) for part in spec.parts), ZERO_COST)

    @classmethod
    def _unflatten(cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any) -> Self:
        return cls.unchecked(parts)

    def _expanded_blocks(self, ledger: Ledger) -> list[Array]:
        broadcast_to = self.home.namespace.broadcast_to
        return [broadcast_to(block._expand(ledger), self.spec.batch + block.shape) for block in self.blocks]

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Cost:
        """Those of the blocks."""
        return sum((apply_cost(part, columns, batch) for part in spec.parts), ZERO_COST)

    def _ends(self, axis: int) -> list[tuple[int, int]]:
        """Return where each block begins and ends along an axis."""
        return list(pairwise(accumulate((block.shape[axis] for block in self.blocks), initial=0)))

    def _below(self, parts: Sequence[Array]) -> Array:
        """Return what the blocks give, one below the other."""
        xp, batch = self.home.namespace, np.broadcast_shapes(*(part.shape[:-2] for part in parts))
        spread = [xp.broadcast_to(part, batch + tuple(part.shape[-2:])) for part in parts]
        return cast(Array, xp.concat(spread, axis=-2))

    def _at(self, rows: Array, columns: Array) -> Array:
        """Return the entries of each block at its places, and zeros between blocks."""
        found = np.zeros((*self.spec.batch, len(rows)), self.dtype)
        inner, number = [rows, columns], np.zeros(len(rows), np.intp) - 1
        for axis in {0, 1} - {same for same, _ in self._same}:
            starts = np.array([start for start, _ in self._ends(axis)])
            of_axis = np.searchsorted(starts, inner[axis], side="right") - 1
            number = np.where((number < 0) | (number == of_axis), of_axis, len(self.blocks))
            inner[axis] = inner[axis] - starts[of_axis]
        order = np.argsort(number, kind="stable")
        ends = np.searchsorted(number[order], np.arange(len(self.blocks) + 1))
        for block, ends_of in zip(self.blocks, pairwise(ends), strict=True):
            some = order[slice(*ends_of)]
            if len(some):
                found[..., some] = block._at(inner[0][some], inner[1][some])
        return found

    def _row_norms(self) -> Array:
        norms = [np.broadcast_to(b._row_norms(), (*self.spec.batch, b.shape[0])) for b in self.blocks]
        return np.concatenate(norms, axis=-1)

    def _transpose(self) -> Jacobian:
        kind = owner(self._turned)
        return cast(Jacobian, kind([block.T for block in self.blocks]))

    def _scale(self, factor: Any) -> Jacobian:
        return type(self)([block * factor for block in self.blocks])

    def _summed(self) -> Jacobian:
        return type(self)([block._once().broadcast_batch(self.spec.batch).summed() for block in self.blocks])

    def _latex_blocks(self, separator: str) -> str:
        shown = [block._latex() for block in self.blocks[:3]]
        return separator.join(shown + ([r"\dots"] if len(self.blocks) > 3 else []))


class BlockRow(Blocks):
    """[J₁, J₂, …]: the derivative by several parameters at once, a block each.

    Parameters
    ----------
    blocks : sequence of Jacobian
        With the same number of rows.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; in_shape is flat by default.

    Raises
    ------
    TypeError, ValueError
        If there is no block, one is no Jacobian, or the numbers of rows differ.

    Examples
    --------
    >>> from jacobians import Affine
    >>> layer = Affine([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0])
    >>> layer.jacobian([5.0, 6.0], wrt=["W", "b"]).dense()
    array([[5., 6., 0., 0., 1., 0.],
           [0., 0., 5., 6., 0., 1.]])
    """

    structure = "BlockRow"
    _same, _turned = ((0, "rows"),), "BlockColumn"

    @property
    def common_factors(self) -> tuple[CommonFactor, ...]:
        """The blocks in groups of one left factor."""
        blocks, found = vars(self).get("_grouped", ((), ()))
        if blocks is not self.blocks:  # a copy may have got others
            found = common_factors(self.blocks)
            vars(self)["_grouped"] = (self.blocks, found)
        return found

    @property
    def offsets(self) -> list[int]:
        """The first column of each block, and the number of columns."""
        return [0, *accumulate(block.shape[1] for block in self.blocks)]

    @staticmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        return Spec.block_row(blocks)

    def _shapes(self, out_shape: Shape | None, in_shape: Shape | None) -> tuple[Shape | None, Shape | None]:
        return self.blocks[0].out_shape if out_shape is None else out_shape, in_shape

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return "[" + ", ".join(part.label for part in spec.parts) + "]"

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Cost:
        """Those of the blocks, and of the sum of what they give."""
        cost, met = apply_cost(spec.parts[0], columns, batch), broadcast(batch, spec.parts[0].batch)
        for part in spec.parts[1:]:
            met = broadcast(met, part.batch)
            cost += apply_cost(part, columns, batch) + Cost(0, points(met) * spec.shape[0] * columns)
        return cost

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        if out is None or ledger.planned:
            return cast(Array, self.home.namespace.concat(self._expanded_blocks(ledger), axis=-1))
        for block, (start, stop) in zip(self.blocks, self._ends(1), strict=True):
            _expand_into(block, ledger, out[..., start:stop])
        return out

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        offsets = self.offsets
        terms = []
        groups = self.common_factors
        if ledger.planned:  # what shares a factor is not known to the spec: each block is multiplied
            groups = tuple(CommonFactor(J, (place,), (None,)) for place, J in enumerate(self.blocks))
        for group in groups:
            parts = [columns[..., offsets[place] : offsets[place + 1], :] for place in group.places]
            if len(parts) == 1:
                terms.append(self.blocks[group.places[0]]._apply(parts[0], ledger))
            else:
                inner = (right._apply(part, ledger) for right, part in zip(group.rights, parts, strict=True))
                terms.append(group.left._apply(_total(inner, ledger), ledger))
        return _total(iter(terms), ledger)

    def _pull(self, u: Array, ledger: Ledger = UNCOUNTED) -> Array:
        found: list[Any] = [None] * len(self.blocks)
        for group in self.common_factors:
            inner = u  # of one block, all at once; of several, what their left factor does to u
            members: Sequence[Jacobian] = [self.blocks[group.places[0]]]
            if len(group.places) > 1:
                members = group.rights
                inner = group.left._transpose()._apply(u[..., None], ledger)[..., 0]
            for place, member in zip(group.places, members, strict=True):
                found[place] = member._pull(ledger.add_points(inner, member.spec.batch), ledger)
        return np.concatenate(found)

    def _row_norms(self) -> Array:
        norms = []
        for group in self.common_factors:
            # the rows of I ⊗ d are orthogonal and of one norm, that of d
            inner = [np.ones(1, self.dtype) if row is None else row._row_norms() for row in group.rows]
            norms.append(group.left._row_norms() * norm_of_parts(inner))
        return norm_of_parts(norms)

    def _latex(self) -> str:
        blocks = self._latex_blocks(r",\; ")
        return rf"\left[{blocks}\right]"


class BlockColumn(Blocks):
    """The blocks J₁, J₂, … below each other: several functions of one input.

    Parameters
    ----------
    blocks : sequence of Jacobian
        With the same number of columns.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; out_shape is flat by default.

    Raises
    ------
    TypeError, ValueError
        If there is no block, one is no Jacobian, or the numbers of columns differ.

    Examples
    --------
    >>> from jacobians.structures import Diagonal, Identity
    >>> BlockColumn([Identity(2), Diagonal([3.0, 4.0])]).matvec([1.0, 1.0])
    array([1., 1., 3., 4.])
    """

    structure = "BlockColumn"
    _same, _turned = ((1, "columns"),), "BlockRow"

    @staticmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        return Spec.block_column(blocks)

    def _shapes(self, out_shape: Shape | None, in_shape: Shape | None) -> tuple[Shape | None, Shape | None]:
        return out_shape, self.blocks[0].in_shape if in_shape is None else in_shape

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return "[" + "; ".join(part.label for part in spec.parts) + "]"

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        if out is None or ledger.planned:
            return cast(Array, self.home.namespace.concat(self._expanded_blocks(ledger), axis=-2))
        for block, (start, stop) in zip(self.blocks, self._ends(0), strict=True):
            _expand_into(block, ledger, out[..., start:stop, :])
        return out

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return self._below([block._apply(columns, ledger) for block in self.blocks])

    def _pull(self, u: Array, ledger: Ledger = UNCOUNTED) -> Array:
        parts = (
            block._pull(ledger.add_points(u[..., start:stop], block.spec.batch), ledger)
            for block, (start, stop) in zip(self.blocks, self._ends(0), strict=True)
        )
        return _total(parts, ledger)

    def _latex(self) -> str:
        blocks = self._latex_blocks(r" \\ ")
        return rf"\begin{{bmatrix}}{blocks}\end{{bmatrix}}"


def checked_blocks(blocks: Any) -> tuple[Jacobian, ...]:
    """Return blocks as a tuple of at least one Jacobian.

    Raises
    ------
    TypeError, ValueError
        If there is none, or one is no Jacobian.
    """
    found = tuple(checked_list(blocks, "blocks", "a sequence of Jacobians"))
    if not found:
        raise ValueError("blocks: found none, expected at least one Jacobian")
    for block in found:
        if not isinstance(block, Jacobian):
            refuse_sparse(block, "blocks")
            raise TypeError(f"blocks: found {class_name(block)}, expected Jacobians; wrap arrays in Dense")
    return found


def _expand_into(block: Jacobian, ledger: Ledger, out: Array) -> None:
    found = block._expand(ledger, out)
    if found is not out:
        out[...] = found


def _total(terms: Iterator[Array], ledger: Ledger) -> Array:
    total = next(terms)
    for term in terms:
        total = ledger.add(total, term)
    return total
