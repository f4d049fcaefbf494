"""Functions made of functions: named parameters, shared weights, and the chain rule as a product of Jacobians."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from types import FunctionType
from typing import Any, Self

import numpy as np

from jacobians.function import INPUT, Function, Linearization, plain
from jacobians.numerics.arguments import checked_integer, checked_mapping, checked_option
from jacobians.numerics.arrays import Array, read_only
from jacobians.planning.bracketing import product
from jacobians.structures import Jacobian

Path = list[Jacobian]
"""One way from a parameter or the input to the output: factors, output side first."""

Owners = Sequence[tuple[Function, str]]
"""Parameters: for each the function that holds it, and its name there."""


class Composition(Function):
    """A function made of others, its `layers`; what all compositions have in common.

    Parameters are named by place, "0.W", "2.b", and in a composition of compositions "1.0.W". A Function object
    that occurs several times, at whatever depth, has one set of parameters, named by its first place; the
    contributions of its places add up.

    A subclass writes `forward`, `_input_chain` and `_paths`.

    Parameters
    ----------
    *layers : Function
        At least one.

    Raises
    ------
    TypeError, ValueError
        If there is no layer or one is not a Function.
    """

    vectorized = True
    _numpys: tuple[Function, ...] | None = None  # the layers, once their parameters were found to be NumPy's

    def __init__(self, *layers: Function) -> None:
        if not layers:
            raise ValueError("layers: found none, expected at least one Function")
        for position, layer in enumerate(layers):
            if not isinstance(layer, Function):
                raise TypeError(
                    f"layers: found {getattr(layer, '__name__', type(layer).__name__)} at place {position}, "
                    f"expected a Function{_way_out(layer)}"
                )
        self.layers = tuple(layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Function:
        place = checked_integer(index, "index", least=-len(self.layers), most=None)
        if place >= len(self.layers):
            raise IndexError(f"index: found {place}, expected at most {len(self.layers) - 1}, the last layer")
        return self.layers[place]

    def __iter__(self) -> Iterator[Function]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"

    def check_library(self, x: Any) -> None:
        """Raise TypeError unless each layer computes with arrays of the library that x belongs to."""
        own = type(x) is np.ndarray
        if own and self._numpys is self.layers:
            return  # layers don't change, so that one look at them is enough
        super().check_library(x)
        for layer in self.layers:
            layer.check_library(x)
        if own:
            self._numpys = self.layers

    # --- parameters --------------------------------------------------------------------------------------

    def _leaves(self, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Function]]:
        """Return every function that is no composition once, with its first place."""
        seen = set() if seen is None else seen
        for place, layer in enumerate(self.layers):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if isinstance(layer, Composition):
                yield from layer._leaves(f"{prefix}{place}.", seen)
            else:
                yield f"{prefix}{place}.", layer

    def _owners(self) -> dict[str, tuple[Function, str]]:
        """Return, for each parameter, the function that holds it and its name there."""
        return {prefix + name: (leaf, name) for prefix, leaf in self._leaves() for name in leaf.parameters}

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, "0.W", …, read-only."""
        return {
            prefix + name: value for prefix, leaf in self._leaves() for name, value in leaf.parameters.items()
        }

    def bind(self, parameters: Mapping[str, Any]) -> Self:
        """Return a copy that holds `parameters` unchecked; layers that were one stay one."""
        owners = self._owners()
        by_leaf: dict[int, dict[str, Any]] = {}
        leaves: dict[int, Function] = {}
        for name, value in checked_mapping(parameters, "parameters", "arrays by name").items():
            leaf, own = owners[checked_option(name, "parameters", owners)]
            leaves[id(leaf)] = leaf
            by_leaf.setdefault(id(leaf), {})[own] = value
        return self._rebuilt({key: leaves[key].bind(own) for key, own in by_leaf.items()})

    def _rebuilt(self, replaced: dict[int, Any]) -> Self:
        """Return a copy in which functions are replaced, by the id of the old one; copies are noted there."""
        if id(self) not in replaced:
            other = copy.copy(self)
            other.layers = tuple(
                layer._rebuilt(replaced) if isinstance(layer, Composition) else replaced.get(id(layer), layer)
                for layer in self.layers
            )
            replaced[id(self)] = other
        return replaced[id(self)]

    # --- Jacobians ---------------------------------------------------------------------------------------

    @abstractmethod
    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        """Return the factors of the Jacobian by the input, output side first."""

    @abstractmethod
    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        """Return, for each parameter, the factors of each path from it to the output; none if it isn't here.

        Factors that paths share are the same objects.
        """

    def _chain(self, x: Any, wrt: str, batch_ndim: int, value: Any = None) -> Path:
        """Return the factors, output side first; of several paths their sum as one factor."""
        if wrt == INPUT:
            return self._input_chain(x, batch_ndim)
        (paths,) = self._paths(x, [self._owners()[wrt]], batch_ndim)
        return paths[0] if len(paths) == 1 else [total(product(path) for path in paths)]

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the product of the factors by the cheapest bracketing."""
        return product(self._chain(x, wrt, batch_ndim))

    def _jacobians_by(self, x: Any, names: Sequence[str], batch_ndim: int) -> list[Jacobian]:
        """Return the Jacobian by each name, from one forward pass; what paths share is formed once."""
        from jacobians.planning.shared_factors import (
            prefix_products,  # loaded for who asks for several parameters
        )

        owners = self._owners()
        parameters = [name for name in dict.fromkeys(names) if name != INPUT]
        paths = self._paths(x, [owners[name] for name in parameters], batch_ndim)
        products = iter(prefix_products([path for own in paths for path in own]))
        found = {name: total(islice(products, len(own))) for name, own in zip(parameters, paths, strict=True)}
        if INPUT in names:
            found[INPUT] = product(self._input_chain(x, batch_ndim))
        return [found[name].broadcast_batch(x.shape[:batch_ndim]) for name in names]


def _way_out(layer: Any) -> str:
    """Return what to do with something that is no Function."""
    if isinstance(layer, type | np.ufunc | FunctionType):
        return "; an activation is an instance: Tanh(), not Tanh"
    if hasattr(layer, "weight") or hasattr(layer, "get_weights") or hasattr(layer, "coefs_"):
        return (
            "; a layer of another library becomes one by its arrays: Affine(W, b) with W (outputs, inputs) and NumPy's "
            "arrays, and by an instance such as Tanh()"
        )
    return " such as Affine(W, b) or Tanh()"


def total(terms: Iterator[Jacobian]) -> Jacobian:
    """Return the sum of Jacobians in the structure that they have in common."""
    result = next(terms)
    for term in terms:
        result = result + term
    return result


def holds(function: Function, owners: Owners) -> bool:
    """Return whether one of the parameters is held by the function, or by a part of it at any depth."""
    if isinstance(function, Composition):
        return any(holds(layer, owners) for layer in function.layers)
    return any(function is owner for owner, _ in owners)


def paths_of(function: Function, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
    """Return, for each parameter, the paths from it to the output of `function`; none if it isn't there."""
    if isinstance(function, Composition):
        return function._paths(x, owners, batch_ndim)
    return [[function._chain(x, own, batch_ndim)] if function is owner else [] for owner, own in owners]


