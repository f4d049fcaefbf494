"""Products with multiples of the identity, and of block diagonals: specs, costs and code of their rows."""

from __future__ import annotations

from typing import Any

from jacobians.cost import ZERO_COST, Count
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import spread_to
from jacobians.products.core import ANY, Row, multiply, points, product_cost, product_spec
from jacobians.spec import Spec, broadcast
from jacobians.structures import (
    BlockDiagonal,
    Diagonal,
    DiagonalPlusLowRank,
    Jacobian,
    Kronecker,
    ScaledIdentity,
    Selection,
    Toeplitz,
)
from jacobians.structures.scaled_identity import times


def _each(numbers: int) -> Any:
    """Return the cost of a multiple of so many numbers a row: none for a sign."""

    def cost(a: Spec, b: Spec) -> Count:
        scaled, other = (a, b) if a.structure == "ScaledIdentity" else (b, a)
        return Count(0 if scaled.unit else points(a, b) * a.shape[0] * (numbers + other.rank), 0)

    return cost


def _joint(a: Spec, b: Spec) -> tuple[int, ...]:
    return broadcast(a.batch, b.batch)


def _both(L: ScaledIdentity, R: ScaledIdentity, ledger: Ledger) -> Jacobian:
    sign, other = (L, R) if L.spec.unit else (R, L)
    unit = L.spec.unit and R.spec.unit
    c = times(sign, other.c[..., None], sign.c[..., None], ledger)[..., 0]
    return ScaledIdentity.unchecked(c, L.shape[0], unit=unit)


def _diagonal(S: ScaledIdentity, D: Diagonal, ledger: Ledger) -> Jacobian:
    return Diagonal.unchecked(times(S, D.d, S.c[..., None], ledger))


def _low_rank(S: ScaledIdentity, J: DiagonalPlusLowRank, ledger: Ledger) -> Jacobian:
    d, U = times(S, J.d, S.c[..., None], ledger), times(S, J.U, S.c[..., None, None], ledger)
    return DiagonalPlusLowRank.unchecked(d, U, J.V)


def _of_size(scaled: Spec, n: int) -> Spec:
    return Spec.of("ScaledIdentity", n, n, scaled.batch, unit=scaled.unit)


def _into_first(S: ScaledIdentity, J: Kronecker, ledger: Ledger) -> Jacobian:
    first = ScaledIdentity.unchecked(S.c, J.A.shape[0], unit=S.spec.unit)
    return Kronecker.unchecked(multiply(first, J.A, ledger), J.B)


def _as_diagonal(S: ScaledIdentity) -> Diagonal:
    return Diagonal.unchecked(S._diagonal())


def _spread(scaled: Spec) -> Spec:
    return Spec.diagonal(scaled.shape[0], scaled.batch)


def _not_dense(spec: Spec) -> bool:
    return spec.structure != "Dense"


def _blocks_meet(a: Spec, b: Spec) -> bool:
    return [part.shape[1] for part in a.parts] == [part.shape[0] for part in b.parts]


def _signed(S: ScaledIdentity, J: Any, ledger: Ledger) -> Jacobian:
    """Return ±J for a selection or scatter: a sign is a weight, and no multiplication."""
    c = S.c[..., None]
    if J.weights is None:
        weights = spread_to(c, (*S.spec.batch, J.indices.shape[-1]))
    else:
        weights = times(S, J.weights, c, ledger)
    return type(J).unchecked(
        J.indices, J.spec.shape[int(isinstance(J, Selection))], weights, repeats=J.spec.repeats
    )


def _signed_spec(scaled: Spec, choice: Spec) -> Spec:
    make = Spec.selection if choice.structure == "Selection" else Spec.scatter
    return make(*choice.shape, _joint(scaled, choice), weighted=True, repeats=choice.repeats)


def _kernel_cost(a: Spec, b: Spec) -> Count:
    scaled, other = (a, b) if a.structure == "ScaledIdentity" else (b, a)
    return Count(0 if scaled.unit else points(a, b) * other.length, 0)


def _kernel_spec(scaled: Spec, toeplitz: Spec) -> Spec:
    facts = {"length": toeplitz.length, "full": toeplitz.full}
    return Spec.of("Toeplitz", *toeplitz.shape, _joint(scaled, toeplitz), **facts)


def _kernel(S: ScaledIdentity, T: Toeplitz, ledger: Ledger) -> Jacobian:
    return Toeplitz.unchecked(times(S, T.kernel, S.c[..., None], ledger), max(T.shape), full=T.spec.full)


