"""Sums of structured Jacobians: several paths from an input to an output add up.

One row per pair of structures, like the table of products; a sum that keeps no structure says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from jacobians import structures
from jacobians.cost import ZERO_COST, Cost, exactly
from jacobians.numerics.arguments import checked_callable, shown
from jacobians.numerics.arrays import Array
from jacobians.numerics.diagonals import diagonal_of, set_diagonal
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import NUMPY
from jacobians.products.expansion import expand, expansion_cost, expansion_spec, require_room
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Jacobian,
)
from jacobians.structures.blocks import Blocks
from jacobians.structures.devices import together


class SumRow(NamedTuple):
    """One row: what the sum of two structures is, what it costs, and how it is formed."""

    formula: str
    applies: Callable[[Spec, Spec], bool]
    result: Callable[[Spec, Spec], Spec]
    cost: Callable[[Spec, Spec], Cost]
    execute: Callable[[Jacobian, Jacobian, Ledger], Jacobian]


def _points(*specs: Spec) -> int:
    size = 1
    for axis in broadcast(*(spec.batch for spec in specs)):
        size *= axis
    return size


def _diagonal_of(jacobian: Jacobian) -> Array:
    if isinstance(jacobian, Diagonal | DiagonalPlusLowRank):
        return jacobian.d
    return cast(Array, jacobian.home.ones(jacobian.shape[:1], jacobian.dtype))


_DIAGONALS = ("Identity", "Diagonal")
_LOW_RANK = (*_DIAGONALS, "DiagonalPlusLowRank")


def _is_zero(a: Spec, b: Spec) -> bool:
    return "Zero" in (a.structure, b.structure)


def _zero_result(a: Spec, b: Spec) -> Spec:
    return b if a.structure == "Zero" else a


def _add_zero(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    return R if L.structure == "Zero" else L


def _add_diagonals(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    return Diagonal.unchecked(ledger.add(_diagonal_of(L), _diagonal_of(R)))


def _low_rank_result(a: Spec, b: Spec) -> Spec:
    return Spec.low_rank(a.shape[0], a.rank + b.rank, broadcast(a.batch, b.batch))


def _add_low_rank(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    terms = [J for J in (L, R) if isinstance(J, DiagonalPlusLowRank)]
    batch = broadcast(L.spec.batch, R.spec.batch)
    xp = L.home.namespace
    U, V = (
        xp.concat([xp.broadcast_to(factor, batch + tuple(factor.shape[-2:])) for factor in factors], axis=-1)
        for factors in ([J.U for J in terms], [J.V for J in terms])
    )
    return DiagonalPlusLowRank.unchecked(ledger.add(_diagonal_of(L), _diagonal_of(R)), U, V)


def _same_blocks(a: Spec, b: Spec) -> bool:
    same = a.structure == b.structure and issubclass(owner(a.structure), Blocks)
    return same and [part.shape for part in a.parts] == [part.shape for part in b.parts]


def _blocks_result(a: Spec, b: Spec) -> Spec:
    parts = [sum_spec(p, q) for p, q in zip(a.parts, b.parts, strict=True)]
    joined: Spec = owner(a.structure)._joined(parts)
    return joined


def _blocks_cost(a: Spec, b: Spec) -> Cost:
    return sum((sum_cost(p, q) for p, q in zip(a.parts, b.parts, strict=True)), ZERO_COST)


def _add_blocks(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    assert isinstance(L, Blocks)
    assert isinstance(R, Blocks)
    return type(L)([add(a, b, ledger) for a, b in zip(L.blocks, R.blocks, strict=True)])


def _dense_and_diagonal(a: Spec, b: Spec) -> bool:
    structures = (a.structure, b.structure)
    return "Dense" in structures and any(structure in _DIAGONALS for structure in structures)


def _add_to_diagonal(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    dense, other = (L, R) if isinstance(L, Dense) else (R, L)
    assert isinstance(dense, Dense)
    batch = broadcast(L.spec.batch, R.spec.batch)
    total = dense.home.namespace.broadcast_to(dense.A, batch + dense.shape)
    if dense.home is NUMPY:
        total = total.astype(np.result_type(L.dtype, R.dtype))
    return Dense.unchecked(set_diagonal(total, ledger.add(diagonal_of(total), _diagonal_of(other))))


def _add_dense(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    return Dense.unchecked(ledger.add(expand(L, ledger).A, expand(R, ledger).A))


def _dense_cost(a: Spec, b: Spec) -> Cost:
    entries = _points(a, b) * a.shape[0] * a.shape[1]
    return expansion_cost(a) + expansion_cost(b) + Cost(0, entries)


ROWS: list[SumRow] = [
    SumRow("0 + J = J", _is_zero, _zero_result, lambda a, b: ZERO_COST, _add_zero),
    SumRow(
        "diag(a) + diag(b) = diag(a + b)",
        lambda a, b: a.structure in _DIAGONALS and b.structure in _DIAGONALS,
        lambda a, b: Spec.diagonal(a.shape[0], broadcast(a.batch, b.batch)),
        lambda a, b: Cost(0, _points(a, b) * a.shape[0]),
        _add_diagonals,
    ),
    SumRow(
        "(diag(a) + U₁V₁ᵀ) + (diag(b) + U₂V₂ᵀ) = diag(a + b) + [U₁, U₂][V₁, V₂]ᵀ",
        lambda a, b: a.structure in _LOW_RANK and b.structure in _LOW_RANK,
        _low_rank_result,
        lambda a, b: Cost(0, _points(a, b) * a.shape[0]),
        _add_low_rank,
    ),
    SumRow("blocks of equal sizes: block by block", _same_blocks, _blocks_result, _blocks_cost, _add_blocks),
    SumRow(
        "A + diag(b): on the diagonal of a copy",
        _dense_and_diagonal,
        lambda a, b: Spec.dense(*a.shape, broadcast(a.batch, b.batch)),
        lambda a, b: Cost(0, _points(a, b) * a.shape[0]),
        _add_to_diagonal,
    ),
    SumRow(
        "no structure in common: both dense",
        lambda a, b: True,
        lambda a, b: Spec.dense(*a.shape, broadcast(expansion_spec(a).batch, expansion_spec(b).batch)),
        _dense_cost,
        _add_dense,
    ),
]


def sum_of(
    formula: str,
    *,
    applies: Callable[[Spec, Spec], bool],
    result: Callable[[Spec, Spec], Spec],
    cost: Callable[[Spec, Spec], Cost],
    execute: Callable[[Any, Any, Ledger], Jacobian],
) -> SumRow:
    """Put a row into the table of sums, behind that of zero and before all others.

    Parameters
    ----------
    formula : str
        The sum as a reader would write it.
    applies, result, cost : callable (Spec, Spec)
        Whether the row is for two specs, the spec of the sum, and its exact cost.
    execute : callable (Jacobian, Jacobian, Ledger)
        The code; every multiplication and addition goes through the ledger.
    """
    if not isinstance(formula, str):
        raise TypeError(f"formula: found {shown(formula)}, expected text")
    for name, function in (("applies", applies), ("result", result), ("cost", cost), ("execute", execute)):
        checked_callable(function, name, "a function of two specs or Jacobians")
    made = SumRow(formula, applies, result, cost, execute)
    ROWS.insert(1, made)
    return made


def sum_row(a: Spec, b: Spec) -> SumRow:
    """Return the row for two specs: the first that applies.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"sum: found shapes {a.shape} and {b.shape}, expected the same shape for both terms")
    return next(row for row in ROWS if row.applies(a, b))


