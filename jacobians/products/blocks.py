"""Products with block rows and columns, and the general ways (transposition, expansion) of the other rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from jacobians.cost import ZERO_COST, Cost, Count
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import count_products, multiply, product_cost, product_spec
from jacobians.products.expansion import expand
from jacobians.products.sums import add, sum_cost, sum_spec
from jacobians.spec import Spec, owner
from jacobians.structures import BlockColumn, BlockRow, Dense, Jacobian, Selection


def _blocks_meet(a: Spec, b: Spec) -> bool:
    """Return whether the columns of a block row are parted as the rows of a block column."""
    return b.structure == "BlockColumn" and [p.shape[1] for p in a.parts] == [p.shape[0] for p in b.parts]


def _takers(row: Spec) -> list[Spec]:
    """Return the selections that take the rows that meet each block out of the right factor."""
    height = row.shape[1]
    return [Spec.selection(part.shape[1], height, repeats=False) for part in row.parts]


def _right_parts(a: Spec, b: Spec) -> list[Spec]:
    return list(b.parts) if _blocks_meet(a, b) else [product_spec(S, b) for S in _takers(a)]


def block_row_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of J₁·K₁ + J₂·K₂ + …, added from the left."""
    first, *rest = (product_spec(p, q) for p, q in zip(a.parts, _right_parts(a, b), strict=True))
    for term in rest:
        first = sum_spec(first, term)
    return first


def block_row_cost(a: Spec, b: Spec) -> Cost:
    """Return the cost of taking the parts, of the products and of their sum."""
    cost = ZERO_COST if _blocks_meet(a, b) else sum((product_cost(S, b) for S in _takers(a)), ZERO_COST)
    parts = list(zip(a.parts, _right_parts(a, b), strict=True))
    cost = sum((product_cost(p, q) for p, q in parts), cost)
    total, *rest = (product_spec(p, q) for p, q in parts)
    for term in rest:
        cost, total = cost + sum_cost(total, term), sum_spec(total, term)
    return cost


def block_row(L: BlockRow, R: Jacobian, ledger: Ledger) -> Jacobian:
    """[J₁, J₂]·K = J₁·K₁ + J₂·K₂ with the rows of K parted as the columns of the block row."""
    if isinstance(R, BlockColumn) and _blocks_meet(L.spec, R.spec):
        parts = list(R.blocks)
    else:
        parts = [_rows(R, start, stop, ledger) for start, stop in pairwise(L.offsets)]
    total, *rest = (multiply(J, K, ledger) for J, K in zip(L.blocks, parts, strict=True))
    for term in rest:
        total = add(total, term, ledger)
    return total


def _rows(R: Jacobian, start: int, stop: int, ledger: Ledger) -> Jacobian:
    """Return some rows of the right factor: a matrix gives them away as they are."""
    if isinstance(R, Dense):
        return Dense.unchecked(R.A[..., start:stop, :])
    S = Selection.unchecked(np.arange(start, stop), R.shape[0], repeats=False, dtype=R.dtype)
    return multiply(S, R, ledger)


def transposed_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of (Rᵀ·Lᵀ)ᵀ."""
    return product_spec(b.T, a.T).T


def transposed_cost(a: Spec, b: Spec) -> Count:
    """Return the cost of Rᵀ·Lᵀ, of arrays of sizes too."""
    return count_products(b.T, a.T)


def transposed(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    """L·R = (Rᵀ·Lᵀ)ᵀ."""
    return multiply(R.T, L.T, ledger).T


def _fallbacks(a: Spec, b: Spec) -> tuple[Count, Count]:
    """Return what J·K costs with K made dense, and with J made dense."""
    right, left = (Spec("Dense", spec.shape, spec.batch) for spec in (b, a))  # of arrays of sizes, too
    of_right, of_left = (owner(spec.structure)._expansion_cost(spec) for spec in (b, a))
    return count_products(a, right) + of_right, count_products(left, b) + of_left


def _left_is_cheaper(right: Count, left: Count) -> Any:
    fewer = left.multiplications < right.multiplications
    return fewer | (left.multiplications == right.multiplications) & (left.additions < right.additions)


def fallback_cost(a: Spec, b: Spec) -> Count:
    """Return the cost of the cheaper of the two."""
    right, left = _fallbacks(a, b)
    cheaper = _left_is_cheaper(right, left)
    if isinstance(cheaper, bool):
        return left if cheaper else right
    both = ((left.multiplications, right.multiplications), (left.additions, right.additions))
    return Count(*(np.where(cheaper, *pair) for pair in both))


def fallback(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    """J·K with the one made dense that makes it cheaper, K of equals."""
    if _left_is_cheaper(*_fallbacks(L.spec, R.spec)):
        return multiply(expand(L, ledger), R, ledger)
    return multiply(L, expand(R, ledger), ledger)
