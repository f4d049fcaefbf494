"""Losses, each made for its target: a scalar function of the prediction."""

from __future__ import annotations

import operator
from typing import Any, ClassVar, Self, cast

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.norms import flat, row
from jacobians.layers.softmax import log_softmax, softmax
from jacobians.numerics.arguments import checked_integer, real_number, shown
from jacobians.numerics.arrays import Array, array_of, is_recorded, private, real_array, require_budget
from jacobians.numerics.libraries import (
    astype,
    home_of,
    is_foreign,
    namespace_of,
    require_one_library,
    sum_last,
)
from jacobians.structures import Jacobian


class SquaredError(Function):
    """scale·‖a − y‖²; the Jacobian by the prediction a is the row 2·scale·(a − y)ᵀ.

    Parameters
    ----------
    y : array_like
        The target, of the prediction's shape; for a batch of predictions also one target a point.
    scale : float
        1 by default; ½ for the δ recursion's E, 1/N or 1/(2m) for one term of a mean.

    Raises
    ------
    TypeError, ValueError
        If y or scale is refused, or a prediction has another shape.

    Examples
    --------
    >>> SquaredError([1.0, 2.0])([2.0, 4.0])
    array(5.)
    >>> SquaredError([1.0, 2.0], scale=0.5).jacobian([2.0, 4.0]).dense()
    array([[1., 2.]])
    """

    vectorized = True
    array_api = True

    def __init__(self, y: Any, scale: float = 1.0) -> None:
        self.y = self.parameter(y, "y")
        self.scale = real_number(scale, "scale")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless a prediction of `shape` fits the target."""
        require_target_shape(self.y, shape)

    def _factor(self, point: tuple[int, ...]) -> float:
        """Return what the sum of squares is multiplied by."""
        return self.scale

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the scaled sum of squares."""
        difference = flat(x - beside(self.y, x, batch_ndim), batch_ndim)
        return self._factor(x.shape[batch_ndim:]) * sum_last(difference * difference)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return 2·scale·(a − y)ᵀ."""
        difference = flat(x - beside(self.y, x, batch_ndim), batch_ndim)
        return row(2 * self._factor(x.shape[batch_ndim:]) * difference, x, batch_ndim)


class MeanSquaredError(SquaredError):
    """scale/N·Σ (a − y)² with N the entries along the first axis; the Jacobian is 2·scale/N·(a − y)ᵀ.

    For a vector that is the mean of the squares; for a matrix of N rows, a point each, it is the mean over points
    of ‖a_i − y_i‖², 1/N Σ_i ‖F(x_i) − y_i‖². With scale = ½ it is 1/(2m) Σ_k ‖f(x_k) − y_k‖². For a scalar N = 1.

    Parameters
    ----------
    y : array_like, shape (N, …) or ()
        The target, of the prediction's shape; for a batch of predictions also one target a point.
    scale : float
        1 by default.

    Raises
    ------
    TypeError, ValueError
        If y or scale is refused, or a prediction has another shape.

    Examples
    --------
    >>> loss = MeanSquaredError([[0.0, 0.0], [1.0, 1.0]])
    >>> loss([[1.0, 0.0], [1.0, 4.0]])  # (1 + 9)/2
    array(5.)
    >>> loss.jacobian([[1.0, 0.0], [1.0, 4.0]]).tensor("mixed")
    array([[1., 0.],
           [0., 3.]])
    """

    def _factor(self, point: tuple[int, ...]) -> float:
        return self.scale / (point[0] if point else 1)


class _ClassLoss(Function):
    """A loss made for the number of the right class, or for the weights of all."""

    _prediction: ClassVar[str]  # what errors call it
    vectorized = True
    array_api = True

    def __init__(self, target: Any) -> None:
        self.label: int | None = class_number(target) if has_no_axes(target) else None
        self.target: Array | None = class_weights(target) if self.label is None else None

    @classmethod
    def from_labels(cls, labels: Any, classes: int) -> Self:
        """Make the loss of a batch from one class number a point.

        Parameters
        ----------
        labels : array_like of int, shape (N,)
        classes : int
            The number of classes, k.

        Raises
        ------
        TypeError, ValueError
            If a label is not an integer from 0 to k − 1.

        Examples
        --------
        >>> SoftmaxCrossEntropy.from_labels([1, 0], 2).target
        array([[0., 1.],
               [1., 0.]])
        """
        return cls(one_hot(labels, classes))

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless a prediction of `shape` is a vector that fits the target."""
        require_classes(self.target, self.label, shape, self._prediction)


class SoftmaxCrossEntropy(_ClassLoss):
    """−Σ r_i log softmax(z)_i of logits z; the Jacobian is the row ((Σ r_i)·softmax(z) − r)ᵀ.

    Parameters
    ----------
    target : int or array_like, shape (k,)
        The number of the right class, from 0, or the weights r of all classes, at least 0 (for a batch of
        logits also an array (N, k)). A batch of class numbers goes through :meth:`from_labels`.

    Raises
    ------
    TypeError, ValueError
        If a class number is negative or too large, a weight is negative, or logits have another shape.

    Examples
    --------
    >>> loss = SoftmaxCrossEntropy(0)
    >>> loss([1000.0, -1000.0]), loss([-1000.0, 1000.0])
    (array(0.), array(2000.))
    >>> loss.jacobian([0.0, 0.0]).dense()
    array([[-0.5,  0.5]])
    """

    _prediction = "logits"

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return Σ r_i (log Σ e^z − z_i), which neither overflows nor cancels."""
        weights = target_weights(self.target, self.label, x, batch_ndim)
        return sum_last(weighted(weights, -log_softmax(x)))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return ((Σ r)·softmax(z) − r)ᵀ."""
        r = target_weights(self.target, self.label, x, batch_ndim)
        gradient = sum_last(r, keepdims=True) * softmax(x) - r
        return row(gradient, x, batch_ndim)


