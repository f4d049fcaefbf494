"""Jacobians side by side (several parameters) or below each other (several outputs)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Self, cast

import numpy as np

from jacobians.arithmetic import summed_over
from jacobians.arrays import Array
from jacobians.namespaces import common_dtype
from jacobians.spec import Spec, broadcast
from jacobians.structures.base import Jacobian
from jacobians.structures.common_factors import CommonFactor, common_factors
from jacobians.structures.doors import checked_options
from jacobians.structures.euclidean import norm_of_parts
from jacobians.structures.homes import together
from jacobians.structures.linear_map import Shape


class _Blocks(Jacobian):
    """What a block row and a block column share."""

    blocks: tuple[Jacobian, ...]

    def __init__(
        self,
        blocks: Sequence[Jacobian],
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        if not isinstance(blocks, Iterable):
            raise TypeError(f"blocks: found {blocks!r}, expected a sequence of Jacobians")
        row = isinstance(self, BlockRow)
        self.blocks = tuple(blocks)
        out_shape, in_shape, batch_shape = checked_options(out_shape, in_shape, batch_shape)
        if not self.blocks:
            raise ValueError("blocks: found none, expected at least one Jacobian")
        for block in self.blocks:
            if not isinstance(block, Jacobian):
                raise TypeError(
                    f"blocks: found {type(block).__name__}, expected Jacobians; wrap arrays in Dense"
                )
        if any(block.home is not self.blocks[0].home for block in self.blocks):
            self.blocks = tuple(together(self.blocks, self.structure))
        axis, word = (0, "rows") if row else (1, "columns")
        sizes = [block.shape[axis] for block in self.blocks]
        if len(set(sizes)) > 1:
            raise ValueError(f"blocks: found {sizes} {word}, expected the same number in each")
        make = Spec.block_row if row else Spec.block_column
        if batch_shape is None:
            batch_shape = broadcast(*(block.batch_shape for block in self.blocks))
        first = self.blocks[0]
        if row and out_shape is None:
            out_shape = first.out_shape
        if not row and in_shape is None:
            in_shape = first.in_shape
        self._set(make(block.spec for block in self.blocks), out_shape, in_shape, batch_shape)

    @classmethod
    def unchecked(cls, blocks: Sequence[Jacobian], **options: Any) -> Self:
        """Make one below the doors."""
        return cls(blocks, **options)

    def _set(
        self,
        spec: Spec,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = None,
    ) -> None:
        dtype = common_dtype(*self.blocks)
        self.home = self.blocks[0].home
        super()._set(spec, out_shape, in_shape, batch_shape, dtype)

    @property
    def nbytes(self) -> int:
        """The bytes of all blocks."""
        return sum(block.nbytes for block in self.blocks)

    def _expanded_blocks(self) -> list[Array]:
        broadcast_to = self.home.namespace.broadcast_to
        return [broadcast_to(block.expand(), self.spec.batch + block.shape) for block in self.blocks]

    def _transposed_blocks(self) -> list[Jacobian]:
        return [block.T for block in self.blocks]

    def _latex_blocks(self, separator: str) -> str:
        shown = [block._latex() for block in self.blocks[:3]]
        return separator.join(shown + ([r"\dots"] if len(self.blocks) > 3 else []))


class BlockRow(_Blocks):
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

    def _expand(self) -> Array:
        return cast(Array, self.home.namespace.concat(self._expanded_blocks(), axis=-1))

    def _apply(self, columns: Array) -> Array:
        offsets = self.offsets
        terms = []
        for group in self.common_factors:
            parts = [columns[..., offsets[place] : offsets[place + 1], :] for place in group.places]
            if len(parts) == 1:
                terms.append(self.blocks[group.places[0]]._apply(parts[0]))
            else:
                inner = (right._apply(part) for right, part in zip(group.rights, parts, strict=True))
                terms.append(group.left._apply(_total(inner)))
        return _total(iter(terms))

    def _pull(self, u: Array) -> Array:
        offsets = self.offsets
        result = np.empty(self.shape[1], dtype=np.result_type(self.dtype, u.dtype))
        for group in self.common_factors:
            inner = u  # of one block, all at once; of several, what their left factor does to u
            members: Sequence[Jacobian] = [self.blocks[group.places[0]]]
            if len(group.places) > 1:
                members = group.rights
                inner = group.left._transpose()._apply(u[..., None])[..., 0]
            for place, member in zip(group.places, members, strict=True):
                found = member._pull(summed_over(inner, member.spec.batch))
                result[offsets[place] : offsets[place + 1]] = found
        return result

    def _write(self, out: Array) -> None:
        for block, (start, stop) in zip(self.blocks, pairwise(self.offsets), strict=True):
            block._write(out[..., start:stop])

    def _row_norms(self) -> Array:
        norms = []
        for group in self.common_factors:
            # the rows of I ⊗ d are orthogonal and of one norm, that of d
            inner = [np.ones(1, self.dtype) if row is None else row._row_norms() for row in group.rows]
            norms.append(group.left._row_norms() * norm_of_parts(inner))
        return norm_of_parts(norms)

    def _transpose(self) -> Jacobian:
        return BlockColumn(self._transposed_blocks())

    def _scale(self, factor: Any) -> Jacobian:
        return BlockRow([block * factor for block in self.blocks])

    def _latex(self) -> str:
        blocks = self._latex_blocks(r",\; ")
        return rf"\left[{blocks}\right]"


class BlockColumn(_Blocks):
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

    def _expand(self) -> Array:
        return cast(Array, self.home.namespace.concat(self._expanded_blocks(), axis=-2))

    def _apply(self, columns: Array) -> Array:
        parts = [block._apply(columns) for block in self.blocks]
        batch = np.broadcast_shapes(*(part.shape[:-2] for part in parts))
        xp = self.home.namespace
        spread = [xp.broadcast_to(part, batch + tuple(part.shape[-2:])) for part in parts]
        return cast(Array, xp.concat(spread, axis=-2))

    def _pull(self, u: Array) -> Array:
        parts = (
            block._pull(summed_over(u[..., start:stop], block.spec.batch))
            for block, (start, stop) in zip(self.blocks, pairwise(self._starts()), strict=True)
        )
        return _total(parts)

    def _write(self, out: Array) -> None:
        for block, (start, stop) in zip(self.blocks, pairwise(self._starts()), strict=True):
            block._write(out[..., start:stop, :])

    def _row_norms(self) -> Array:
        batch = self.spec.batch
        norms = [np.broadcast_to(block._row_norms(), (*batch, block.shape[0])) for block in self.blocks]
        return np.concatenate(norms, axis=-1)

    def _starts(self) -> list[int]:
        return [0, *accumulate(block.shape[0] for block in self.blocks)]

    def _transpose(self) -> Jacobian:
        return BlockRow(self._transposed_blocks())

    def _scale(self, factor: Any) -> Jacobian:
        return BlockColumn([block * factor for block in self.blocks])

    def _latex(self) -> str:
        blocks = self._latex_blocks(r" \\ ")
        return rf"\begin{{bmatrix}}{blocks}\end{{bmatrix}}"


def _total(terms: Iterator[Array]) -> Array:
    total = next(terms)
    for term in terms:
        total = total + term
    return total
