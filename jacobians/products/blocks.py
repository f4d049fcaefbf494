"""Products with block rows and columns, and the general ways (transposition, expansion) of the other rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from jacobians.cost import ZERO_COST, Cost, Count, cheaper
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import ANY, Row, count_products, multiply, product_cost, product_spec, remembered
from jacobians.products.expansion import expand, expansion_spec
from jacobians.products.sums import add, sum_cost, sum_spec
from jacobians.spec import Spec, owner
from jacobians.structures import BlockColumn, BlockDiagonal, BlockRow, Dense, Diagonal, Jacobian, Selection


def _blocks_meet(a: Spec, b: Spec) -> bool:
    """Return whether the columns of one are parted as the rows of the other."""
    return [p.shape[1] for p in a.parts] == [p.shape[0] for p in b.parts]


def _takers(row: Spec) -> list[Spec]:
    """Return the selections that take the rows that meet each block out of the right factor."""
    height = row.shape[1]
    return [Spec.selection(part.shape[1], height, repeats=False) for part in row.parts]


def _taken(row: Spec, b: Spec) -> list[Spec]:
    return [product_spec(S, b) for S in _takers(row)]


def sum_of_spec(a: Iterable[Spec], b: Iterable[Spec]) -> Spec:
    """Return the spec of J₁·K₁ + J₂·K₂ + …, added from the left."""
    return reduce(sum_spec, map(product_spec, a, b))


def sum_of_cost(a: Sequence[Spec], b: Sequence[Spec]) -> Cost:
    """Return the cost of the products and of their sum."""
    total, *rest = map(product_spec, a, b)
    cost = sum(map(product_cost, a, b), ZERO_COST)
    for term in rest:
        cost, total = cost + sum_cost(total, term), sum_spec(total, term)
    return cost


def sum_of(L: Iterable[Jacobian], R: Iterable[Jacobian], ledger: Ledger) -> Jacobian:
    """Return the sum of the products."""
    return reduce(lambda a, b: add(a, b, ledger), (multiply(J, K, ledger) for J, K in zip(L, R, strict=True)))


def _row_cost(a: Spec, b: Spec) -> Cost:
    """Return the cost of taking the parts, and of the rest."""
    return sum((product_cost(S, b) for S in _takers(a)), sum_of_cost(a.parts, _taken(a, b)))


def _row(L: BlockRow, R: Jacobian, ledger: Ledger) -> Jacobian:
    """[J₁, J₂]·K = J₁·K₁ + J₂·K₂ with the rows of K parted as the columns of the block row."""
    return sum_of(L.blocks, [_rows(R, start, stop, ledger) for start, stop in pairwise(L.offsets)], ledger)


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
    if a.letters or b.letters:
        return Count(0, 0) + cheaper(right.exact(), left.exact())
    fewer = _left_is_cheaper(right, left)
    if isinstance(fewer, bool):
        return left if fewer else right
    both = ((left.multiplications, right.multiplications), (left.additions, right.additions))
    return Count(*(np.where(fewer, *pair) for pair in both))


@remembered
def _left_is_made_dense(a: Spec, b: Spec) -> bool:
    return bool(_left_is_cheaper(*_fallbacks(a, b)))


def fallback_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of what is executed, where a product with a dense factor may keep some structure."""
    if a.letters or b.letters:
        either = product_spec(expansion_spec(a), b), product_spec(a, expansion_spec(b))
        if either[0] != either[1]:
            raise ValueError(
                f"product: found {a.label} · {b.label}, of which the letters don't say which is made dense, "
                f"and so what the product is; give the sizes as numbers"
            )
        return either[0]
    if _left_is_made_dense(a, b):
        return product_spec(expansion_spec(a), b)
    return product_spec(a, expansion_spec(b))


def fallback(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    """J·K with the one made dense that makes it cheaper, K of equals."""
    if _left_is_made_dense(L.spec, R.spec):
        return multiply(expand(L, ledger), R, ledger)
    return multiply(L, expand(R, ledger), ledger)


# --- block diagonals -------------------------------------------------------------------------------------


def _cut(diagonal: Spec, blocks: Iterable[Spec]) -> Spec:
    """Return a diagonal as blocks that meet the columns of others."""
    return BlockDiagonal._joined([Spec.diagonal(block.shape[1], diagonal.batch) for block in blocks])


def _in_blocks(D: Diagonal, blocks: Iterable[Jacobian]) -> BlockDiagonal:
    ends = accumulate((block.shape[1] for block in blocks), initial=0)
    return BlockDiagonal.unchecked(
        [Diagonal.unchecked(D.d[..., start:stop]) for start, stop in pairwise(ends)]
    )


# fmt: off
ROWS = (
    Row(
        ANY, "BlockRow", "J·[K₁, K₂] = [J·K₁, J·K₂]",
        lambda a, b: Spec.block_row(product_spec(a, part) for part in b.parts),
        lambda a, b: sum((product_cost(a, part) for part in b.parts), ZERO_COST),
        lambda L, R, ledger: BlockRow.unchecked([multiply(L, block, ledger) for block in R.blocks]),
    ),
    Row(
        "BlockColumn", ANY, "[J₁; J₂]·K = [J₁·K; J₂·K]",
        lambda a, b: Spec.block_column(product_spec(part, b) for part in a.parts),
        lambda a, b: sum((product_cost(part, b) for part in a.parts), ZERO_COST),
        lambda L, R, ledger: BlockColumn.unchecked([multiply(block, R, ledger) for block in L.blocks]),
    ),
    Row(
        "BlockRow", "BlockColumn", "[J₁, J₂]·[K₁; K₂] = J₁·K₁ + J₂·K₂",
        lambda a, b: sum_of_spec(a.parts, b.parts),
        lambda a, b: sum_of_cost(a.parts, b.parts),
        lambda L, R, ledger: sum_of(L.blocks, R.blocks, ledger),
        _blocks_meet,
    ),
    Row(
        "BlockRow", ANY, "[J₁, J₂]·K = J₁·K₁ + J₂·K₂",
        lambda a, b: sum_of_spec(a.parts, _taken(a, b)), _row_cost, _row,
    ),
    Row(ANY, "BlockColumn", "K·[J₁; J₂] by transposition", transposed_spec, transposed_cost, transposed),
    Row(
        "BlockDiagonal", "BlockDiagonal", "(J₁ ⊕ J₂)(K₁ ⊕ K₂) = J₁K₁ ⊕ J₂K₂",
        lambda a, b: BlockDiagonal._joined([*map(product_spec, a.parts, b.parts)]),
        lambda a, b: sum(map(product_cost, a.parts, b.parts), ZERO_COST),
        lambda L, R, ledger: BlockDiagonal.unchecked(
            [multiply(*pair, ledger) for pair in zip(L.blocks, R.blocks, strict=True)]
        ),
        _blocks_meet,
    ),
    Row(
        "BlockDiagonal", "Diagonal", "(A ⊕ B)·diag(c, d) = A diag(c) ⊕ B diag(d)",
        lambda a, b: product_spec(a, _cut(b, a.parts)),
        lambda a, b: product_cost(a, _cut(b, a.parts)),
        lambda L, R, ledger: multiply(L, _in_blocks(R, L.blocks), ledger),
    ),
    Row(
        "Diagonal", "BlockDiagonal", "diag(c, d)·(A ⊕ B) by transposition",
        transposed_spec, transposed_cost, transposed,
    ),
)
# fmt: on
