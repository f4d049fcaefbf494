"""Dead units: rows and columns of a chain that meet exact zeros of a diagonal, dropped before anything is planned.

In A·diag(d)·B a unit u with d_u = 0 adds A[:, u]·0·B[u, :] to the product, which is zero if those two are finite. So
A loses a column, B a row and the diagonal an entry; what is left is a smaller chain of the same structures. A unit
whose row or column holds NaN or inf stays, for 0·inf is not 0, and in a batch only units dead at every point leave.
At an end of the chain the dropped outputs (or inputs) come back as zero rows (or columns) by a selection, at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jacobians.cost import Cost
from jacobians.equality import ByValue
from jacobians.numerics.arrays import Array, at_every_point
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import NUMPY
from jacobians.products import multiply, product_cost, product_spec
from jacobians.spec import Spec, owner
from jacobians.structures import Diagonal, Jacobian, Selection


@dataclass(frozen=True, eq=False)
class LiveUnits(ByValue):
    """A chain without its dead units.

    Attributes
    ----------
    kept : tuple
        For each place between two factors, the ends included, the indices that stay; None where all do.
    specs : tuple of Spec
        The factors that are left.
    sizes : tuple of int
        The units of the chain at each place, before.
    dropped, units : int
        How many units left, of how many that diagonals with zeros have.
    """

    kept: tuple[Array | None, ...]
    specs: tuple[Spec, ...]
    sizes: tuple[int, ...]
    dropped: int
    units: int

    @property
    def rows(self) -> Spec | None:
        """The selection that puts dropped outputs back as zero rows, if there are any."""
        kept = self.kept[0]
        return None if kept is None else Spec.selection(self.sizes[0], len(kept), repeats=False)

    @property
    def columns(self) -> Spec | None:
        """The selection that puts dropped inputs back as zero columns, if there are any."""
        kept = self.kept[-1]
        return None if kept is None else Spec.selection(len(kept), self.sizes[-1], repeats=False)

    def completed(self, spec: Spec, cost: Cost) -> tuple[Spec, Cost]:
        """Return spec and cost of a product of the factors that are left, with the dropped ends back."""
        if self.rows is not None:
            spec, cost = product_spec(self.rows, spec), cost + product_cost(self.rows, spec)
        if self.columns is not None:
            spec, cost = product_spec(spec, self.columns), cost + product_cost(spec, self.columns)
        return spec, cost

    def reduced(self, factors: Sequence[Jacobian]) -> list[Jacobian]:
        """Return the factors that are left.

        Raises
        ------
        ValueError
            If the numbers have changed so that a dropped unit is no longer dead.
        """
        now = live_units(factors)
        if now is None or any(
            was is not None and (at is None or np.setdiff1d(at, was).size)
            for was, at in zip(self.kept, now.kept, strict=True)
        ):
            raise ValueError(
                "chain: found units alive that were dead when it was planned, expected unchanged numbers; "
                "make a new chain from the changed arrays"
            )
        return self.taken(factors)

    def taken(self, factors: Sequence[Jacobian]) -> list[Jacobian]:
        """Return the factors that are left, without a look at their numbers."""
        return [
            factor if rows is None and columns is None else factor._take(rows, columns)
            for factor, rows, columns in zip(factors, self.kept[:-1], self.kept[1:], strict=True)
        ]

    def complete(self, product: Jacobian, factors: Sequence[Jacobian], ledger: Ledger) -> Jacobian:
        """Return a product of the factors that are left, with the dropped ends back as zeros."""
        first, last = self.kept[0], self.kept[-1]
        if first is not None:
            places = np.full(self.sizes[0], -1)
            places[first] = np.arange(len(first))
            rows = Selection.unchecked(places, len(first), repeats=False, dtype=product.dtype)
            product = multiply(rows, product, ledger)
        if last is not None:
            columns = Selection.unchecked(last, self.sizes[-1], repeats=False, dtype=product.dtype)
            product = multiply(product, columns, ledger)
        batch = np.broadcast_shapes(*(factor.batch_shape for factor in factors))
        return product.reshaped(factors[0].out_shape, factors[-1].in_shape).broadcast_batch(batch)


def live_units(factors: Sequence[Jacobian]) -> LiveUnits | None:
    """Return the chain without its dead units, or None if nothing can leave.

    Units leave at a run of diagonals (multiples of the identity among them) whose neighbours give rows and columns away
    without changing their structure: dense matrices, C ⊗ d with one row d and C of these or an identity, and the ends
    of the chain; one neighbour at least is dense. A diagonal plus a low rank stays as it is, and so do its units.

    Parameters
    ----------
    factors : sequence of Jacobian
        Output side first.

    Examples
    --------
    >>> from jacobians.structures import Dense
    >>> A, B = Dense(np.ones((1, 3))), Dense(np.ones((3, 2)))
    >>> live = live_units([A, Diagonal([2.0, 0.0, 5.0]), B])
    >>> live.specs, live.dropped
    ((Spec(Dense 1×2), Spec(Diagonal 2×2), Spec(Dense 2×2)), 1)
    """
    count = len(factors)
    kept: list[Array | None] = [None] * (count + 1)
    dropped = units = start = 0
    while start < count:
        stop = start
        while stop < count and factors[stop]._on_diagonal:
            stop += 1
        run = [factor for factor in factors[start:stop] if isinstance(factor, Diagonal)]
        if run:
            left = factors[start - 1] if start else None
            right = factors[stop] if stop < count else None
            live = _live(left, run, right)
            size = run[0].shape[0]
            units += size
            if live is not None:
                dropped += size - len(live)
                kept[start : stop + 1] = [live] * (stop - start + 1)
        start = stop + 1
    if not dropped:
        return None
    specs = tuple(
        owner(factor.structure)._taken_spec(
            factor.spec, *(None if k is None else len(k) for k in (rows, columns))
        )
        for factor, rows, columns in zip(factors, kept[:-1], kept[1:], strict=True)
    )
    sizes = (*(factor.shape[0] for factor in factors), factors[-1].shape[1])
    return LiveUnits(tuple(kept), specs, sizes, dropped, units)


def _live(left: Jacobian | None, run: list[Diagonal], right: Jacobian | None) -> Array | None:
    """Return the units of a run of diagonals that stay, or None if all do."""
    beside = [factor for factor in (left, right) if factor is not None]
    if not any(factor.spec.is_dense for factor in beside):
        return None
    if any(factor.dtype.kind != "f" for factor in (*beside, *run)):
        return None  # symbols and counting scalars are not asked whether they are zero
    if run[0].home is not NUMPY:
        return None  # to ask is to wait for the device
    dead = np.zeros(run[0].shape[0], dtype=bool)
    for diagonal in run:
        dead |= at_every_point(diagonal.d == 0, 1)
    for diagonal in run:
        dead &= at_every_point(np.isfinite(diagonal.d), 1)
    if not dead.any():
        return None
    for factor, axis in ((left, 1), (right, 0)):
        if factor is not None:
            idle = factor._idle(axis)
            if idle is None:
                return None
            dead &= idle
    if dead.all():
        dead[0] = False  # no matrix is empty: one unit stays to carry the zeros
    return np.flatnonzero(~dead) if dead.any() else None
