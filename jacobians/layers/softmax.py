"""Softmax, log-softmax and log-sum-exp: diagonal plus rank one, and a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arrays import is_recorded
from jacobians.numerics.libraries import is_foreign, namespace_of, sum_last
from jacobians.structures import Dense, DiagonalPlusLowRank, Jacobian


def log_sum_exp(x: Any) -> Any:
    """Return log Σ e^x over the last axis, which is kept with length 1; no overflow, no cancellation.

    Examples
    --------
    >>> log_sum_exp(np.array([1000.0, 1000.0])) - 1000.0
    array([0.69314718])
    """
    with np.errstate(invalid="ignore", over="ignore"):  # logaddexp warns of NaN
        largest = _largest(x)
        return largest + _log_sum(x - largest)


def log_softmax(x: Any) -> Any:
    """Return x − log Σ e^x over the last axis; NaN where x is NaN or ∞.

    Examples
    --------
    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    with np.errstate(invalid="ignore", over="ignore"):  # ∞ − ∞ is the NaN that it should be
        shifted = x - _largest(x)
        return shifted - _log_sum(shifted)


def _log_sum(shifted: Any) -> Any:
    """Return log Σ e^x over the last axis for entries of at most 0, one of them 0."""
    if is_foreign(shifted):  # the standard has no reduction by logaddexp
        xp = namespace_of(shifted)
        return xp.log(sum_last(xp.exp(shifted), keepdims=True))
    return np.logaddexp.reduce(shifted, axis=-1, keepdims=True)


def softmax(x: Any) -> Any:
    """Return e^x/Σ e^x over the last axis; NaN where x is NaN or ∞.

    Examples
    --------
    >>> softmax(np.array([1000.0, 0.0]))
    array([1., 0.])
    """
    with np.errstate(invalid="ignore", over="ignore"):  # ∞ − ∞ is the NaN that it should be
        if not (is_foreign(x) or _are_floats(x)):
            return np.exp(log_softmax(x))
        powers = namespace_of(x).exp(x - _largest(x))
        return powers / sum_last(powers, keepdims=True)


def _largest(x: Any) -> Any:
    """Return the largest finite entry along the last axis, 0 for scalars that are no floats.

    Without the shift, rounding grows with the offset of the logits. Mathematically it changes nothing, so symbols
    and balls do without it, and need not decide which of them is the largest.
    """
    if is_foreign(x):
        xp = namespace_of(x)
        largest = xp.max(x, axis=-1, keepdims=True)
        return xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    if not _are_floats(x):
        return 0
    largest = np.maximum.reduce(x, axis=-1, keepdims=True)
    return np.where(np.isfinite(largest), largest, 0).astype(x.dtype)


def _are_floats(x: Any) -> bool:
    return (type(x) is np.ndarray or is_recorded(x)) and x.dtype.kind == "f"


class _OfVector(Function):
    """A function of one vector."""

    vectorized = True
    array_api = True

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (n,)."""
        if len(shape) != 1:
            hint = "; points along the first axis need batched=True" if len(shape) == 2 else ""
            raise ValueError(f"x: found shape {shape}, expected a vector (n,){hint}")


class Softmax(_OfVector):
    """p_i = e^{x_i}/Σ_j e^{x_j}; the Jacobian is diag(p) − p pᵀ.

    Examples
    --------
    >>> Softmax()([1000.0, 1000.0])
    array([0.5, 0.5])
    >>> Softmax().jacobian([0.0, 0.0])
    <Diagonal + rank 1 2×2: 2×2, out (2,), in (2,), 6 of 4 numbers stored>
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the softmax over the last axis."""
        return softmax(x)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0, value: Any = None) -> Jacobian:
        """Return diag(p) − p pᵀ."""
        p = self.forward(x) if value is None else value
        return DiagonalPlusLowRank.unchecked(p, -p[..., None], p[..., None])


class LogSoftmax(_OfVector):
    """x_i − log Σ_j e^{x_j}; the Jacobian is I − 1 pᵀ with p the softmax.

    Examples
    --------
    >>> LogSoftmax()([1000.0, 0.0])
    array([    0., -1000.])
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the logarithm of the softmax over the last axis."""
        return log_softmax(x)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return I − 1 pᵀ."""
        p = softmax(x)
        ones = namespace_of(x).ones_like(p)
        return DiagonalPlusLowRank.unchecked(ones, -ones[..., None], p[..., None])


class LogSumExp(_OfVector):
    """log Σ_j e^{x_j}, a scalar; the Jacobian is the row pᵀ with p the softmax.

    Examples
    --------
    >>> LogSumExp().jacobian([0.0, 0.0]).dense()
    array([[0.5, 0.5]])
    """

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return log Σ e^x over the last axis."""
        return log_sum_exp(x)[..., 0]

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return pᵀ."""
        p = softmax(x)
        return Dense.unchecked(p[..., None, :], out_shape=())
