"""Blocks of a block row that share their left factor: by W and by b of a layer they are S ⊗ aᵀ and S.

S ⊗ d with one row d is S·(I ⊗ d), so that what S does is done once for all blocks that share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jacobians.structures.base import Jacobian
from jacobians.structures.entrywise import Identity
from jacobians.structures.homes import moved
from jacobians.structures.kronecker import Kronecker

_SHAPES = ("out_shape", "in_shape", "batch_shape")


class CommonFactor(NamedTuple):
    """Blocks S·K₁, S·K₂, … of one left factor.

    Attributes
    ----------
    left : Jacobian
        S.
    places : tuple of int
        Which blocks of the row these are.
    rights : tuple of Jacobian
        K of each block: I, or I ⊗ d with one row d.
    """

    left: Jacobian
    places: tuple[int, ...]
    rights: tuple[Kronecker | Identity, ...]


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
    lefts: list[Jacobian] = []
    members: list[list[tuple[int, Kronecker | Identity]]] = []
    for place, block in enumerate(blocks):
        left = block
        right: Kronecker | Identity
        if isinstance(block, Kronecker) and block.B.shape[0] == 1:
            left = block.A
            one = moved(Identity.unchecked(left.shape[1], dtype=block.dtype), block.home)
            right = Kronecker.unchecked(one, block.B)
        else:
            right = moved(Identity.unchecked(block.shape[1], dtype=block.dtype), block.home)
        for known, member in zip(lefts, members, strict=True):
            if _same(known, left):
                member.append((place, right))
                break
        else:
            lefts.append(left)
            members.append([(place, right)])
    return tuple(
        CommonFactor(left, *(tuple(part) for part in zip(*member, strict=True)))
        for left, member in zip(lefts, members, strict=True)
    )


def _same(first: Jacobian, second: Jacobian) -> bool:
    """Return whether two Jacobians hold the very same arrays in the same structure."""
    if first is second:
        return True
    if type(first) is not type(second) or first.spec != second.spec or first.dtype != second.dtype:
        return False
    mine, others = vars(first), vars(second)
    return mine.keys() == others.keys() and all(
        value is others[name] or name in ("spec", "dtype", *_SHAPES) for name, value in mine.items()
    )
