"""The doors for plain numbers: integers and step sizes, refused by name."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jacobians import Function


def checked_integer(value: Any, name: str, *, least: int) -> int:
    """Return `value` as a Python integer of at least `least`, or refuse it by name.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or too small.

    Examples
    --------
    >>> checked_integer(3, "epochs", least=1)
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: found {value!r}, expected an integer of at least {least}") from None
    if isinstance(value, bool | np.bool_) or number < least:
        raise ValueError(f"{name}: found {value!r}, expected an integer of at least {least}")
    return number


def checked_number(value: Any, name: str, *, least: float = 0.0, strict: bool = False) -> float:
    """Return `value` as a finite float of at least `least`, or above it if `strict`, or refuse it by name.

    Raises
    ------
    TypeError, ValueError
        If it is no real number, not finite, or too small.

    Examples
    --------
    >>> checked_number(1, "learning_rate", strict=True)
    1.0
    >>> checked_number(0, "learning_rate", strict=True)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate: found 0, expected a finite number above 0
    """
    expected = f"a finite number {'above' if strict else 'of at least'} {least:g}"
    try:
        if isinstance(value, str | bytes | bool | np.bool_):
            raise TypeError("float() would take it")
        number = float(value)
    except OverflowError:  # an integer beyond the floats
        number = math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name}: found {value!r}, expected {expected}") from None
    if not math.isfinite(number) or number < least or (strict and number == least):
        raise ValueError(f"{name}: found {value!r}, expected {expected}")
    return number


def checked_by(network: Function, by: Any) -> str:
    """Return what a network is differentiated by, or refuse it.

    Raises
    ------
    ValueError
        If it is neither "input" nor the name of a parameter.

    Examples
    --------
    >>> from jacobians import Tanh
    >>> checked_by(Tanh(), "W")
    Traceback (most recent call last):
    ...
    ValueError: by: found 'W', expected one of 'input'
    """
    known = ["input", *network.parameters]
    if not isinstance(by, str) or by not in known:
        raise ValueError(f"by: found {by!r}, expected one of {', '.join(map(repr, known))}")
    return by
