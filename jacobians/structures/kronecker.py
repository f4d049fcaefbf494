"""Kronecker products, kept as their two factors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np

from jacobians.cost import ZERO_COST, Cost, cheaper
from jacobians.numerics.arrays import Array, zeros
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import UNCOUNTED, Ledger
from jacobians.numerics.libraries import NUMPY, spread_to
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures.base import Jacobian
from jacobians.structures.devices import together
from jacobians.structures.entrywise import Dense, Identity
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options
from jacobians.structures.stored import apply_cost, expansion_cost


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

    structure = _turned = "Kronecker"
    _colour = "#8338ec"
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
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        if A.home is not B.home:
            A, B = together((A, B), "Kronecker")
        self.A, self.B = A, B
        if batch_shape is None and (A.batch_shape or B.batch_shape):
            batch_shape = broadcast(A.batch_shape, B.batch_shape)
        if out_shape is None:
            out_shape = _pair(A.shape[0], B.shape[0])
        if in_shape is None:
            in_shape = _pair(A.shape[1], B.shape[1])
        self._set(Spec.kronecker(A.spec, B.spec), out_shape, in_shape, batch_shape)

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return " ⊗ ".join(
            f"({part.label})" if part.structure == cls.structure else part.label for part in spec.parts
        )

    @classmethod
    def _expansion_cost(cls, spec: Spec) -> Cost:
        """The factors' and one multiplication an entry, unless a factor is an identity: that only places."""
        cost = sum((expansion_cost(part) for part in spec.parts), ZERO_COST)
        identity = any(part.is_identity for part in spec.parts)
        return cost if identity else cost + Cost(spec.dense_storage, 0)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: int, batch: Shape) -> Cost:
        """(A ⊗ B)·vec(X): B on X, then A on that, or the other way: the cheaper one."""
        return cheaper(*_orders(*spec.parts, columns, batch))

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        A, B = self.A, self.B
        if isinstance(A, Identity) or isinstance(B, Identity):
            factor = B._expand(ledger) if isinstance(A, Identity) else A._expand(ledger)
            if out is None:
                return self._placed(factor)
            out[...] = 0
            self._place(self._blocks(out), factor)
            return out
        left, right = A._expand(ledger), B._expand(ledger)
        if out is not None:
            ledger.outer(left, right, self._blocks(out))
            return out
        product = ledger.scale(left[..., :, None, :, None], right[..., None, :, None, :])
        return cast(Array, self.home.namespace.reshape(product, self.spec.batch + self.shape))

    def _blocks(self, out: Array) -> Array:
        (p, r), (q, s) = self.A.shape, self.B.shape
        return out.reshape((*out.shape[:-2], p, q, r, s))  # axes are split, which never copies

    def _placed(self, factor: Array) -> Array:
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

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        # (A ⊗ B) vec(X) = vec(A X Bᵀ) for the row-major vec of X (r × s), here for k columns at once
        (p, r), (q, s) = self.A.shape, self.B.shape
        k = columns.shape[-1]
        xp = self.home.namespace
        X = xp.reshape(columns, (*columns.shape[:-2], r, s, k))
        if isinstance(self.A, Identity):
            result = _on_second(self.B, X, ledger)
        elif isinstance(self.B, Identity):
            result = _on_first(self.A, X, ledger)
        else:
            second, first = _orders(self.A.spec, self.B.spec, k, tuple(columns.shape[:-2]))
            if second <= first:
                result = _on_first(self.A, _on_second(self.B, X, ledger), ledger)
            else:
                result = _on_second(self.B, _on_first(self.A, X, ledger), ledger)
        return cast(Array, xp.reshape(result, (*result.shape[:-3], p * q, k)))

    @without_float_errors
    def trace(self) -> Any:
        """Return the trace: tr(A ⊗ B) = tr A · tr B where both are square."""
        if all(m == n for m, n in (self.A.shape, self.B.shape)):
            return self.A.trace() * self.B.trace()
        return super().trace()

    def _at(self, rows: Array, columns: Array) -> Array:
        q, s = self.B.shape
        left, right = self.A._at(rows // q, columns // s), self.B._at(rows % q, columns % s)
        # an identity places, it doesn't multiply: 0·∞ is not asked for
        for one, other in ((self.A, right), (self.B, left)):
            if isinstance(one, Identity):
                return np.where(left if one is self.A else right, other, np.zeros((), self.dtype))
        return left * right

    def _pull(self, u: Array, ledger: Ledger = UNCOUNTED) -> Array:
        # Σ Aᵀ U B for U (p × q) of each point
        (p, r), (q, s) = self.A.shape, self.B.shape
        A, B = self.A, self.B
        U = u.reshape((*u.shape[:-1], p, q))
        batch = self.spec.batch
        if isinstance(B, Dense) and B.spec.batch == batch:
            AtU = spread_to(A._transpose()._apply(U, ledger), (*batch, r, q))
            # a row a point and a row of B: of one row nothing is copied
            return ledger.matmul(AtU.mT.reshape(-1, r).T, B.A.reshape(-1, s)).reshape(-1)
        if isinstance(A, Dense) and A.spec.batch == batch:
            UB = spread_to(B._transpose()._apply(U.mT, ledger).mT, (*batch, p, s))
            return ledger.matmul(A.A.reshape(-1, r).T, UB.reshape(-1, s)).reshape(-1)
        return super()._pull(u, ledger)

    def _add_pairs(self, other: Jacobian, products: Array, weight: Array, symmetric: bool) -> None:
        # (A ⊗ B)(C ⊗ D)ᵀ = ACᵀ ⊗ BDᵀ
        if not isinstance(other, Kronecker) or [p.shape[1] for p in self.parts] != [
            p.shape[1] for p in other.parts
        ]:
            return super()._add_pairs(other, products, weight, symmetric)
        points = products.shape[2:]
        first, second = (
            np.zeros((left.shape[0], right.shape[0], *points), products.dtype)
            for left, right in zip(self.parts, other.parts, strict=True)
        )
        one = np.ones((1, 1), products.dtype)
        self.A._add_pairs(other.A, first, one, False)
        self.B._add_pairs(other.B, second, one, False)
        second *= weight
        blocks = products.reshape((len(first), len(second), first.shape[1], second.shape[1], *points))
        for i in range(len(first)):
            for k in range(len(second)):
                blocks[i, k] += first[i][:, None] * second[k][None, :]
        return None

    def _row_norms(self) -> Array:
        norms = self.A._row_norms()[..., :, None] * self.B._row_norms()[..., None, :]
        return norms.reshape((*norms.shape[:-2], self.shape[0]))

    @classmethod
    def _carried(cls, spec: Spec) -> tuple[Spec, Callable[[Spec], Spec]] | None:
        core, row = spec.parts
        return (core, lambda product: Spec.kronecker(product, row)) if row.shape[0] == 1 else None

    def _idle(self, axis: int) -> Array | None:
        if axis == 1 or self.B.shape[0] > 1:
            return None
        idle = self.A._idle(0)
        return idle if idle is None else idle & bool(np.isfinite(self.B.expand()).all())

    @classmethod
    def _taken_spec(cls, spec: Spec, rows: int | None, columns: int | None) -> Spec:
        core, row = spec.parts
        return Spec.kronecker(owner(core.structure)._taken_spec(core, rows, None), row)

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        # of A ⊗ b with one row b: rows of A
        taken = self.A._take(rows, None)
        return Kronecker.unchecked(taken, self.B, in_shape=self.in_shape, batch_shape=self.batch_shape)

    def _summed(self) -> Jacobian:
        A, B, batch = self.A, self.B, self.spec.batch
        if not A.spec.batch:
            return Kronecker.unchecked(A._once(), B._once().broadcast_batch(batch).summed())
        if not B.spec.batch:
            return Kronecker.unchecked(A._once().broadcast_batch(batch).summed(), B._once())
        return super()._summed()

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


@lru_cache(maxsize=4096)
def _orders(A: Spec, B: Spec, columns: int, batch: Shape) -> tuple[Cost, Cost]:
    """Return what A·X·Bᵀ costs for X (r × s) of each column: with B first, and with A first."""
    (p, r), (q, s) = A.shape, B.shape
    B_first = apply_cost(B, r * columns, batch) + apply_cost(A, q * columns, broadcast(batch, B.batch))
    A_first = apply_cost(A, s * columns, batch) + apply_cost(B, p * columns, broadcast(batch, A.batch))
    return B_first, A_first


def _on_first(A: Jacobian, X: Array, ledger: Ledger) -> Array:
    """Return A·X along the first of the last three axes of X."""
    r, s, k = X.shape[-3:]
    xp = A.home.namespace
    result = A._apply(xp.reshape(X, (*X.shape[:-3], r, s * k)), ledger)
    return cast(Array, xp.reshape(result, (*result.shape[:-1], s, k)))


def _on_second(B: Jacobian, X: Array, ledger: Ledger) -> Array:
    """Return B·X along the second of the last three axes of X."""
    if X.shape[-1] == 1:  # of one column a matrix is left, which is turned without a copy
        return B._apply(X[..., 0].mT, ledger).mT[..., None]
    xp = B.home.namespace
    return cast(Array, xp.moveaxis(_on_first(B, xp.moveaxis(X, -3, -2), ledger), -3, -2))


def _pair(first: int, second: int) -> Shape:
    """Return (first, second) without sizes of 1, but never an empty shape."""
    if first == 1:
        return (second,)
    return (first,) if second == 1 else (first, second)
