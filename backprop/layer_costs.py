"""What a network costs on the way forward, a row a layer, as counters of other libraries report it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.tables import latex_table, markdown_table, text_table
from jacobians import (
    Affine,
    AugmentedAffine,
    ChannelMeanPool,
    ChannelScale,
    Concatenate,
    Convolution,
    Cost,
    Flatten,
    Function,
    Gram,
    LinearMap,
    Product,
    QuadraticForm,
    Reshape,
    Residual,
    Spec,
    SquaredNorm,
    Sum,
    Transpose,
)
from jacobians.layers.augmented import AddUnit, DropUnit
from jacobians.layers.composition import Composition, Sequential
from jacobians.layers.layer_graph import LayerGraph
from jacobians.markup import html_table
from jacobians.names import class_name
from jacobians.numerics.arrays import real_array
from jacobians.products import product_cost, product_spec
from jacobians.products.expansion import expansion_cost

Shape = tuple[int, ...]


def _affine(layer: Any, given: Shape, made: Shape) -> Cost:
    h, d = layer.W.shape
    columns = math.prod(given[1:])
    return columns * Cost(h * d, h * (d - 1) + (0 if layer.b is None else h))


def _convolution(layer: Any, given: Shape, made: Shape) -> Cost:
    outputs, taps = math.prod(made), math.prod(layer.W.shape[1:])
    return outputs * Cost(taps, taps - 1 + (layer.b is not None))


def _scale(layer: Any, given: Shape, made: Shape) -> Cost:
    entries = math.prod(made)
    return Cost(0 if layer.scale is None else entries, 0 if layer.shift is None else entries)


def _means(layer: Any, given: Shape, made: Shape) -> Cost:
    outputs = math.prod(made)
    entries = math.prod(window for _, window, *_ in layer._axes(given))
    return outputs * Cost(1, entries - 1)


def _product(rows: int, inner: int, columns: int) -> Cost:
    return rows * columns * Cost(inner, inner - 1)


def _augmented(layer: Any, given: Shape, made: Shape) -> Cost:
    h, columns = layer.Theta.shape
    return _product(h, columns, math.prod(given[1:]))


def _linear_map(layer: Any, given: Shape, made: Shape) -> Cost:
    rows, columns = made[0], math.prod(given[1:])
    left = Cost() if layer.A is None else _product(rows, given[0], columns)
    return left if layer.B is None else left + _product(rows, columns, made[1])


def _gram(layer: Any, given: Shape, made: Shape) -> Cost:
    return _product(made[0], math.prod(given) // made[0], made[1])


def _quadratic(layer: Any, given: Shape, made: Shape) -> Cost:
    (n,) = given
    return _product(n, n, 1) + _product(1, n, 1)


def _squares(layer: Any, given: Shape, made: Shape) -> Cost:
    return _product(1, math.prod(given), 1)


def _moved(layer: Any, given: Shape, made: Shape) -> Cost:
    return Cost()


FORWARD: dict[type[Function], Callable[[Any, Shape, Shape], Cost]] = {
    Affine: _affine,
    AugmentedAffine: _augmented,
    LinearMap: _linear_map,
    Gram: _gram,
    QuadraticForm: _quadratic,
    SquaredNorm: _squares,
    Convolution: _convolution,
    ChannelScale: _scale,
    ChannelMeanPool: _means,
    **dict.fromkeys((Reshape, Flatten, Transpose, AddUnit, DropUnit), _moved),
}
"""The layers whose forward pass is multiplications and additions; windows count the zeros around x."""

JOINED: dict[type[Function], Callable[[int, Shape], Cost]] = {
    Residual: lambda parts, shape: Cost(0, math.prod(shape)),
    Sum: lambda parts, shape: Cost(0, (parts - 1) * math.prod(shape)),
    Product: lambda parts, shape: Cost((parts - 1) * math.prod(shape), 0),
    Concatenate: lambda parts, shape: Cost(),
}
"""What it costs to make the values of so many parts one of this shape."""


@dataclass(frozen=True)
class LayerCost:
    """One layer at one point.

    Attributes
    ----------
    name, kind : str
    shape : tuple of int
        Of its value.
    parameters : int
        0 for a layer that stands in the network before: both places have one set.
    forward : Cost or None
        None for layers that are evaluations, as an exponential: what one takes depends on the library.
    dense : Cost
        What it takes to form the full arrays of the gradients by its parameters, of a scalar whose derivative by the
        value of the layer is known: δ·J, written out.
    """

    name: str
    kind: str
    shape: Shape
    parameters: int
    forward: Cost | None
    dense: Cost


@dataclass(frozen=True)
class LayerCosts:
    """The layers of a network with their totals; ``print`` it, or write it by the ``to_…`` methods."""

    layers: tuple[LayerCost, ...]

    @property
    def forward(self) -> Cost:
        """The sum over the layers that are multiplications and additions."""
        return sum((layer.forward for layer in self.layers if layer.forward is not None), Cost())

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def activation_elements(self) -> int:
        """The numbers in the values of all layers, which a backward pass may ask for."""
        return sum(math.prod(layer.shape) for layer in self.layers)

    def _table(self) -> tuple[list[str], list[list[str]], tuple[int, ...]]:
        header = ["layer", "kind", "value", "parameters", "forward ×", "forward +", "numbers kept"]
        header.append("gradients formed ×")

        def row(
            name: str, kind: str, shape: str, parameters: int, forward: Cost | None, kept: int, dense: Cost
        ) -> list[str]:
            counts = (
                ["–", "–"] if forward is None else [f"{forward.multiplications:,}", f"{forward.additions:,}"]
            )
            return [name, kind, shape, f"{parameters:,}", *counts, f"{kept:,}", f"{dense.multiplications:,}"]

        rows = [
            row(item.name, item.kind, "×".join(map(str, item.shape)) or "1", item.parameters, item.forward,
                math.prod(item.shape), item.dense)
            for item in self.layers
        ]  # fmt: skip
        dense = sum((item.dense for item in self.layers), Cost())
        rows.append(row("total", "", "", self.parameters, self.forward, self.activation_elements, dense))
        return header, rows, (3, 4, 5, 6, 7)

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        return markdown_table(*self._table())

    def to_latex(self) -> str:
        """Return a table of LaTeX with the rules of booktabs."""
        return latex_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())

    def __str__(self) -> str:
        return text_table(*self._table())


def layer_costs(network: Function, x: Any) -> LayerCosts:
    """Return what each layer of a network costs on the way forward at a point, and what it holds.

    Multiplications are half of what counters of flops of matrix products report, and all of what counters of
    multiply-adds do. A layer that is an evaluation, as tanh, has no count.

    Parameters
    ----------
    network : Function
        Compositions are shown layer by layer, and those within them, too; of a Residual, a Sum, a Product and a
        Concatenate first the parts, then what makes them one. Any other function is one row.
    x : array_like
        One point.

    Raises
    ------
    TypeError, ValueError
        If network or x is refused.

    Examples
    --------
    >>> from jacobians import Tanh
    >>> net = Sequential(Affine(np.ones((3, 4)), np.zeros(3)), Tanh(), Affine(np.ones((2, 3))))
    >>> costs = layer_costs(net, np.zeros(4))
    >>> costs.forward, costs.parameters
    (Cost(multiplications=18, additions=16), 21)
    """
    if not isinstance(network, Function):
        raise TypeError(
            f"network: found {class_name(network)}, expected a Function; from_torch and others make one"
        )
    point = real_array(x, "x")
    network(point)  # refuses what doesn't fit
    return LayerCosts(tuple(_rows(network, point, network._forward(point, 0), "0", "", set())))


def _rows(layer: Function, x: Any, value: Any, name: str, inside: str, seen: set[int]) -> Iterator[LayerCost]:
    """Yield the rows of a layer or a composition; `inside` stands before the names of its parts."""
    if isinstance(layer, LayerGraph):
        values = layer._values(x, 0)
        for place, (own, sources) in enumerate(layer.nodes):
            at = f"{inside}{place}"
            if len(sources) > 1:
                yield _join(at, own, values[place], len(sources))
            else:
                yield from _rows(own, values[sources[0]], values[place], at, f"{at}.", seen)
    elif isinstance(layer, Sequential):
        for place, own in enumerate(layer.layers):
            at, given = f"{inside}{place}", x
            x = own._forward(x, 0)
            yield from _rows(own, given, x, at, f"{at}.", seen)
    elif isinstance(layer, Composition) and type(layer) in JOINED:
        for place, own in enumerate(layer):
            at = f"{inside}{place}"
            yield from _rows(own, x, own._forward(x, 0), at, f"{at}.", seen)
        yield _join(name, layer, value, len(layer))
    else:
        yield _row(name, layer, x, value, seen)


def _join(name: str, layer: Function, value: Any, parts: int) -> LayerCost:
    shape = tuple(np.shape(value))
    return LayerCost(name, type(layer).__name__, shape, 0, JOINED[type(layer)](parts, shape), Cost())


def _row(name: str, layer: Function, x: Any, value: Any, seen: set[int]) -> LayerCost:
    given, made = tuple(np.shape(x)), tuple(np.shape(value))
    forward = FORWARD.get(type(layer))
    counted = None if forward is None else forward(layer, given, made)
    dense = sum((_formed(layer.jacobian(x, wrt=own).spec) for own in layer.parameters), Cost())
    parameters = 0 if id(layer) in seen else layer.parameter_count
    seen.add(id(layer))
    return LayerCost(name, type(layer).__name__, made, parameters, counted, dense)


def _formed(spec: Spec) -> Cost:
    """Return what δ·J costs as a full row."""
    row = Spec.dense(1, spec.shape[0])
    return product_cost(row, spec) + expansion_cost(product_spec(row, spec))
