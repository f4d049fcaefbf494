"""Functions whose input goes several ways: residuals, sums, products and concatenations.

The total derivative adds up over the ways, ∂f/∂x_j = Σ_k ∂f/∂g_k · ∂g_k/∂x_j. Parameters are named as those of a
:class:`Sequential`, "0.W", "1.b", by the place of the part that holds them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.composition import Composition, Owners, Path, paths_of, pieces_of, total
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import numpy_dtype
from jacobians.planning.bracketing import product
from jacobians.structures import BlockColumn, Diagonal, Identity, Jacobian, Selection

if TYPE_CHECKING:
    from jacobians.graph.layers import Walk


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

    def _values(self, x: Any, batch_ndim: int) -> list[Any]:
        """Return the value of each part, all of one shape."""
        values = [layer._forward(x, batch_ndim) for layer in self.layers]
        self._require_shapes([np.shape(value)[batch_ndim:] for value in values])
        return values

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

    def _jacobians(self, x: Any, batch_ndim: int) -> list[Jacobian]:
        """Return the Jacobian of each part by the input."""
        return [product(layer._chain(x, INPUT, batch_ndim)) for layer in self.layers]

    def _behind(self, first: list[Path], x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        """Return, for each parameter, its paths through the parts, with the factors of each part's output first."""
        paths: list[list[Path]] = [[] for _ in owners]
        for factors, layer in zip(first, self.layers, strict=True):
            for known, own in zip(paths, paths_of(layer, x, owners, batch_ndim), strict=True):
                known += [factors + path for path in own]
        return paths

    def _record(self, walk: Walk, source: int, prefix: str) -> int:
        """Add the vertices of every part, and one for what they make together."""
        x, batch_ndim = walk.vertices[source].value, walk.batch_ndim
        parts = [layer._record(walk, source, f"{prefix}{place}.") for place, layer in enumerate(self.layers)]
        values = [walk.vertices[part].value for part in parts]
        value = self._joined(x, values, batch_ndim)
        ways = [(part, [edge]) for part, edge in zip(parts, self._edges(x, values, batch_ndim), strict=True)]
        ways += self._direct(x, source, batch_ndim)
        return walk.join(f"{prefix}{type(self).__name__}", self, value, ways)

    def _edges(self, x: Any, values: list[Any], batch_ndim: int) -> list[Jacobian]:
        """Return the Jacobian of the value by that of each part: here an addition's."""
        return [_identity(value, batch_ndim) for value in values]

    def _direct(self, x: Any, source: int, batch_ndim: int) -> list[tuple[int, Path]]:
        """Return the ways past all parts."""
        return []

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

    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        self.forward(x, batch_ndim)  # for the shape of its value
        return [_identity(x, batch_ndim) + self._jacobians(x, batch_ndim)[0]]

    def _direct(self, x: Any, source: int, batch_ndim: int) -> list[tuple[int, Path]]:
        return [(source, [_identity(x, batch_ndim)])]

    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        return paths_of(self.layers[0], x, owners, batch_ndim)


class Sum(_Parallel):
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

    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        self._require_shapes([np.shape(value)[batch_ndim:] for value in values])
        first, *others = values
        for other in others:
            first = first + other
        return first

    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        self._values(x, batch_ndim)  # for the shapes
        return [total(iter(self._jacobians(x, batch_ndim)))]

    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        self._values(x, batch_ndim)
        return self._behind([[] for _ in self.layers], x, owners, batch_ndim)


class Product(_Parallel):
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

    def _joined(self, x: Any, values: list[Any], batch_ndim: int) -> Any:
        self._require_shapes([np.shape(value)[batch_ndim:] for value in values])
        first, *others = values
        for other in others:
            first = first * other
        return first

    def _edges(self, x: Any, values: list[Any], batch_ndim: int) -> list[Jacobian]:
        """Return, for each factor, diag(the product of the values of all others)."""
        out_shape = np.shape(values[0])[batch_ndim:]
        columns = [np.reshape(value, (*x.shape[:batch_ndim], math.prod(out_shape))) for value in values]
        scales = []
        for place in range(len(columns)):
            scale = np.ones_like(columns[place])
            for other, column in enumerate(columns):
                scale = scale if other == place else scale * column
            scales.append(Diagonal.unchecked(scale, out_shape=out_shape, in_shape=out_shape))
        return list(scales)

    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        scales = self._edges(x, self._values(x, batch_ndim), batch_ndim)
        factors = (layer._chain(x, INPUT, batch_ndim) for layer in self.layers)
        return [total(product([scale, *chain]) for scale, chain in zip(scales, factors, strict=True))]

    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        return self._behind(
            [[scale] for scale in self._edges(x, self._values(x, batch_ndim), batch_ndim)],
            x,
            owners,
            batch_ndim,
        )


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

    def _shapes(self, values: list[Any], batch_ndim: int) -> tuple[list[int], tuple[int, ...]]:
        """Return the number of outputs of each part, and the shape of all."""
        shapes = [np.shape(value)[batch_ndim:] for value in values]
        out_shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        return [math.prod(shape) for shape in shapes], out_shape

    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        _, out_shape = self._shapes(self._values(x, batch_ndim), batch_ndim)
        return [
            BlockColumn(self._jacobians(x, batch_ndim), out_shape=out_shape, in_shape=x.shape[batch_ndim:])
        ]

    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        placed = self._edges(x, self._values(x, batch_ndim), batch_ndim)
        return self._behind([[selection] for selection in placed], x, owners, batch_ndim)

    def _edges(self, x: Any, values: list[Any], batch_ndim: int) -> list[Jacobian]:
        """Return, for each part, where its entries go."""
        sizes, out_shape = self._shapes(values, batch_ndim)
        dtype = np.result_type(*(value.dtype for value in values))
        placed: list[Jacobian] = []
        start = 0
        for size in sizes:
            places = np.full(sum(sizes), -1)
            places[start : start + size] = np.arange(size)
            start += size
            placed.append(Selection.unchecked(places, size, repeats=False, out_shape=out_shape, dtype=dtype))
        return placed


def _identity(value: Any, batch_ndim: int) -> Jacobian:
    shape = tuple(np.shape(value)[batch_ndim:])
    return Identity.unchecked(math.prod(shape), out_shape=shape, in_shape=shape, dtype=numpy_dtype(value))
