"""Products of dense, diagonal and diagonal plus low-rank Jacobians: specs, costs and code of their rows."""

from __future__ import annotations

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.ledger import Ledger
from jacobians.products.core import points
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures import Dense, DiagonalPlusLowRank, Jacobian, Zero
from jacobians.structures.devices import moved


def dense_spec(a: Spec, b: Spec) -> Spec:
    """Return the spec of a product without structure."""
    return Spec.dense(a.shape[0], b.shape[1], broadcast(a.batch, b.batch))


def entries_cost(a: Spec, b: Spec) -> Count:
    """One multiplication for each entry of the result."""
    return Count(points(a, b) * a.shape[0] * b.shape[1], 0)


def diagonal_low_rank_cost(a: Spec, b: Spec) -> Count:
    """n for the diagonals and nr for the scaled factor."""
    rank = a.rank + b.rank  # one of the two is a Diagonal, of rank 0
    return Count(points(a, b) * a.shape[0] * (1 + rank), 0)


def dense_low_rank_cost(a: Spec, b: Spec) -> Count:
    """The cost of the transposed product, which does the same arithmetic."""
    return Count(0, 0) + owner(b.structure)._apply_cost(b.T, a.shape[0], a.batch)


def dense_low_rank(L: Dense, R: DiagonalPlusLowRank, ledger: Ledger) -> Jacobian:
    """A diag(d) + (AU)Vᵀ."""
    low_rank = ledger.matmul(ledger.matmul(L.A, R.U), R.V.mT)
    return Dense.unchecked(ledger.add(ledger.scale(L.A, R.d[..., None, :]), low_rank))


def low_rank_low_rank_cost(a: Spec, b: Spec) -> Count:
    """Diagonals n + nr₁ + nr₂, the mixed term r₂nr₁ + nr₂r₁, and nr₁ additions."""
    n, r1, r2 = a.shape[0], a.rank, b.rank
    diagonals = Count(n + n * r1 + n * r2, 0)
    mixed = Count(r2 * n * r1, r2 * (n - 1) * r1) + Count(n * r2 * r1, n * (r2 - 1) * r1) + Count(0, n * r1)
    return points(a, b) * (diagonals + mixed)


def low_rank_low_rank(L: DiagonalPlusLowRank, R: DiagonalPlusLowRank, ledger: Ledger) -> Jacobian:
    """(D₁ + U₁V₁ᵀ)(D₂ + U₂V₂ᵀ) = D₁D₂ + U₁(D₂V₁ + V₂(U₂ᵀV₁))ᵀ + (D₁U₂)V₂ᵀ."""
    mixed = ledger.matmul(R.V, ledger.matmul(R.U.mT, L.V))
    V1 = ledger.add(ledger.scale(R.d[..., None], L.V), mixed)
    U2 = ledger.scale(L.d[..., None], R.U)
    batch = broadcast(L.spec.batch, R.spec.batch)
    xp = L.home.namespace
    U, V = (
        xp.concat([xp.broadcast_to(f, batch + tuple(f.shape[-2:])) for f in pair], axis=-1)
        for pair in ((L.U, U2), (V1, R.V))
    )
    return DiagonalPlusLowRank.unchecked(ledger.scale(L.d, R.d), U, V)


def zero_product(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
    """0·J = J·0 = 0, whatever stands in J: nothing depends on it."""
    return moved(Zero.unchecked(L.shape[0], R.shape[1], dtype=np.result_type(L.dtype, R.dtype)), L.home)
