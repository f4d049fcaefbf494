"""The losses that a network can be named with, and targets as they take them.

A row of :data:`LOSSES` says which Function is the loss of one target; the Function brings value and Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from jacobians import (
    BinaryCrossEntropy,
    CrossEntropy,
    Function,
    MeanSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
)
from jacobians.layers.losses import one_hot
from jacobians.names import printable
from jacobians.numerics.arguments import checked_flag, near, shown
from jacobians.numerics.arrays import Array, array_of, real_array
from jacobians.numerics.libraries import NUMPY, Home, home_of, is_foreign, kind_name, namespace_of


@dataclass(frozen=True)
class NetworkLoss:
    """A loss by name.

    Attributes
    ----------
    name : str
    formula : str
        The loss of one point with k outputs a and the target y (weights r of classes), for tables.
    make : callable
        From targets (k,) or (N, k) to the loss as a Function of the outputs.
    threshold : float
        The output of a single unit above which a point belongs to class 1: 0 where outputs are logits, else ½.
    least_outputs : int
        The fewest outputs with which the loss says anything.
    takes_all : bool
        Whether every row of real numbers is a target, and is kept as it is.
    """

    name: str
    formula: str
    make: Callable[[Array], Function]
    threshold: float = 0.5
    least_outputs: int = 1
    takes_all: bool = False

    def of(self, targets: Array) -> Function:
        """Return the loss of targets (k,) or (N, k).

        Raises
        ------
        TypeError, ValueError
            If the loss refuses them.
        """
        try:
            return self.make(targets)
        except (TypeError, ValueError) as error:
            raise type(error)(f"y: {str(error).removeprefix('y: ').removeprefix('target: ')}") from None


def _rows(*losses: NetworkLoss) -> dict[str, NetworkLoss]:
    return {loss.name: loss for loss in losses}


LOSSES: dict[str, NetworkLoss] = _rows(
    NetworkLoss("softmax-cross-entropy", "−Σ r_i log softmax(a)_i", SoftmaxCrossEntropy, 0.0, 2),
    NetworkLoss("cross-entropy", "−Σ r_i log a_i", CrossEntropy, 0.5, 2),
    NetworkLoss(
        "sigmoid-binary-cross-entropy",
        "−1/k Σ [y_i log σ(a_i) + (1 − y_i) log(1 − σ(a_i))]",
        SigmoidBinaryCrossEntropy,
        threshold=0.0,
    ),
    NetworkLoss("binary-cross-entropy", "−1/k Σ [y_i log a_i + (1 − y_i) log(1 − a_i)]", BinaryCrossEntropy),
    NetworkLoss("squared-error", "½‖a − y‖²", partial(SquaredError, scale=0.5), takes_all=True),
    NetworkLoss("squared-distance", "‖a − y‖²", SquaredError, takes_all=True),
    NetworkLoss("mean-squared-error", "‖a − y‖²/k", MeanSquaredError, takes_all=True),
)
"""The rows by name. A network averages them over the points of a batch."""

ELSEWHERE = {
    "mse": "mean-squared-error",
    "l2": "squared-error",
    "categorical-crossentropy": "softmax-cross-entropy",
    "sparse-categorical-crossentropy": "softmax-cross-entropy",
    "log-loss": "softmax-cross-entropy",
    "softmax": "softmax-cross-entropy",
    "nll": "cross-entropy",
    "bce": "binary-cross-entropy",
    "binary-crossentropy": "binary-cross-entropy",
    "bce-with-logits": "sigmoid-binary-cross-entropy",
}
"""What others call them."""


def network_loss(loss: str | Callable[[Array], Function]) -> NetworkLoss:
    """Return the row of a loss given by name, or a row for a maker of one's own.

    Parameters
    ----------
    loss : str or callable
        A name out of :data:`LOSSES` (hyphens and underscores are the same), or a callable that makes the loss, a
        Function of the outputs, from targets of shape (k,) or (N, k).

    Raises
    ------
    ValueError, TypeError
        If there is none of that name; the error lists them.

    Examples
    --------
    >>> network_loss("squared_error").formula
    '½‖a − y‖²'
    >>> network_loss(SquaredError).name
    'SquaredError'
    """
    if isinstance(loss, str):
        row = LOSSES.get(loss.replace("_", "-").lower())
        if row is None:
            raise ValueError(
                f"loss: found {shown(loss)}, expected one of {', '.join(LOSSES)}{near(loss, LOSSES, ELSEWHERE)}"
            )
        return row
    if not callable(loss) or isinstance(loss, Function):
        raise TypeError(
            f"loss: found {shown(loss)}, expected one of {', '.join(LOSSES)}, or a callable that makes a loss "
            f"from its target, such as SquaredError"
        )
    return NetworkLoss(printable(getattr(loss, "__name__", type(loss).__name__)), "", loss)


def chosen_classes(outputs: Array, threshold: float) -> Array:
    """Return the class numbers (N,) that outputs (N, k) stand for; −1 where an output is not a number.

    Examples
    --------
    >>> chosen_classes(np.array([[2.0, 1.0], [0.0, np.nan]]), 0.0), chosen_classes(np.array([[0.75]]), 0.5)
    (array([ 0, -1]), array([1]))
    """
    outputs = real_array(outputs, "outputs", ndim=2, foreign="keep")
    xp = namespace_of(outputs)
    if outputs.shape[-1] == 1:
        above = outputs[:, 0] > threshold
        classes = above.astype(np.int64) if xp is np else xp.astype(above, xp.int64)
    else:
        classes = xp.argmax(outputs, axis=-1)
    missing = xp.any(xp.isnan(outputs), axis=-1)
    return cast(Array, xp.where(missing, -1, classes))


def class_numbers(y: Any, points: int | None) -> Array | None:
    """Return `y` as class numbers of shape (N,) if it is integers, one a point, else None.

    Parameters
    ----------
    y : array_like
        Targets.
    points : int or None
        The number of points N of a batch, None for one point, whose class number is a scalar.

    Examples
    --------
    >>> class_numbers([3, 1], 2), class_numbers(3, None), class_numbers([[0.0, 1.0]], 1)
    (array([3, 1]), array([3]), None)
    """
    if is_foreign(y):
        integral = namespace_of(y).isdtype(y.dtype, "integral") and y.ndim == (0 if points is None else 1)
        return cast(Array, namespace_of(y).reshape(y, (-1,))) if integral else None
    if isinstance(y, np.ma.MaskedArray | np.matrix):
        return None
    try:
        array = np.asarray(y)
    except ValueError:
        return None  # ragged: the door for vectors says so
    if array.dtype.kind in "iu" and array.ndim == (0 if points is None else 1):
        return np.atleast_1d(array)
    return None


def target_count(y: Any, batched: bool) -> int | None:
    """Return for how many points targets are, None for one without an axis that counts them.

    Raises
    ------
    TypeError, ValueError
        If batched is neither True nor False, or y has no first axis.

    Examples
    --------
    >>> target_count([1, 0], True), target_count(1, False)
    (2, None)
    """
    if not checked_flag(batched, "batched"):
        return None
    shape = y.shape if is_foreign(y) else array_of(y, "y").shape
    if not shape:
        raise ValueError("y: found a scalar with batched=True, expected targets along a first axis")
    return int(shape[0])


def target_rows(y: Any, points: int | None, outputs: int, dtype: Any, home: Home = NUMPY) -> Array:
    """Return targets as an array of shape (N, k), a row a point.

    Parameters
    ----------
    y : array_like
        Class numbers from 0, integers of shape (N,), which become rows of the identity (one output: the number
        itself, 0 or 1), or the targets of shape (N, k); without the axis N for one point.
    points : int or None
        N, or None for one point.
    outputs : int
        k.
    dtype : dtype
        Of the result.
    home : Home
        Where the result is to live. Class numbers may be NumPy's anywhere; targets are of the same library.

    Raises
    ------
    TypeError, ValueError
        If y is refused, has another shape, or a class number is not one of the classes.

    Examples
    --------
    >>> target_rows([1, 0], 2, 2, float)
    array([[0., 1.],
           [1., 0.]])
    >>> target_rows(1, None, 1, float)
    array([[1.]])
    """
    count = 1 if points is None else points
    labels = class_numbers(y, points)
    if home_of(y).namespace is not home.namespace and (labels is None or is_foreign(y)):
        raise TypeError(
            f"y: found {kind_name(y)}, expected class numbers or an array of {home.name}, like the network's "
            f"parameters; convert it"
        )
    if labels is not None:
        if labels.shape[0] != count:
            raise ValueError(
                f"y: found {labels.shape[0]} class numbers, expected one for each of {count} points"
            )
        try:
            rows = one_hot(labels, max(outputs, 2))
        except (TypeError, ValueError) as error:
            raise type(error)(f"y: {error}") from None
        return cast(Array, home.array(rows if outputs > 1 else rows[:, 1:], dtype))
    array = real_array(y, "y", foreign="keep")
    expected = (outputs,) if points is None else (points, outputs)
    if array.shape != expected:
        numbers = "a class number" if points is None else f"class numbers, integers of shape ({points},)"
        several = points is None and (array.ndim > 1 or class_numbers(y, 1) is not None)
        way_out = (
            "targets of several points need batched=True"
            if several
            else "NumPy would broadcast another shape: reshape it"
        )
        raise ValueError(
            f"y: found shape {tuple(array.shape)} of {getattr(y, 'dtype', array.dtype)}, expected {expected} or "
            f"{numbers}; {way_out}"
        )
    return cast(Array, home.array(home.namespace.reshape(array, (count, outputs)), dtype))