def pieces_of(functions: Iterator[tuple[Function, Any]]) -> Array | None:
    """Return the smooth pieces of functions at their inputs, one after the other; None if all are smooth."""
    pieces = [function.smooth_piece(x) for function, x in functions]
    known = [np.ravel(piece) for piece in pieces if piece is not None]
    return np.concatenate(known) if known else None


class Sequential(Composition):
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

    array_api = True

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the first layer takes `shape`."""
        self.layers[0].check_input(shape)

    def check_values(self, x: Array) -> None:
        """Raise ValueError unless the first layer takes these numbers."""
        self.layers[0].check_values(x)

    def _outputs(self, x: Any, batch_ndim: int) -> Iterator[Any]:
        """Yield the output of every layer; what nobody keeps is free for the next."""
        for place, layer in enumerate(self.layers):
            if place:
                try:
                    layer.check_input(tuple(np.shape(x)[batch_ndim:]))
                except ValueError as error:
                    raise ValueError(f"layer {place} ({layer!r}): {error}") from None
            x = layer._forward(x, batch_ndim)
            # no layer may write to what another gave
            x = read_only(x) if type(x) is np.ndarray else x
            yield x

    def _values(self, x: Any, batch_ndim: int) -> list[Any]:
        """Return the input and the output of every layer."""
        return [x, *self._outputs(x, batch_ndim)]

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the output of the last layer."""
        return deque(self._outputs(x, batch_ndim), maxlen=1).pop()

    def _input_chain(self, x: Any, batch_ndim: int) -> Path:
        """Return DF_L, …, DF_1, each at the value that the layers before it left."""
        values = self._values(x, batch_ndim)
        return self._upstream(values, 0, len(self), batch_ndim)

    def _paths(self, x: Any, owners: Owners, batch_ndim: int) -> list[list[Path]]:
        """Return DF_L, …, DF_{l+1}, ∂F_l/∂parameter for each place l of the layer, the last place first."""
        values = self._values(x, batch_ndim)
        paths: list[list[Path]] = [[] for _ in owners]
        upstream: Path = []
        done = len(self)
        for place in reversed([place for place, layer in enumerate(self.layers) if holds(layer, owners)]):
            upstream = upstream + self._upstream(values, place + 1, done, batch_ndim)
            done = place + 1
            for known, own in zip(
                paths, paths_of(self.layers[place], values[place], owners, batch_ndim), strict=True
            ):
                known += [upstream + path for path in own]
        return paths

    def _upstream(self, values: list[Any], first: int, last: int, batch_ndim: int) -> Path:
        """Return the factors of the layers from `first` to before `last`, output side first."""
        return [
            factor
            for place in range(last - 1, first - 1, -1)
            for factor in self.layers[place]._chain(values[place], INPUT, batch_ndim, values[place + 1])
        ]

    def _linearize(self, x: Any, batch_ndim: int) -> Linearization:
        values = self._values(x, batch_ndim)
        jacobians = [
            layer._jacobian(x, INPUT, batch_ndim, value)
            for layer, x, value in zip(self.layers, values, values[1:], strict=False)
        ]
        return Linearization(tuple(plain(value) for value in values), tuple(jacobians))

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of all layers at their inputs, one after the other."""
        return pieces_of(zip(self.layers, self._values(x, 0), strict=False))
