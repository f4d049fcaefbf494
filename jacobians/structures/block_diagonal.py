"""Jacobians along a diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np

from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, broadcast
from jacobians.structures.base import Jacobian
from jacobians.structures.blocks import Blocks
from jacobians.structures.stored import apply_cost


class BlockDiagonal(Blocks):
    """J₁ ⊕ J₂ ⊕ …: functions of parts of the input, side by side. Stores what the blocks store.

    Parameters
    ----------
    blocks : sequence of Jacobian
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; flat by default.

    Raises
    ------
    TypeError, ValueError
        If there is no block, or one is no Jacobian.

    Examples
    --------
    >>> from jacobians.structures import Dense, Identity
    >>> BlockDiagonal([Dense([[2.0, 3.0]]), Identity(1)]).dense()
    array([[2., 3., 0.],
           [0., 0., 1.]])
    """

    structure = "BlockDiagonal"

    @staticmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        m, n = (sum(part.shape[axis] for part in blocks) for axis in (0, 1))
        return Spec.of("BlockDiagonal", m, n, broadcast(*(part.batch for part in blocks)), blocks)

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return " ⊕ ".join(part.label for part in spec.parts)

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        return spec.turned()

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: tuple[int, ...]) -> Cost:
        """Those of the blocks."""
        return sum((apply_cost(part, columns, batch) for part in spec.parts), ZERO_COST)

    def _places(self, axis: int) -> list[tuple[int, int]]:
        return list(pairwise([0, *accumulate(block.shape[axis] for block in self.blocks)]))

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        rows = []
        xp, batch = self.home.namespace, self.spec.batch
        for block, (start, stop) in zip(self.blocks, self._places(1), strict=True):
            sizes = (start, block.shape[1], self.shape[1] - stop)
            zeros = [self.home.zeros((*batch, block.shape[0], size), self.dtype) for size in sizes[::2]]
            inner = xp.broadcast_to(block._expand(ledger), (*batch, *block.shape))
            rows.append(xp.concat([zeros[0], inner, zeros[1]], axis=-1))
        return cast(Array, xp.concat(rows, axis=-2))

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        found = [
            block._apply(columns[..., start:stop, :], ledger)
            for block, (start, stop) in zip(self.blocks, self._places(1), strict=True)
        ]
        batch = np.broadcast_shapes(*(part.shape[:-2] for part in found))
        xp = self.home.namespace
        return cast(
            Array, xp.concat([xp.broadcast_to(p, batch + tuple(p.shape[-2:])) for p in found], axis=-2)
        )

    def _row_norms(self) -> Array:
        norms = [np.broadcast_to(b._row_norms(), (*self.spec.batch, b.shape[0])) for b in self.blocks]
        return np.concatenate(norms, axis=-1)

    def _transpose(self) -> Jacobian:
        return BlockDiagonal(self._transposed_blocks())

    def _scale(self, factor: Any) -> Jacobian:
        return BlockDiagonal([block * factor for block in self.blocks])

    def _latex(self) -> str:
        return rf"{self._latex_blocks(chr(92) + 'oplus ')}"
