"""Blocks of a block row that share their left factor: by W and by b of a layer they are S ⊗ aᵀ and S.

S ⊗ d with one row d is S·(I ⊗ d), so that what S does is done once for all blocks that share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jacobians.structures.base import Jacobian
from jacobians.structures.devices import moved
from jacobians.structures.entrywise import Identity
from jacobians.structures.kronecker import Kronecker

_COMPARED = frozenset(("spec", "dtype", "out_shape", "in_shape", "batch_shape"))
"""What Jacobians of the very same arrays may differ in, or hold as objects of their own."""


@dataclass(frozen=True)
class CommonFactor:
    """Blocks S·K₁, S·K₂, … of one left factor.

    Attributes
    ----------
    left : Jacobian
        S.
    places : tuple of int
        Which blocks of the row these are.
    rows : tuple of Jacobian or None
        For each block the d of its K = I ⊗ d, which has one row; None where K = I.
    """

    left: Jacobian
    places: tuple[int, ...]
    rows: tuple[Jacobian | None, ...]

    @cached_property
    def rights(self) -> tuple[Kronecker | Identity, ...]:
        """K of each block."""
        one = moved(Identity.unchecked(self.left.shape[1], dtype=self.left.dtype), self.left.home)
        return tuple(one if row is None else Kronecker.unchecked(one, row) for row in self.rows)


def common_factors(blocks: Sequence[Jacobian]) -> tuple[CommonFactor, ...]:
    """Return the blocks in groups of one left factor, in the order of the first of each.

    Examples
    --------
    >>> from jacobians import Affine
    >>> J = Affine([[1.0, 1.0]], [0.0]).jacobian([2.0, 3.0], wrt=["W", "b"])
    >>> common_factors(J.blocks)[0].rights
    (<I₁ ⊗ Dense 1×2: 1×2, out (1,), in (2,), 2 of 2 numbers stored>,
     <I₁: 1×1, out (1,), in (1,), 0 of 1 numbers stored>)
    """
    groups: dict[Any, tuple[Jacobian, list[int], list[Jacobian | None]]] = {}
    for place, block in enumerate(blocks):
        left, row = block, None
        if isinstance(block, Kronecker) and block.B.shape[0] == 1:
            left, row = block.A, block.B
        _, places, rows = groups.setdefault(_numbers_of(left), (left, [], []))
        places.append(place)
        rows.append(row)
    return tuple(CommonFactor(left, tuple(places), tuple(rows)) for left, places, rows in groups.values())


def _numbers_of(jacobian: Jacobian) -> tuple[Any, ...]:
    """Return what is equal for two Jacobians that hold the very same arrays in the same structure."""
    # the Jacobians are alive, so that an id belongs to one object
    held = [(name, id(value)) for name, value in vars(jacobian).items() if name not in _COMPARED]
    return (type(jacobian), jacobian.spec, jacobian.dtype, *held)
