"""Slopes from the value at hand: where f(z) is known, f′(z) is often one or two operations away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, is_recorded

LEAST_ENTRIES = 1024
"""Entries of an array from which looking for the places of the exact formula takes less time than it saves."""


class SlopeByValue:
    """f′ as a function of z and f(z): by a formula in f(z), and by f′ itself at the entries where that cancels.

    1 − tanh² z is right to a few units in the last place unless it is small; there 1/cosh² z takes its place, for
    these entries only. Small arrays, and those of other libraries and scalars, take f′ itself everywhere. Recorded
    code holds it as one call, for what it does depends on the numbers.

    Parameters
    ----------
    formula : callable (value, out)
        f′ by f(z), written into `out`, a fresh array for None.
    exact : callable (z)
        f′ by z.
    least : float
        The formula holds where its result is not below it, or NaN.

    Attributes
    ----------
    takes_out : bool
        Generated code may hand it an array for its result.

    Examples
    --------
    >>> slope = SlopeByValue(lambda t, out: np.subtract(1, t * t, out=out), lambda z: np.cosh(z) ** -2, 0.25)
    >>> z = np.linspace(0.0, 30.0, 1024)
    >>> np.allclose(slope(z, np.tanh(z)), np.cosh(z) ** -2, rtol=1e-14, atol=0)
    True
    """

    takes_out = True

    def __init__(self, formula: Callable[[Any, Any], Any], exact: Callable[[Any], Any], least: float) -> None:
        self.formula, self.exact, self.least = formula, exact, least
        self.__name__, self.__module__ = formula.__name__, formula.__module__

    def __reduce__(self) -> str:
        return self.__name__  # it stands in its module in the place of its formula

    def __call__(self, z: Any, value: Any, out: Array | None = None) -> Any:
        """Return f′(z) where f(z) is known."""
        if is_recorded(z):
            large = z.dtype.kind == "f" and z.size >= LEAST_ENTRIES
            return z.__array_function__(self, (type(z),), (z, value), {}) if large else self.exact(z)
        if type(z) is not np.ndarray or z.size < LEAST_ENTRIES or z.dtype.kind != "f":
            return self.exact(z)
        slope = self.formula(value, out)
        (places,) = (slope < self.least).ravel().nonzero()
        if places.size:
            slope.put(places, self.exact(z.take(places)))
        return slope


def with_formula(
    exact: Callable[[Any], Any], least: float
) -> Callable[[Callable[[Any, Any], Any]], SlopeByValue]:
    """Return a decorator that makes a :class:`SlopeByValue` of a formula; for functions of a module."""
    return lambda formula: SlopeByValue(formula, exact, least)
