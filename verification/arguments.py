"""What may come in as a function, a whole number or a choice: refused in one line, in the words of this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.function import Function

LONGEST = 60


def shown(value: object) -> str:
    """Return what was found, in one short line.

    Examples
    --------
    >>> shown(np.ones((2, 2))), len(shown("x" * 1000))
    ('array([[1., 1.], [1., 1.]])', 60)
    """
    if type(value) is int and value.bit_length() > 200:  # Python writes out no number of 5,000 digits
        return f"a whole number of {value.bit_length()} bits"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


def require_choice(value: object, name: str, known: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of the names in `known`."""
    if not (isinstance(value, str) and value in known):
        raise ValueError(f"{name}: found {shown(value)}, expected one of {', '.join(map(repr, known))}")


def require_whole(value: object, name: str, least: int = 0) -> None:
    """Raise TypeError or ValueError unless `value` is a whole number of at least `least`."""
    expected = f"expected a whole number of at least {least}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: found {shown(value)}, {expected}")
    if value < least:
        raise ValueError(f"{name}: found {value}, {expected}")


def require_function(f: Any) -> None:
    """Raise TypeError unless `f` is a Function or a function of arrays."""
    if isinstance(f, type) and issubclass(f, Function):
        raise TypeError(f"f: found the class {f.__name__}, expected a Function or a function of one array")
    home = getattr(f, "__module__", "") if isinstance(f, type) else type(f).__module__
    if str(home).split(".")[0] == "sympy":
        raise TypeError(
            f"f: found {shown(f)} of sympy, expected a function of arrays, such as sympy.lambdify(symbols, …)"
        )
    if not callable(f):
        found = f"the class {f.__name__}" if isinstance(f, type) else type(f).__name__
        raise TypeError(f"f: found {found}, expected a Function or a function of one array")
