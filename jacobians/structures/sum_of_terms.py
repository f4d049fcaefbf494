"""Sums of Jacobians that no single structure holds, kept as their terms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from jacobians.cost import Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, broadcast, points
from jacobians.structures.base import Jacobian
from jacobians.structures.blocks import Blocks
from jacobians.structures.linear_map import Shape
from jacobians.structures.stored import apply_cost, expansion_cost


class SumOfTerms(Blocks):
    """J₁ + J₂ + … of one shape: a Gauss–Newton matrix and its damping. Stores what the terms store.

    A sum with a :class:`PointSum` is one, and so are its products where they keep a structure; other sums find
    theirs in the table of sums.

    Parameters
    ----------
    blocks : sequence of Jacobian
        The terms.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; those of the first term by default.

    Raises
    ------
    TypeError, ValueError
        If there is no term, one is no Jacobian, or their shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians.structures import Kronecker, ScaledIdentity
    >>> G = Kronecker(np.ones((5, 2, 2)), np.ones((5, 3, 3))).summed()
    >>> G + ScaledIdentity(0.1, 6)
    <Σ(5·Dense 2×2 ⊗ 5·Dense 3×3) + c·I₆: 6×6, out (2, 3), in (2, 3), 66 of 36 numbers stored>
    """

    structure = _turned = "SumOfTerms"
    _same = (0, "rows"), (1, "columns")

    @staticmethod
    def _joined(blocks: Sequence[Spec]) -> Spec:
        return Spec.of("SumOfTerms", *blocks[0].shape, broadcast(*(part.batch for part in blocks)), blocks)

    def _shapes(self, out_shape: Shape | None, in_shape: Shape | None) -> tuple[Shape | None, Shape | None]:
        first = self.blocks[0]
        return (
            first.out_shape if out_shape is None else out_shape,
            first.in_shape if in_shape is None else in_shape,
        )

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return " + ".join(part.label for part in spec.parts)

    @classmethod
    def _additions(cls, spec: Spec, entries: Any, batch: Shape = ()) -> Cost:
        """Return those of the terms, from the left, each of so many entries a point."""
        cost, met = Cost(0, 0), broadcast(batch, spec.parts[0].batch)
        for part in spec.parts[1:]:
            met = broadcast(met, part.batch)
            cost += Cost(0, points(met) * entries)
        return cost

    @classmethod
    def _expansion_cost(cls, spec: Spec) -> Cost:
        """Those of the terms, and of their sum."""
        return sum(map(expansion_cost, spec.parts), cls._additions(spec, spec.shape[0] * spec.shape[1]))

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Cost:
        """Those of the terms, and of the sum of what they give."""
        of_terms = (apply_cost(part, columns, batch) for part in spec.parts)
        return sum(of_terms, cls._additions(spec, spec.shape[0] * columns, batch))

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return reduce(ledger.add, (block._expand(ledger) for block in self.blocks))

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return reduce(ledger.add, (block._apply(columns, ledger) for block in self.blocks))

    def _at(self, rows: Array, columns: Array) -> Array:
        return reduce(np.add, (block._at(rows, columns) for block in self.blocks))

    _row_norms = Jacobian._row_norms  # of the sum, not of each term

    def _latex(self) -> str:
        return self._latex_blocks(" + ")
