"""Norms of a vector or of all entries of an array, and what is divided by a norm.

No value overflows or underflows on the way to an answer that fits. At 0 the derivative of a norm is 0 by policy,
and so is |x|′(0). The derivative rules don't call the forward passes: each checks the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arguments import real_number
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import namespace_of, sum_last
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank, Identity, Jacobian, Selection


def flat(x: Any, batch_ndim: int) -> Any:
    """Return the entries of each point along one last axis."""
    return namespace_of(x).reshape(x, (*x.shape[:batch_ndim], math.prod(x.shape[batch_ndim:])))


def row(gradient: Any, x: Any, batch_ndim: int) -> Dense:
    """Return the gradient of a scalar function, entries along the last axis, as a 1×n Jacobian."""
    return Dense.unchecked(gradient[..., None, :], out_shape=(), in_shape=x.shape[batch_ndim:])


def euclidean(entries: Any) -> Any:
    """Return √Σx² over the last axis; hypot neither overflows nor underflows on the way.

    Examples
    --------
    >>> print(euclidean(np.array([3e-200, 4e-200])))
    5e-200
    """
    # hypot(inf, NaN) is inf, so that NaN is added by hand
    missing = np.where(np.isnan(entries), entries, 0).sum(axis=-1)
    return np.hypot.reduce(entries, axis=-1, initial=0) + missing


def _or_one(size: Any) -> Any:
    """Return a divisor: `size`, and 1 where it is 0."""
    return np.where(size == 0, 1, size)


def _centred(x: Any, origin: Any) -> Any:
    """Return x − mean x over the last axis, computed from one of its entries: exactly 0 for a constant x."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is the NaN that it should be
        shifted = x - origin
        return shifted - np.mean(shifted, axis=-1, keepdims=True)


def _direction(entries: Array, p: float) -> tuple[Array, Array, Array]:
    """Return x/s with s = max |x|, the p-norm of that, and s; the last two keep the last axis, and 0 becomes 1."""
    largest = _or_one(np.max(np.abs(entries), axis=-1, keepdims=True))
    with np.errstate(invalid="ignore"):  # ∞/∞ is the NaN that it should be
        scaled = entries / largest
    norm = (np.abs(scaled) ** p).sum(axis=-1, keepdims=True) ** (1 / p)
    return scaled, _or_one(norm), largest


