"""Two functions with the signatures that course code uses, as drop-in replacements.

Their well-known originals write to x, lose every digit of an x of integers, broadcast arrays of different shapes, and
judge small numbers by an absolute floor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.numerics.arguments import real_number
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import require_function

FLOOR = 1e-8
"""Of the largest entry: entries below it are compared with it, as they are made of rounding."""


@without_float_errors
def eval_numerical_gradient_array(f: Callable[[Any], Any], x: Any, df: Any, h: float = 1e-5) -> Array:
    """Return the gradient of Σ df·f(x) by central differences: what a backward pass returns for `df`.

    Parameters
    ----------
    f : callable
        A function of one array. It gets copies in float64, and may do with them what it likes.
    x : array_like
        The point; integers are allowed. Never written to.
    df : array_like, of the shape of f(x)
        The gradient that comes from above.
    h : float
        The step; what is divided by is the step that the rounded points really have.

    Returns
    -------
    numpy.ndarray, of the shape of x
        In float64; NaN where f is NaN.

    Raises
    ------
    TypeError, ValueError
        If an array is refused, `df` and f(x) have different shapes, or `h` is not a positive number.

    Examples
    --------
    >>> eval_numerical_gradient_array(lambda x: x**2, [1, 2, 3], np.ones(3)).round(6)
    array([2., 4., 6.])
    """
    require_function(f)
    point = real_array(x, "x").astype(np.float64)
    above = real_array(df, "df").astype(np.float64)
    step = real_number(h, "h", above=0)
    found = _value(f, point).shape
    if found != above.shape:
        raise ValueError(f"df: found shape {above.shape}, expected {found}, the shape of f(x)")
    gradient = np.empty(point.shape)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += step
        down[index] -= step
        difference = _value(f, up) - _value(f, down)
        if difference.shape != above.shape:
            raise ValueError(f"f: found shape {difference.shape} beside x, expected {above.shape}, as at x")
        width = up[index] - down[index]
        if width == 0:
            raise ValueError(
                f"h: found {h!r}, expected a step that x{list(index)} = {point[index]} can take; enlarge it"
            )
        gradient[index] = np.sum(difference * above) / width
    return gradient


@without_float_errors
def rel_error(x: Any, y: Any) -> float:
    """Return the largest relative error, max abs(x − y) / (abs(x) + abs(y)), between 0 and 1.

    Two entries of which both are below 1e-8 of the largest are compared with that, and 0 equals 0.

    Parameters
    ----------
    x, y : array_like
        Of the same shape: (3,) is not (3, 1).

    Returns
    -------
    float
        NaN if an entry is NaN or infinite, so that it is below no bound.

    Raises
    ------
    TypeError, ValueError
        If an array is refused, the shapes differ, or there is no entry.

    Examples
    --------
    >>> round(rel_error([1.0, 2.0], [1.0, 2.002]), 6)
    0.0005
    >>> rel_error([1.0], [float("nan")])
    nan
    """
    left = real_array(x, "x").astype(np.float64)
    right = real_array(y, "y").astype(np.float64)
    if left.shape != right.shape:
        raise ValueError(f"x, y: found the shapes {left.shape} and {right.shape}, expected the same shape")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return float("nan")
    largest = max(float(np.abs(left).max()), float(np.abs(right).max()))
    if largest == 0:
        return 0.0
    left, right = (
        left / largest,
        right / largest,
    )  # so that nothing overflows, and nothing depends on the scale
    return float(np.max(np.abs(left - right) / np.maximum(FLOOR, np.abs(left) + np.abs(right))))


def _value(f: Callable[[Any], Any], point: Array) -> Array:
    result = f(point.copy())
    # a copy: f may return an array that it will write to again
    return np.array(real_array(result, "f(x)"), dtype=np.float64)
