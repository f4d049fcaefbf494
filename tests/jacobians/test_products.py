"""Every pair of structures: value, spec and cost of the product, against NumPy and counting scalars."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from counting_scalars import Tally, counting, counting_constants, values
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_cases import CASES, PAIRS, Case

from jacobians import Cost, Spec
from jacobians import structures as public
from jacobians.numerics.ledger import Ledger
from jacobians.products import core, find_row, multiply, product_cost, product_spec
from jacobians.products.expansion import expand, expansion_cost
from jacobians.products.sums import add, sum_cost, sum_spec
from jacobians.structures import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Selection,
    SumOfTerms,
    Toeplitz,
)
from jacobians.structures.sparse import sparse_spec

__all__ = ["counting_constants"]  # a fixture

each_pair = pytest.mark.parametrize(("left", "right"), PAIRS, ids=[f"{a.name} · {b.name}" for a, b in PAIRS])


@each_pair
def test_product(left: Case, right: Case) -> None:
    ledger = Ledger()
    product = multiply(left.jacobian, right.jacobian, ledger)
    truth = left.truth @ right.truth
    assert_allclose(product.dense(), truth, rtol=1e-11, atol=1e-11)
    assert product.batch_shape == truth.shape[:-2]
    assert product.spec == product_spec(left.jacobian.spec, right.jacobian.spec)
    assert ledger.cost == product_cost(left.jacobian.spec, right.jacobian.spec)


@each_pair
@pytest.mark.usefixtures("counting_constants")
def test_product_costs_what_is_executed(left: Case, right: Case) -> None:
    L, R = counting(left.jacobian), counting(right.jacobian)
    Tally.reset()
    product = multiply(L, R)
    found = Cost(Tally.multiplications, Tally.additions)
    assert found == product_cost(left.jacobian.spec, right.jacobian.spec)
    assert_allclose(values(product.dense()), left.truth @ right.truth, rtol=1e-11, atol=1e-11)


@each_pair
def test_sum(left: Case, right: Case) -> None:
    ledger = Ledger()
    total = add(left.jacobian, right.jacobian, ledger)
    assert_allclose(total.dense(), left.truth + right.truth, rtol=1e-11, atol=1e-11)
    assert total.spec == sum_spec(left.jacobian.spec, right.jacobian.spec)
    assert ledger.cost == sum_cost(left.jacobian.spec, right.jacobian.spec)


@each_pair
@pytest.mark.usefixtures("counting_constants")
def test_sum_costs_what_is_executed(left: Case, right: Case) -> None:
    L, R = counting(left.jacobian), counting(right.jacobian)
    Tally.reset()
    add(L, R)
    assert Cost(Tally.multiplications, Tally.additions) == sum_cost(left.jacobian.spec, right.jacobian.spec)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.usefixtures("counting_constants")
def test_expansion_costs_what_is_executed(case: Case) -> None:
    J = counting(case.jacobian)
    Tally.reset()
    dense = expand(J, Ledger())
    assert Cost(Tally.multiplications, Tally.additions) == expansion_cost(case.jacobian.spec)
    assert_allclose(values(dense.A), case.truth, rtol=1e-11, atol=1e-11)


# --- the table itself ------------------------------------------------------------------------------------


def rows_met() -> set[int]:
    """Return the places of the rows that the pairs of the catalogue and a few oblong products meet."""
    met = {id(find_row(a.jacobian.spec, b.jacobian.spec)) for a, b in PAIRS}
    met |= {id(find_row(a, b)) for a, b, _, _ in OBLONG}
    return {place for place, row in enumerate(core.ROWS) if id(row) in met}


def scaled(n: int, *, unit: bool = False) -> Spec:
    return Spec.of("ScaledIdentity", n, n, unit=unit)


def thin(rows: list[int], columns: list[int]) -> Spec:
    return sparse_spec(2, 2, (), np.array(rows), np.array(columns))


def along(*parts: Spec) -> Spec:
    return BlockDiagonal._joined(parts)


def repeat(k: int, n: int) -> Spec:
    return Repeat(k, q=n).spec


def over(points: Any, *parts: Spec) -> Spec:
    """Return the spec of a sum of Kronecker products over points."""
    batch = points if isinstance(points, tuple) else (points,)
    terms = Spec.kronecker(*(part.with_batch(batch) for part in parts))
    return Spec.of("PointSum", *terms.shape, (), [terms], axes=len(batch))


def total(*parts: Spec) -> Spec:
    return SumOfTerms._joined(parts)


# (left, right, result, cost): the structure of each product pinned, so that no row can go unnoticed
OBLONG: list[tuple[Spec, Spec, Spec, Cost]] = [
    (Spec.zero(2, 3), Spec.dense(3, 4), Spec.zero(2, 4), Cost(0, 0)),
    (Spec.dense(2, 3), Spec.zero(3, 4), Spec.zero(2, 4), Cost(0, 0)),
    (Spec.identity(3), Spec.dense(3, 4), Spec.dense(3, 4), Cost(0, 0)),
    (Spec.dense(2, 3), Spec.identity(3), Spec.dense(2, 3), Cost(0, 0)),
    (Spec.dense(2, 3), Spec.dense(3, 4), Spec.dense(2, 4), Cost(24, 16)),
    (Spec.dense(2, 3, (5,)), Spec.dense(3, 4), Spec.dense(2, 4, (5,)), Cost(120, 80)),
    (Spec.dense(2, 3), Spec.diagonal(3), Spec.dense(2, 3), Cost(6, 0)),
    (Spec.diagonal(3), Spec.dense(3, 4), Spec.dense(3, 4), Cost(12, 0)),
    (Spec.diagonal(3), Spec.diagonal(3), Spec.diagonal(3), Cost(3, 0)),
    (Spec.diagonal(3), Spec.low_rank(3, 2), Spec.low_rank(3, 2), Cost(9, 0)),
    (Spec.low_rank(3, 2), Spec.diagonal(3), Spec.low_rank(3, 2), Cost(9, 0)),
    # diag 12, VᵀB 2·3·4 and 2·2·4, U· 3·2·4 and 3·1·4, sum 12
    (Spec.low_rank(3, 2), Spec.dense(3, 4), Spec.dense(3, 4), Cost(60, 40)),
    (Spec.dense(4, 3), Spec.low_rank(3, 2), Spec.dense(4, 3), Cost(60, 40)),
    # diagonals 3 + 3 + 6, U₂ᵀV₁ 2·3·1 and 2·2·1, V₂· 3·2·1 and 3·1·1, sum 3
    (Spec.low_rank(3, 1), Spec.low_rank(3, 2), Spec.low_rank(3, 3), Cost(24, 10)),
    (
        Spec.dense(2, 4),
        Spec.kronecker(Spec.identity(4), Spec.dense(1, 3)),
        Spec.kronecker(Spec.dense(2, 4), Spec.dense(1, 3)),
        Cost(0, 0),
    ),
    (
        Spec.dense(2, 4),
        Spec.kronecker(Spec.dense(1, 3), Spec.dense(4, 5)),
        Spec.kronecker(Spec.dense(1, 3), Spec.dense(2, 5)),
        Cost(40, 30),
    ),
    (
        Spec.kronecker(Spec.dense(2, 4), Spec.dense(3, 1)),
        Spec.dense(4, 5),
        Spec.kronecker(Spec.dense(2, 5), Spec.dense(3, 1)),
        Cost(40, 30),
    ),
    (
        Spec.kronecker(Spec.dense(3, 1), Spec.dense(2, 4)),
        Spec.dense(4, 5),
        Spec.kronecker(Spec.dense(3, 1), Spec.dense(2, 5)),
        Cost(40, 30),
    ),
    (
        Spec.kronecker(Spec.dense(2, 4), Spec.dense(3, 1)),
        Spec.diagonal(4),
        Spec.kronecker(Spec.dense(2, 4), Spec.dense(3, 1)),
        Cost(8, 0),
    ),
    (
        Spec.kronecker(Spec.dense(3, 1), Spec.dense(2, 4)),
        Spec.diagonal(4),
        Spec.kronecker(Spec.dense(3, 1), Spec.dense(2, 4)),
        Cost(8, 0),
    ),
    (
        Spec.kronecker(Spec.dense(2, 3), Spec.dense(4, 5)),
        Spec.kronecker(Spec.dense(3, 2), Spec.identity(5)),
        Spec.kronecker(Spec.dense(2, 2), Spec.dense(4, 5)),
        Cost(12, 8),
    ),
    # X (2×3 for each of 7 rows) by D (3×5): 7·2·3·5, then by C (2×4): 7·5·2·4; the other order takes 588
    (
        Spec.dense(7, 6),
        Spec.kronecker(Spec.dense(2, 4), Spec.dense(3, 5)),
        Spec.dense(7, 20),
        Cost(210 + 280, 140 + 140),
    ),
    (
        Spec.kronecker(Spec.dense(4, 2), Spec.dense(5, 3)),
        Spec.dense(6, 7),
        Spec.dense(20, 7),
        Cost(210 + 280, 140 + 140),
    ),
    (Spec.diagonal(6), Spec.kronecker(Spec.identity(2), Spec.dense(3, 5)), Spec.dense(6, 10), Cost(60, 0)),
    (Spec.kronecker(Spec.dense(2, 2), Spec.dense(3, 3)), Spec.diagonal(6), Spec.dense(6, 6), Cost(72, 0)),
    (
        Spec.dense(2, 3),
        Spec.block_row([Spec.dense(3, 4), Spec.diagonal(3)]),
        Spec.block_row([Spec.dense(2, 4), Spec.dense(2, 3)]),
        Cost(30, 16),
    ),
    (
        Spec.block_column([Spec.dense(4, 3), Spec.diagonal(3)]),
        Spec.dense(3, 2),
        Spec.block_column([Spec.dense(4, 2), Spec.dense(3, 2)]),
        Cost(30, 16),
    ),
    # two products 2·2·3 and a sum of 2·3, rows taken for nothing
    (Spec.block_row([Spec.dense(2, 2), Spec.dense(2, 2)]), Spec.dense(4, 3), Spec.dense(2, 3), Cost(24, 18)),
    (
        Spec.block_row([Spec.dense(2, 2), Spec.identity(2)]),
        Spec.block_column([Spec.dense(2, 2), Spec.diagonal(2)]),
        Spec.dense(2, 2),
        Cost(8, 6),
    ),
    (Spec.dense(3, 4), Spec.block_column([Spec.dense(2, 2), Spec.dense(2, 2)]), Spec.dense(3, 2), Cost(24, 18)),
    (
        Spec.selection(2, 3),
        Spec.diagonal(3),
        Spec.selection(2, 3, weighted=True),
        Cost(0, 0),
    ),
    (
        Spec.diagonal(2),
        Spec.selection(2, 3, weighted=True),
        Spec.selection(2, 3, weighted=True),
        Cost(2, 0),
    ),
    (Spec.selection(2, 3, weighted=True), Spec.dense(3, 4), Spec.dense(2, 4), Cost(8, 0)),
    (Spec.dense(4, 2), Spec.selection(2, 3), Spec.dense(4, 3), Cost(0, 8)),
    (Spec.dense(4, 2), Spec.selection(2, 3, repeats=False), Spec.dense(4, 3), Cost(0, 0)),
    (Spec.selection(2, 3), Spec.selection(3, 4, repeats=False), Spec.selection(2, 4), Cost(0, 0)),
    # (SU)Vᵀ 2·2·3 and 2·1·3, 2 additions of the diagonal
    (Spec.selection(2, 3), Spec.low_rank(3, 2), Spec.dense(2, 3), Cost(12, 8)),
    # UVᵀ 18 and 9 + 3, then placed with 9 additions
    (Spec.low_rank(3, 2), Spec.selection(3, 4), Spec.dense(3, 4), Cost(18, 21)),
    # S made dense: diag 3, VᵀS 2·3·1 and 2·2·1, U· 3·2·1 and 3·1·1, sum 3
    (Spec.low_rank(3, 2), Spec.selection(3, 1), Spec.dense(3, 1), Cost(15, 10)),
    (Spec.selection(2, 3), Spec.scatter(3, 2), Spec.dense(2, 2), Cost(0, 0)),
    (Spec.scatter(3, 2), Spec.selection(2, 3), Spec.dense(3, 3), Cost(0, 2)),
    (Spec.scatter(3, 2), Spec.dense(2, 4), Spec.dense(3, 4), Cost(0, 8)),
    (Spec.dense(4, 3), Spec.scatter(3, 2, weighted=True), Spec.dense(4, 2), Cost(8, 0)),
    # two products 2·2 of a block's transpose and a weighted selection, and a sum of 4·2
    (
        Spec.diagonal(4),
        Spec.block_column([Spec.dense(2, 2), Spec.dense(2, 2)]),
        Spec.dense(4, 2),
        Cost(8, 8),
    ),
    # (0, 1), (1, 0), (1, 1) times itself: five pairs of entries meet, at four places
    (thin([0, 1, 1], [1, 0, 1]), thin([0, 1, 1], [1, 0, 1]), thin([0, 0, 1, 1], [0, 1, 0, 1]), Cost(5, 5)),
    (thin([0, 1], [1, 1]), thin([0, 0], [0, 1]), Spec.zero(2, 2), Cost(0, 0)),
    (thin([0, 1, 1], [1, 0, 1]), Spec.diagonal(2), thin([0, 1, 1], [1, 0, 1]), Cost(3, 0)),
    (Spec.diagonal(2), thin([0, 1, 1], [1, 0, 1]), thin([0, 1, 1], [1, 0, 1]), Cost(3, 0)),
    (scaled(3), scaled(3), scaled(3), Cost(1, 0)),
    (scaled(3, unit=True), scaled(3), scaled(3), Cost(0, 0)),
    (scaled(3), Spec.diagonal(3), Spec.diagonal(3), Cost(3, 0)),
    (Spec.diagonal(3), scaled(3, unit=True), Spec.diagonal(3), Cost(0, 0)),
    (Spec.diagonal(3), scaled(3), Spec.diagonal(3), Cost(3, 0)),
    (scaled(3), Spec.low_rank(3, 2), Spec.low_rank(3, 2), Cost(9, 0)),
    (scaled(3, unit=True), Spec.low_rank(3, 2), Spec.low_rank(3, 2), Cost(0, 0)),
    (Spec.low_rank(3, 2), scaled(3, unit=True), Spec.low_rank(3, 2), Cost(0, 0)),
    (scaled(3, unit=True), Spec.diagonal(3), Spec.diagonal(3), Cost(0, 0)),
    (Spec.low_rank(3, 2), scaled(3), Spec.low_rank(3, 2), Cost(9, 0)),
    (
        scaled(6),
        Spec.kronecker(Spec.identity(2), Spec.dense(3, 5)),
        Spec.kronecker(scaled(2), Spec.dense(3, 5)),
        Cost(0, 0),
    ),
    (
        Spec.kronecker(Spec.dense(2, 2), Spec.dense(5, 3)),
        scaled(6),
        Spec.kronecker(Spec.dense(2, 2), Spec.dense(5, 3)),
        Cost(4, 0),
    ),
    (scaled(2), Spec.selection(2, 3), Spec.selection(2, 3, weighted=True), Cost(0, 0)),
    (scaled(2, unit=True), Spec.selection(2, 3, weighted=True), Spec.selection(2, 3, weighted=True), Cost(0, 0)),
    (Spec.selection(2, 3, weighted=True), scaled(3, unit=True), Spec.selection(2, 3, weighted=True), Cost(0, 0)),
    (scaled(3, unit=True), Spec.scatter(3, 2, weighted=True), Spec.scatter(3, 2, weighted=True), Cost(0, 0)),
    (Spec.scatter(3, 2, weighted=True), scaled(2, unit=True), Spec.scatter(3, 2, weighted=True), Cost(0, 0)),
    (scaled(3), Toeplitz([1.0, 2.0], 4).spec, Toeplitz([1.0, 2.0], 4).spec, Cost(2, 0)),
    (Toeplitz([1.0, 2.0], 4).spec, scaled(4), Toeplitz([1.0, 2.0], 4).spec, Cost(2, 0)),
    (scaled(4, unit=True), Toeplitz([1.0, 2.0], 4).spec.T, Toeplitz([1.0, 2.0], 4).spec.T, Cost(0, 0)),
    (Spec.selection(2, 3), scaled(3), Spec.selection(2, 3, weighted=True), Cost(0, 0)),
    (
        along(Spec.dense(2, 3), Spec.diagonal(2)),
        along(Spec.dense(3, 1), Spec.diagonal(2)),
        along(Spec.dense(2, 1), Spec.diagonal(2)),
        Cost(8, 4),
    ),
    (repeat(2, 3), Spec.diagonal(3), Spec.selection(6, 3, weighted=True), Cost(0, 0)),
    (Spec.diagonal(6), repeat(2, 3), Spec.selection(6, 3, weighted=True), Cost(0, 0)),
    (repeat(2, 3), Spec.selection(3, 2, weighted=True), Spec.selection(6, 2, weighted=True), Cost(0, 0)),
    (Spec.selection(2, 6), repeat(2, 3), Spec.selection(2, 3), Cost(0, 0)),
    (repeat(2, 6), repeat(2, 3), Spec.selection(12, 3), Cost(0, 0)),
    (repeat(2, 3).T, repeat(2, 3), scaled(3), Cost(0, 0)),
    # ones times A adds the two rows of A up, for each of its five columns
    (
        repeat(2, 3).T,
        Spec.kronecker(Spec.dense(2, 5), Spec.dense(3, 4)),
        Spec.kronecker(Spec.dense(1, 5), Spec.dense(3, 4)),
        Cost(0, 5),
    ),
    (
        Spec.kronecker(Spec.dense(5, 2), Spec.dense(4, 3)),
        repeat(2, 3),
        Spec.kronecker(Spec.dense(5, 1), Spec.dense(4, 3)),
        Cost(0, 5),
    ),
    (
        along(Spec.dense(2, 3), Spec.diagonal(2)),
        Spec.diagonal(5),
        along(Spec.dense(2, 3), Spec.diagonal(2)),
        Cost(8, 0),
    ),
    (
        Spec.diagonal(4),
        along(Spec.dense(2, 3), Spec.diagonal(2)),
        along(Spec.dense(2, 3), Spec.diagonal(2)),
        Cost(8, 0),
    ),
    # 2·2 pairs of points, for each AC and BD 27 and 18
    (
        over(2, Spec.dense(3, 3), Spec.dense(3, 3)),
        over(2, Spec.dense(3, 3), Spec.dense(3, 3)),
        over((2, 2), Spec.dense(3, 3), Spec.dense(3, 3)),
        Cost(216, 144),
    ),
    # more pairs than entries: the right one dense 5·16 and 4·16; then for each point B and A on 8 columns, and 4·16
    (
        over(5, Spec.dense(2, 2), Spec.dense(2, 2)),
        over(5, Spec.dense(2, 2), Spec.dense(2, 2)),
        Spec.dense(4, 4),
        Cost(80 + 320, 64 + 160 + 64),
    ),
    # for each of 5 points AC 2·2·3 and 2·1·3, BD 2·2·1 and 2·1·1
    (
        over(5, Spec.dense(2, 2), Spec.dense(2, 2)),
        Spec.kronecker(Spec.dense(2, 3), Spec.dense(2, 1)),
        over(5, Spec.dense(2, 3), Spec.dense(2, 1)),
        Cost(80, 40),
    ),
    (
        Spec.kronecker(Spec.dense(3, 2), Spec.dense(1, 2)),
        over(5, Spec.dense(2, 2), Spec.dense(2, 2)),
        over(5, Spec.dense(3, 2), Spec.dense(1, 2)),
        Cost(80, 40),
    ),
    # and cC, 6
    (
        total(over(5, Spec.dense(2, 2), Spec.dense(2, 2)), scaled(4)),
        Spec.kronecker(Spec.dense(2, 3), Spec.dense(2, 1)),
        total(over(5, Spec.dense(2, 3), Spec.dense(2, 1)), Spec.kronecker(Spec.dense(2, 3), Spec.dense(2, 1))),
        Cost(86, 40),
    ),
    (
        Spec.kronecker(Spec.dense(3, 2), Spec.dense(1, 2)),
        total(over(5, Spec.dense(2, 2), Spec.dense(2, 2)), scaled(4)),
        total(over(5, Spec.dense(3, 2), Spec.dense(1, 2)), Spec.kronecker(Spec.dense(3, 2), Spec.dense(1, 2))),
        Cost(86, 40),
    ),
    (Spec.diagonal(3), Spec.identity(3), Spec.diagonal(3), Cost(0, 0)),
    (Spec.scatter(3, 2), Spec.diagonal(2), Spec.scatter(3, 2, weighted=True), Cost(0, 0)),
    (Spec.diagonal(3), Spec.scatter(3, 2, weighted=True), Spec.scatter(3, 2, weighted=True), Cost(2, 0)),
]  # fmt: skip

ROW_MAJOR: list[tuple[Jacobian, np.ndarray, Cost]] = [
    (Diagonal([2.0, 3.0]), np.diag([2.0, 3.0]), Cost(10, 0)),
    # A diag(d) 10, AU 5·2 and 5·1, (AU)Vᵀ 5·2, sum 5·2
    (
        DiagonalPlusLowRank([1.0, 2.0], [[1.0], [4.0]], [[3.0], [5.0]]),
        np.array([[4.0, 5.0], [12.0, 22.0]]),
        Cost(30, 15),
    ),
    (Selection([2, 0], 3, weights=[2.0, 3.0]), np.array([[0.0, 0.0, 2.0], [3.0, 0.0, 0.0]]), Cost(10, 0)),
    (Selection([1, 1], 3), np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), Cost(0, 10)),
    # D first: 5·2·2·2 and half as many additions; then C as many
    (
        Kronecker([[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [5.0, 6.0]]),
        np.array([[0.0, 1, 0, 2], [5, 6, 10, 12], [0, 3, 0, 4], [15, 18, 20, 24]]),
        Cost(80, 40),
    ),
]  # fmt: skip
"""What a row-major matrix of 5 rows is multiplied by without being turned over: the product is row-major again."""

NAMES = [
    (Spec.dense(5, 4), Spec.diagonal(4), "A·diag(b): columns scaled"),
    (Spec.dense(2, 4), Spec.dense(4, 3), "A·B"),
    (Spec.diagonal(4), Spec.dense(4, 3), "diag(a)·B: rows scaled"),
    (Spec.low_rank(4, 2), Spec.dense(4, 3), "(diag(d) + UVᵀ)·B = diag(d)B + U(VᵀB)"),
    (Spec.selection(2, 4), Spec.dense(4, 3), "S·B: rows taken"),
    (Spec.scatter(5, 4), Spec.dense(4, 3), "Sᵀ·B: rows placed"),
    (Spec.kronecker(Spec.dense(3, 2), Spec.dense(3, 2)), Spec.dense(4, 3), "(C ⊗ D)·B: one factor, then the other"),
]  # fmt: skip
"""What plans call the products of matrices."""


def turned_over() -> list[str]:
    """Return the structures of those that a row-major matrix is not multiplied by as stated."""
    found = []
    for J, truth, cost in ROW_MAJOR:
        A = np.arange(5.0 * len(truth)).reshape(5, -1) - 3
        ledger = Ledger()
        product = multiply(Dense(A), J, ledger)
        assert isinstance(product, Dense)
        right = np.array_equal(product.A, A @ truth) and ledger.cost == cost
        if not right or product.A.strides[-1] != product.A.itemsize:
            found.append(J.structure)
    return found


def misnamed() -> list[str]:
    """Return the names of products with a matrix that plans no longer show."""
    return [name for left, right, name in NAMES if find_row(left, right).formula != name]


def test_products_with_a_matrix_keep_its_order_and_their_names() -> None:
    assert turned_over() == []
    assert misnamed() == []


@pytest.mark.parametrize(("left", "right", "result", "cost"), OBLONG, ids=str)
def test_structure_and_cost_are_pinned(left: Spec, right: Spec, result: Spec, cost: Cost) -> None:
    assert product_spec(left, right) == result
    assert product_cost(left, right) == cost


def test_every_row_is_met() -> None:
    missed = sorted(set(range(len(core.ROWS))) - rows_met())
    assert [core.ROWS[place].formula for place in missed] == []


@pytest.mark.parametrize("place", range(len(core.ROWS)))
def test_deleting_a_row_is_noticed(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "ROWS", core.ROWS[:place] + core.ROWS[place + 1 :])
    clear_caches()
    try:
        changed = [pair for pair in OBLONG if outcome(pair[0], pair[1]) != (pair[2], pair[3])]
        # of the same spec and cost: without the row a matrix is turned over, or the product has no name
        changed = changed or noticed(turned_over) or noticed(misnamed)
    finally:
        clear_caches()
    assert changed


@pytest.mark.parametrize("place", range(len(core.ROWS)))
@pytest.mark.parametrize("change", [Cost(1, 0), Cost(0, 1)], ids=["multiplication", "addition"])
def test_changing_a_cost_by_one_is_noticed(place: int, change: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    row = core.ROWS[place]
    wrong = row._replace(cost=lambda a, b: row.cost(a, b) + change)
    monkeypatch.setattr(core, "ROWS", [*core.ROWS[:place], wrong, *core.ROWS[place + 1 :]])
    clear_caches()
    try:
        changed = [pair for pair in OBLONG if outcome(pair[0], pair[1]) != (pair[2], pair[3])]
    finally:
        clear_caches()
    assert changed


def outcome(left: Spec, right: Spec) -> tuple[Spec, Cost] | type[Exception]:
    try:
        return product_spec(left, right), product_cost(left, right)
    except (LookupError, RecursionError) as error:
        return type(error)


def noticed(kind: Callable[[], list[str]]) -> list[str]:
    try:
        return kind()
    except (LookupError, RecursionError) as error:
        return [type(error).__name__]


def clear_caches() -> None:
    core.forget()


def test_huge_dimensions_are_costed_exactly() -> None:
    n = 2**32
    cost = product_cost(Spec.dense(n, n), Spec.dense(n, n))
    assert cost == Cost(2**96, 2**64 * (2**32 - 1))


# --- triples ---------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(CASES), st.sampled_from(CASES))
def test_both_bracketings_of_a_triple_give_the_same_matrix(a: Case, b: Case, c: Case) -> None:
    A, B, C = a.jacobian, b.jacobian, c.jacobian
    truth = a.truth @ b.truth @ c.truth
    for product in ((A @ B) @ C, A @ (B @ C)):
        assert_allclose(product.dense(), truth, rtol=1e-9, atol=1e-9)


def test_every_pair_of_structures_has_a_row() -> None:
    structures = {case.jacobian.structure for case in CASES}
    inside = {part.spec.structure for case in CASES for part in case.jacobian.parts}
    named = {name for name in public.__all__ if getattr(getattr(public, name), "structure", "") == name}
    assert named <= structures | inside
    for a, b in itertools.product(CASES, CASES):
        assert find_row(a.jacobian.spec, b.jacobian.spec) in core.ROWS


def test_shapes_and_points_of_a_product() -> None:
    left = Dense(np.ones((5, 2, 6)), out_shape=(2,), in_shape=(3, 2))
    right = Kronecker(np.ones((3, 4)), np.ones((2, 5)))
    product = left @ right
    assert (product.out_shape, product.in_shape, product.batch_shape) == ((2,), (4, 5), (5,))


def test_signs_repeats_and_blocks_multiply_as_their_matrices_at_the_planned_cost() -> None:
    rng = np.random.default_rng(5)
    repeats = [Repeat(4, q=3), Repeat(3, p=4), Repeat(2, p=2, q=3), Repeat(3), Repeat(12), Repeat(1, q=12)]
    choices = [Selection([1, 0, -1, 2], 3, weights=[1.0, 2.0, 3.0, 4.0]), Selection([1, 0, -1, 2], 12)]
    factors = [
        *repeats,
        *choices,
        *(Diagonal(rng.normal(size=n)) for n in (1, 3, 4, 6, 12)),
        *(ScaledIdentity(c, n) for n in (1, 3, 4, 12) for c in (-1.0, 2.0)),
        Kronecker(Identity(4), rng.normal(size=(2, 3))),
        Kronecker(rng.normal(size=(2, 4)), Identity(3)),
        BlockDiagonal([Dense(rng.normal(size=(3, 3))) for _ in range(4)]),
        BlockDiagonal([Kronecker(Identity(2), rng.normal(size=(2, 3)))] * 2),
        Dense(rng.normal(size=(12, 3))),
        Toeplitz([1.0, 2.0], 12),
    ]
    factors += [one.T for one in factors]
    for left in factors:
        for right in factors:
            if left.shape[1] != right.shape[0]:
                continue
            ledger = Ledger()
            product = core.multiply(left, right, ledger)
            np.testing.assert_allclose(product.dense(), left.dense() @ right.dense(), atol=1e-12)
            assert product.spec == product_spec(left.spec, right.spec)
            assert ledger.cost == product_cost(left.spec, right.spec)
