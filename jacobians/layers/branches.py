"""Functions whose input goes several ways: residuals, sums, products and concatenations.

The total derivative adds up over the ways, ∂f/∂x_j = Σ_k ∂f/∂g_k · ∂g_k/∂x_j. Parameters are named as those of a
:class:`Sequential`, "0.W", "1.b", by the place of the part that holds them.
"""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np

from jacobians.function import Function
from jacobians.layers.composition import Composition, pieces_of
from jacobians.layers.recording import Record
from jacobians.names import class_name
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import numpy_dtype
from jacobians.structures import BlockColumn, Diagonal, Identity, Jacobian, Selection, Zero


class _Parallel(Composition):
    """Several functions of the same input."""

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless every part takes `shape`."""
        for place, layer in enumerate(self.layers):
            try:
                layer.check_input(shape)
            except ValueError as error:
                raise ValueError(f"part {place} ({layer!r}): {error}") from None

    def check_values(self, x: Array) -> None:
        """Raise ValueError unless every part takes these numbers."""
        for layer in self.layers:
            layer.check_values(x)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return what the values of the parts make together."""
        return self._joined(x, [layer._forward(x, batch_ndim) for layer in self.layers], batch_ndim)

    @abstractmethod
    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        """Return the value, from those of the parts, whose shapes are looked at."""

    def _require_shapes(self, shapes: list[tuple[int, ...]]) -> None:
        for place, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ValueError(
                    f"part {place} ({self.layers[place]!r}): found an output of shape {shape}, expected "
                    f"{shapes[0]}, the shape of part 0; NumPy would broadcast the two: put a Reshape behind one"
                )

    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add every part, and what they make together."""
        x, batch_ndim = record.steps[source].value, record.batch_ndim
        parts = [
            layer._record(record, source, f"{prefix}{place}.") for place, layer in enumerate(self.layers)
        ]
        values = [record.steps[part].value for part in parts]
        value = self._joined(x, values, batch_ndim)
        alone = sum(part in record.live for part in parts) == 1
        ways = zip([*parts, source], self._edges(x, values, batch_ndim, alone), strict=False)
        return record.join(f"{prefix}{class_name(self)}", self, value, [(at, [edge]) for at, edge in ways])

    def _edges(self, x: Any, values: list[Any], batch_ndim: int, alone: bool) -> Sequence[Jacobian]:
        """Return the Jacobian of the value by that of each part, and by x where it goes past all: an addition's.

        `alone` says that only one part is differentiated.
        """
        return [_identity(value, batch_ndim) for value in values]

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of all parts, one after the other."""
        return pieces_of((layer, x) for layer in self.layers)


class Residual(_Parallel):
    """x + f(x); the Jacobian is I + Df(x).

    Parameters
    ----------
    f : Function
        Its output has the shape of its input. Several functions in a row go through :class:`Sequential`.

    Raises
    ------
    TypeError, ValueError
        If f is no Function, or its output has another shape than x.

    Examples
    --------
    >>> from jacobians import Affine, Sequential, Tanh
    >>> block = Residual(Sequential(Affine([[0.0, 1.0], [1.0, 0.0]], None), Tanh()))
    >>> block.jacobian([0.0, 0.0]).dense()
    array([[1., 1.],
           [1., 1.]])
    >>> Residual(Tanh()).jacobian([0.0, 0.0])
    <Diagonal 2×2: 2×2, out (2,), in (2,), 2 of 4 numbers stored>
    """

    array_api = True

    def __init__(self, f: Function) -> None:
        super().__init__(f)

    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        (value,) = values
        found, expected = np.shape(value)[batch_ndim:], x.shape[batch_ndim:]
        if found != expected:
            raise ValueError(
                f"f ({self.layers[0]!r}): found an output of shape {found}, expected {expected}, the shape of x: "
                f"x + f(x) adds the two"
            )
        return x + value

    def _edges(self, x: Any, values: list[Any], batch_ndim: int, alone: bool) -> Sequence[Jacobian]:
        return [_identity(x, batch_ndim)] * 2


class _EntryByEntry(_Parallel):
    """Parts of one shape, which an operation of two makes one."""

    _fold: Callable[[Any, Any], Any]

    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        self._require_shapes([np.shape(value)[batch_ndim:] for value in values])
        return reduce(self._fold, values)


class Sum(_EntryByEntry):
    """f(x) + g(x) + …; the Jacobian is Df(x) + Dg(x) + …, in the structure that the terms have in common.

    Parameters
    ----------
    *layers : Function
        At least one; their outputs have one shape.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is no Function, or the outputs have several shapes.

    Examples
    --------
    >>> from jacobians import Sigmoid, Tanh
    >>> Sum(Sigmoid(), Tanh()).jacobian([0.0]).d
    array([1.25])
    """

    array_api = True

    _fold = staticmethod(operator.add)


