"""Gradient descent on a scalar function of one array: x ← x − α∇f(x), all parameters fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.images.drawing import as_image
from backprop.learning.not_finite import first_not_finite
from jacobians import Function
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_callable, checked_integer, checked_pair, real_number
from jacobians.numerics.arrays import Array, read_only, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.pickling import Pickled


class DivergenceError(ArithmeticError):
    """A value stopped being finite; what is good so far is kept.

    Attributes
    ----------
    history : tuple
        What was recorded before: epochs of a training run, values of a descent. Empty if the start was not finite.
    x : numpy.ndarray or None
        The last good point of a descent; a network keeps its last good parameters itself.
    """

    def __init__(self, message: str, history: tuple[Any, ...] = (), x: Array | None = None) -> None:
        super().__init__(message)
        self.history, self.x = history, x


@dataclass(frozen=True, eq=False)
class Descent(Pickled):
    """Where a descent (or an ascent) went.

    Attributes
    ----------
    function : Function
        What was made smaller (or larger).
    start, x : numpy.ndarray
        The first and the last point, read-only.
    values : tuple of float
        The value at the start and after every step.
    """

    function: Function
    start: Array
    x: Array
    values: tuple[float, ...]

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.values) - 1

    def image(self, shape: tuple[int, int]) -> Array:
        """Return the last point as an image, row by row.

        Raises
        ------
        ValueError
            If `shape` has another number of entries.
        """
        return as_image(self.x, shape)

    def __repr__(self) -> str:
        first, last = self.values[0], self.values[-1]
        return f"<{class_name(self)} of {self.function!r}: {self.steps} steps, {first:.4g} to {last:.4g}>"


@without_float_errors
def gradient_descent(
    function: Function,
    start: Any,
    *,
    step_size: float,
    steps: int,
    bounds: tuple[float, float] | None = None,
    callback: Callable[[Array, float], object] | None = None,
) -> Descent:
    """Take steps x ← x − α∇f(x); ∇f has the shape of x, the transpose of f's 1×n Jacobian.

    Parameters
    ----------
    function : Function
        With one number as its value: ``Sequential(network, loss)`` makes a loss a function of the input.
    start : array_like
    step_size : float
        α, above 0.
    steps : int
    bounds : pair of float, optional
        After every step (and at the start) each entry is brought back between these two.
    callback : callable, optional
        Given each point and its value; True as its result stops.

    Returns
    -------
    Descent

    Raises
    ------
    TypeError, ValueError
        If an argument is refused or the function has several values.
    DivergenceError
        If the value or the point stops being finite.

    Examples
    --------
    >>> from jacobians import SquaredError
    >>> descent = gradient_descent(SquaredError([1.0, 2.0], scale=0.5), [0.0, 0.0], step_size=0.5, steps=2)
    >>> descent.x, descent.values
    (array([0.75, 1.5 ]), (2.5, 0.625, 0.15625))
    """
    return Descent(*follow(function, start, -1, step_size, steps, bounds, callback))


def follow(
    function: Function,
    start: Any,
    sign: int,
    step_size: float,
    steps: int,
    bounds: tuple[float, float] | None,
    callback: Callable[[Array, float], object] | None,
) -> tuple[Function, Array, Array, tuple[float, ...]]:
    """Take steps x ← x + sign·α∇f(x) and return the fields of a :class:`Descent`; see :func:`gradient_descent`."""
    if not isinstance(function, Function):
        raise TypeError(f"function: found {class_name(function)}, expected a Function")
    first = _within(real_array(start, "start", foreign="refuse"), _bounds(bounds))
    rate = real_number(step_size, "step_size", above=0)
    count = checked_integer(steps, "steps", least=1)
    if callback is not None:
        checked_callable(callback, "callback", "a function of a point and a value", 2)
    values: list[float] = []
    x = first
    values.append(_value(function, first, 0, rate, values, first))
    for number in range(1, count + 1):
        after = _within(x + sign * rate * gradient(function, x), _bounds(bounds))
        values.append(_value(function, after, number, rate, values, x))
        x = read_only(after)
        if callback is not None and callback(x, values[-1]) is True:
            break
    return function, first, x, tuple(values)


def gradient(function: Function, x: Array) -> Array:
    """Return ∇f(x) of a scalar function, in the shape of x (denominator layout).

    Raises
    ------
    ValueError
        If the function has several values.

    Examples
    --------
    >>> from jacobians import SquaredNorm
    >>> gradient(SquaredNorm(), np.array([1.0, 2.0]))
    array([2., 4.])
    """
    row = function.jacobian(x)
    if row.shape[0] != 1:
        raise ValueError(f"function: found {row.shape[0]} values, expected one; compose it with a loss")
    return row.dense().reshape(x.shape)


def _value(function: Function, x: Array, number: int, rate: float, before: list[float], last: Array) -> float:
    value = function(x)
    if value.size != 1:
        raise ValueError(f"function: found {value.size} values, expected one; compose it with a loss")
    if not (np.isfinite(value).all() and np.isfinite(x).all()):
        if not number:
            where = first_not_finite(function, x, 0)
            raise DivergenceError(
                f"start: the value is {value.item()} there, expected a finite one{where and f': {where}'}"
            )
        raise DivergenceError(
            f"step {number}: the value is {value.item()}; the point before is in this error's x; "
            f"take a step_size below {rate:g}, or give bounds",
            tuple(before),
            last,
        )
    return float(value.item())


def _bounds(bounds: Any) -> tuple[float, float] | None:
    if bounds is None:
        return None
    return checked_pair(bounds, "bounds", infinite=True)


def _within(x: Array, bounds: tuple[float, float] | None) -> Array:
    # a copy in any case: the caller may write to what was given
    return read_only(np.array(x if bounds is None else np.clip(x, *bounds)))  # of no axes, too