def sum_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of the sum."""
    return sum_row(a, b).result(a, b)


def sum_cost(a: Spec, b: Spec) -> Cost:
    """Return the exact cost of the sum."""
    return exactly(sum_row(a, b).cost(a, b))


def add(left: Jacobian, right: Jacobian, ledger: Ledger | None = None) -> Jacobian:
    """Return left + right in the structure that the two have in common.

    Parameters
    ----------
    left, right : Jacobian
        Of equal shape.
    ledger : Ledger, optional
        Where multiplications and additions are counted.

    Raises
    ------
    ValueError
        If the shapes differ.
    MemoryBudgetError
        If the terms have no structure in common and the dense sum would take more than 2 GiB.

    Examples
    --------
    >>> from jacobians.structures import Identity
    >>> add(Identity(2), Diagonal([1.0, 2.0])).dense()
    array([[2., 0.],
           [0., 3.]])
    """
    row = sum_row(left.spec, right.spec)
    if left.home is not right.home:
        left, right = together((left, right), "sum")
    require_room(row.result(left.spec, right.spec), np.result_type(left.dtype, right.dtype).itemsize)
    total = row.execute(left, right, ledger or Ledger())
    batch = np.broadcast_shapes(left.batch_shape, right.batch_shape)
    return total.reshaped(left.out_shape, left.in_shape).broadcast_batch(batch)


Jacobian._sum = add
structures.sum_row = sum_of
