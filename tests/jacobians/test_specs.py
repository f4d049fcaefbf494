"""Specs: made once for equal sizes, always of Python's own integers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from backprop import Chain
from jacobians import Spec

HUGE = 3 * 10**9


@pytest.mark.parametrize("one", [np.int64(1), np.uint8(1)])
def test_numbers_that_are_equal_to_one_become_one(one: Any) -> None:
    for made in (Spec.dense(one, one), Spec.diagonal(one), Spec.low_rank(2, one), Spec.selection(one, 2)):
        assert all(type(size) is int for size in (*made.shape, made.rank))
    assert Spec.dense(1, 1).label == "Dense 1×1"
    assert all(type(size) is int for size in Spec.dense(2, 3, (one, one)).batch)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Spec.dense(-1, 2), ValueError, "size: found -1, expected an integer of at least 1"),
        (lambda: Spec.identity(0), ValueError, "size: found 0, expected an integer of at least 1"),
        (lambda: Spec.diagonal(True), TypeError, "size: found True, expected an integer of at least 1"),
        (
            lambda: Spec.dense(2, 3, (True,)),
            TypeError,
            r"batch: found \(True,\), expected a tuple of integers",
        ),
        (lambda: Spec.zero(3.0, 1), TypeError, "size: found 3.0, expected an integer of at least 1"),
        (lambda: Spec.low_rank(3, "3"), TypeError, "rank: found '3', expected an integer of at least 1"),
        (lambda: Spec.low_rank(3, 0), ValueError, "rank: found 0, expected an integer of at least 1"),
        (lambda: Spec.kronecker(1, 2), TypeError, r"left, right: found \(1, 2\), expected specs such as"),
        (lambda: Spec.block_row(3), TypeError, "blocks: found 3, expected specs such as"),
        (lambda: Spec.block_column([]), TypeError, r"blocks: found \[\], expected specs such as"),
        (lambda: Spec.of("Dens", 2, 3).storage, LookupError, "structure: found 'Dens', expected the name of"),
    ],
)
def test_sizes_that_are_none_are_refused_in_words(make: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        make()


def test_sizes_of_numpy_leave_costs_exact() -> None:
    size = np.int64(HUGE)
    assert Spec.dense(size, size) is Spec.dense(HUGE, HUGE)
    assert Chain.from_shapes([(HUGE, HUGE)] * 2).plan().cost.multiplications == HUGE**3


def test_batches_may_be_lists() -> None:
    assert Spec.dense(2, 3, [4]) == Spec.dense(2, 3, (4,))  # type: ignore[arg-type]  # as users write it


def test_sizes_that_are_no_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="integer"):
        Spec.dense(7.0, 7.0)  # type: ignore[arg-type]


def test_pickled_specs_are_equal() -> None:
    spec = Spec.kronecker(Spec.identity(3), Spec.dense(1, 4, (2,)))
    hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == spec
