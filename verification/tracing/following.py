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
from verification.tracing.scalars import NotAnalyticError, Scalars, TracingError, UndecidedError

_LOCK = threading.RLock()  # of the functions of NumPy that are exchanged
_COPIES = ("array", "asarray", "asanyarray")
_FILLED = (
    "zeros",
    "ones",
    "empty",
    "full",
    "eye",
    "identity",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
)


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
        with constructors_followed(x.scalars):
            result = _named(f, x)
    if result is None:
        raise TracingError("f returned None, expected an array")
    return entries_of(result, x.scalars)


def _named(f: Callable[[Any], Any], x: TracedArray) -> Any:
    """Return f(x); an error because of traced entries names what they went into, and the line."""
    try:
        return f(x.copy())
    except (NotAnalyticError, UndecidedError):
        raise
    except Exception as error:
        # NumPy's "setting an array element with a sequence" has the reason as its cause
        cause = error.__cause__ if isinstance(error.__cause__, TracingError) else error
        library = _library_call(error)
        if library is not None:
            why = cause if isinstance(cause, TracingError) else "an array of numbers was expected there"
            raise TracingError(f"{library} can't be traced: {why}") from error
        if not isinstance(cause, TracingError):
            raise  # the code's own
        line = _line_of(error)
        raise type(cause)(f"{cause} ({line})" if line else str(cause)) from None


@contextlib.contextmanager
def constructors_followed(scalars: Scalars) -> Iterator[None]:
    """Let np.array and np.zeros and their like make traced arrays, for as long as code is followed.

    They have no hook of NumPy's to do so. Lists without a traced entry in it go to NumPy's own; what is made to be
    filled with floats takes traced entries.
    """
    with _LOCK:
        own = {name: getattr(np, name) for name in (*_COPIES, *_FILLED)}
        try:
            for name in _COPIES:
                setattr(np, name, _followed(name, own[name]))
            for name in _FILLED:
                setattr(np, name, _fillable(own[name], scalars))
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


def _fillable(own: Callable[..., Any], scalars: Scalars) -> Callable[..., Any]:
    @functools.wraps(own)
    def creator(*args: Any, **kwargs: Any) -> Any:
        made = own(*args, **kwargs)
        mine = type(made) is np.ndarray and made.dtype.kind == "f" and _is_followed(sys._getframe(1))
        if not mine:
            return made  # counts and masks; what is traced already; arrays of NumPy's own code
        if own.__name__.startswith("empty"):
            made[...] = 0  # what stands in memory is no number of the code
        return TracedArray(entries_of(made, scalars).copy(), scalars)

    return creator


def _line_of(error: Exception) -> str:
    """Return the function and the line of the code that was followed when an error was raised."""
    found, trail = "", error.__traceback__
    while trail is not None:
        if _is_followed(trail.tb_frame):
            file = trail.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
            found = f"{trail.tb_frame.f_code.co_qualname}, line {trail.tb_lineno} of {file}"
        trail = trail.tb_next
    return found


def _is_followed(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).split(".")[0] not in ("verification", "numpy", "scipy")


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
