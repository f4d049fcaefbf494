"""The table of products: for each pair of structures the resulting spec, the exact cost, and the code.

A row applies to two specs when their structures match (``*`` matches all) and its condition holds; the first row
that applies is taken, so special rows stand before general ones. Nothing becomes dense unless its row says so.

A row from outside is put in by
:func:`jacobians.structures.row`. Costs are for one product (m×n)(n×p); a batch multiplies them. Sources: the notes'
count mnp for dense products, and (A ⊗ B)(C ⊗ D) = AC ⊗ BD (Van Loan, "The ubiquitous Kronecker product", 2000).
"""

from __future__ import annotations

from jacobians.cost import ZERO_COST, Count
from jacobians.products import blocks as bp
from jacobians.products import kronecker as kp
from jacobians.products import low_rank as lp
from jacobians.products import point_sums, repeated, sparse
from jacobians.products import scaled as sc
from jacobians.products import selection as sp
from jacobians.products.core import ANY, Row, built_in, points, product_cost, product_spec
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank


def _applied(structure: str, formula: str) -> Row:
    """Return the row of a structure times a matrix: the structure's own J·X, and what it costs."""
    return Row(
        structure,
        "Dense",
        formula,
        lp.dense_spec,
        lambda a, b: owner(a.structure)._apply_cost(a, b.shape[1], b.batch),
        lambda L, R, ledger: Dense.unchecked(L._apply(R.A, ledger)),
    )