# --- targets ---------------------------------------------------------------------------------------------


def beside(target: Array, x: Any, batch_ndim: int, name: str = "y") -> Array:
    """Return a target that stands beside a prediction: in its dtype, and of a shape that is never broadcast.

    A float64 target doesn't widen a float32 prediction. Symbols have no dtype to follow.

    Raises
    ------
    ValueError
        Unless the target has the shape of one point, or of all points of a batch.
    """
    shape = tuple(x.shape)
    if target.shape not in (shape, shape[batch_ndim:]):
        raise ValueError(
            f"{name}: found shape {tuple(target.shape)}, expected {shape[batch_ndim:]} for one prediction"
            + (f", or {shape} for a target a point" if batch_ndim else "; several points need batched=True")
        )
    if is_foreign(x) or is_foreign(target):
        require_one_library(x=x, **{name: target})
        return namespace_of(x).astype(target, x.dtype, copy=False)
    numbers = isinstance(x, np.ndarray | np.generic) or is_recorded(x)
    if numbers and x.dtype.kind == "f":
        return target.astype(x.dtype, copy=False)
    return target


def weighted(weights: Array, terms: Any) -> Any:
    """Return weights·terms, 0 where a weight is 0, even if the term is infinite there; NaN stays NaN."""
    if is_foreign(terms):
        xp = namespace_of(terms)
        return xp.where(weights == 0, xp.where(xp.isnan(terms), terms, 0), weights * terms)
    if not is_recorded(weights) and (weights != 0).all():
        return weights * terms
    with np.errstate(invalid="ignore"):  # 0·∞, which is not taken
        return np.where(weights == 0, np.where(np.isnan(terms), terms, 0), weights * terms)


def target_weights(target: Array | None, label: int | None, x: Any, batch_ndim: int) -> Array:
    """Return the weights of all classes, of a target given as such or as a class number."""
    if target is None:
        target = astype(home_of(x).arange(x.shape[-1]) == label, np.float64)
    return beside(target, x, batch_ndim, "target")


def require_classes(target: Array | None, label: int | None, shape: tuple[int, ...], what: str) -> None:
    """Raise ValueError unless `shape` is (k,) with the k of the weights, or with room for the class number."""
    if len(shape) != 1:
        raise ValueError(f"x: found shape {shape}, expected {what} (k,); several points need batched=True")
    if target is not None:
        require_target_shape(target, shape, name="target")
    elif label is not None and label >= shape[0]:
        raise ValueError(f"target: found class {label}, expected 0 to {shape[0] - 1} for {shape[0]} {what}")


def require_target_shape(target: Array, shape: tuple[int, ...], name: str = "y") -> None:
    """Raise ValueError unless `target` has the shape of a prediction, or one target a point of a batch."""
    if target.shape != shape and tuple(target.shape[1:]) != shape:
        raise ValueError(
            f"x: found a prediction of shape {shape}, expected {tuple(target.shape)}, the shape of {name}; "
            f"NumPy would broadcast the two: reshape one of them"
        )


def has_no_axes(value: Any) -> bool:
    """Return whether a target is a single number; lists, ragged ones too, are not."""
    return not isinstance(value, list | tuple) and np.ndim(value) == 0


def class_number(value: Any) -> int:
    """Return a class number as a Python integer, at least 0."""
    number = value.item() if isinstance(value, np.ndarray) else value
    if isinstance(number, bool | np.bool_) or not hasattr(number, "__index__"):
        raise TypeError(
            f"target: found {shown(value)}, expected a class number or the weights of all classes"
        )
    if operator.index(number) < 0:
        raise ValueError(
            f"target: found class {shown(number)}, expected at least 0; classes are numbered from 0"
        )
    return checked_integer(number, "target", least=0)


def class_weights(value: Any) -> Array:
    """Return the weights of all classes, each at least 0."""
    weights = private(real_array(value, "target", foreign="keep"))
    negative = weights < 0
    if bool(namespace_of(weights).any(negative)):
        raise ValueError(
            f"target: found the weight {float(weights[negative][0])}, expected weights of at least 0"
        )
    return weights


def one_hot(labels: Any, classes: int) -> Array:
    """Return the rows of the identity at `labels`.

    Parameters
    ----------
    labels : array_like of int, shape (N,)
    classes : int

    Raises
    ------
    TypeError, ValueError
        If classes is no integer of at least 1, or a label is not an integer from 0 to classes − 1.
    MemoryBudgetError
        If the rows would take more than 2 GiB.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    count = checked_integer(classes, "classes")
    numbers = labels if is_foreign(labels) else array_of(labels, "labels")
    xp = namespace_of(numbers)
    if not xp.isdtype(numbers.dtype, "integral") or numbers.ndim != 1 or 0 in numbers.shape:
        raise TypeError(
            f"labels: found dtype {numbers.dtype} and shape {tuple(numbers.shape)}, expected integers of shape (N,)"
        )
    wrong = (numbers < 0) | (numbers >= count)
    if bool(xp.any(wrong)):
        place = [bool(wrong[i]) for i in range(wrong.shape[0])].index(True)
        raise ValueError(
            f"labels: found {numbers[place]} at place {place}, expected class numbers from 0 to {count - 1}"
        )
    require_budget(
        (numbers.shape[0], count), 8, "the rows of the identity at the labels", "take fewer points at a time"
    )
    columns = astype(numbers, np.int64)[:, None]
    return cast(Array, astype(home_of(numbers).arange(count)[None, :] == columns, np.float64))
