"""What is multiplied on the way may be written over; what anybody else holds is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop
from jacobians.numerics.ledger import Ledger
from jacobians.planning.bracketing import evaluate, product
from jacobians.planning.shared_factors import prefix_products
from jacobians.structures import Dense, Diagonal, Identity, Jacobian

RANDOM = np.random.default_rng(5)


def matrices(*shape: int) -> Any:
    return RANDOM.standard_normal(shape)


def held(factors: list[Jacobian]) -> list[Any]:
    return [array.copy() for factor in factors for array in factor.flatten().values()]


def product_of(factors: list[Jacobian]) -> Any:
    found = factors[0].dense()
    for factor in factors[1:]:
        found = found @ factor.dense()
    return found


@pytest.mark.parametrize("points", [(), (4,)])
@pytest.mark.parametrize(
    "tree", [((0, 1), 2), (((0, 1), 2), 3), ((0, 1), (2, 3)), (0, ((1, 2), 3)), (((0, 1), 2), (3, 4))]
)
def test_factors_keep_their_numbers(points: tuple[int, ...], tree: Any) -> None:
    factors = [Dense(matrices(*points, 3, 4)), Dense(matrices(4, 5)), Diagonal(matrices(*points, 5)),
               Dense(matrices(*points, 5, 6)), Diagonal(matrices(6))][: str(tree).count(",") + 1]  # fmt: skip
    before = held(factors)
    found = evaluate(tree, factors).dense()
    np.testing.assert_allclose(found, product_of(factors), rtol=1e-12, atol=1e-13)
    assert all(np.array_equal(a, b) for a, b in zip(before, held(factors), strict=True))


def test_a_prefix_that_is_wanted_itself_keeps_its_numbers() -> None:
    A, B, d, C = (
        Dense(matrices(3, 2, 4)),
        Dense(matrices(4, 5)),
        Diagonal(matrices(3, 5)),
        Dense(matrices(5, 4)),
    )
    chains = [[A, B], [A, B, d], [A, B, d, C]]
    for found, chain in zip(prefix_products(chains), chains, strict=True):
        np.testing.assert_allclose(found.dense(), product_of(chain), rtol=1e-12, atol=1e-13)


def test_a_product_that_a_caller_holds_keeps_its_numbers() -> None:
    A, B, d = Dense(matrices(2, 3)), Dense(matrices(3, 3)), Diagonal(matrices(3))
    AB = A @ B
    before = AB.dense()
    assert np.allclose((AB @ d).dense(), before * d.d)
    assert np.array_equal(AB.dense(), before)
    assert np.array_equal(product([AB, Identity(3), d]).dense(), before * d.d)
    assert np.array_equal(AB.dense(), before)


def test_a_wider_or_more_precise_result_gets_memory_of_its_own() -> None:
    A, B = Dense(matrices(2, 3).astype(np.float32)), Dense(matrices(3, 3).astype(np.float32))
    for d in (Diagonal(matrices(3)), Diagonal(matrices(4, 3).astype(np.float32))):
        found = evaluate(((0, 1), 2), [A, B, d])
        assert found.dtype == np.result_type(np.float32, d.dtype)
        np.testing.assert_allclose(found.dense(), product_of([A, B, d]), rtol=1e-5)


def test_what_is_written_over_is_counted_as_planned() -> None:
    factors = [Dense(matrices(2, 9)), Dense(matrices(9, 7)), Diagonal(matrices(7)), Dense(matrices(7, 8))]
    plan = backprop.Chain(factors).plan("left")
    assert plan.execute().cost == plan.cost
    ledger = Ledger()
    evaluate(((0, 1), 2), factors, ledger)
    assert ledger.cost.multiplications == 2 * 9 * 7 + 2 * 7


def test_a_matrix_on_the_way_takes_no_memory_beside_its_product() -> None:
    ledger, A, b = Ledger(), np.ones((3, 4)), np.full((1, 4), 2.0)
    ledger.spare(A)
    assert ledger.rescale(A, b) is A
    assert np.all(A == 2)
    other = np.ones((3, 4))
    assert ledger.rescale(other, b) is not other
    ledger.spare(None)
    assert ledger.rescale(A, b) is not A
    assert ledger.cost.multiplications == 36
