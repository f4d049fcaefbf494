"""Slopes from the value at hand: where f(z) is known, f′(z) is often one or two operations away."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, is_recorded

LEAST_ENTRIES = 1024
"""Entries of an array from which looking for the places of the exact formula takes less time than it saves."""


@cache
def wide_vectors() -> bool:
    """Return whether NumPy computes exp and cosh of float64 by vectors of 512 bits on this processor.

    A look at each entry takes 1.5 to 3 ns where f′ itself takes 1.2 with them, and 5 to 8 without.
    """
    try:
        from numpy.lib.introspect import opt_func_info
    except ImportError:  # NumPy 1
        return False
    found = opt_func_info(func_name="^cosh$").get("cosh", {}).get("dd", {}).get("current", "")
    return "AVX512" in found or "X86_V4" in found


class SlopeByValue:
    """f′ as a function of z and f(z): by a formula in f(z), and by f′ itself at the entries where that cancels.

    1 − tanh² z is right to a few units in the last place unless it is small; there 1/cosh² z takes its place, for
    these entries only. Small arrays, and those of other libraries and scalars, take f′ itself everywhere; so do all
    where NumPy computes exp and cosh by vectors of eight, which takes less than a look at the entries. Recorded code
    holds it as one call, for what it does depends on the numbers.

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

    @property
    def pays(self) -> bool:
        """Whether the formula takes less time than f′ itself, which depends on the processor."""
        return not wide_vectors()

    def __init__(self, formula: Callable[[Any, Any], Any], exact: Callable[[Any], Any], least: float) -> None:
        self.formula, self.exact, self.least = formula, exact, least
        self.__name__, self.__module__ = formula.__name__, formula.__module__

    def __reduce__(self) -> str:
        return self.__name__  # it stands in its module in the place of its formula

    def __call__(self, z: Any, value: Any, out: Array | None = None) -> Any:
        """Return f′(z) where f(z) is known."""
        if is_recorded(z):
            large = z.dtype.kind == "f" and z.size >= LEAST_ENTRIES and self.pays
            return z.__array_function__(self, (type(z),), (z, value), {}) if large else self.exact(z)
        usual = type(z) is np.ndarray and z.size >= LEAST_ENTRIES and z.dtype.kind == "f"
        if not usual or not self.pays:
            slope = self.exact(z)
            if out is None:
                return slope
            np.copyto(out, slope)
            return out
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
