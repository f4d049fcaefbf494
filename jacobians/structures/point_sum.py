"""Sums over the points of a batch, kept as their terms: Gauss–Newton and Fisher matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, cast

import numpy as np

from jacobians.cost import Cost
from jacobians.names import class_name
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import UNCOUNTED, Ledger
from jacobians.numerics.libraries import NUMPY
from jacobians.spec import Batch, Spec, points
from jacobians.structures.base import Jacobian
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options
from jacobians.structures.storage import unflatten
from jacobians.structures.stored import apply_cost, expansion_cost, stored_shapes

_ENTRIES = 2**20  # of the terms, that are formed at a time


class PointSum(Jacobian):
    """Σ_p J_p over the points of a batch, such as Σ_p A_p ⊗ B_p: stores what the terms store.

    :meth:`Jacobian.summed` makes one where no simpler structure holds the sum. A Gauss–Newton matrix Σ_p J_pᵀ H_p J_p
    with J_p = S_p ⊗ x_pᵀ, the Jacobian by the weights of a layer, is Σ_p (S_pᵀ H_p S_p) ⊗ (x_p x_pᵀ).

    Parameters
    ----------
    terms : Jacobian
        Of several points, all of which are summed over.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`; those of the terms by default.

    Raises
    ------
    TypeError, ValueError
        If `terms` is no Jacobian, or one that stores the numbers of a single point.

    Examples
    --------
    >>> from jacobians.structures import Kronecker
    >>> J = Kronecker(np.ones((5, 2, 2)), np.ones((5, 3, 3))).summed()
    >>> J
    <Σ(5·Dense 2×2 ⊗ 5·Dense 3×3): 6×6, out (2, 3), in (2, 3), 65 of 36 numbers stored>
    >>> J.matvec(np.ones(6))
    array([30., 30., 30., 30., 30., 30.])
    """

    structure = _turned = "PointSum"
    _children = ("terms",)
    terms: Jacobian

    def __init__(
        self,
        terms: Jacobian,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        if not isinstance(terms, Jacobian):
            raise TypeError(f"terms: found {class_name(terms)}, expected a Jacobian of several points")
        if not terms.spec.batch:
            raise ValueError(
                f"terms: found {terms.label} with the numbers of one point, expected those of several; J.summed() "
                f"multiplies what all points share"
            )
        self._init(spread(terms), *checked_options(out_shape, in_shape, batch_shape))

    def _init(
        self,
        terms: Jacobian,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        *,
        axes: int | None = None,
    ) -> None:
        self.terms = terms
        batch = terms.spec.batch
        axes = len(batch) if axes is None else axes  # the last ones of the terms', which are summed over
        spec = Spec.of(self.structure, *terms.shape, batch[: len(batch) - axes], [terms.spec], axes=axes)
        out_shape = terms.out_shape if out_shape is None else out_shape
        self._set(spec, out_shape, terms.in_shape if in_shape is None else in_shape, batch_shape)

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return f"Σ({spec.parts[0].label})"

    @classmethod
    def _summed_axes(cls, spec: Spec) -> Batch:
        batch = spec.parts[0].batch
        return batch[len(batch) - spec.axes :]

    @classmethod
    def _batch_of_parts(cls, spec: Spec, batch: Batch) -> Batch:
        return (*batch, *cls._summed_axes(spec))

    @classmethod
    def _additions(cls, spec: Spec, entries: int) -> Cost:
        return Cost(0, (math.prod(cls._summed_axes(spec)) - 1) * entries)

    @classmethod
    def _expansion_cost(cls, spec: Spec) -> Cost:
        """Those of the terms, and their sum."""
        return expansion_cost(spec.parts[0]) + cls._additions(spec, spec.dense_storage)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Cost:
        """Those of the terms, and the sum of what they give."""
        of_terms = apply_cost(spec.parts[0], columns, (*batch, *(1,) * spec.axes) if batch else ())
        return of_terms + cls._additions(spec, points(batch, spec.batch) * spec.shape[0] * columns)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> PointSum:
        return cls.unchecked(parts[0], axes=spec.axes)

    def _total(self, found: Array, ledger: Ledger) -> Array:
        """Return matrices (…, summed axes, m, k) summed over these axes."""
        xp, lead = self.home.namespace, tuple(found.shape[: found.ndim - 2 - self.spec.axes])
        found = xp.reshape(found, (*lead, -1, *found.shape[-2:]))
        if ledger is UNCOUNTED:
            return cast(Array, xp.sum(found, axis=-3))
        total = found[..., 0, :, :]
        for point in range(1, found.shape[-3]):
            total = ledger.add(total, found[..., point, :, :])
        return total

    def _runs(self, entries: int, ledger: Ledger) -> Iterator[Jacobian]:
        """Yield the terms by runs of points, each of so many entries: few at a time where nobody counts."""
        batch = self.terms.spec.batch
        count = max(1, _ENTRIES // entries)
        if ledger is not UNCOUNTED or self.home is not NUMPY or len(batch) > 1 or count >= batch[0]:
            yield self.terms
            return
        terms = spread(self.terms)
        for start in range(0, batch[0], count):
            size = (min(count, batch[0] - start),)
            some = slice(start, start + count)
            yield terms.mapped(lambda a, s=some: a[s], spec=terms.spec.with_batch(size), batch_shape=size)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        runs = self._runs(self.shape[0] * self.shape[1], ledger)
        return reduce(ledger.add, (self._total(terms._expand(ledger), ledger) for terms in runs))

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        n, k = columns.shape[-2:]
        lead = tuple(columns.shape[:-2])
        if ledger is UNCOUNTED and self.home is NUMPY and k == 1 and not lead and not self.spec.batch:
            # no row a point is stored: for A_p ⊗ B_p one product of matrices over all points
            vector = np.broadcast_to(columns[:, 0], (*self.terms.spec.batch, n))
            return self.terms._transpose()._pull(vector)[:, None]
        xp = self.home.namespace
        spread_columns = xp.reshape(columns, (*lead, *(1,) * self.spec.axes, n, k)) if lead else columns
        runs = self._runs(math.prod(lead) * max(self.shape) * k, ledger)
        return reduce(
            ledger.add, (self._total(terms._apply(spread_columns, ledger), ledger) for terms in runs)
        )

    def _at(self, rows: Array, columns: Array) -> Array:
        runs = self._runs(len(rows), UNCOUNTED)
        found = (self._total(terms._at(rows, columns)[..., None], UNCOUNTED)[..., 0] for terms in runs)
        return reduce(np.add, found)

    def _summed(self) -> Jacobian:
        return PointSum.unchecked(self.terms)

    def _transpose(self) -> Jacobian:
        return PointSum.unchecked(self.terms.T, axes=self.spec.axes)

    def _scale(self, factor: Any) -> Jacobian:
        return PointSum.unchecked(self.terms * factor, axes=self.spec.axes)

    def _latex(self) -> str:
        return rf"\left(\underbrace{{{self.terms._latex()}}}_{{p = 1}} + \dots\right)"


def spread(J: Jacobian) -> Jacobian:
    """Return a Jacobian whose arrays all have all batch axes, as views."""
    spec = J.spec.with_batch(J.spec.batch)
    if spec == J.spec:
        return J
    xp, shapes = J.home.namespace, stored_shapes(spec)
    arrays = {name: xp.broadcast_to(array, shapes[name][0]) for name, array in J.flatten().items()}
    return unflatten(
        spec, arrays, J.static.changed(batch_shape=())
    )  # the arrays have them, those of sums more


def apart(J: Jacobian, before: int, behind: int) -> Jacobian:
    """Return a Jacobian whose batch axes, if it has any, have axes of length 1 before or behind them."""
    batch = J.spec.batch
    if not batch:
        # its parts are not repeated for other points either
        return J.mapped(lambda array: array, batch_shape=())
    new = (*(1,) * before, *batch, *(1,) * behind)
    xp = J.home.namespace
    return spread(J).mapped(
        lambda array: cast(Array, xp.reshape(array, (*new, *array.shape[len(batch) :]))),
        spec=J.spec.with_batch(new),
        batch_shape=(),
    )


def apart_spec(spec: Spec, before: int, behind: int) -> Spec:
    """Return the spec of what :func:`apart` returns."""
    return spec.with_batch((*(1,) * before, *spec.batch, *(1,) * behind)) if spec.batch else spec
