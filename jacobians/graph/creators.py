"""Arrays that a followed function makes itself: numpy.zeros, numpy.array, … return arrays that can be followed."""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

_NAMES = ("zeros", "ones", "empty", "full", "eye", "identity", "array", "asarray", "asanyarray")
_LOCK = threading.RLock()
# SciPy makes arrays of their operands
_UNDISPATCHED = {
    "scipy.special": ("logsumexp", "softmax", "log_softmax"),
    "scipy.linalg": ("expm", "sinm", "cosm", "logm", "sqrtm"),
}
_ARRAYS = ("array", "asarray", "asanyarray")


@lru_cache(maxsize=4096)
def _callee(code: CodeType, at: int) -> tuple[str, str] | None:
    """Return the operation and the name by which a call's function was loaded: what begins where the call does."""
    before = [one for one in dis.get_instructions(code) if one.offset <= at]
    call = before[-1]
    if not call.opname.startswith("CALL") or call.positions is None or call.positions.lineno is None:
        return None
    start = call.positions.lineno, call.positions.col_offset
    loads = [
        one
        for one in before
        if one.opname.startswith("LOAD_") and isinstance(one.argval, str) and one.positions is not None
        and (one.positions.lineno, one.positions.col_offset) == start
    ]  # fmt: skip
    return (loads[-1].opname, loads[-1].argval) if loads else None


def _calls(frame: FrameType, name: str, function: Any) -> bool:
    """Say whether the code itself calls the function, and no compiled code that has no frame: that needs arrays."""
    found = _callee(frame.f_code, frame.f_lasti)
    if found is None:
        return False
    how, loaded = found
    if how in ("LOAD_ATTR", "LOAD_METHOD"):
        return loaded == name
    return (frame.f_locals.get(loaded) or frame.f_globals.get(loaded)) is function


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
            others = threading.get_ident() != thread or caller in ("numpy", "scipy", "jacobians", "backprop")
            if others or not _calls(sys._getframe(1), name, create):
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
            original = getattr(np, name)
            made = follows(original, name)
            put.append((vars(np), name, made))
            put += [(space, own, made) for own, value in space.items() if value is original]
        for module, names in _UNDISPATCHED.items():
            special = sys.modules.get(module)
            for name in names if special is not None else ():
                original = getattr(special, name)
                dispatching = dispatch(original)
                put.append((vars(special), name, dispatching))
                put += [(space, own, dispatching) for own, value in space.items() if value is original]
        before = [(held, name, held[name]) for held, name, _ in put]
        try:
            for held, name, function in put:
                held[name] = function
            yield
        finally:
            for held, name, function in before:
                held[name] = function
