"""The zero matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec
from jacobians.structures.base import Jacobian
from jacobians.structures.devices import moved
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_dtype, checked_options


class Zero(Jacobian):
    """The zero matrix: the derivative by something that has no influence. Stores nothing.

    Parameters
    ----------
    m, n : int
    out_shape, in_shape, batch_shape, dtype
        As in :class:`Identity`.

    Examples
    --------
    >>> Zero(2, 3).dense()
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """

    structure = _turned = "Zero"
    _places = True
    _colour = "#c9c9c9"
    _by_sizes = True

    def __init__(
        self,
        m: int,
        n: int,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = np.float64,
    ) -> None:
        shape = checked_integer(m, "m"), checked_integer(n, "n")
        self._init(*shape, *checked_options(out_shape, in_shape, batch_shape), checked_dtype(dtype))

    def _init(self, m: int, n: int, *options: Any, **named: Any) -> None:
        self._set(Spec.zero(m, n), *options, **named)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        return Count(0, 0)

    @classmethod
    def _unflatten(cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any) -> Zero:
        return cls.unchecked(*spec.shape, dtype=dtype)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return cast(Array, self.home.zeros(self.shape, self.dtype))

    def _at(self, rows: Array, columns: Array) -> Array:
        return np.zeros(len(rows), dtype=self.dtype)

    def _row_norms(self) -> Array:
        return np.zeros(self.shape[0], dtype=self.dtype)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        shape = (*columns.shape[:-2], self.shape[0], columns.shape[-1])
        return cast(Array, self.home.zeros(shape, self.dtype))

    def _transpose(self) -> Jacobian:
        return moved(Zero.unchecked(self.shape[1], self.shape[0], dtype=self.dtype), self.home)

    def _scale(self, factor: Any) -> Jacobian:
        return self

    def _latex(self) -> str:
        return "0"