class Norm(Function):
    """‖x‖_p = (Σ |x_i|^p)^(1/p) over all entries, a scalar.

    The Jacobian is a row: xᵀ/‖x‖ for p = 2, sign(x)ᵀ for p = 1, sign(x_i)(|x_i|/‖x‖)^(p−1) in general. For
    p = ∞ it is a :class:`Selection`: the sign of the largest entry at its place. At 0 it is 0.

    Parameters
    ----------
    ord : float or "fro"
        p, at least 1, or ``inf``; 2 by default. "fro" is 2, the Frobenius norm of a matrix: all norms run over
        all entries, so that 1, 2 and ∞ are not the operator norms of a matrix.

    Raises
    ------
    TypeError, ValueError
        If ord is neither a number of at least 1 nor "fro".

    Notes
    -----
    Kinks: 0 for every p; an entry 0 for p = 1, where |x|′(0) = 0; a tie of the largest entries for p = ∞,
    which belongs to the first of them.

    Examples
    --------
    >>> Norm()([3e200, 4e200])
    array(5.e+200)
    >>> Norm().jacobian([3e200, 4e200]).dense()
    array([[0.6, 0.8]])
    >>> Norm(np.inf).jacobian([3.0, -4.0])
    <Selection 1×2: 1×2, out (), in (2,), 2 of 2 numbers stored>
    """

    vectorized = True

    def __init__(self, ord: Any = 2) -> None:  # noqa: A002  # NumPy's name
        if isinstance(ord, str) and ord != "fro":
            raise ValueError(f"ord: found {ord!r}, expected 'fro', inf or a number of at least 1")
        self.ord = 2.0 if isinstance(ord, str) else real_number(ord, "ord", infinite=True)
        if not self.ord >= 1:
            raise ValueError(
                f"ord: found {self.ord:g}, expected a number of at least 1: the triangle inequality fails below 1"
            )

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the norm of all entries."""
        entries = flat(x, batch_ndim)
        if self.ord == 2:
            return euclidean(entries)
        sizes = np.abs(entries)
        if self.ord == 1:
            return sizes.sum(axis=-1)
        largest = np.max(sizes, axis=-1)
        if self.ord == math.inf:
            return largest
        # powers of |x|/max|x|, which are at most 1; not so where the largest is 0 or ∞
        scale = np.where(largest == 0, 1, np.where(np.isinf(largest), 1, largest))
        return scale * ((sizes / scale[..., None]) ** self.ord).sum(axis=-1) ** (1 / self.ord)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the row of the class docstring, by policy 0 at 0."""
        entries = flat(x, batch_ndim)
        if self.ord == 1:
            return row(np.sign(entries), x, batch_ndim)
        if self.ord == math.inf:
            place = np.argmax(np.abs(entries), axis=-1)[..., None]
            sign = np.sign(np.take_along_axis(entries, place, axis=-1))
            return Selection.unchecked(
                place, entries.shape[-1], sign, repeats=False, out_shape=(), in_shape=x.shape[batch_ndim:]
            )
        scaled, norm, _ = _direction(entries, self.ord)
        return row(np.sign(scaled) * (np.abs(scaled) / norm) ** (self.ord - 1), x, batch_ndim)

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the signs for p = 1; place, sign and ties of the largest entry for ∞; else 1 at 0."""
        entries = np.ravel(x)
        signs = (entries > 0).astype(int) - (entries < 0)
        if self.ord == 1:
            return signs
        if self.ord == math.inf:
            sizes = np.abs(entries)
            place = int(np.argmax(sizes))
            return np.array([place, signs[place], np.count_nonzero(sizes == sizes[place])])
        return np.array([int(not signs.any())])

    def __repr__(self) -> str:
        return "Norm()" if self.ord == 2 else f"Norm({self.ord:g})"


class SquaredNorm(Function):
    """‖x‖² over all entries; the Jacobian is the row 2xᵀ.

    Examples
    --------
    >>> SquaredNorm().jacobian([1.0, 2.0]).dense()
    array([[2., 4.]])
    """

    vectorized = True
    array_api = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the sum of squares."""
        entries = flat(x, batch_ndim)
        return sum_last(entries * entries)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return 2xᵀ."""
        return row(2 * flat(x, batch_ndim), x, batch_ndim)


class Normalize(Function):
    """u = x/‖x‖₂ over all entries, in the shape of x; the Jacobian is (I − u uᵀ)/‖x‖.

    It is kept as a diagonal plus rank 1. At 0, where u jumps, value and Jacobian are 0 by policy.

    Examples
    --------
    >>> Normalize()([3e200, 4e200])
    array([0.6, 0.8])
    >>> Normalize().jacobian([3.0, 4.0])
    <Diagonal + rank 1 2×2: 2×2, out (2,), in (2,), 6 of 4 numbers stored>
    >>> Normalize().jacobian([3.0, 4.0]).matvec([3.0, 4.0]).round(12) + 0.0  # along x nothing changes
    array([0., 0.])
    """

    vectorized = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return x/‖x‖, and 0 at 0."""
        entries = flat(x, batch_ndim)
        with np.errstate(invalid="ignore"):  # ∞/∞ is the NaN that it should be
            return (entries / _or_one(euclidean(entries))[..., None]).reshape(x.shape)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return (I − u uᵀ)/‖x‖, by policy 0 at 0."""
        point = x.shape[batch_ndim:]
        scaled, norm, largest = _direction(flat(x, batch_ndim), 2.0)
        unit = scaled / norm
        there = np.where((scaled == 0).all(axis=-1, keepdims=True), 0, 1 / norm / largest).astype(x.dtype)
        return DiagonalPlusLowRank.unchecked(
            np.broadcast_to(there, unit.shape),
            -(there * unit)[..., None],
            unit[..., None],
            out_shape=point,
            in_shape=point,
        )

    def smooth_piece(self, x: Any) -> Array | None:
        """Return 1 at 0, else 0."""
        return np.array([int(not np.any(x))])


class LayerNorm(Function):
    """y = γ ⊙ x̂ + β with x̂ = (x − mean x)/√(var x + eps), for a vector of n entries.

    The Jacobian is diag(γ)/s · (I − 1/n·11ᵀ − 1/n·x̂x̂ᵀ) with s = √(var x + eps), a diagonal plus rank 2; by
    gamma it is diag(x̂), by beta I_n. Source: Ba, Kiros & Hinton, "Layer normalization", 2016; the variance
    is the mean of the squares (divided by n).

    Parameters
    ----------
    gamma, beta : array_like, shape (n,), or None
        One that is None (no scale, no shift) is no parameter.
    eps : float
        Added to the variance, at least 0; 1e-5 by default. With eps = 0 a constant x, where x̂ doesn't exist,
        has x̂ = 0 and the Jacobian 0 by policy.

    Raises
    ------
    TypeError, ValueError
        If gamma and beta are no vectors of one length, eps is negative, or x is no vector of that length.

    Examples
    --------
    >>> layer = LayerNorm(gamma=[1.0, 2.0, 1.0], beta=[0.0, 0.0, 5.0], eps=0.0)
    >>> layer([-1.0, 0.0, 1.0]).round(6)
    array([-1.224745,  0.      ,  6.224745])
    >>> layer.jacobian([-1.0, 0.0, 1.0])
    <Diagonal + rank 2 3×3: 3×3, out (3,), in (3,), 15 of 9 numbers stored>
    """

    parameter_names = ("gamma", "beta")
    vectorized = True

    def __init__(self, gamma: Any = None, beta: Any = None, eps: float = 1e-5) -> None:
        self.gamma = None if gamma is None else self.parameter(gamma, "gamma", ndim=1)
        self.beta = None if beta is None else self.parameter(beta, "beta", ndim=1)
        self.eps = real_number(eps, "eps")
        if self.eps < 0:
            raise ValueError(f"eps: found {self.eps:g}, expected at least 0: it is added to a variance")
        if self.gamma is not None and self.beta is not None and self.gamma.shape != self.beta.shape:
            raise ValueError(
                f"beta: found shape {self.beta.shape}, expected {self.gamma.shape}, that of gamma"
            )

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (n,) with the n of the parameters."""
        sizes = [value.shape for value in (self.gamma, self.beta) if value is not None]
        if len(shape) != 1 or (sizes and sizes[0] != shape):
            expected = f"{sizes[0]}, the shape of the parameters" if sizes else "a vector (n,)"
            hint = "; points along the first axis need batched=True" if len(shape) == 2 else ""
            raise ValueError(f"x: found shape {shape}, expected {expected}{hint}")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return γ ⊙ x̂ + β; √(var + eps) is a hypot, which squares nothing that might overflow."""
        centred = _centred(x, x[..., :1])
        deviation = euclidean(centred)[..., None] / math.sqrt(x.shape[-1])
        y = centred / _or_one(np.hypot(deviation, math.sqrt(self.eps)))
        if self.gamma is not None:
            y = self.gamma * y
        return y if self.beta is None else y + self.beta

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return diag(γ)/s·(I − 1/n·11ᵀ − 1/n·x̂x̂ᵀ), diag(x̂) or I."""
        n = x.shape[-1]
        if wrt == "beta":
            return Identity.unchecked(n, dtype=np.result_type(x.dtype, self.parameters["beta"].dtype))
        centred = _centred(x, x[..., -1:])
        # s = size·√(mean (centred/size)² + (√eps/size)²), each square at most n
        size = np.max(np.abs(centred), axis=-1, keepdims=True)
        size = _or_one(np.maximum(size, math.sqrt(self.eps))).astype(x.dtype)
        variance = ((centred / size) ** 2).mean(axis=-1, keepdims=True) + (math.sqrt(self.eps) / size) ** 2
        s = size * _or_one(np.sqrt(variance)).astype(x.dtype)
        unit = centred / s
        if wrt == "gamma":
            return Diagonal.unchecked(unit)
        d = (1 / s if self.gamma is None else self.gamma / s) * np.ones_like(unit)
        # where nothing varies and eps is 0
        d = np.where(variance == 0, np.zeros((), dtype=d.dtype), d)
        U = -np.stack([d, d * unit], axis=-1) / n
        V = np.stack([np.ones_like(unit), unit], axis=-1)
        return DiagonalPlusLowRank.unchecked(d, U, V)

    def smooth_piece(self, x: Any) -> Array | None:
        """Return 1 for a constant x if eps is 0, else 0; None where eps keeps the function smooth."""
        if self.eps > 0:
            return None
        return np.array([int(np.all(x == np.ravel(x)[0]))])
