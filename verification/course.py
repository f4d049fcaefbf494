"""Functions with the signatures that course code uses, as drop-in replacements.

Their well-known originals write to x, lose every digit of an x of integers, broadcast arrays of different shapes, and
judge small numbers by an absolute floor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jacobians.numerics.arguments import checked_integer, checked_mapping, real_number
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.callables import require_function

FLOOR = 1e-8
"""Of the largest entry: entries below it are compared with it, as they are made of rounding."""

TYPICAL = 2e-7
"""Below it a course says that a backward pass works."""


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


@without_float_errors
def eval_numerical_gradient(f: Callable[[Any], Any], x: Any, verbose: bool = True, h: float = 1e-5) -> Array:
    """Return the gradient of a function whose value is one number, by central differences.

    Parameters
    ----------
    f : callable
        A function of one array; it gets copies in float64.
    x : array_like
        The point. Never written to.
    verbose : bool
        Print each entry.
    h : float
        The step.

    Returns
    -------
    numpy.ndarray, of the shape of x

    Raises
    ------
    TypeError, ValueError
        If x is refused, f(x) has more than one entry, or `h` is not a positive number.

    Examples
    --------
    >>> eval_numerical_gradient(lambda x: np.sum(x**2), [1, 2, 3], verbose=False).round(6)
    array([2., 4., 6.])
    """
    require_function(f)
    point = real_array(x, "x").astype(np.float64)
    value = _value(f, point)
    if value.size != 1:
        raise ValueError(
            f"f(x): found shape {value.shape}, expected one number; for an array there is eval_numerical_gradient_array"
        )
    gradient = eval_numerical_gradient_array(f, point, np.ones(value.shape), h)
    for index in np.ndindex(gradient.shape) if verbose else ():
        sys.stdout.write(f"{index} {gradient[index]}\n")
    return gradient


@without_float_errors
def grad_check_sparse(
    f: Callable[[Any], Any],
    x: Any,
    analytic_grad: Any,
    num_checks: int = 10,
    h: float = 1e-5,
    *,
    seed: int = 0,
) -> float:
    """Print numerical and analytic gradients at some random entries, and return the largest relative error.

    Parameters
    ----------
    f : callable
        A function of one array, whose value is one number.
    x : array_like
        The point. Never written to.
    analytic_grad : array_like, of the shape of x
    num_checks : int
        How many entries.
    h : float
        The step.
    seed : int
        For the choice of the entries.

    Raises
    ------
    TypeError, ValueError
        If an array is refused, the shapes differ, or a number makes no sense.

    Examples
    --------
    >>> error = grad_check_sparse(lambda x: np.sum(x**2), [1.0, 2.0], [2.0, 5.0], num_checks=1, seed=1)
    numerical: 2.000000 analytic: 2.000000, relative error: ...
    """
    require_function(f)
    point, analytic = real_array(x, "x").astype(np.float64), real_array(analytic_grad, "analytic_grad")
    if analytic.shape != point.shape:
        raise ValueError(
            f"analytic_grad: found shape {analytic.shape}, expected {point.shape}, the shape of x"
        )
    checked_integer(num_checks, "num_checks", least=1)
    seed = checked_integer(seed, "seed", least=0, most=None)
    rng = np.random.default_rng(seed)
    worst = 0.0
    for place in rng.integers(point.size, size=num_checks):
        index = tuple(int(k) for k in np.unravel_index(int(place), point.shape))

        def entry(value: Any, index: tuple[int, ...] = index) -> Any:
            moved = point.copy()
            moved[index] = value[0]
            return f(moved)

        numerical = float(eval_numerical_gradient(entry, [point[index]], verbose=False, h=h)[0])
        given = float(analytic[index])
        size = abs(numerical) + abs(given)
        error = abs(numerical - given) / size if size else 0.0
        sys.stdout.write(f"numerical: {numerical:f} analytic: {given:f}, relative error: {error:e}\n")
        worst = max(worst, error) if np.isfinite(error) else float("nan")
    return worst


@without_float_errors
def gradient_check_n(
    parameters: Mapping[str, Any],
    gradients: Mapping[str, Any],
    X: Any,
    Y: Any,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    forward: Callable[..., Any],
) -> float:
    """Return ‖numerical − analytic‖ / (‖numerical‖ + ‖analytic‖) over all parameters of a net.

    Parameters
    ----------
    parameters : dict of str to array_like
        "W1", "b1", …
    gradients : dict of str to array_like
        "dW1", "db1", …; others are left alone.
    X, Y : Any
        Handed on.
    epsilon : float
        The step.
    print_msg : bool
        Print a sentence.
    forward : callable
        ``forward(X, Y, parameters)`` returns the cost, or the cost and a cache.

    Raises
    ------
    TypeError, ValueError
        If a gradient is missing or has another shape than its parameter, or an array is refused.

    Examples
    --------
    >>> cost = lambda X, Y, parameters: np.sum((parameters["W"] @ X - Y) ** 2)
    >>> W, X = np.ones((1, 2)), np.array([[1.0], [2.0]])
    >>> gradient_check_n({"W": W}, {"dW": 2 * (W @ X - 1) @ X.T}, X, 1.0, forward=cost) < 1e-6
    True
    """
    require_function(forward)
    parameters = checked_mapping(parameters, "parameters", "arrays by name, such as {'W1': …}")
    gradients = checked_mapping(gradients, "gradients", "arrays by name, such as {'dW1': …}")
    numerical, analytic = [], []
    points = {name: real_array(value, name).astype(np.float64) for name, value in parameters.items()}
    for name, point in points.items():
        if f"d{name}" not in gradients:
            raise ValueError(
                f"gradients: found {', '.join(gradients) or 'none'}, expected d{name} for {name}"
            )
        found = real_array(gradients[f"d{name}"], f"d{name}").astype(np.float64)
        if found.shape != point.shape:
            raise ValueError(f"d{name}: found shape {found.shape}, expected {point.shape}, that of {name}")

        def cost(value: Any, name: str = name) -> Any:
            moved = {key: one.copy() for key, one in points.items()} | {name: value}
            result = forward(X, Y, moved)
            return result[0] if isinstance(result, tuple) else result

        numerical.append(eval_numerical_gradient(cost, point, verbose=False, h=epsilon).reshape(-1))
        analytic.append(found.reshape(-1))
    one, two = np.concatenate(numerical), np.concatenate(analytic)
    size = float(np.linalg.norm(one) + np.linalg.norm(two))
    difference = float(np.linalg.norm(one - two)) / size if size else 0.0
    if print_msg:
        right = difference < TYPICAL
        sys.stdout.write(
            f"the backward pass {'works' if right else 'has a mistake'}: difference = {difference}\n"
        )
    return difference


def _value(f: Callable[[Any], Any], point: Array) -> Array:
    result = f(point.copy())
    # a copy: f may return an array that it will write to again
    return np.array(real_array(result, "f(x)"), dtype=np.float64)
