"""Structured Jacobians: the base class and its final leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from jacobians.numerics.arguments import checked_list, shown
from jacobians.numerics.arrays import Array, refuse_sparse
from jacobians.numerics.libraries import namespace_of
from jacobians.structures.base import Jacobian
from jacobians.structures.block_diagonal import BlockDiagonal
from jacobians.structures.blocks import BlockColumn, BlockRow
from jacobians.structures.devices import together
from jacobians.structures.entrywise import Dense, Diagonal, Identity
from jacobians.structures.kronecker import Kronecker
from jacobians.structures.low_rank import DiagonalPlusLowRank
from jacobians.structures.point_sum import PointSum
from jacobians.structures.repeated import Repeat
from jacobians.structures.scaled_identity import ScaledIdentity
from jacobians.structures.selection import Permutation, Scatter, Selection
from jacobians.structures.sparse import Sparse
from jacobians.structures.sum_of_terms import SumOfTerms
from jacobians.structures.toeplitz import Toeplitz
from jacobians.structures.zero import Zero

__all__ = [
    "BlockColumn",
    "BlockDiagonal",
    "BlockRow",
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "Identity",
    "Jacobian",
    "Kronecker",
    "Permutation",
    "PointSum",
    "Repeat",
    "ScaledIdentity",
    "Scatter",
    "Selection",
    "Sparse",
    "SumOfTerms",
    "Toeplitz",
    "Zero",
    "row",
    "stack",
    "sum_row",
]

row: Callable[..., Any]
"""Put a row into the table of products: :func:`jacobians.products.core.row`, which that room binds here."""

sum_row: Callable[..., Any]
"""Put a row into the table of sums: :func:`jacobians.products.sums.sum_row`, which that module binds here."""


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
    jacobians = checked_list(jacobians, "jacobians", "a list of Jacobians")
    for J in jacobians:
        refuse_sparse(J, "jacobians")
    if not all(isinstance(J, Jacobian) for J in jacobians):
        raise TypeError(f"jacobians: found {shown(jacobians)}, expected a list of Jacobians")
    if not jacobians:
        raise ValueError("jacobians: found none, expected at least one point's Jacobian")
    first = jacobians[0]
    shapes = {(J.out_shape, J.in_shape) for J in jacobians}
    if len(shapes) > 1:
        raise ValueError(f"jacobians: found shapes {sorted(shapes)}, expected the same for every point")
    if first.batch_shape:
        raise ValueError(f"jacobians: found batch_shape {first.batch_shape}, expected one point each")
    batch = (len(jacobians),)
    jacobians = together(jacobians, "stack")
    first = jacobians[0]
    if any(J.spec != first.spec for J in jacobians):
        expanded = first.home.namespace.stack([J.expand() for J in jacobians])
        return Dense.unchecked(expanded, out_shape=first.out_shape, in_shape=first.in_shape)

    def stacked(*arrays: Array) -> Array:
        return cast(Array, namespace_of(arrays[0]).stack(arrays))

    return first.mapped(stacked, *jacobians[1:], spec=first.spec.with_batch(batch), batch=batch)
