"""What pickle and deepcopy take of functions and results: attributes, and which of their arrays are read-only."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pickle import PicklingError
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from jacobians.equality import ByValue

Place = tuple[Any, ...]

MARK = "_read_only"
BY_VALUE = ("cloudpickle", "dill")
"""Packages that pickle functions without a name: where one of them is at work, it decides."""


class Pickled(ByValue):
    """Comes back from pickle and deepcopy equal, its read-only arrays read-only, or is refused by name."""

    def __getstate__(self) -> dict[str, Any]:
        return {MARK: ReadOnly(tuple(_read_only_places(vars(self))), self), **vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        mark = vars(self).pop(MARK, None)  # a subclass may have a __getstate__ of its own
        for place in () if mark is None else mark.places:
            part: Any = vars(self)
            for name in place:
                part = part[name]
            part.flags.writeable = False


def shallow(thing: Any) -> Any:
    """Return what copy.copy does, without a look at arrays that both then share.

    Examples
    --------
    >>> from jacobians import ReLU
    >>> shallow(ReLU())
    ReLU()
    """
    kind: Any = type(thing)
    if not _is_plain(kind):
        return copy.copy(thing)
    made = kind.__new__(kind)
    vars(made).update(vars(thing))
    return made


@cache
def _is_plain(kind: type) -> bool:
    """Return whether copy.copy makes a new object of the class with the same attributes, and nothing else."""
    return all(
        getattr(kind, name, None) is getattr(of, name, None)
        for of, names in (
            (Pickled, ("__getstate__", "__setstate__", "__copy__")),
            (object, ("__new__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__")),
        )
        for name in names
    )


def _read_only_places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield where in an attribute, or in a dict in one, there is an array that is read-only."""
    if isinstance(value, np.ndarray):
        if not value.flags.writeable:
            yield place
    elif type(value) is dict:
        for name, part in value.items():
            yield from _read_only_places(part, (*place, name))


class ReadOnly:
    """Where the arrays are that are read-only; the first that is pickled of what holds them."""

    _compared = ()  # it says nothing of their numbers

    def __init__(self, places: tuple[Place, ...], owner: object = None) -> None:
        self.places, self.owner = places, owner

    def __deepcopy__(self, memo: Any) -> ReadOnly:
        return self  # deepcopy takes any function

    def __reduce__(self) -> Any:
        if self.owner is not None:
            require_named(self.owner)
        return ReadOnly, (self.places,)


def require_named(owner: object) -> None:
    """Raise PicklingError if pickle won't find a function or class that `owner` is made of by its name.

    Examples
    --------
    >>> from jacobians import Elementwise
    >>> require_named(Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2))
    Traceback (most recent call last):
        ...
    _pickle.PicklingError: Elementwise('cube').f: found the function <lambda>, ...
    """
    parts = ((name, part) for name, value in vars(owner).items() for part in _named_parts(value))
    for name, value in parts:
        if _is_found(value) or _by_value():
            continue
        kind = "class" if isinstance(value, type) else "function"
        raise PicklingError(
            f"{owner!r}.{name}: found the {kind} {value.__qualname__}, expected one that pickle finds by its name; "
            f"define it by {'class' if kind == 'class' else 'def'} at the top level of a module"
        )


def _by_value() -> bool:
    """Return whether one of these packages is calling; that one is loaded says nothing."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if set(BY_VALUE) & set(str(frame.f_globals.get("__name__")).split(".")):
            return True
        frame = frame.f_back
    return False


def _named_parts(value: Any) -> Iterator[Any]:
    """Yield the functions and classes in a value that pickle writes down by their names."""
    if isinstance(value, FunctionType | type):
        yield value
    elif isinstance(value, partial):
        yield from _named_parts((value.func, *value.args, value.keywords))
    elif isinstance(value, Mapping):
        yield from _named_parts(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _named_parts(part)
    elif is_dataclass(value):
        yield from _named_parts(tuple(getattr(value, field.name) for field in fields(value)))


def _is_found(value: Any) -> bool:
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value
