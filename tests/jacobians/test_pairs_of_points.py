"""Products of the Jacobians of all pairs of points against dense products."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

from jacobians import Affine, Jacobian, MemoryBudgetError, pairwise_products
from jacobians.structures import BlockRow, Dense, Diagonal, Identity, Kronecker, Zero

RANDOM = np.random.default_rng(8)
BATCHES = [case for case in CASES if case.jacobian.batch_shape in ((), (5,))]


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def of_points(case: Case) -> tuple[Jacobian, np.ndarray]:
    """Return a case for 5 points, and its dense form."""
    return case.jacobian.broadcast_batch((5,)), np.broadcast_to(case.truth, (5, 6, 6))


def close(found: np.ndarray, J: np.ndarray, K: np.ndarray) -> None:
    expected = np.einsum("pin,qjn->pqij", J, K)
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("case", BATCHES, ids=lambda case: case.name)
def test_each_structure_with_itself(case: Case) -> None:
    J, truth = of_points(case)
    close(pairwise_products(J), truth, truth)
    # the same Jacobian as another object: no half is mirrored
    close(pairwise_products(J, J.reshaped()), truth, truth)


@pytest.mark.parametrize("case", BATCHES, ids=lambda case: case.name)
def test_each_structure_with_every_other(case: Case) -> None:
    J, truth = of_points(case)
    for other in BATCHES:
        K, other_truth = of_points(other)
        close(pairwise_products(J, K), truth, other_truth)


def test_numbers_of_points_and_of_outputs_may_differ() -> None:
    J = BlockRow([Kronecker(normal(4, 2, 3), normal(4, 1, 2)), Dense(normal(4, 2, 3)), Identity(2)])
    K = BlockRow([Kronecker(normal(7, 5, 3), normal(7, 1, 2)), Dense(normal(7, 5, 3)), Zero(5, 2)])
    close(pairwise_products(J, K), J.dense(), K.dense())
    wide = Kronecker(normal(3, 2, 2), normal(3, 2, 3))
    other = Kronecker(normal(2, 3, 2), normal(2, 1, 3))
    close(pairwise_products(wide, other), wide.dense(), other.dense())


def test_blocks_parted_or_shared_otherwise_on_both_sides() -> None:
    S, T = Dense(normal(4, 2, 3)), Dense(normal(4, 2, 3))
    shared = BlockRow([Kronecker(S, normal(4, 1, 2)), S])
    apart = BlockRow([Kronecker(S, normal(4, 1, 2)), T])
    parted = BlockRow([Dense(normal(4, 2, 4)), Dense(normal(4, 2, 5))])
    plain = BlockRow([Dense(normal(4, 2, 6)), S])
    for J in (shared, apart, parted, plain):
        for K in (shared, apart, parted, plain):
            close(pairwise_products(J, K), J.dense(), K.dense())
    whole = Dense(normal(4, 2, 9))
    close(pairwise_products(shared, whole), shared.dense(), whole.dense())


@pytest.mark.parametrize("workspace", [1, 60, 2**17])
def test_parts_of_any_size_give_the_same(workspace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jacobians.structures.pairs_of_points._WORKSPACE", workspace)
    J = BlockRow([Kronecker(normal(7, 3, 4), normal(7, 1, 2)), Diagonal(normal(7, 3)), Identity(3)])
    K = BlockRow([Kronecker(normal(5, 3, 4), normal(5, 1, 2)), Diagonal(normal(5, 3)), Identity(3)])
    close(pairwise_products(J), J.dense(), J.dense())
    close(pairwise_products(J, K), J.dense(), K.dense())


def test_float32_stays_float32() -> None:
    J = Affine(np.ones((2, 3), np.float32), np.ones(2, np.float32)).jacobian(
        np.ones((4, 3), np.float32), wrt=["W", "b"], batched=True
    )
    found = pairwise_products(J)
    assert found.dtype == np.float32
    close(found, J.dense(), J.dense())


def test_nothing_larger_than_the_answer_is_held() -> None:
    # a dense Jacobian of these would take 40 × 2 × 60,000 numbers, 38 MB; the answer takes 100 kB
    J = Kronecker(normal(40, 2, 300), normal(40, 1, 200))
    tracemalloc.start()
    try:
        answer = pairwise_products(J)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.nbytes == 8 * 40 * 40 * 4
    assert peak < 8 * (answer.size + 2 * 40 * 2 * 300 + 40 * 200 + 3 * 40 * 40 * 2) + 50_000


BATCH = Dense(np.ones((3, 2, 4)))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: pairwise_products(np.ones((3, 2, 4))), TypeError, "J: found ndarray, expected a Jacobian of"),
        (lambda: pairwise_products(BATCH, 3), TypeError, "K: found int, expected a Jacobian of several points"),
        (lambda: pairwise_products(Identity(2)), ValueError, "J: found batch_shape (), expected (N,): points along"),
        (
            lambda: pairwise_products(BATCH, BATCH.broadcast_batch((2, 3))),
            ValueError,
            "K: found batch_shape (2, 3), expected (N,): points along one axis",
        ),
        (
            lambda: pairwise_products(BATCH, Dense(np.ones((3, 2, 5)))),
            ValueError,
            "K: found 5 columns, expected 4, those of J: derivatives by the same inputs",
        ),
        (
            lambda: pairwise_products(BATCH, max_bytes=287),
            MemoryBudgetError,
            "the products of all pairs of points (3×3×2×2) would take 288 bytes, more than max_bytes = 287 bytes; "
            "take fewer points at a time",
        ),
    ],
)  # fmt: skip
def test_doors_say_what_was_found_and_expected(make: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        make()
