"""Threads that share points: each is done once, errors are told, and nobody waits for who has not begun."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from jacobians.numerics import ledger, threads
from jacobians.numerics.ledger import outer_products


class Late:
    """A helper whose thread wakes up when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def start(self, job: Any, cores: set[int]) -> None:
        self.jobs.append(job)


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)


def test_a_thread_that_has_not_begun_is_not_waited_for_and_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late, done = Late(), []
    monkeypatch.setattr(threads, "_helpers", lambda count: [late] * count)
    threads.spread(lambda piece: done.append(piece.start), threads.halves(6, 3))
    assert done == [0, 2, 4]
    late.jobs[0]()
    assert done == [0, 2, 4]


def test_a_piece_that_another_thread_has_begun_is_waited_for() -> None:
    begun, free, done = threading.Event(), threading.Event(), []
    caller = threading.get_ident()

    def work(piece: slice) -> None:
        if threading.get_ident() != caller:
            begun.set()
            assert free.wait(10)
        else:
            assert begun.wait(10)
            threading.Timer(0.05, free.set).start()
        done.append(piece.start)

    threads.spread(work, threads.halves(2, 2))
    assert sorted(done) == [0, 1]


@pytest.mark.parametrize("of_caller", [True, False])
def test_an_error_of_any_thread_is_raised_when_others_have_ended(of_caller: bool) -> None:
    caller, both, done = threading.get_ident(), threading.Barrier(2), []

    def work(piece: slice) -> None:
        both.wait(10)
        if (threading.get_ident() == caller) == of_caller:
            raise ValueError("at hand")
        done.append(piece.start)

    with pytest.raises(ValueError, match="at hand"):
        threads.spread(work, threads.halves(2, 2))
    assert len(done) == 1


@pytest.mark.parametrize("lead", [(9,), (9, 2), (1,)])
def test_outer_products_of_all_points_are_written_by_pieces(
    lead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_LEAST_SHARED", 0)
    monkeypatch.setattr(ledger, "_PIECE", 2**12)
    random = np.random.default_rng(1)
    left, right = random.standard_normal((*lead, 3, 40)), random.standard_normal((lead[-1], 1, 50))
    if lead == (9, 2):
        right = random.standard_normal((2, 1, 50))
    found = np.full((*lead, 3, 1, 40, 50), np.nan)
    outer_products(left, right, found)
    assert np.array_equal(found, left[..., :, None, :, None] * right[..., None, :, None, :])
