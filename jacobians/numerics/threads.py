"""Points side by side: Python threads that work on their own points, each with one thread of BLAS.

BLAS splits each product among its threads and waits for all of them before the next one begins. Points don't need each
other: a thread that takes its own through the whole computation never waits, and what it works on stays in its own
cache. Never more than one of both kinds of threads: Python threads over a BLAS with several threads stall each other.
How many threads BLAS has is decided in :mod:`jacobians.numerics.blas_threads`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache, partial
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

from jacobians.numerics.blas_threads import blas_threads, one_blas_thread

LEAST_FLOPS = 1e8
"""Below this work, about 2 ms, starting threads costs more than it gains (measured on two cores)."""

_limit = threading.Lock()  # one call at a time


@cache
def _core_of_this_thread() -> Callable[[], int] | None:
    """Return what tells the number of the core that runs the calling thread, None where threads can't be bound."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    import ctypes  # for the first threads only

    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


@contextmanager
def _cores_apart(threads: int) -> Iterator[list[set[int]]]:
    """Share the cores out among the calling thread, which stays on its own, and as many others.

    Threads that hand Python's lock to each other are woken on each other's core, and share it for milliseconds.

    Returns
    -------
    list of set of int
        The cores of each other thread; empty sets where threads can't be bound, or there are too few cores.
    """
    core = _core_of_this_thread()
    allowed = os.sched_getaffinity(0) if core else set()
    if core is None or len(allowed) < threads:
        yield [set() for _ in range(threads - 1)]
        return
    here = core()
    ordered = sorted(allowed, key=lambda number: (number != here, number))
    groups = [set(ordered[share]) for share in halves(len(ordered), threads)]
    _bind(0, groups[0])
    try:
        yield groups[1:]
    finally:
        _bind(0, allowed)


def _bind(thread: int, cores: set[int]) -> None:
    with suppress(OSError):  # the system may not allow it: then threads are where it puts them
        os.sched_setaffinity(thread, cores)


class _Helper:
    """A thread that waits for jobs; handing one over takes a fifth of what the future of a pool takes."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="points", daemon=True)
        self._thread.start()

    def start(self, job: Callable[[], None], cores: set[int]) -> None:
        """Have `job` called, on some cores if there are any."""
        if cores and self._thread.native_id is not None:
            _bind(self._thread.native_id, cores)  # before it wakes up
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            self._jobs.get()()  # no job is kept until the next one comes


class _Pieces:
    """Pieces that threads take one after the other, and what happened to them."""

    def __init__(self, work: Callable[[slice], Any], pieces: Sequence[slice]) -> None:
        self._work: Callable[[slice], Any] | None = work
        self._waiting = iter(pieces)
        self._turn = threading.Condition()
        self._at_work = 0  # other threads that have taken a piece and not finished it
        self._errors: list[BaseException] = []

    def take(self) -> None:
        """Do pieces until none is left; of a thread that helps."""
        while True:
            with self._turn:
                piece, work = next(self._waiting, None), self._work
                if piece is None or work is None:
                    return
                self._at_work += 1
            try:
                work(piece)
            except BaseException as error:
                self._errors.append(error)
            finally:
                del work
                with self._turn:
                    self._at_work -= 1
                    self._turn.notify()

    def finish(self) -> None:
        """Do pieces until none is left, and wait for those of others; not for a thread that has not begun.

        Where cores are shared with other processes a thread may wake up milliseconds later: then it finds nothing.
        """
        work = self._work
        assert work is not None
        try:
            while True:
                with self._turn:
                    piece = next(self._waiting, None)
                if piece is None:
                    break
                work(piece)
        finally:
            with self._turn:
                self._waiting, self._work = iter(()), None
                self._turn.wait_for(lambda: not self._at_work)
        for error in self._errors:
            raise error


@cache
def _helpers(count: int) -> list[_Helper]:
    return [_Helper() for _ in range(count)]


def halves(rows: int, parts: int) -> list[slice]:
    """Return `parts` slices of nearly equal length that cover `rows` rows.

    Examples
    --------
    >>> halves(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    bounds = [-(-rows * part // parts) for part in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(bounds) if last > first]


def spread(work: Callable[[slice], Any], pieces: Sequence[slice]) -> None:
    """Call ``work(piece)`` for every piece; as many threads as BLAS has take the next one as they become free.

    Parameters
    ----------
    work : callable
        Its pieces write to different places.
    pieces : sequence of slice

    Notes
    -----
    Without threadpoolctl, with one BLAS thread, or while another call is at it, one piece comes after the other. An
    exception of any piece is raised when all that were begun have ended. What other threads have not begun when no
    piece is left is not waited for.

    Examples
    --------
    >>> done = set()
    >>> spread(lambda rows: done.add(rows.start), [slice(0, 2), slice(2, 4), slice(4, 5)])
    >>> sorted(done)
    [0, 2, 4]
    """
    threads = min(blas_threads(), len(pieces))
    if threads == 1 or not _limit.acquire(blocking=False):
        for piece in pieces:
            work(piece)
        return
    try:
        shared = _Pieces(work, pieces)
        with one_blas_thread(), _cores_apart(threads) as others:
            for helper, cores in zip(_helpers(threads - 1), others, strict=True):
                # NumPy's error state is part of the context
                helper.start(partial(copy_context().run, shared.take), cores)
            shared.finish()
    finally:
        _limit.release()


def _forget() -> None:
    """Begin anew in a forked process, which has none of the threads and may have inherited a lock that is held."""
    global _limit
    _limit = threading.Lock()
    _helpers.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
