"""What the class of a structure knows of a spec, asked by name: stored shapes, costs; and what a spec doesn't say."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jacobians.cost import Cost, exactly
from jacobians.numerics.libraries import Home
from jacobians.spec import Spec, owner

Shape = tuple[int, ...]


class Static(NamedTuple):
    """What neither spec nor arrays of a Jacobian say.

    `home` only of one that stores nothing, `kind` only of a class that leaves the name of its structure to another.
    """

    out_shape: Shape
    in_shape: Shape
    batch_shape: Shape
    dtype: Any
    home: Home | None = None
    parts: tuple[Static, ...] = ()
    kind: type | None = None

    def changed(self, **static: Any) -> Static:
        """Return the facts with some replaced, here and in all parts; `batch` goes before the batch axes."""
        batch = static.get("batch", ())
        rest = {name: value for name, value in static.items() if name != "batch"}
        parts = tuple(part.changed(**static) for part in self.parts)
        return self._replace(**{"batch_shape": (*batch, *self.batch_shape), "parts": parts} | rest)


def stored_shapes(spec: Spec) -> dict[str, tuple[Shape, Any]]:
    """Return, for each array of a spec by the names of :meth:`Jacobian.flatten`, its shape and a zero of its kind.

    Examples
    --------
    >>> from jacobians.structures import Diagonal
    >>> stored_shapes(Spec.diagonal(3, (5,)))
    {'d': ((5, 3), 0.0)}
    """
    kind = owner(spec.structure)
    found = {
        name: ((*spec.batch, *shape), np.intp(0) if name in kind._indices else 0.0)
        for name, shape in kind._arrays(spec).items()
    }
    for name, part in zip(kind.part_names(spec), spec.parts, strict=True):
        found |= {f"{name}_{key}": value for key, value in stored_shapes(part).items()}
    return found


def expansion_cost(spec: Spec) -> Cost:
    """Return what it costs to make the dense form: placing numbers is free.

    Examples
    --------
    >>> from jacobians.structures import Kronecker
    >>> expansion_cost(Spec.kronecker(Spec.dense(2, 2), Spec.dense(3, 3)))
    Cost(multiplications=36, additions=0)
    """
    return exactly(owner(spec.structure)._expansion_cost(spec))


def apply_cost(spec: Spec, columns: int, batch: Shape) -> Cost:
    """Return what J·X costs, for X of some columns at points of `batch`.

    Examples
    --------
    >>> from jacobians.structures import Dense
    >>> apply_cost(Spec.dense(2, 3), 4, ())
    Cost(multiplications=24, additions=16)
    """
    return exactly(owner(spec.structure)._apply_cost(spec, columns, batch))
