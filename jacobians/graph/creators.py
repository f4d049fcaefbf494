"""Arrays that a followed function makes itself: numpy.zeros, numpy.array, … return arrays that can be followed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_NAMES = ("zeros", "ones", "empty", "full", "eye", "identity", "array", "asarray", "asanyarray")
_LOCK = threading.RLock()
_UNDISPATCHED = ("logsumexp", "softmax", "log_softmax")  # SciPy makes arrays of their operands
_ARRAYS = ("array", "asarray", "asanyarray")


@contextmanager
def following(
    assemble: Callable[[Any], Any],
    holds_traced: Callable[[Any], bool],
    dispatch: Callable[[Any], Any],
    space: dict[str, Any],
) -> Iterator[None]:
    """Let the functions of NumPy that make arrays return followed ones to code outside NumPy and this package.

    What they are given no traced argument to dispatch on: so they are replaced while a function is followed, by one
    thread at a time, for that thread only. `space` holds the names of the module of the followed function.
    """
    thread = threading.get_ident()

    def follows(original: Any, name: str) -> Any:
        def create(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
            if threading.get_ident() != thread or caller in ("numpy", "scipy", "jacobians"):
                return original(*args, **kwargs)
            if name in _ARRAYS:
                first = args[0] if args else kwargs["object"]
                if type(first).__name__ == "Traced":
                    return first if name != "array" else assemble(first)
                if isinstance(first, list | tuple) and holds_traced(first):
                    return assemble(first)
            made = original(*args, **kwargs)
            return assemble(made) if made.dtype.kind == "f" else made

        return create

    with _LOCK:
        put: list[tuple[dict[str, Any], str, Any]] = []
        for name in _NAMES:
            put.append((vars(np), name, follows(getattr(np, name), name)))
        special = sys.modules.get("scipy.special")
        for name in _UNDISPATCHED if special is not None else ():
            original = getattr(special, name)
            dispatching = dispatch(original)
            put.append((vars(special), name, dispatching))
            put += [(space, own, dispatching) for own, value in space.items() if value is original]
        before = [(names, name, names[name]) for names, name, _ in put]
        try:
            for names, name, function in put:
                names[name] = function
            yield
        finally:
            for names, name, function in before:
                names[name] = function
