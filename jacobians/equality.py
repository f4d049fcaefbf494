"""Equality by value: two of a class are equal where pickle would write down the same of both, numbers to the bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from math import copysign, isnan
from typing import Any, TypeVar

import numpy as np

from jacobians.numerics.libraries import is_foreign, namespace_of

Kind = TypeVar("Kind")


class ByValue:
    """Equal to another of its class that holds the same, after pickle and deepcopy too; NaN is equal to NaN.

    The hash is of the class alone, and of what no training changes where a class says more. `_compared` is a property
    of a class that says what is compared in place of what pickle takes.

    Examples
    --------
    >>> from jacobians import Tanh
    >>> from jacobians.structures import Diagonal
    >>> Tanh() == Tanh(), Diagonal([1.0, np.nan]) == Diagonal([1.0, np.nan]), Diagonal([0.0]) == Diagonal([-0.0])
    (True, True, False)
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return same(self, other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(type(self))


def by_value(kind: type[Kind]) -> type[Kind]:
    """Give a named tuple, which has no base of ours, this equality; it is equal to no plain tuple."""
    for name, method in (("__eq__", same), ("__ne__", _differ), ("__hash__", ByValue.__hash__)):
        setattr(kind, name, method)
    return kind


def _differ(one: Any, other: Any) -> bool:
    return not same(one, other)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal: numbers to the bit, what has no ``==`` by what pickle takes of it.

    A function with parameters that stands at several places (shared layers) must do so in both.

    Examples
    --------
    >>> same((np.array([1.0, np.nan]), 2), (np.array([1.0, np.nan]), 2)), same(np.ones(2), np.ones(3))
    (True, False)
    """
    if one is other:
        return True
    pairs = [(one, other)]
    seen: dict[tuple[int, int], Any] = {}  # and kept: the number of an object that is gone is given again
    partners: tuple[dict[int, int], dict[int, int]] = ({}, {})
    while pairs:
        a, b = pairs.pop()
        if type(a) is not type(b):
            return False
        equal = _leaves_equal(a, b)
        if equal is False:
            return False
        if equal is None and (id(a), id(b)) not in seen:
            seen[id(a), id(b)] = a, b
            if getattr(a, "parameter_names", ()) and (
                partners[0].setdefault(id(a), id(b)) != id(b) or partners[1].setdefault(id(b), id(a)) != id(a)
            ):
                return False
            left, right = _parts(a), _parts(b)
            if left is None or right is None or left.keys() != right.keys():
                return False
            pairs += [(part, right[name]) for name, part in left.items()]
    return True


def _leaves_equal(a: Any, b: Any) -> bool | None:
    """Return whether two of a class are equal, or None where their parts say it."""
    if isinstance(a, tuple | list | Mapping):
        return None
    if a is b and (isinstance(a, type) or not hasattr(a, "parameter_names")):
        return True
    if isinstance(a, float):
        return (a == b and copysign(1, a) == copysign(1, b)) or (isnan(a) and isnan(b))
    if isinstance(a, np.ndarray | np.generic):
        objects = a.dtype == object and a.dtype == b.dtype and a.shape == b.shape
        return None if objects else _arrays_equal(a, b)
    if is_foreign(a):
        xp = namespace_of(a)
        return a.shape == b.shape and a.dtype == b.dtype and bool(xp.all((a == b) | ((a != a) & (b != b))))
    kind: Any = type(a)
    options = getattr(kind, "__dataclass_params__", None)
    of_dataclass = options is not None and options.eq  # for which NaN is not NaN
    if of_dataclass or kind.__eq__ in (object.__eq__, ByValue.__eq__):
        return None
    try:
        answer = a == b
    except Exception:  # of a user's
        return None
    return bool(answer) if isinstance(answer, bool | np.bool_) else None


def _arrays_equal(a: Any, b: Any) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind == "c":
        return _arrays_equal(a.real, b.real) and _arrays_equal(a.imag, b.imag)
    if a.dtype.kind != "f":
        return bool(np.all(a == b))
    alike = (a == b) & (np.signbit(a) == np.signbit(b))
    return bool(np.all(alike | (np.isnan(a) & np.isnan(b))))


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """Return what a value is made of by name, without what it remembers, or None where it is only itself."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple | list):
        return dict(enumerate(value))
    if isinstance(value, np.ndarray):
        return dict(enumerate(value.ravel().tolist()))
    if hasattr(type(value), "_compared"):
        return dict(enumerate(value._compared))
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.compare}
    try:
        written = value.__reduce_ex__(4)
    except Exception:  # pickle doesn't take it
        return None
    if isinstance(written, str):  # it is known by its name
        return None
    made: dict[Any, Any] = {
        place: tuple(part) if isinstance(part, Iterator) else part for place, part in enumerate(written)
    }
    if type(made.get(2)) is dict:
        state, kind = made.pop(2), type(value)
        remembered = (name for name in state if isinstance(getattr(kind, name, None), cached_property))
        made |= {name: state[name] for name in state.keys() - set(remembered)}
    return made
