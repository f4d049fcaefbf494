"""How many threads BLAS takes: one for a product or a call that isn't worth two.

BLAS splits a product among threads and waits for the last of them. Where cores are shared with other processes that
wait lasts as long as the system lets others run, tens of milliseconds, whatever the product takes; a second thread
gains at most half of it. So small products are given one thread, and the caller's number is back behind them. The
number belongs to the process: calls that run at one time, and calls inside calls, are counted, and the last one out
gives it back.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from numpy import matmul, ndarray  # looking them up in np is some percent of a small product

WORTH_TWO = 2e7
"""Operations of a call below which a second thread gains less than a tenth of a millisecond."""

LEAST_PRODUCT = 4e6
"""Operations of one product below which a second thread is not worth waiting for."""

LEAST_DIVIDED = 9216
"""Multiplications of a product below which OpenBLAS takes one thread anyway."""

P = ParamSpec("P")
R = TypeVar("R")

_kept: ContextVar[int] = ContextVar("kept", default=0)
"""How many blocks of this thread or task keep the caller's number."""


class _Library(NamedTuple):
    """The two functions of a library."""

    threads: Callable[[], int]
    set_threads: Callable[[int], Any]


@cache
def _libraries() -> tuple[_Library, ...]:
    """Return what sets the threads of each BLAS; nothing without threadpoolctl, which finds them."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return ()
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return tuple(_openblas(library) or _any(library) for library in found)


def _openblas(library: Any) -> _Library | None:
    """Return OpenBLAS's own functions: threadpoolctl's let one Python thread change the number, and no other."""
    if library.internal_api != "openblas" or library.threading_layer == "openmp":
        return None
    functions = ctypes.CDLL(library.filepath)
    for prefix in ("", "scipy_"):
        for suffix in ("", "64_", "_64"):
            name = f"{prefix}openblas_{{}}_num_threads{suffix}"
            if hasattr(functions, name.format("set")) and hasattr(functions, name.format("get")):
                return _Library(
                    getattr(functions, name.format("get")), getattr(functions, name.format("set"))
                )
    return None


def _any(library: Any) -> _Library:
    return _Library(library.get_num_threads, library.set_num_threads)


class _Setting:
    """The calls that keep BLAS at one thread now, and how many it had before the first of them.

    A signal may raise before and behind any call of a function: who enters does so within `try`, and leaves twice where
    leaving is what was interrupted. Who isn't inside has nothing to leave.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a handler of signals may come in between
        self.calls: set[object] = set()
        self.before: tuple[int, ...] = ()

    def enter(self, call: object) -> None:
        with self.lock:
            if self.calls:
                self.calls.add(call)
                return
            libraries = _libraries()
            self.before = tuple([library.threads() for library in libraries])
            self.calls.add(call)  # from here on there is something to give back
            for library, count in zip(libraries, self.before, strict=True):
                if count != 1:
                    library.set_threads(1)

    def leave(self, call: object) -> None:
        with self.lock:
            if self.calls == {call}:
                self.give_back(self.before)
            self.calls.discard(call)

    def leave_at_last(self, call: object) -> None:
        """Leave where that was interrupted, or failed: nobody is inside then, whatever a library raises."""
        try:
            self.leave(call)
        finally:
            self.calls.discard(call)

    @staticmethod
    def give_back(before: tuple[int, ...]) -> None:
        for library, count in zip(_libraries(), before, strict=True):
            if count != 1 and library.threads() == 1:  # another number was set inside, by who wants it
                library.set_threads(count)


_setting = _Setting()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS at one thread, whatever the caller asked for: Python's threads are at work."""
    call, setting = object(), _setting
    try:
        setting.enter(call)
        yield
    finally:
        try:
            setting.leave(call)
        except BaseException:
            setting.leave_at_last(call)
            raise


@contextmanager
def keep_blas_threads() -> Iterator[None]:
    """Leave the number of BLAS's threads to the caller in this block, also for products that are not worth two.

    By default products and compiled calls below some 20 million operations run on one thread of BLAS: two stall
    each other for tens of milliseconds wherever another process wants a core. Where the cores are one's own, two may
    be up to a third faster. It holds for the Python thread, or the task, that says it.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Affine
    >>> with keep_blas_threads():
    ...     J = Affine(np.eye(3)).jacobian(np.ones(3))
    """
    _kept.set(_kept.get() + 1)
    try:
        yield
    finally:
        # counted, for blocks of generators end in any order, and in another context than they began in
        _kept.set(max(0, _kept.get() - 1))


def blas_threads() -> int:
    """Return the threads that BLAS uses, those of the caller where a call has set one; 1 where that is not known.

    Examples
    --------
    >>> blas_threads() >= 1
    True
    """
    with _setting.lock:
        counts = _setting.before if _setting.calls else [library.threads() for library in _libraries()]
    return max(counts, default=1)


def product(a: Any, b: Any, out: Any = None) -> Any:
    """Return a @ b, of NumPy's arrays on one thread of BLAS unless it is worth two.

    Examples
    --------
    >>> import numpy as np
    >>> product(np.eye(2), np.ones(2))
    array([1., 1.])
    """
    if not type(a) is type(b) is ndarray:
        return a @ b
    if a.size * b.size < LEAST_DIVIDED:  # so are the multiplications: small layers feel the rest
        return matmul(a, b, out)
    inner = a.shape[-1] if a.ndim else 1
    rows = a.shape[-2] if a.ndim > 1 else 1
    columns = b.shape[-1] if b.ndim > 1 else 1
    multiplications = rows * inner * columns
    if multiplications < LEAST_DIVIDED or 2 * multiplications >= WORTH_TWO or _kept.get():
        return matmul(a, b, out)
    call, setting = object(), _setting
    try:
        setting.enter(call)
        return matmul(a, b, out)
    finally:
        try:
            setting.leave(call)
        except BaseException:
            setting.leave_at_last(call)
            raise


def on_one_thread(function: Callable[P, R], products: Iterable[tuple[int, int]]) -> Callable[P, R]:
    """Return a function that runs on one thread of BLAS; itself if its products are worth two, or never take two.

    Parameters
    ----------
    function : callable
    products : iterable of (int, int)
        The multiplications of each product, and how often it is made in a call.
    """
    known = list(products)
    large = sum(2 * size * times for size, times in known if 2 * size >= LEAST_PRODUCT)
    if large >= WORTH_TWO or all(size < LEAST_DIVIDED for size, _ in known):
        return function

    @wraps(function)
    def bound(*args: P.args, **options: P.kwargs) -> R:
        if _kept.get():
            return function(*args, **options)
        call, setting = object(), _setting
        try:
            setting.enter(call)
            return function(*args, **options)
        finally:
            try:
                setting.leave(call)
            except BaseException:
                setting.leave_at_last(call)
                raise

    return bound


def _begin_anew() -> None:
    """Begin anew in a forked process: the lock may be held, and the threads that were at work are not there."""
    global _setting
    old, _setting = _setting, _Setting()
    if old.calls:
        _Setting.give_back(old.before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
