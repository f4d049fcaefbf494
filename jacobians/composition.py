"""Functions made of functions: the chain rule as a product of Jacobians."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from jacobians.arrays import Array
from jacobians.association import product
from jacobians.function import INPUT, Function, Linearization
from jacobians.structures import Jacobian


class Sequential(Function):
    """F = F_L ∘ … ∘ F_1, given input side first: D(g∘f)(x) = Dg(f(x))·Df(x).

    Parameters are named by layer, "0.W", "2.b"; a layer that occurs twice has one set of parameters, named by its
    first place, and the contributions of its places add up.

    Parameters
    ----------
    *layers : Function
        At least one.

    Raises
    ------
    TypeError, ValueError
        If there is no layer or one is not a Function.

    Examples
    --------
    >>> from jacobians import Affine, Sequential, Tanh
    >>> net = Sequential(Affine(np.eye(3, 2), np.zeros(3)), Tanh(), Affine(np.ones((1, 3)), [0.0]))
    >>> list(net.parameters)
    ['0.W', '0.b', '2.W', '2.b']
    >>> net.jacobian([0.0, 0.0]).dense()
    array([[1., 1.]])
    >>> net.jacobian([1.0, 2.0], wrt="0.W")
    <Dense 1×3 ⊗ Dense 1×2: 1×6, out (1,), in (3, 2), 5 of 6 numbers stored>
    """

    vectorized = True

    def __init__(self, *layers: Function) -> None:
        if not layers:
            raise ValueError("layers: found none, expected at least one Function")
        for position, layer in enumerate(layers):
            if not isinstance(layer, Function):
                raise TypeError(
                    f"layers: found {type(layer).__name__} at place {position}, expected a Function; "
                    f"an activation is an instance: Tanh(), not Tanh"
                )
        self.layers = tuple(layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Function:
        return self.layers[index]

    def __iter__(self) -> Iterator[Function]:
        return iter(self.layers)

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, "0.W", …, read-only."""
        return {
            f"{place}.{name}": value
            for place, layer in self._distinct()
            for name, value in layer.parameters.items()
        }

    def _distinct(self) -> list[tuple[int, Function]]:
        """Return each layer once, with its first place."""
        seen: dict[int, tuple[int, Function]] = {}
        for place, layer in enumerate(self.layers):
            seen.setdefault(id(layer), (place, layer))
        return list(seen.values())

    def bind(self, parameters: Mapping[str, Any]) -> Self:
        """Return a copy that holds `parameters` unchecked; layers that were one stay one."""
        by_place: dict[int, dict[str, Any]] = {}
        for name, value in parameters.items():
            place, own = name.split(".", 1)
            by_place.setdefault(int(place), {})[own] = value
        bound = {id(self.layers[place]): self.layers[place].bind(own) for place, own in by_place.items()}
        other = copy.copy(self)
        other.layers = tuple(bound.get(id(layer), layer) for layer in self.layers)
        return other

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the first layer takes `shape`."""
        self.layers[0].check_input(shape)

    # --- value and Jacobians -----------------------------------------------------------------------------

    def _values(self, x: Any, batch_ndim: int) -> list[Any]:
        """Return the input and the output of every layer."""
        values = [x]
        for place, layer in enumerate(self.layers):
            if place:
                try:
                    layer.check_input(np.shape(values[-1])[batch_ndim:])
                except ValueError as error:
                    raise ValueError(f"layer {place} ({layer!r}): {error}") from None
            values.append(layer._forward(values[-1], batch_ndim))
        return values

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the output of the last layer."""
        return self._values(x, batch_ndim)[-1]

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the product of the layers' Jacobians by the cheapest bracketing."""
        return product(self._chain(x, wrt, batch_ndim))

    def _chain(self, x: Any, wrt: str, batch_ndim: int) -> list[Jacobian]:
        """Return the factors, output side first: DF_L, …, DF_{l+1}, ∂F_l/∂parameter."""
        values = self._values(x, batch_ndim)
        if wrt == INPUT:
            return self._upstream(values, 0, batch_ndim)
        place, own = wrt.split(".", 1)
        shared = self.layers[int(place)]
        chains = [
            self._upstream(values, position + 1, batch_ndim) + layer._chain(values[position], own, batch_ndim)
            for position, layer in enumerate(self.layers)
            if layer is shared
        ]
        if len(chains) == 1:
            return chains[0]
        total = product(chains[0])
        for chain in chains[1:]:
            total = total + product(chain)
        return [total]

    def _upstream(self, values: list[Any], first: int, batch_ndim: int) -> list[Jacobian]:
        """Return the factors of ∂output/∂(input of layer `first`), output side first."""
        return [
            factor
            for place in range(len(self.layers) - 1, first - 1, -1)
            for factor in self.layers[place]._chain(values[place], INPUT, batch_ndim)
        ]

    def _linearize(self, x: Any, batch_ndim: int) -> Linearization:
        values = self._values(x, batch_ndim)
        jacobians = [
            layer._jacobian(value, INPUT, batch_ndim)
            for layer, value in zip(self.layers, values, strict=False)
        ]
        return Linearization(tuple(np.asarray(value) for value in values), tuple(jacobians))

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of all layers at their inputs, one after the other."""
        values = self._values(x, 0)
        pieces = [layer.smooth_piece(value) for layer, value in zip(self.layers, values, strict=False)]
        known = [np.ravel(piece) for piece in pieces if piece is not None]
        return np.concatenate(known) if known else None

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"
