"""Where a result that is not finite comes from: the first layer whose output is not."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from jacobians import Function, Sequential
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import namespace_of

R = TypeVar("R")


class NotFiniteWarning(RuntimeWarning):
    """A result is NaN or infinite although the input is finite; the sentence names the layer it comes from."""


def is_finite(array: Any) -> bool:
    """Return whether all numbers of an array are finite.

    Examples
    --------
    >>> import numpy as np
    >>> is_finite(np.array([1.0, np.inf]))
    False
    """
    xp = namespace_of(array)
    return bool(xp.all(xp.isfinite(array)))


def first_not_finite(function: Function, points: Array, batch_ndim: int) -> str:
    """Return which layer is the first whose output is not finite, as a part of a sentence; "" where none is.

    Parameters
    ----------
    function : Function
    points : numpy.ndarray
        Where it was evaluated.
    batch_ndim : int
        The number of axes of `points` that count points.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Affine, Tanh
    >>> first_not_finite(Sequential(Tanh(), Affine([[np.inf]])), np.array([1.0]), 0)
    'layer 1, Affine(W: (1, 1)), is the first whose output is not finite'
    """
    if not is_finite(points):
        return "x itself is not finite"
    layers = function.layers if isinstance(function, Sequential) else (function,)
    values = function._values(points, batch_ndim) if isinstance(function, Sequential) else [points]
    if not isinstance(function, Sequential):
        values.append(function._forward(points, batch_ndim))
    for place, (layer, value) in enumerate(zip(layers, values[1:], strict=True)):
        if not is_finite(value):
            return f"layer {place}, {layer!r}, is the first whose output is not finite"
    return ""


def told(result: R, what: str, function: Function, points: Array, batch_ndim: int = 1) -> R:
    """Return a number, an array or a dict of them, with a warning that names the layer where one is not finite.

    Of an input that is not finite nothing is said.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Tanh
    >>> told(2.0, "the loss", Tanh(), np.array([np.nan]))
    2.0
    """
    named = (
        {f"{what} by {name}": one for name, one in result.items()}
        if isinstance(result, dict)
        else {what: result}
    )
    wrong = next((name for name, one in named.items() if not is_finite(one)), None)
    if wrong is not None and is_finite(points):
        where = first_not_finite(function, points, batch_ndim)
        where = where or "the output of every layer is finite, what follows is not"
        warnings.warn(f"{wrong} is not finite: {where}", NotFiniteWarning, stacklevel=3)
    return result
