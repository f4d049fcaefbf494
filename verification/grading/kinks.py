"""What may stand for a derivative at a kink: everything between its one-sided derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Cause

KINKS = frozenset({Cause.KINK, Cause.STEP_KINK, Cause.OPEN})
STEP = 1e-5


def one_sided(f: Callable[[Any], Any], x: Array) -> tuple[Array, Array]:
    """Return the lower and the upper one of the one-sided derivatives of each entry, (m, n) in row-major vec.

    Each is 2·D(h/2) − D(h) with D(h) = (f(x + h e_j) − f(x))/h for a step h of either sign: its error is of order h².

    Parameters
    ----------
    f : callable
        A function of one array.
    x : numpy.ndarray
        The point.

    Examples
    --------
    >>> low, high = one_sided(np.abs, np.array([0.0, 2.0]))
    >>> np.diag(low).round(6), np.diag(high).round(6)
    (array([-1.,  1.]), array([1., 1.]))
    """
    start = np.asarray(f(x.copy()), np.float64).reshape(-1)
    sides = np.empty((2, start.size, x.size))
    for column, index in enumerate(np.ndindex(*x.shape)):
        for side, sign in enumerate((1.0, -1.0)):
            slopes = []
            for step in (sign * STEP, sign * STEP / 2):
                moved = x.copy()
                moved[index] += step * max(1.0, abs(float(x[index])))
                taken = float(moved[index] - x[index])
                slopes.append((np.asarray(f(moved), np.float64).reshape(-1) - start) / taken)
            sides[side, :, column] = 2 * slopes[1] - slopes[0]
    return sides.min(axis=0), sides.max(axis=0)
