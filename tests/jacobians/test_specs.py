"""Specs: made once for equal sizes, always of Python's own integers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from backprop import Chain
from jacobians import Spec

HUGE = 3 * 10**9


@pytest.mark.parametrize("one", [True, np.int64(1), np.uint8(1)])
def test_numbers_that_are_equal_to_one_become_one(one: Any) -> None:
    for made in (Spec.dense(one, one), Spec.diagonal(one), Spec.low_rank(2, one), Spec.selection(one, 2)):
        assert all(type(size) is int for size in (*made.shape, made.rank))
    assert Spec.dense(1, 1).label == "Dense 1×1"
    assert all(type(size) is int for size in Spec.dense(2, 3, (one, one)).batch)


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