class Product(_EntryByEntry):
    """f(x) ⊙ g(x) ⊙ …, entry by entry; the Jacobian is diag(g(x))·Df(x) + diag(f(x))·Dg(x).

    Of several factors each term has the product of the values of all others.

    Parameters
    ----------
    *layers : Function
        At least one; their outputs have one shape.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is no Function, or the outputs have several shapes.

    Examples
    --------
    A gate, σ(x) ⊙ tanh(x):

    >>> from jacobians import Sigmoid, Tanh
    >>> Product(Sigmoid(), Tanh()).jacobian([0.0]).d
    array([0.5])
    """

    _fold = staticmethod(operator.mul)

    def _edges(self, x: Any, values: list[Any], batch_ndim: int, alone: bool) -> Sequence[Jacobian]:
        """Return, for each factor, diag(the product of the values of all others)."""
        out_shape = np.shape(values[0])[batch_ndim:]
        columns = [np.reshape(value, (*x.shape[:batch_ndim], math.prod(out_shape))) for value in values]
        scales = [
            reduce(operator.mul, others) if others else np.ones_like(columns[0])
            for others in (columns[:place] + columns[place + 1 :] for place in range(len(columns)))
        ]
        return [Diagonal.unchecked(scale, out_shape=out_shape, in_shape=out_shape) for scale in scales]


class Concatenate(_Parallel):
    """[f(x); g(x); …] along the first axis; the Jacobian is a block column of theirs.

    Parameters
    ----------
    *layers : Function
        At least one; their outputs have a first axis and agree in the others.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is no Function, or the outputs don't fit on each other.

    Examples
    --------
    >>> from jacobians import Affine, Tanh
    >>> both = Concatenate(Tanh(), Affine([[1.0, 2.0]], [0.0]))
    >>> both([0.0, 1.0]).round(6)
    array([0.      , 0.761594, 2.      ])
    >>> both.jacobian([0.0, 1.0])
    <[Diagonal 2×2; Dense 1×2]: 3×2, out (3,), in (2,), 4 of 6 numbers stored>
    >>> both.jacobian([0.0, 1.0], wrt="1.b").dense()
    array([[0.],
           [0.],
           [1.]])
    """

    def _require_shapes(self, shapes: list[tuple[int, ...]]) -> None:
        for place, shape in enumerate(shapes):
            if len(shape) == 0:
                raise ValueError(
                    f"part {place} ({self.layers[place]!r}): found a scalar output, expected one with a first axis; "
                    f"put Reshape((1,)) behind it"
                )
            if shape[1:] != shapes[0][1:]:
                raise ValueError(
                    f"part {place} ({self.layers[place]!r}): found an output of shape {shape}, expected "
                    f"(n, {', '.join(map(str, shapes[0][1:]))}), as part 0 has {shapes[0]}; put a Reshape behind one"
                )

    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        self._require_shapes([np.shape(value)[batch_ndim:] for value in values])
        return np.concatenate(values, axis=batch_ndim)

    def _edges(self, x: Any, values: list[Any], batch_ndim: int, alone: bool) -> Sequence[Jacobian]:
        """Return, for each part, where its entries go.

        Of several these are zeros around an identity in a block column, which stays one when they are added up.
        """
        shapes = [np.shape(value)[batch_ndim:] for value in values]
        sizes = [math.prod(shape) for shape in shapes]
        out_shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        dtype = np.result_type(*(value.dtype for value in values))
        starts = accumulate(sizes, initial=0)
        places = [np.arange(sum(sizes)) - start for start in starts]
        if alone:
            return [
                Selection.unchecked(
                    np.where((at >= 0) & (at < size), at, -1),
                    size,
                    repeats=False,
                    out_shape=out_shape,
                    dtype=dtype,
                )
                for at, size in zip(places, sizes, strict=False)
            ]
        return [
            BlockColumn(
                [
                    Identity.unchecked(size, dtype=dtype)
                    if other == place
                    else Zero.unchecked(rows, size, dtype=dtype)
                    for other, rows in enumerate(sizes)
                ],
                out_shape=out_shape,
                in_shape=shapes[place],
            )
            for place, size in enumerate(sizes)
        ]


def _identity(value: Any, batch_ndim: int) -> Jacobian:
    shape = tuple(np.shape(value)[batch_ndim:])
    return Identity.unchecked(math.prod(shape), out_shape=shape, in_shape=shape, dtype=numpy_dtype(value))
