"""Broadcasting and sums along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, points
from jacobians.structures.base import Jacobian
from jacobians.structures.kronecker import Kronecker
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_dtype, checked_options
from jacobians.structures.scaled_identity import ScaledIdentity


class Repeat(Jacobian):
    """I_p ⊗ 1_k ⊗ I_q: broadcasting an array (p, q) along a new axis of length k; its transpose sums over it.

    ``Repeat(k, q=n)`` is 1 ⊗ I_n, what a bias added to k rows does; ``.T`` is what ``sum(axis=0)``
    does. Stores nothing.

    Parameters
    ----------
    k : int
        How often.
    p, q : int
        The sizes before and behind the axis.
    out_shape, in_shape, batch_shape, dtype
        As in :class:`Identity`; (p, k, q) and (p, q) without sizes of 1 are natural, flat ones the default.

    Raises
    ------
    TypeError, ValueError
        If a size is no positive integer.

    Examples
    --------
    >>> Repeat(2, q=3).matvec([1.0, 2.0, 3.0]), Repeat(2, q=3).rmatvec([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    (array([1., 2., 3., 1., 2., 3.]), array([5., 7., 9.]))
    """

    structure = "Repeat"
    _places = True
    _colour = "#86b83a"

    def __init__(
        self,
        k: int,
        *,
        p: int = 1,
        q: int = 1,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = np.float64,
    ) -> None:
        sizes = (checked_integer(k, "k"), checked_integer(p, "p"), checked_integer(q, "q"))
        self._init(*sizes, *checked_options(out_shape, in_shape, batch_shape), checked_dtype(dtype))

    def _init(self, k: int, p: int, q: int, *options: Any, summed: bool = False, **named: Any) -> None:
        m, n = (p * q, p * k * q) if summed else (p * k * q, p * q)
        spec = Spec.of(self.structure, m, n, times=k, behind=q, summed=summed)
        self._set(spec, *options, **named)

    @classmethod
    def _sizes(cls, spec: Spec) -> tuple[int, int, int]:
        return spec.times, min(spec.shape) // spec.behind, spec.behind

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return f"{'Sum' if spec.summed else 'Repeat'} {spec.shape[0]}×{spec.shape[1]}"

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        facts = {"times": spec.times, "behind": spec.behind, "summed": not spec.summed}
        return Spec.of(cls.structure, *spec.shape[::-1], **facts)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """Return k − 1 additions for each sum; repeating is free."""
        k, p, q = cls._sizes(spec)
        return Count(0, points(batch) * (k - 1) * p * q * columns if spec.summed else 0)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> Repeat:
        return cls.unchecked(*cls._sizes(spec), dtype=dtype, summed=spec.summed)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        if self.spec.summed:
            return self._transpose()._expand(ledger).mT
        return self._apply(self.home.eye(self.shape[1], self.dtype), ledger)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        k, p, q = self._sizes(self.spec)
        lead, c = columns.shape[:-2], columns.shape[-1]
        xp = self.home.namespace
        if not self.spec.summed:
            one = xp.reshape(columns, (*lead, p, 1, q, c))
            return xp.reshape(xp.broadcast_to(one, (*lead, p, k, q, c)), (*lead, p * k * q, c))
        many = xp.reshape(columns, (*lead, p, k, q, c))
        total = many[..., 0, :, :]
        for place in range(1, k):
            total = ledger.add(total, many[..., place, :, :])
        return xp.reshape(total, (*lead, p * q, c))

    def _at(self, rows: Array, columns: Array) -> Array:
        k, _, q = self._sizes(self.spec)
        many, few = (columns, rows) if self.spec.summed else (rows, columns)
        return ((many // (k * q) == few // q) & (many % q == few % q)).astype(self.dtype)

    def _row_norms(self) -> Array:
        norm = np.sqrt(self.spec.times) if self.spec.summed else 1.0
        return np.full(self.shape[0], norm, self.dtype)

    def _transpose(self) -> Jacobian:
        made = Repeat.unchecked(*self._sizes(self.spec), dtype=self.dtype, summed=not self.spec.summed)
        made.home = self.home
        return made

    def _scale(self, factor: Any) -> Jacobian:
        return Kronecker.unchecked(ScaledIdentity.unchecked(self.home.full((), factor, self.dtype), 1), self)

    def _latex(self) -> str:
        k, p, q = self._sizes(self.spec)
        turned = r"^{\mathsf T}" if self.spec.summed else ""
        return rf"I_{{{p}}} \otimes \mathbf 1_{{{k}}}{turned} \otimes I_{{{q}}}"
