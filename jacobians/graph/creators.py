"""Arrays that a followed function makes itself: numpy.zeros, numpy.array, … return arrays that can be followed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from jacobians.graph.nested import operands_of
from jacobians.graph.operations.constants import FILLED
from jacobians.graph.recorder import callee, refuse, refuse_rounding

_NAMES = ("zeros", "ones", "empty", "full", "eye", "identity", "array", "asarray", "asanyarray")
_LOCK = threading.RLock()
_ARRAYS = ("array", "asarray", "asanyarray")
_UNDISPATCHED = ("asarray_chkfinite", "ascontiguousarray", "asfortranarray")  # nor do the functions of SciPy


def _calls(frame: FrameType, name: str, function: Any) -> bool:
    """Say whether the code itself calls the function, and no compiled code that has no frame: that needs arrays."""
    found = callee(frame.f_code, frame.f_lasti)
    if found is None:
        return False
    how, loaded = found
    if how in ("LOAD_ATTR", "LOAD_METHOD"):
        return loaded == name
    return (frame.f_locals.get(loaded) or frame.f_globals.get(loaded)) is function


def _filled(zeros: Any, shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    refuse_rounding("numpy.full", dtype)
    return zeros(shape, 0.0, dtype) + fill_value


def alike(function: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Return what numpy.zeros_like or one of its kin makes, in the shape and of the kind that are asked for."""
    names = ("a", "fill_value", "dtype") if function is np.full_like else ("a", "dtype")
    given = dict(zip(names, args, strict=False)) | kwargs
    shape, dtype = given.get("shape"), given.get("dtype")
    if shape is None:
        shape = np.shape(given.get("a", given.get("prototype")))
    number = given.get("fill_value", FILLED[function])
    if next(operands_of([number]), None) is None:
        return np.full(shape, number, float if dtype is None else dtype)
    refuse_rounding(name, dtype)
    return np.zeros(shape) + number


class _Joining:
    """numpy.c_ and numpy.r_ for followed arrays: the joins that they are made of."""

    def __init__(self, original: Any, as_columns: bool, holds_traced: Callable[[Any], bool]) -> None:
        self.original, self.as_columns, self.holds_traced = original, as_columns, holds_traced

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __len__(self) -> int:
        return len(self.original)

    def __getitem__(self, key: Any) -> Any:
        parts = list(key) if isinstance(key, tuple) else [key]
        if not self.holds_traced(parts):
            return self.original[key]
        as_columns = self.as_columns
        if isinstance(parts[0], str):
            refuse(
                "numpy.c_" if as_columns else "numpy.r_",
                "with a text of axes is not followed; use numpy.concatenate",
            )
        parts = [self.original[part] if isinstance(part, slice) else np.atleast_1d(part) for part in parts]
        if as_columns:
            parts = [part[:, None] if np.ndim(part) == 1 else part for part in parts]
        return np.concatenate(parts, axis=-1 if as_columns else 0)


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
                if holds_traced([first]):
                    refuse_rounding(f"numpy.{name}", args[1] if len(args) > 1 else kwargs.get("dtype"))
                if type(first).__name__ == "Traced":
                    return first if name != "array" else assemble(first)
                if isinstance(first, list | tuple) and holds_traced(first):
                    return assemble(first)
            if name == "full" and holds_traced([args, kwargs]):
                return _filled(original, *args, **kwargs)
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
        undispatched = [(vars(np), name, dispatch(getattr(np, name))) for name in _UNDISPATCHED]
        for module in ("scipy.special", "scipy.linalg"):
            names = vars(sys.modules[module]) if module in sys.modules else {}
            undispatched += [
                (names, name, dispatch(one))
                for name, one in names.items()
                if isinstance(one, FunctionType) and not name.startswith("_")
            ]
        by_original = {id(names[name]): made for names, name, made in undispatched}
        put += undispatched
        put += [
            (space, own, by_original[id(value)]) for own, value in space.items() if id(value) in by_original
        ]
        put += [
            (names, own, _Joining(original, original is np.c_, holds_traced))
            for names in (vars(np), space)
            for own, original in names.items()
            if original is np.c_ or original is np.r_
        ]
        before = [(names, name, names[name]) for names, name, _ in put]
        try:
            for names, name, function in put:
                names[name] = function
            yield
        finally:
            for names, name, function in before:
                names[name] = function
