"""Structured Jacobians: the base class and its final leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.structures.base import Jacobian
from jacobians.structures.blocks import BlockColumn, BlockRow
from jacobians.structures.entrywise import Dense, Diagonal, Identity, Zero
from jacobians.structures.homes import together
from jacobians.structures.kronecker import Kronecker
from jacobians.structures.low_rank import DiagonalPlusLowRank
from jacobians.structures.selection import Permutation, Scatter, Selection

__all__ = [
    "BlockColumn",
    "BlockRow",
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "Identity",
    "Jacobian",
    "Kronecker",
    "Permutation",
    "Scatter",
    "Selection",
    "Zero",
    "stack",
]


def stack(jacobians: Sequence[Jacobian]) -> Jacobian:
    """Return one batched Jacobian of the Jacobians of several points, in the structure that they share.

    Parameters
    ----------
    jacobians : sequence of Jacobian
        At least one, all of one shape; a structure that they don't share becomes :class:`Dense`.

    Raises
    ------
    ValueError
        If there is none, the shapes differ, or one is a batch already.

    Examples
    --------
    >>> stack([Diagonal([1.0, 2.0]), Diagonal([3.0, 4.0])])
    <2·Diagonal 2×2: 2×2, out (2,), in (2,), batch (2,), 4 of 8 numbers stored>
    """
    if not jacobians:
        raise ValueError("jacobians: found none, expected at least one point's Jacobian")
    first = jacobians[0]
    shapes = {(J.out_shape, J.in_shape) for J in jacobians}
    if len(shapes) > 1:
        raise ValueError(f"jacobians: found shapes {sorted(shapes)}, expected the same for every point")
    if first.batch_shape:
        raise ValueError(f"jacobians: found batch_shape {first.batch_shape}, expected one point each")
    batch_shape = (len(jacobians),)
    jacobians = together(jacobians, "stack")
    xp = first.home.namespace
    if any(J.spec != first.spec for J in jacobians):
        expanded = xp.stack([J.expand() for J in jacobians])
        return Dense.unchecked(expanded, out_shape=first.out_shape, in_shape=first.in_shape)
    shapes_of: dict[str, Any] = {
        "out_shape": first.out_shape,
        "in_shape": first.in_shape,
        "batch_shape": batch_shape,
    }
    match first:
        case Identity() | Zero():
            return first.broadcast_batch(batch_shape)
        case BlockRow() | BlockColumn():
            columns = zip(*(J.blocks for J in jacobians), strict=True)  # type: ignore[attr-defined]  # same spec
            return type(first).unchecked([stack(column) for column in columns], **shapes_of)
        case Kronecker():
            A, B = (stack([getattr(J, name) for J in jacobians]) for name in ("A", "B"))
            return Kronecker.unchecked(A, B, **shapes_of)
        case Selection() | Scatter():
            indices = np.stack([J.indices for J in jacobians])  # type: ignore[attr-defined]  # same spec
            weights = None
            if first.weights is not None:
                weights = np.stack([J.weights for J in jacobians])  # type: ignore[attr-defined]  # same spec
            size = first.shape[1] if isinstance(first, Selection) else first.shape[0]
            return type(first).unchecked(
                indices, size, weights, repeats=first.spec.repeats, dtype=first.dtype, **shapes_of
            )
        case Diagonal() | Dense() | DiagonalPlusLowRank():
            fields = {name: xp.stack([getattr(J, name) for J in jacobians]) for name in first._fields}
            return type(first).unchecked(*fields.values(), **shapes_of)
    raise TypeError(f"jacobians: found {type(first).__name__}, which stack does not know; make it Dense")