def _signs(structure: str) -> tuple[Row, Row]:
    return (
        Row(
            "ScaledIdentity",
            structure,
            "±I·S: weights of a sign",
            _signed_spec,
            lambda a, b: Count(0, 0),
            _signed,
            lambda a, b: a.unit,
        ),
        Row(
            structure,
            "ScaledIdentity",
            "S·±I: weights of a sign",
            lambda a, b: _signed_spec(b, a),
            lambda a, b: Count(0, 0),
            lambda L, R, ledger: _signed(R, L, ledger),
            lambda a, b: b.unit,
        ),
    )


ROWS = (
    *_signs("Selection"),
    *_signs("Scatter"),
    Row("ScaledIdentity", "Toeplitz", "cI·T(k) = T(ck)", _kernel_spec, _kernel_cost, _kernel),
    Row(
        "Toeplitz",
        "ScaledIdentity",
        "T(k)·cI = T(ck)",
        lambda a, b: _kernel_spec(b, a),
        _kernel_cost,
        lambda L, R, ledger: _kernel(R, L, ledger),
    ),
    Row(
        "ScaledIdentity",
        "ScaledIdentity",
        "aI·bI = abI",
        lambda a, b: Spec.of("ScaledIdentity", *a.shape, _joint(a, b), unit=a.unit and b.unit),
        lambda a, b: Count(0 if a.unit or b.unit else points(a, b), 0),
        _both,
    ),
    Row(
        "ScaledIdentity",
        "Diagonal",
        "cI·diag(d) = diag(cd)",
        lambda a, b: Spec.diagonal(a.shape[0], _joint(a, b)),
        _each(1),
        _diagonal,
    ),
    Row(
        "Diagonal",
        "ScaledIdentity",
        "diag(d)·cI = diag(cd)",
        lambda a, b: Spec.diagonal(a.shape[0], _joint(a, b)),
        _each(1),
        lambda L, R, ledger: _diagonal(R, L, ledger),
    ),
    Row(
        "ScaledIdentity",
        "DiagonalPlusLowRank",
        "cI·(diag(d) + UVᵀ) = diag(cd) + (cU)Vᵀ",
        lambda a, b: Spec.low_rank(a.shape[0], b.rank, _joint(a, b)),
        _each(1),
        _low_rank,
    ),
    Row(
        "DiagonalPlusLowRank",
        "ScaledIdentity",
        "(diag(d) + UVᵀ)·cI = diag(cd) + (cU)Vᵀ",
        lambda a, b: Spec.low_rank(a.shape[0], a.rank, _joint(a, b)),
        _each(1),
        lambda L, R, ledger: _low_rank(R, L, ledger),
    ),
    Row(
        "ScaledIdentity",
        "Kronecker",
        "cI·(A ⊗ B) = (cA) ⊗ B",
        lambda a, b: Spec.kronecker(product_spec(_of_size(a, b.parts[0].shape[0]), b.parts[0]), b.parts[1]),
        lambda a, b: product_cost(_of_size(a, b.parts[0].shape[0]), b.parts[0]),
        _into_first,
    ),
    Row(
        "Kronecker",
        "ScaledIdentity",
        "(A ⊗ B)·cI = (cA) ⊗ B",
        lambda a, b: Spec.kronecker(product_spec(_of_size(b, a.parts[0].shape[0]), a.parts[0]), a.parts[1]),
        lambda a, b: product_cost(_of_size(b, a.parts[0].shape[0]), a.parts[0]),
        lambda L, R, ledger: _into_first(R, L, ledger),
    ),
    Row(
        "ScaledIdentity",
        ANY,
        "cI·J = diag(c, …, c)·J",
        lambda a, b: product_spec(_spread(a), b),
        lambda a, b: product_cost(_spread(a), b),
        lambda L, R, ledger: multiply(_as_diagonal(L), R, ledger),
        lambda a, b: _not_dense(b),
    ),
    Row(
        ANY,
        "ScaledIdentity",
        "J·cI = J·diag(c, …, c)",
        lambda a, b: product_spec(a, _spread(b)),
        lambda a, b: product_cost(a, _spread(b)),
        lambda L, R, ledger: multiply(L, _as_diagonal(R), ledger),
        lambda a, b: _not_dense(a),
    ),
    Row(
        "BlockDiagonal",
        "BlockDiagonal",
        "(J₁ ⊕ J₂)(K₁ ⊕ K₂) = J₁K₁ ⊕ J₂K₂",
        lambda a, b: BlockDiagonal._joined(
            [product_spec(p, q) for p, q in zip(a.parts, b.parts, strict=True)]
        ),
        lambda a, b: sum((product_cost(p, q) for p, q in zip(a.parts, b.parts, strict=True)), ZERO_COST),
        lambda L, R, ledger: BlockDiagonal(
            [multiply(J, K, ledger) for J, K in zip(L.blocks, R.blocks, strict=True)]
        ),
        _blocks_meet,
    ),
)
