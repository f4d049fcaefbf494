"""A user's code, run on traced arrays: what NumPy doesn't let through is followed, or named with its line."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from verification.tracing.arrays import Entries, TracedArray, entries_of
from verification.tracing.scalars import NotAnalyticError, TracingError, UndecidedError

_LOCK = threading.RLock()  # of the functions of NumPy that are exchanged


def trace(f: Callable[[Any], Any], x: TracedArray) -> Entries:
    """Return the entries of f(x), in the shape of f(x).

    Parameters
    ----------
    f : callable
        Plain NumPy code. It gets a copy: what it writes into its input doesn't reach `x`.
    x : TracedArray
        The point.

    Raises
    ------
    TracingError
        If f does something that can't be followed, or returns no array.
    """
    try:
        result = f(x.copy())
    except (NotAnalyticError, UndecidedError):
        raise
    except (TypeError, ValueError):  # a list of traced entries may have become an array of objects
        with constructors_followed():
            result = _named(f, x)
    if result is None:
        raise TracingError("f returned None, expected an array")
    return entries_of(result, x.scalars)


def _named(f: Callable[[Any], Any], x: TracedArray) -> Any:
    """Return f(x); an error because of traced entries names what they went into."""
    try:
        return f(x.copy())
    except ValueError as error:
        # NumPy's "setting an array element with a sequence" has the reason as its cause
        cause = error.__cause__ if isinstance(error.__cause__, TracingError) else error
        library = _library_call(error)
        if library is not None and library.startswith("scipy."):
            raise TracingError(f"{library} can't be traced: {cause}") from error
        if cause is error:
            raise
        raise cause from None
    except TypeError as error:
        library = _library_call(error)
        if library is None or isinstance(error, NotAnalyticError):
            raise
        if isinstance(error, TracingError):
            raise TracingError(f"{library} can't be traced: {error}") from error
        raise TracingError(f"{library} can't be traced: an array of numbers was expected there") from error


@contextlib.contextmanager
def constructors_followed() -> Iterator[None]:
    """Let np.array and its like make traced arrays of traced entries, for as long as code is followed.

    They have no hook of NumPy's to do so; anything without a traced entry in it goes to NumPy's own.
    """
    with _LOCK:
        own = {name: getattr(np, name) for name in ("array", "asarray", "asanyarray")}
        try:
            for name, function in own.items():
                setattr(np, name, _followed(name, function))
            yield
        finally:
            for name, function in own.items():
                setattr(np, name, function)


def _followed(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def constructor(value: Any, dtype: Any = None, **kwargs: Any) -> Any:
        first = _first_traced(value)
        if first is None:
            return own(value, dtype, **kwargs)
        if (
            dtype is not None and np.dtype(dtype).kind not in "fO"
        ):  # to float32 is a rounding, which has no part here
            raise TracingError(
                f"np.{name}: dtype {np.dtype(dtype)} of traced entries, expected one of real numbers"
            )
        entries = entries_of(value, first.scalars)
        missing = max(kwargs.get("ndmin", 0) - entries.ndim, 0)
        return TracedArray(entries.reshape((1,) * missing + entries.shape).copy(), first.scalars)

    return constructor


def _first_traced(value: Any) -> TracedArray | None:
    if isinstance(value, TracedArray):
        return value
    if isinstance(value, list | tuple):
        return next((found for part in value if (found := _first_traced(part)) is not None), None)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return next((part for part in value.flat if isinstance(part, TracedArray)), None)
    return None


def calling_line() -> str:
    """Return the function and line of the traced code that is being run, "" outside of it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if module not in ("verification", "numpy"):
            file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
            return f"{frame.f_code.co_qualname}, line {frame.f_lineno} of {file}"
        if frame.f_code is trace.__code__:
            return ""
        frame = frame.f_back
    return ""


def _library_call(error: Exception) -> str | None:
    """Return the function of NumPy or SciPy that an array of traced entries went into, and the line that called it."""
    trail, line, wrapped = error.__traceback__, 0, ""
    while trail is not None:
        code, module = trail.tb_frame.f_code, str(trail.tb_frame.f_globals.get("__name__", ""))
        if module.split(".")[0] in ("numpy", "scipy"):
            public = ".".join(part for part in module.split(".") if not part.startswith("_"))
            wrapped = wrapped or f"{public}.{code.co_name} (line {line})"
            if not module.startswith(("scipy._lib", "numpy._core")) and code.co_name != "wrapper":
                return f"{public}.{code.co_name} (line {line})"
        elif wrapped:
            return wrapped
        else:
            line = trail.tb_lineno
        trail = trail.tb_next
    return wrapped or None
