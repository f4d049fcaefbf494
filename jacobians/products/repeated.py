"""Products with broadcasting and sums over axes, and of block diagonals with diagonals.

Repeating moves entries, as a selection does, and summing is a scatter: beside diagonals and choices they multiply as
these; beside Kronecker products they are one, of ones.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import Row, multiply, product_cost, product_spec
from jacobians.spec import Spec
from jacobians.structures import (
    BlockDiagonal,
    Diagonal,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Scatter,
    Selection,
)

_CHOICES = ("Diagonal", "Selection")  # a scatter turns the product over


def _sizes(spec: Spec) -> tuple[int, int, int]:
    return spec.times, min(spec.shape) // spec.behind, spec.behind


def _chosen(spec: Spec) -> Spec:
    if spec.structure != "Repeat":
        return spec
    m, n = spec.shape
    found = Spec.selection(max(m, n), min(m, n), (), weighted=False, repeats=spec.times > 1)
    return found.T if spec.summed else found


def _as_choice(J: Jacobian) -> Jacobian:
    if not isinstance(J, Repeat):
        return J
    k, p, q = _sizes(J.spec)
    numbers = np.arange(p * q).reshape(p, 1, q)
    indices = np.broadcast_to(numbers, (p, k, q)).reshape(-1)
    kind = Scatter if J.spec.summed and k > 1 else Selection  # of one each it is a permutation
    made = kind.unchecked(indices, p * q, repeats=k > 1)
    made.home = J.home
    return made


def _factors(spec: Spec) -> tuple[Spec, Spec] | None:
    """Return the specs of the two factors of ones and identity, or None if there are three."""
    k, p, q = _sizes(spec)
    facts = {"times": k, "behind": 1, "summed": spec.summed}
    ones = Spec.of("Repeat", *((1, k) if spec.summed else (k, 1)), **facts)
    if p == 1:
        return ones, Spec.identity(q)
    return (Spec.identity(p), ones) if q == 1 else None


def _as_kronecker(J: Jacobian) -> Jacobian:
    if not isinstance(J, Repeat):
        return J
    k, p, q = _sizes(J.spec)
    ones = Repeat.unchecked(k, 1, 1, dtype=J.dtype, summed=J.spec.summed)
    ones.home = J.home
    eye = Identity.unchecked(q if p == 1 else p, dtype=J.dtype)
    eye.home = J.home
    return Kronecker.unchecked(ones, eye) if p == 1 else Kronecker.unchecked(eye, ones)


def _kronecker(spec: Spec) -> Spec:
    factors = _factors(spec) if spec.structure == "Repeat" else None
    return spec if factors is None else Spec.kronecker(*factors)


def _factors_meet(a: Spec, b: Spec) -> bool:
    left, right = (_factors(s) if s.structure == "Repeat" else s.parts for s in (a, b))
    if left is None or right is None:
        return False
    return all(one.shape[1] == other.shape[0] for one, other in zip(left, right, strict=True))


def _undone(a: Spec, b: Spec) -> bool:
    return a.summed and not b.summed and _sizes(a) == _sizes(b)


def _parts(D: Diagonal, blocks: Any, axis: int) -> list[Diagonal]:
    ends = np.cumsum([0, *(block.shape[axis] for block in blocks)])
    return [Diagonal.unchecked(D.d[..., start:end]) for start, end in pairwise(ends)]


def _blocks_diagonal(L: BlockDiagonal, R: Diagonal, ledger: Ledger) -> Jacobian:
    pairs = zip(L.blocks, _parts(R, L.blocks, 1), strict=True)
    return BlockDiagonal.unchecked([multiply(block, part, ledger) for block, part in pairs])


def _diagonal_blocks(L: Diagonal, R: BlockDiagonal, ledger: Ledger) -> Jacobian:
    pairs = zip(_parts(L, R.blocks, 0), R.blocks, strict=True)
    return BlockDiagonal.unchecked([multiply(part, block, ledger) for part, block in pairs])


def _blocks_first(a: Spec, b: Spec) -> list[tuple[Spec, Spec]]:
    return [(part, Spec.diagonal(part.shape[1], b.batch)) for part in a.parts]


def _diagonals_first(a: Spec, b: Spec) -> list[tuple[Spec, Spec]]:
    return [(Spec.diagonal(part.shape[0], a.batch), part) for part in b.parts]


def _total(costs: Any) -> Cost:
    return sum(costs, ZERO_COST)


def _as_choices(left: str, right: str) -> Row:
    return Row(
        left,
        right,
        "(I ⊗ 1 ⊗ I)·J: entries taken, or added",
        lambda a, b: product_spec(_chosen(a), _chosen(b)),
        lambda a, b: product_cost(_chosen(a), _chosen(b)),
        lambda L, R, ledger: multiply(_as_choice(L), _as_choice(R), ledger),
    )


def _as_factors(left: str, right: str) -> Row:
    return Row(
        left,
        right,
        "(1 ⊗ I)·(A ⊗ B) = 1A ⊗ B",
        lambda a, b: product_spec(_kronecker(a), _kronecker(b)),
        lambda a, b: product_cost(_kronecker(a), _kronecker(b)),
        lambda L, R, ledger: multiply(_as_kronecker(L), _as_kronecker(R), ledger),
        _factors_meet,
    )


ROWS = (
    Row(
        "Repeat",
        "Repeat",
        "(I ⊗ 1 ⊗ I)ᵀ·(I ⊗ 1 ⊗ I) = kI",
        lambda a, b: Spec.of("ScaledIdentity", *(2 * a.shape[:1]), unit=a.times == 1),
        lambda a, b: ZERO_COST,
        lambda L, R, ledger: ScaledIdentity.unchecked(
            L.home.full((), L.spec.times, L.dtype), L.shape[0], unit=L.spec.times == 1
        ),
        _undone,
    ),
    _as_factors("Repeat", "Kronecker"),
    _as_factors("Kronecker", "Repeat"),
    *(_as_choices("Repeat", other) for other in _CHOICES),
    *(_as_choices(other, "Repeat") for other in _CHOICES),
    Row(
        "Repeat",
        "Repeat",
        "(I ⊗ 1 ⊗ I)·(I ⊗ 1 ⊗ I): a choice of a choice",
        lambda a, b: product_spec(_chosen(a), _chosen(b)),
        lambda a, b: product_cost(_chosen(a), _chosen(b)),
        lambda L, R, ledger: multiply(_as_choice(L), _as_choice(R), ledger),
        lambda a, b: a.summed == b.summed,
    ),
    Row(
        "BlockDiagonal",
        "Diagonal",
        "(A ⊕ B)·diag(c, d) = A diag(c) ⊕ B diag(d)",
        lambda a, b: BlockDiagonal._joined([product_spec(*pair) for pair in _blocks_first(a, b)]),
        lambda a, b: _total(product_cost(*pair) for pair in _blocks_first(a, b)),
        _blocks_diagonal,
    ),
    Row(
        "Diagonal",
        "BlockDiagonal",
        "diag(c, d)·(A ⊕ B) = diag(c) A ⊕ diag(d) B",
        lambda a, b: BlockDiagonal._joined([product_spec(*pair) for pair in _diagonals_first(a, b)]),
        lambda a, b: _total(product_cost(*pair) for pair in _diagonals_first(a, b)),
        _diagonal_blocks,
    ),
)
