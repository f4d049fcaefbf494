"""Sums of structured Jacobians: several paths from an input to an output add up.

One row per pair of structures, like the table of products; a sum that keeps no structure says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jacobians import structures
from jacobians.cost import ZERO_COST, Cost, Count, exactly
from jacobians.numerics.arrays import Array
from jacobians.numerics.diagonals import diagonal_of, set_diagonal
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import NUMPY
from jacobians.products.core import (
    ANY,
    Prepared,
    Row,
    either,
    executed,
    forget,
    points,
    prepared,
    put,
    remembered,
    rows_among,
)
from jacobians.products.expansion import expand, expansion_cost
from jacobians.products.outside import checked_row
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank, Jacobian, ScaledIdentity
from jacobians.structures.blocks import Blocks


def _on_diagonal(a: Spec, b: Spec) -> bool:
    return bool(owner(b.structure)._on_diagonal)


def _dense(a: Spec, b: Spec) -> Spec:
    return Spec.dense(*a.shape, broadcast(a.batch, b.batch))


def _low_rank(a: Spec, b: Spec) -> Spec:
    return Spec.low_rank(a.shape[0], a.rank + b.rank, broadcast(a.batch, b.batch))


def _n_additions(a: Spec, b: Spec) -> Cost:
    return Cost(0, points(a, b) * a.shape[0])


def _add_low_rank(terms: Sequence[DiagonalPlusLowRank], d: Array, batch: tuple[int, ...]) -> Jacobian:
    """Return diag(d) and the low ranks of all terms side by side."""
    xp = terms[0].home.namespace
    U, V = (
        xp.concat([xp.broadcast_to(factor, batch + tuple(factor.shape[-2:])) for factor in factors], axis=-1)
        for factors in ([J.U for J in terms], [J.V for J in terms])
    )
    return DiagonalPlusLowRank.unchecked(d, U, V)


def _blockwise(a: Spec, b: Spec) -> bool:
    kind = owner(a.structure)
    same = kind is owner(b.structure) and issubclass(kind, Blocks)
    return same and [part.shape for part in a.parts] == [part.shape for part in b.parts]


def _blocks_result(a: Spec, b: Spec) -> Spec:
    parts = [sum_spec(p, q) for p, q in zip(a.parts, b.parts, strict=True)]
    joined: Spec = owner(a.structure)._joined(parts)
    return joined


def _blocks_cost(a: Spec, b: Spec) -> Cost:
    return sum((sum_cost(p, q) for p, q in zip(a.parts, b.parts, strict=True)), ZERO_COST)


def _add_blocks(L: Blocks, R: Blocks, ledger: Ledger) -> Jacobian:
    return type(L)([add(a, b, ledger) for a, b in zip(L.blocks, R.blocks, strict=True)])


def _add_to_diagonal(L: Dense, R: Jacobian, ledger: Ledger) -> Jacobian:
    total = L.home.namespace.broadcast_to(L.A, broadcast(L.spec.batch, R.spec.batch) + L.shape)
    if L.home is NUMPY:
        total = total.astype(np.result_type(L.dtype, R.dtype))
    return Dense.unchecked(set_diagonal(total, ledger.add(diagonal_of(total), R._diagonal())))


def _dense_cost(a: Spec, b: Spec) -> Cost:
    return expansion_cost(a) + expansion_cost(b) + Cost(0, points(a, b) * a.shape[0] * a.shape[1])


# fmt: off
ROWS: list[Row] = [
    *either("Zero", ANY, "0 + J = J", lambda a, b: b, lambda a, b: ZERO_COST, lambda L, R, ledger: R),
    Row(
        "ScaledIdentity", "ScaledIdentity", "aI + bI = (a + b)I",
        lambda a, b: Spec.of("ScaledIdentity", *a.shape, broadcast(a.batch, b.batch), unit=False),
        lambda a, b: Cost(0, points(a, b)),
        lambda L, R, ledger: ScaledIdentity.unchecked(ledger.add(L.c[..., None], R.c[..., None])[..., 0], L.shape[0]),
    ),
    Row(
        ANY, ANY, "diag(a) + diag(b) = diag(a + b)",
        lambda a, b: Spec.diagonal(a.shape[0], broadcast(a.batch, b.batch)),
        _n_additions,
        lambda L, R, ledger: Diagonal.unchecked(ledger.add(L._diagonal(), R._diagonal())),
        lambda a, b: _on_diagonal(b, a) and _on_diagonal(a, b),
    ),
    Row(
        "DiagonalPlusLowRank", "DiagonalPlusLowRank",
        "(diag(a) + U₁V₁ᵀ) + (diag(b) + U₂V₂ᵀ) = diag(a + b) + [U₁, U₂][V₁, V₂]ᵀ",
        _low_rank, _n_additions,
        lambda L, R, ledger: _add_low_rank((L, R), ledger.add(L.d, R.d), broadcast(L.spec.batch, R.spec.batch)),
    ),
    *either(
        "DiagonalPlusLowRank", ANY, "(diag(a) + UVᵀ) + diag(b) = diag(a + b) + UVᵀ",
        _low_rank, _n_additions,
        lambda L, R, ledger: _add_low_rank((L,), ledger.add(L.d, R._diagonal()), broadcast(L.spec.batch, R.spec.batch)),
        _on_diagonal,
    ),
    Row(ANY, ANY, "blocks of equal sizes: block by block", _blocks_result, _blocks_cost, _add_blocks, _blockwise),
    *either(
        "Dense", ANY, "A + diag(b): on the diagonal of a copy", _dense, _n_additions, _add_to_diagonal, _on_diagonal
    ),
    Row(
        ANY, ANY, "no structure in common: both dense", _dense, _dense_cost,
        lambda L, R, ledger: Dense.unchecked(ledger.add(expand(L, ledger).A, expand(R, ledger).A)),
    ),
]
# fmt: on


def sum_row(
    left: str,
    right: str,
    formula: str,
    *,
    result: Callable[[Spec, Spec], Spec],
    cost: Callable[[Spec, Spec], Cost | Count],
    execute: Callable[[Any, Any, Ledger], Jacobian],
    applies: Callable[[Spec, Spec], bool] = lambda left, right: True,
) -> Row:
    """Put a row into the table of sums, behind those of zero and before all others.

    Parameters and errors are those of :func:`jacobians.structures.row`; the other order is a row of its own.
    """
    made = checked_row(Row(left, right, formula, result, cost, execute, applies))
    put(ROWS, made, behind=("Zero",))
    forget()
    return made


@remembered
def _rows_for(left: str, right: str) -> tuple[Row, ...]:
    return rows_among(ROWS, left, right)


def find_sum(a: Spec, b: Spec) -> Row:
    """Return the row for two specs: the first that applies.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"sum: found shapes {a.shape} and {b.shape}, expected the same shape for both terms")
    return next(row for row in _rows_for(a.structure, b.structure) if row.applies(a, b))


def sum_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of the sum."""
    return find_sum(a, b).result(a, b)


def sum_cost(a: Spec, b: Spec) -> Cost:
    """Return the exact cost of the sum."""
    return exactly(find_sum(a, b).cost(a, b))


@remembered
def _prepared(a: Spec, b: Spec) -> Prepared:
    return prepared(find_sum(a, b), a, b)


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
    return executed(_prepared(left.spec, right.spec), left, right, left.in_shape, ledger, "sum")


Jacobian._sum = add
structures.sum_row = sum_row
