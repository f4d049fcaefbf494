"""Kronecker products, kept as their two factors."""

from __future__ import annotations

import math
from typing import Any, Self, cast

import numpy as np

from jacobians.arrays import Array, zeros
from jacobians.namespaces import NUMPY, namespace_of, spread_to
from jacobians.spec import Spec, broadcast
from jacobians.structures.base import Jacobian
from jacobians.structures.doors import checked_options
from jacobians.structures.entrywise import Dense, Identity
from jacobians.structures.homes import together
from jacobians.structures.linear_map import Shape

_LEAST_BLOCK = 2048  # entries of a product, from which a call for each point pays


class Kronecker(Jacobian):
    """A ⊗ B: ∂(Wx + b)/∂W = I_h ⊗ xᵀ by the row-major vec of W. Stores the two factors.

    Parameters
    ----------
    A, B : Jacobian or array_like
        The factors, (p × r) and (q × s); arrays become :class:`Dense`.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; by default the factors' sizes, (p, q) and (r, s), without those of length 1.

    Raises
    ------
    TypeError, ValueError
        If a factor is refused.

    Examples
    --------
    >>> from jacobians.structures import Identity
    >>> Kronecker(Identity(2), [[5.0, 6.0]]).dense()
    array([[5., 6., 0., 0.],
           [0., 0., 5., 6.]])
    """

    structure = "Kronecker"
    _children = ("A", "B")
    A: Jacobian
    B: Jacobian

    def __init__(
        self,
        A: Any,
        B: Any,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        left = A if isinstance(A, Jacobian) else Dense(A)
        right = B if isinstance(B, Jacobian) else Dense(B)
        self._init(left, right, *checked_options(out_shape, in_shape, batch_shape))

    def _init(
        self,
        A: Jacobian,
        B: Jacobian,
        out_shape: Shape | None,
        in_shape: Shape | None,
        batch_shape: Shape | None,
    ) -> None:
        if A.home is not B.home:
            A, B = together((A, B), "Kronecker")
        self.A, self.B = A, B
        if batch_shape is None:
            batch_shape = broadcast(A.batch_shape, B.batch_shape)
        if out_shape is None:
            out_shape = _pair(A.shape[0], B.shape[0])
        if in_shape is None:
            in_shape = _pair(A.shape[1], B.shape[1])
        self._set(Spec.kronecker(A.spec, B.spec), out_shape, in_shape, batch_shape)

    @classmethod
    def unchecked(
        cls,
        A: Jacobian,
        B: Jacobian,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> Self:
        """Make one below the doors."""
        made = cls.__new__(cls)
        made._init(A, B, out_shape, in_shape, batch_shape)
        return made

    def _expand(self) -> Array:
        A, B = self.A, self.B
        if isinstance(A, Identity) or isinstance(B, Identity):
            return self.place(B.expand() if isinstance(A, Identity) else A.expand())
        left, right = A.expand(), B.expand()
        blocks = left[..., :, None, :, None] * right[..., None, :, None, :]
        return cast(Array, namespace_of(blocks).reshape(blocks, tuple(blocks.shape[:-4]) + self.shape))

    def place(self, factor: Array) -> Array:
        """Return the dense form where one factor is an identity, from the dense form of the other.

        Entries are placed, not multiplied: beside an infinite number the zeros stay zeros.
        """
        (p, r), (q, s) = self.A.shape, self.B.shape
        first = isinstance(self.A, Identity)
        if self.home is not NUMPY:
            xp = self.home.namespace
            eye = self.home.eye(p if first else q, self.dtype) != 0
            eye = eye[:, None, :, None] if first else eye[None, :, None, :]
            entries = factor[..., None, :, None, :] if first else factor[..., :, None, :, None]
            entries = xp.where(eye, entries, xp.zeros_like(entries))
            return cast(Array, xp.reshape(entries, (*self.spec.batch, *self.shape)))
        blocks = zeros((*self.spec.batch, p, q, r, s), self.dtype, factor)
        self._place(blocks, factor)
        return blocks.reshape((*self.spec.batch, *self.shape))

    def _place(self, blocks: Array, factor: Array) -> None:
        if isinstance(self.A, Identity):
            for i in range(self.A.shape[0]):
                blocks[..., i, :, i, :] = factor
        else:
            for i in range(self.B.shape[0]):
                blocks[..., :, i, :, i] = factor

    def _write(self, out: Array) -> None:
        (p, r), (q, s) = self.A.shape, self.B.shape
        blocks = out.reshape((*out.shape[:-2], p, q, r, s))  # axes are split, which never copies
        if isinstance(self.A, Identity):
            out[...] = 0
            self._place(blocks, self.B.expand())
        elif isinstance(self.B, Identity):
            out[...] = 0
            self._place(blocks, self.A.expand())
        else:
            left, right = self.A.expand(), self.B.expand()
            if p * q * r * s < _LEAST_BLOCK:
                np.multiply(left[..., :, None, :, None], right[..., None, :, None, :], out=blocks)
                return
            points = blocks.shape[:-4]
            left, right = np.broadcast_to(left, (*points, p, r)), np.broadcast_to(right, (*points, q, s))
            for point in np.ndindex(points):  # a point at a time stays in the cache
                np.einsum("pr,qs->pqrs", left[point], right[point], out=blocks[point])

    def _apply(self, columns: Array) -> Array:
        # (A ⊗ B) vec(X) = vec(A X Bᵀ) for the row-major vec of X (r × s), here for k columns at once
        (p, r), (q, s) = self.A.shape, self.B.shape
        k = columns.shape[-1]
        xp = self.home.namespace
        X = xp.reshape(columns, (*columns.shape[:-2], r, s, k))
        if isinstance(self.A, Identity):
            result = _on_second(self.B, X)
        elif isinstance(self.B, Identity):
            result = _on_first(self.A, X)
        elif self._right_first(tuple(columns.shape[:-2])):
            result = _on_first(self.A, _on_second(self.B, X))
        else:
            result = _on_second(self.B, _on_first(self.A, X))
        return cast(Array, xp.reshape(result, (*result.shape[:-3], p * q, k)))

    def _right_first(self, lead: Shape) -> bool:
        """Return whether A(XBᵀ) takes fewer multiplications than (AX)Bᵀ, for X (r × s) at points of `lead`."""
        (p, r), (q, s) = self.A.shape, self.B.shape
        # a structure multiplies about as often, for a column, as it stores numbers
        A, B = (part.storage / part.spec.batch_size for part in (self.A, self.B))
        points = math.prod(broadcast(lead, self.spec.batch))
        with_A, with_B = (math.prod(broadcast(lead, part.spec.batch)) for part in (self.A, self.B))
        return with_B * B * r + points * A * q < with_A * A * s + points * B * p

    def _pull(self, u: Array) -> Array:
        # Σ Aᵀ U B for U (p × q) of each point
        (p, r), (q, s) = self.A.shape, self.B.shape
        A, B = self.A, self.B
        U = u.reshape((*u.shape[:-1], p, q))
        batch = self.spec.batch
        if isinstance(B, Dense) and B.spec.batch == batch:
            AtU = spread_to(A._transpose()._apply(U), (*batch, r, q))
            # a row a point and a row of B: of one row nothing is copied
            return (AtU.mT.reshape(-1, r).T @ B.A.reshape(-1, s)).reshape(-1)
        if isinstance(A, Dense) and A.spec.batch == batch:
            UB = spread_to(B._transpose()._apply(U.mT).mT, (*batch, p, s))
            return (A.A.reshape(-1, r).T @ UB.reshape(-1, s)).reshape(-1)
        return super()._pull(u)

    def _row_norms(self) -> Array:
        norms = self.A._row_norms()[..., :, None] * self.B._row_norms()[..., None, :]
        return norms.reshape((*norms.shape[:-2], self.shape[0]))

    def _transpose(self) -> Jacobian:
        return Kronecker.unchecked(self.A.T, self.B.T, out_shape=self.in_shape, in_shape=self.out_shape)

    def _scale(self, factor: Any) -> Jacobian:
        # scale the factor that stores something, and of two the smaller
        if self.A.storage == 0 or 0 < self.B.storage < self.A.storage:
            A, B = self.A, self.B * factor
        else:
            A, B = self.A * factor, self.B
        return Kronecker.unchecked(A, B, out_shape=self.out_shape, in_shape=self.in_shape)

    def _latex(self) -> str:
        left, right = (
            rf"\left({part._latex()}\right)" if isinstance(part, Kronecker) else part._latex()
            for part in (self.A, self.B)
        )
        return rf"{left} \otimes {right}"


def _on_first(A: Jacobian, X: Array) -> Array:
    """Return A·X along the first of the last three axes of X."""
    r, s, k = X.shape[-3:]
    xp = A.home.namespace
    result = A._apply(xp.reshape(X, (*X.shape[:-3], r, s * k)))
    return cast(Array, xp.reshape(result, (*result.shape[:-1], s, k)))


def _on_second(B: Jacobian, X: Array) -> Array:
    """Return B·X along the second of the last three axes of X."""
    if X.shape[-1] == 1:  # of one column a matrix is left, which is turned without a copy
        return B._apply(X[..., 0].mT).mT[..., None]
    xp = B.home.namespace
    return cast(Array, xp.moveaxis(_on_first(B, xp.moveaxis(X, -3, -2)), -3, -2))


def _pair(first: int, second: int) -> Shape:
    """Return (first, second) without sizes of 1, but never an empty shape."""
    sizes = tuple(size for size in (first, second) if size > 1)
    return sizes or (math.prod((first, second)),)
