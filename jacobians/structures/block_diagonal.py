"""Jacobians along a diagonal."""

from __future__ import annotations

from collections.abc import Sequence

from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, broadcast
from jacobians.structures.blocks import Blocks


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

    structure = _turned = "BlockDiagonal"
    _colour = "#b5179e"

    @staticmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        m, n = (sum(part.shape[axis] for part in blocks) for axis in (0, 1))
        return Spec.of("BlockDiagonal", m, n, broadcast(*(part.batch for part in blocks)), blocks)

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return " ⊕ ".join(part.label for part in spec.parts)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        xp, batch = self.home.namespace, self.spec.batch
        rows = []
        for block, dense, (start, stop) in zip(
            self.blocks, self._expanded_blocks(ledger), self._ends(1), strict=True
        ):
            left, right = (
                self.home.zeros((*batch, block.shape[0], size), self.dtype)
                for size in (start, self.shape[1] - stop)
            )
            rows.append(xp.concat([left, dense, right], axis=-1))
        return self._below(rows)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        parts = (columns[..., start:stop, :] for start, stop in self._ends(1))
        return self._below(
            [block._apply(part, ledger) for block, part in zip(self.blocks, parts, strict=True)]
        )

    def _latex(self) -> str:
        return self._latex_blocks(r"\oplus ")
