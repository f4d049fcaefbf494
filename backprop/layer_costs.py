"""What a network costs on the way forward, a row a layer, as counters of other libraries report it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.tables import latex_table, markdown_table, text_table
from jacobians import Affine, ChannelMeanPool, ChannelScale, Convolution, Cost, Function, Spec
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


FORWARD: dict[type[Function], Callable[[Any, Shape, Shape], Cost]] = {
    Affine: _affine,
    Convolution: _convolution,
    ChannelScale: _scale,
    ChannelMeanPool: _means,
}
"""The layers whose forward pass is multiplications and additions; windows count the zeros around x."""


@dataclass(frozen=True)
class LayerCost:
    """One layer at one point.

    Attributes
    ----------
    name, kind : str
    shape : tuple of int
        Of its value.
    parameters : int
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
        A Sequential or a LayerGraph is shown layer by layer, and those within it, too; any other function is one row.
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
    return LayerCosts(tuple(_rows(network, point, "")))


def _rows(network: Function, x: Any, prefix: str) -> list[LayerCost]:
    if isinstance(network, LayerGraph):
        values = network._values(x, 0)
        found = []
        for place, (layer, sources) in enumerate(network.nodes):
            name = f"{prefix}{place}"
            if len(sources) > 1:
                forward = _joint(layer, np.shape(values[place]), len(sources))
                found.append(
                    LayerCost(name, type(layer).__name__, np.shape(values[place]), 0, forward, Cost())
                )
            else:
                found += (
                    _rows(layer, values[sources[0]], f"{name}.")
                    if _parts(layer)
                    else [_row(name, layer, values[sources[0]], values[place])]
                )
        return found
    if not isinstance(network, Sequential):
        return [_row(prefix.rstrip(".") or "0", network, x, network._forward(x, 0))]
    found = []
    for place, layer in enumerate(network.layers):
        value = layer._forward(x, 0)
        found += (
            _rows(layer, x, f"{prefix}{place}.")
            if _parts(layer)
            else [_row(f"{prefix}{place}", layer, x, value)]
        )
        x = value
    return found


def _parts(layer: Function) -> bool:
    return isinstance(layer, Sequential | LayerGraph)


def _joint(layer: Function, shape: Shape, count: int) -> Cost:
    """Return the cost of a sum, a product or a concatenation of values."""
    entries = (count - 1) * math.prod(shape)
    return {"Sum": Cost(0, entries), "Product": Cost(entries, 0), "Concatenate": Cost()}[type(layer).__name__]


def _row(name: str, layer: Function, x: Any, value: Any) -> LayerCost:
    given, made = tuple(np.shape(x)), tuple(np.shape(value))
    forward = FORWARD.get(type(layer))
    counted = (
        forward(layer, given, made) if forward is not None and not isinstance(layer, Composition) else None
    )
    dense = sum((_formed(layer.jacobian(x, wrt=own).spec) for own in layer.parameters), Cost())
    parameters = sum(value.size for value in layer.parameters.values())
    return LayerCost(name, type(layer).__name__, made, parameters, counted, dense)


def _formed(spec: Spec) -> Cost:
    """Return what δ·J costs as a full row."""
    row = Spec.dense(1, spec.shape[0])
    return product_cost(row, spec) + expansion_cost(product_spec(row, spec))