# fmt: off
built_in(
    # zero and identity ---------------------------------------------------------------------------------
    Row(
        "Zero", ANY, "0·J = 0",
        lambda a, b: Spec.zero(a.shape[0], b.shape[1]), lambda a, b: ZERO_COST, lp.zero_product,
    ),
    Row(
        ANY, "Zero", "J·0 = 0",
        lambda a, b: Spec.zero(a.shape[0], b.shape[1]), lambda a, b: ZERO_COST, lp.zero_product,
    ),
    Row("Identity", ANY, "I·J = J", lambda a, b: b, lambda a, b: ZERO_COST, lambda L, R, ledger: R),
    Row(ANY, "Identity", "J·I = J", lambda a, b: a, lambda a, b: ZERO_COST, lambda L, R, ledger: L),
    *bp.ROWS,
    *point_sums.ROWS,
    *sc.ROWS,
    *repeated.ROWS,
    *sparse.ROWS,
    # Kronecker products --------------------------------------------------------------------------------
    Row(
        "Kronecker", "Kronecker", "(A ⊗ B)(C ⊗ D) = AC ⊗ BD",
        lambda a, b: Spec.kronecker(*(product_spec(p, q) for p, q in zip(a.parts, b.parts, strict=True))),
        lambda a, b: sum((product_cost(p, q) for p, q in zip(a.parts, b.parts, strict=True)), ZERO_COST),
        kp.factor_by_factor,
        kp.factors_fit,
    ),
    Row(
        ANY, "Kronecker", "J·(C ⊗ d) = (J·C) ⊗ d for one row d",
        lambda a, b: Spec.kronecker(product_spec(a, b.parts[0]), b.parts[1]),
        lambda a, b: product_cost(a, b.parts[0]),
        kp.into_first_of_right,
        lambda a, b: b.parts[1].shape[0] == 1,
    ),
    Row(
        ANY, "Kronecker", "J·(c ⊗ D) = c ⊗ (J·D) for one row c",
        lambda a, b: Spec.kronecker(b.parts[0], product_spec(a, b.parts[1])),
        lambda a, b: product_cost(a, b.parts[1]),
        kp.into_second_of_right,
        lambda a, b: b.parts[0].shape[0] == 1,
    ),
    Row(
        "Kronecker", ANY, "(A ⊗ b)·J = (A·J) ⊗ b for one column b",
        lambda a, b: Spec.kronecker(product_spec(a.parts[0], b), a.parts[1]),
        lambda a, b: product_cost(a.parts[0], b),
        kp.into_first_of_left,
        lambda a, b: a.parts[1].shape[1] == 1,
    ),
    Row(
        "Kronecker", ANY, "(a ⊗ B)·J = a ⊗ (B·J) for one column a",
        lambda a, b: Spec.kronecker(a.parts[0], product_spec(a.parts[1], b)),
        lambda a, b: product_cost(a.parts[1], b),
        kp.into_second_of_left,
        lambda a, b: a.parts[0].shape[1] == 1,
    ),
    Row("Dense", "Kronecker", "B·(C ⊗ D): one factor, then the other", lp.dense_spec, kp.contraction_cost, kp.contract),
    # diagonal, dense, diagonal plus low rank -----------------------------------------------------------
    Row(
        "Diagonal", "Diagonal", "diag(a)·diag(b) = diag(a ⊙ b)",
        lambda a, b: Spec.diagonal(a.shape[0], broadcast(a.batch, b.batch)),
        lambda a, b: Count(points(a, b) * a.shape[0], 0),
        lambda L, R, ledger: Diagonal.unchecked(ledger.scale(L.d, R.d)),
    ),
    Row(
        "Dense", "Diagonal", "A·diag(b): columns scaled", lp.dense_spec, lp.entries_cost,
        lambda L, R, ledger: Dense.unchecked(ledger.rescale(L.A, R.d[..., None, :])),
    ),
    Row(
        "Diagonal", "DiagonalPlusLowRank", "diag(a)·(diag(b) + UVᵀ) = diag(a ⊙ b) + (diag(a)U)Vᵀ",
        lambda a, b: Spec.low_rank(a.shape[0], b.rank, broadcast(a.batch, b.batch)),
        lp.diagonal_low_rank_cost,
        lambda L, R, ledger: DiagonalPlusLowRank.unchecked(
            ledger.scale(L.d, R.d), ledger.scale(L.d[..., None], R.U), R.V
        ),
    ),
    Row(
        "DiagonalPlusLowRank", "Diagonal", "(diag(a) + UVᵀ)·diag(b) = diag(a ⊙ b) + U(diag(b)V)ᵀ",
        lambda a, b: Spec.low_rank(a.shape[0], a.rank, broadcast(a.batch, b.batch)),
        lp.diagonal_low_rank_cost,
        lambda L, R, ledger: DiagonalPlusLowRank.unchecked(
            ledger.scale(L.d, R.d), L.U, ledger.scale(R.d[..., None], L.V)
        ),
    ),
    Row(
        "Dense", "DiagonalPlusLowRank", "A·(diag(d) + UVᵀ) = A diag(d) + (AU)Vᵀ",
        lp.dense_spec, lp.dense_low_rank_cost, lp.dense_low_rank,
    ),
    Row(
        "DiagonalPlusLowRank", "DiagonalPlusLowRank", "(D₁ + U₁V₁ᵀ)(D₂ + U₂V₂ᵀ): ranks add up",
        lambda a, b: Spec.low_rank(a.shape[0], a.rank + b.rank, broadcast(a.batch, b.batch)),
        lp.low_rank_low_rank_cost,
        lp.low_rank_low_rank,
    ),
    # selections and scatters ---------------------------------------------------------------------------
    Row("Selection", "Diagonal", "S·diag(d): weights of rows", sp.chosen, sp.weights_cost, sp.select_diagonal),
    Row("Diagonal", "Selection", "diag(d)·S: weights of rows", sp.weighed, sp.weights_cost, sp.diagonal_select),
    Row("Dense", "Selection", "A·S: columns placed", lp.dense_spec, sp.dense_select_cost, sp.dense_select),
    Row("Selection", "Selection", "S·T: a choice of a choice", sp.chosen_twice, sp.twice_cost, sp.select_select),
    Row(
        "Selection", "DiagonalPlusLowRank", "S·(diag(d) + UVᵀ) = S diag(d) + (SU)Vᵀ",
        lp.dense_spec, sp.select_low_rank_cost, sp.select_low_rank,
    ),
    Row("Selection", "Scatter", "S·Tᵀ, made dense", lp.dense_spec, sp.select_scatter_cost, sp.select_scatter),
    Row("Scatter", "Selection", "Sᵀ·T, made dense", lp.dense_spec, sp.scatter_select_cost, sp.scatter_select),
    Row(
        "Scatter", ANY, "Sᵀ·J by transposition", bp.transposed_spec, bp.transposed_cost, bp.transposed,
        lambda a, b: not b.is_dense,
    ),
    Row(
        ANY, "Scatter", "J·Sᵀ by transposition", bp.transposed_spec, bp.transposed_cost, bp.transposed,
        lambda a, b: not a.is_dense,
    ),
    # what every structure can do -----------------------------------------------------------------------
    _applied("Dense", "A·B"),
    _applied("Diagonal", "diag(a)·B: rows scaled"),
    _applied("DiagonalPlusLowRank", "(diag(d) + UVᵀ)·B = diag(d)B + U(VᵀB)"),
    _applied("Selection", "S·B: rows taken"),
    _applied("Scatter", "Sᵀ·B: rows placed"),
    _applied("Kronecker", "(C ⊗ D)·B: one factor, then the other"),
    _applied(ANY, "S·B: what S does to columns"),
    Row(
        "Dense", ANY, "A·S = (Sᵀ·Aᵀ)ᵀ: what Sᵀ does to columns", lp.dense_spec,
        lambda a, b: owner(b.T.structure)._apply_cost(b.T, a.shape[0], a.batch),
        lambda L, R, ledger: Dense.unchecked(R._transpose()._apply(L.A.mT, ledger).mT),
    ),
    Row(ANY, ANY, "J·K, one of the two made dense", lp.dense_spec, bp.fallback_cost, bp.fallback),
)
# fmt: on
