"""The table of sums: each row pinned by what the sum is and costs, so that none goes unnoticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jacobians import Cost, Spec
from jacobians.numerics.ledger import Ledger
from jacobians.products import sums
from jacobians.products.sums import add, find_sum, sum_cost, sum_spec
from jacobians.structures import (
    BlockDiagonal,
    Diagonal,
    Jacobian,
    ScaledIdentity,
    SumOfTerms,
    Toeplitz,
    sum_row,
)
from jacobians.structures.sparse import sparse_spec


def thin(rows: list[int], columns: list[int]) -> Spec:
    return sparse_spec(2, 2, (), np.array(rows), np.array(columns))


def scaled(n: int, *, unit: bool = False) -> Spec:
    return Spec.of("ScaledIdentity", n, n, unit=unit)


def over(points: int) -> Spec:
    terms = Spec.kronecker(Spec.dense(2, 2, (points,)), Spec.dense(2, 2, (points,)))
    return Spec.of("PointSum", 4, 4, (), [terms], axes=1)


def total(*terms: Spec) -> Spec:
    return SumOfTerms._joined(terms)


# (left, right, sum, additions)
SUMS: list[tuple[Spec, Spec, Spec, int]] = [
    (Spec.zero(2, 3), Spec.dense(2, 3), Spec.dense(2, 3), 0),
    (Spec.dense(2, 3), Spec.zero(2, 3), Spec.dense(2, 3), 0),
    (scaled(3, unit=True), scaled(3), scaled(3), 1),
    (Spec.identity(3), Spec.diagonal(3), Spec.diagonal(3), 3),
    (Spec.diagonal(3), scaled(3), Spec.diagonal(3), 3),
    (Spec.identity(3), Spec.identity(3), Spec.diagonal(3), 3),
    (Spec.low_rank(3, 1), Spec.low_rank(3, 2, (5,)), Spec.low_rank(3, 3, (5,)), 15),
    (Spec.low_rank(3, 1), scaled(3), Spec.low_rank(3, 1), 3),
    (Spec.diagonal(3), Spec.low_rank(3, 1), Spec.low_rank(3, 1), 3),
    (
        Spec.block_row([Spec.dense(2, 2), Spec.diagonal(2)]),
        Spec.block_row([Spec.diagonal(2), Spec.diagonal(2)]),
        Spec.block_row([Spec.dense(2, 2), Spec.diagonal(2)]),
        4,
    ),
    (
        BlockDiagonal._joined([Spec.dense(1, 2), Spec.diagonal(2)]),
        BlockDiagonal._joined([Spec.dense(1, 2), Spec.identity(2)]),
        BlockDiagonal._joined([Spec.dense(1, 2), Spec.diagonal(2)]),
        4,
    ),
    (Spec.dense(3, 3), scaled(3), Spec.dense(3, 3), 3),
    (Spec.identity(3), Spec.dense(3, 3, (5,)), Spec.dense(3, 3, (5,)), 15),
    (thin([0, 1], [0, 1]), thin([0, 1], [1, 1]), thin([0, 0, 1], [0, 1, 1]), 1),
    (Spec.selection(2, 3), Spec.dense(2, 3), Spec.dense(2, 3), 6),
    (over(5), over(3), over(8), 0),
    (over(5), scaled(4), total(over(5), scaled(4)), 0),
    (Spec.dense(4, 4), over(5), total(over(5), Spec.dense(4, 4)), 0),
    (total(over(5), scaled(4)), scaled(4), total(over(5), scaled(4)), 1),
    (Spec.dense(4, 4), total(over(5), scaled(4)), total(over(5), scaled(4), Spec.dense(4, 4)), 0),
    (total(over(5), Spec.diagonal(4)), total(over(3), scaled(4)), total(over(8), Spec.diagonal(4)), 4),
]


def changed() -> list[str]:
    """Return which sums are no longer as pinned."""
    return [
        f"{a} + {b}"
        for a, b, result, additions in SUMS
        if (sum_spec(a, b), sum_cost(a, b)) != (result, Cost(0, additions))
    ]


def test_structure_and_cost_of_sums_are_pinned() -> None:
    assert changed() == []


@pytest.mark.parametrize("place", range(len(sums.ROWS)))
def test_deleting_a_row_of_sums_is_noticed(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "ROWS", sums.ROWS[:place] + sums.ROWS[place + 1 :])
    sums._rows_for.cache_clear()
    try:
        noticed = bool(changed())
    except (StopIteration, RecursionError):
        noticed = True
    finally:
        sums._rows_for.cache_clear()
    assert noticed


def test_multiples_of_the_identity_add_up_to_one() -> None:
    ledger = Ledger()
    total = add(ScaledIdentity(-1.0, 3), ScaledIdentity([2.0, 3.0], 3), ledger)
    assert_allclose(total.dense(), [np.eye(3), 2 * np.eye(3)])
    assert (total.structure, total.storage, ledger.cost) == ("ScaledIdentity", 2, Cost(0, 2))
    assert_allclose((ScaledIdentity(2.0, 3) + Diagonal([1.0, 2.0, 3.0])).dense(), np.diag([3.0, 4.0, 5.0]))


def test_a_row_of_ones_own_is_taken_for_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "ROWS", list(sums.ROWS))

    def total(L: Any, R: Any, ledger: Ledger) -> Jacobian:
        return Toeplitz(ledger.add(L.kernel, R.kernel), L.shape[1])

    sum_row(
        "Toeplitz",
        "Toeplitz",
        "T(k) + T(l) = T(k + l)",
        result=lambda a, b: a,
        cost=lambda a, b: Cost(0, a.length),
        execute=total,
        applies=lambda a, b: bool(a.length == b.length and not a.full),
    )
    ledger = Ledger()
    L, R = Toeplitz([1.0, 2.0], 4), Toeplitz([3.0, 5.0], 4)
    assert_allclose(add(L, R, ledger).dense(), L.dense() + R.dense())
    assert (sum_spec(L.spec, R.spec), ledger.cost) == (L.spec, Cost(0, 2))
    assert sum_spec(L.spec, Spec.zero(3, 4)) == L.spec
    sums._rows_for.cache_clear()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"left": 3}, "left: found 3, expected text such as 'Dense'"),
        ({"cost": 3}, "cost: found 3, expected a function"),
    ],
)
def test_what_is_no_row_is_refused(change: dict[str, Any], sentence: str) -> None:
    row: dict[str, Any] = {"left": "Dense", "right": "Dense", "formula": "A + B"}
    row |= dict.fromkeys(("result", "cost", "execute"), lambda a, b: a)
    with pytest.raises(TypeError, match=sentence):
        sum_row(**(row | change))


def test_terms_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sum: found shapes \(2, 3\) and \(3, 3\), expected the same shape"):
        find_sum(Spec.dense(2, 3), Spec.dense(3, 3))
