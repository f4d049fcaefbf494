"""Cross entropies of probabilities, and the binary one fused with the sigmoid.

Probabilities outside [0, 1] are refused at the doors. Below them, inside a composition, such a value is NaN, and a
probability 0 of what is the case gives the loss ∞: no formula here warns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.activations import softplus
from jacobians.layers.losses import (
    _ClassLoss,
    beside,
    require_target_shape,
    target_weights,
    weighted,
)
from jacobians.layers.norms import flat, row
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import namespace_of, sum_last
from jacobians.structures import Jacobian


def _require_probabilities(values: Array, name: str, way_out: str) -> None:
    wrong = (values < 0) | (values > 1)  # NaN is neither
    if bool(namespace_of(values).any(wrong)):
        raise ValueError(
            f"{name}: found {float(values[wrong][0]):g}, expected probabilities from 0 to 1{way_out}"
        )


def _log(p: Any) -> Any:
    """Return log p: −∞ at 0 and NaN below, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return namespace_of(p).log(p)


def _reciprocal(p: Array) -> Array:
    """Return 1/p: ∞ at 0, without a warning."""
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / p


class _Binary(Function):
    """Binary cross entropies: what depends on the target alone."""

    vectorized = True
    array_api = True

    def __init__(self, y: Any) -> None:
        self.y = self.parameter(y, "y")
        _require_probabilities(self.y, "y", "; labels −1 and 1 become 0 and 1 by (y + 1)/2")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless a prediction of `shape` fits the target."""
        require_target_shape(self.y, shape)

    def _mean(self, terms: Any, x: Any, batch_ndim: int) -> Any:
        """Return the sum of the terms divided by N."""
        return sum_last(flat(terms, batch_ndim)) / _count(x, batch_ndim)


def _count(x: Any, batch_ndim: int) -> int:
    """Return N, the number of entries of a point along its first axis, 1 for a scalar."""
    return int(x.shape[batch_ndim]) if x.ndim > batch_ndim else 1


class BinaryCrossEntropy(_Binary):
    """−1/N Σ [y log p + (1 − y) log(1 − p)] of probabilities p, N of them along the first axis.

    The Jacobian is the row 1/N·((1 − y)/(1 − p) − y/p). What has the weight 0 contributes 0, also where its
    logarithm is infinite; p = 0 for y = 1 gives the loss ∞ and the derivative −∞. Where p is the sigmoid of a
    logit, :class:`SigmoidBinaryCrossEntropy` takes the logit and has no such limits.

    Parameters
    ----------
    y : array_like
        The target of the prediction's shape, each entry from 0 to 1; for a batch of predictions also one target
        a point.

    Raises
    ------
    TypeError, ValueError
        If an entry of y, or of a prediction at the door, is outside [0, 1], or the shapes differ.

    Examples
    --------
    >>> loss = BinaryCrossEntropy([1.0, 0.0])
    >>> loss([0.5, 0.5])
    array(0.69314718)
    >>> loss.jacobian([0.5, 0.25]).dense().round(6)
    array([[-1.      ,  0.666667]])
    """

    instead = "SigmoidBinaryCrossEntropy, which takes the logits"

    def check_values(self, x: Array) -> None:
        """Raise ValueError if an entry of a prediction is outside [0, 1]."""
        _require_probabilities(x, "x", "; logits go to SigmoidBinaryCrossEntropy")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the mean over N."""
        y = beside(self.y, x, batch_ndim)
        return 0 - self._mean(weighted(y, _log(x)) + weighted(1 - y, _log(1 - x)), x, batch_ndim)  # not −0

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return 1/N·((1 − y)/(1 − p) − y/p)."""
        y = beside(self.y, x, batch_ndim)
        gradient = weighted(1 - y, _reciprocal(1 - x)) - weighted(y, _reciprocal(x))
        return row(flat(gradient, batch_ndim) / _count(x, batch_ndim), x, batch_ndim)


class SigmoidBinaryCrossEntropy(_Binary):
    """The binary cross entropy of p = σ(z), as a function of the logits z; the Jacobian is (σ(z) − y)ᵀ/N.

    It is computed as 1/N Σ [y log(1 + e^−z) + (1 − y) log(1 + e^z)], which neither overflows nor cancels.

    Parameters
    ----------
    y : array_like
        The target of the logits' shape, each entry from 0 to 1; for a batch of logits also one target a point.

    Raises
    ------
    TypeError, ValueError
        If an entry of y is outside [0, 1], or the shapes differ.

    Examples
    --------
    >>> loss = SigmoidBinaryCrossEntropy([1.0, 0.0])
    >>> loss([1000.0, -1000.0]), loss([-1000.0, 1000.0])
    (array(0.), array(1000.))
    >>> loss.jacobian([0.0, 1000.0]).dense()
    array([[-0.25,  0.5 ]])
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the mean over N."""
        y = beside(self.y, x, batch_ndim)
        losses = weighted(y, softplus(-x)) + weighted(1 - y, softplus(x))
        return self._mean(losses, x, batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return ((1 − y) σ(z) − y σ(−z))ᵀ/N, which is (σ(z) − y)ᵀ/N without its cancellation."""
        y = beside(self.y, x, batch_ndim)
        xp = namespace_of(x)
        small = xp.exp(-xp.abs(x))  # σ(−|z|) = e^−|z|/(1 + e^−|z|)
        lower, upper = small / (1 + small), 1 / (1 + small)
        gradient = (1 - y) * xp.where(x > 0, upper, lower) - y * xp.where(x > 0, lower, upper)
        return row(flat(gradient, batch_ndim) / _count(x, batch_ndim), x, batch_ndim)


class CrossEntropy(_ClassLoss):
    """−Σ r_i log p_i of probabilities p; the Jacobian is the row −(r/p)ᵀ.

    A class of weight 0 contributes 0, also where p_i = 0; p_i = 0 for r_i > 0 gives the loss ∞. Where p is the
    softmax of logits, :class:`SoftmaxCrossEntropy` takes the logits and has no such limits. That the p_i add
    up to 1 is not asked for: the derivative is by each of them.

    Parameters
    ----------
    target : int or array_like, shape (k,)
        The number of the right class, from 0, or the weights r of all classes, at least 0 (for a batch also an
        array (N, k)). A batch of class numbers goes through :meth:`from_labels`.

    Raises
    ------
    TypeError, ValueError
        If a class number is negative or too large, a weight is negative, a prediction has another shape, or at
        the door an entry outside [0, 1].

    Examples
    --------
    >>> CrossEntropy(0).jacobian([0.5, 0.5]).dense()
    array([[-2.,  0.]])
    >>> CrossEntropy([1.0, 0.0])([1.0, 0.0])
    array(0.)
    """

    _prediction = "probabilities"
    instead = "SoftmaxCrossEntropy, which takes the logits"

    def check_values(self, x: Array) -> None:
        """Raise ValueError if an entry of a prediction is outside [0, 1]."""
        _require_probabilities(x, "x", "; logits go to SoftmaxCrossEntropy")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return −Σ r log p."""
        r = target_weights(self.target, self.label, x, batch_ndim)
        return 0 - sum_last(weighted(r, _log(x)))  # not −0

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return −(r/p)ᵀ."""
        r = target_weights(self.target, self.label, x, batch_ndim)
        return row(weighted(r, -_reciprocal(x)), x, batch_ndim)
