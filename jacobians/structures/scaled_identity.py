"""A multiple of the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, private, real_array
from jacobians.numerics.diagonals import diagonal_matrix
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import spread_to
from jacobians.spec import SUBSCRIPTS, Spec, points
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options


class ScaledIdentity(Jacobian):
    """c·I_n: the derivative of c·x by x, and of a mean by its terms. Stores one number a point.

    Where c is 1 or −1 at every point its spec says ``unit``, and products with it cost nothing: a sign is no
    multiplication.

    Parameters
    ----------
    c : float or array_like, shape batch
    n : int
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If c is no real number or n no size.

    Examples
    --------
    >>> ScaledIdentity(-1.0, 3), ScaledIdentity(0.5, 3).matvec([2.0, 4.0, 6.0])
    (<±I₃: 3×3, out (3,), in (3,), 1 of 9 numbers stored>, array([1., 2., 3.]))
    """

    structure = "ScaledIdentity"
    _colour = "#4f6d7a"
    _fields = ("c",)
    _on_diagonal = True
    _by_sizes = True
    c: Array

    def __init__(
        self,
        c: Any,
        n: int,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        # its own: the spec says whether these numbers are ±1
        array, size = private(real_array(c, "c", foreign="refuse")), checked_integer(n, "n")
        unit = bool((np.abs(array) == 1).all())
        self._init(array, size, *checked_options(out_shape, in_shape, batch_shape), unit=unit)

    def _init(self, c: Any, n: int, *options: Any, unit: bool = False, **named: Any) -> None:
        self.c = c if hasattr(c, "shape") else np.asarray(c)
        spec = Spec.of(self.structure, n, n, tuple(self.c.shape), unit=unit)
        self._set(spec, *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        return {"c": ()}

    @classmethod
    def _label(cls, spec: Spec) -> str:
        return f"{spec.points_label}{'±' if spec.unit else 'c·'}I{str(spec.shape[0]).translate(SUBSCRIPTS)}"

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """One multiplication for each entry of the result; none where c is a sign."""
        return Count(0 if spec.unit else points(spec.batch, batch) * spec.shape[0] * columns, 0)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> ScaledIdentity:
        return cls.unchecked(arrays["c"], spec.shape[0], unit=spec.unit)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return diagonal_matrix(self._diagonal(), out)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return times(self, columns, self.c[..., None, None], ledger)

    def _diagonal(self) -> Array:
        return cast(Array, spread_to(self.c[..., None], (*self.spec.batch, self.shape[0])))

    def _scale(self, factor: Any) -> Jacobian:
        scaled = self.c * factor
        return ScaledIdentity.unchecked(scaled, self.shape[0], unit=self.spec.unit and abs(factor) == 1)

    def _take(self, rows: Any, columns: Any) -> Jacobian:
        # rows and columns are the same ones
        return ScaledIdentity.unchecked(
            self.c, rows.shape[0], batch_shape=self.batch_shape, unit=self.spec.unit
        )

    def _latex(self) -> str:
        return rf"{float(first_point(self.c, 0)):.3g}\,I_{{{self.shape[0]}}}"


def times(jacobian: ScaledIdentity, array: Array, c: Array, ledger: Ledger) -> Array:
    """Return c times an array: a sign is placed, not multiplied."""
    if not jacobian.spec.unit:
        return ledger.scale(c, array)
    if isinstance(c, np.ndarray) and c.size == 1 and c.ndim <= np.ndim(array) and c.dtype.kind == "f":
        return -array if c.item() < 0 else array  # one sign for all
    return cast(Array, jacobian.home.namespace.where(c < 0, -array, array))
