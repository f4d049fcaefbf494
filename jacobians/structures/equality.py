"""Equality of what holds arrays: the same numbers at the same places, NaN included."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from jacobians.structures.base import Jacobian


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal: arrays, Jacobians and what holds them by their numbers, the rest by ``==``.

    Examples
    --------
    >>> same((np.array([1.0, np.nan]), 2), (np.array([1.0, np.nan]), 2)), same(np.ones(2), np.ones(3))
    (True, False)
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        kinds = one.shape == other.shape and one.dtype == other.dtype
        return bool(kinds and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, Jacobian):
        return one.spec == other.spec and one.static == other.static and same(one.flatten(), other.flatten())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def equal_by_value(one: Any, other: object) -> bool:
    """Return whether two results are of one class and hold the same: for their ``__eq__``."""
    return type(one) is type(other) and same(*(_parts(each) for each in (one, other)))


def _parts(value: Any) -> Any:
    """Return what a result holds: of a dataclass the fields that are compared, and nothing that it remembers."""
    if isinstance(value, tuple):
        return tuple(value)
    if is_dataclass(value):
        return tuple(getattr(value, field.name) for field in fields(value) if field.compare)
    return vars(value)
