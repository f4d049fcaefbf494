"""The doors of a check: options that make no sense are refused with a sentence, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from jacobians.numerics.arguments import checked_integer, checked_list, checked_option, real_number, shown
from verification.witnesses.asking import WITNESSES, Budget
from verification.witnesses.glance import PROJECTIONS


def witness_names(witnesses: Iterable[str] | None) -> list[str]:
    """Return which witnesses to ask, the least precise first; all for None, and "projections" alone.

    Raises
    ------
    TypeError, ValueError
        If it is no list of names, names none, or one that is unknown.

    Examples
    --------
    >>> witness_names(["symbolic", "finite-difference"])
    ['finite-difference', 'symbolic']
    """
    if witnesses is None:
        return list(WITNESSES)
    expected = f"some of {', '.join(map(repr, WITNESSES))}"
    names = [witnesses] if isinstance(witnesses, str) else checked_list(witnesses, "witnesses", expected)
    if not names:
        raise ValueError(f"witnesses: found none, expected {expected}")
    for name in names:
        checked_option(name, "witnesses", (*WITNESSES, PROJECTIONS))
    if PROJECTIONS in names and len(names) == 1:
        return names
    if PROJECTIONS in names:
        raise ValueError(
            f"witnesses: found {PROJECTIONS!r} beside others, expected it alone: J is not formed"
        )
    return [name for name in WITNESSES if name in names]


def require_options(rtol: Any, budget: Any, max_bytes: Any, seed: Any) -> None:
    """Raise unless these options of a check make sense.

    Raises
    ------
    TypeError, ValueError
        If `rtol` is not None and no number from 0 to below 1, `budget` not None and no Budget, or `max_bytes` or
        `seed` no integer of at least 0; `max_bytes` may be None.

    Examples
    --------
    >>> require_options(-1.0, None, None, 0)
    Traceback (most recent call last):
    ...
    ValueError: rtol: found -1.0, expected a relative tolerance from 0 to below 1, or None for that of the precision
    """
    if rtol is not None and not 0 <= real_number(rtol, "rtol") < 1:
        raise ValueError(
            f"rtol: found {shown(rtol)}, expected a relative tolerance from 0 to below 1, or None for that of the "
            f"precision"
        )
    if budget is not None and not isinstance(budget, Budget):
        raise TypeError(
            f"budget: found {shown(budget)}, expected a verification.Budget, such as Budget(symbolic=100_000)"
        )
    for name, value in (("max_bytes", max_bytes), ("seed", seed)):
        if value is None and name == "max_bytes":
            continue
        checked_integer(value, name, least=0, most=None)


def require_absolute(atol: Any) -> None:
    """Raise ValueError unless `atol` is a finite number of at least 0.

    Examples
    --------
    >>> require_absolute(-1)
    Traceback (most recent call last):
    ...
    ValueError: atol: found -1, expected a finite absolute tolerance of at least 0
    """
    if not 0 <= real_number(atol, "atol") < np.inf:
        raise ValueError(f"atol: found {shown(atol)}, expected a finite absolute tolerance of at least 0")
