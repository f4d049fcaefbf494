"""Functions made of functions: named parameters, shared weights, and the chain rule as a product of Jacobians."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Self

import numpy as np

from jacobians.function import INPUT, Function, Linearization, plain
from jacobians.layers.elementwise import Elementwise
from jacobians.layers.recording import Record, _Recorded
from jacobians.markup import html_table
from jacobians.names import class_name, printable
from jacobians.numerics.arguments import checked_integer, checked_mapping, checked_option
from jacobians.numerics.arrays import Array, read_only, real_array
from jacobians.structures import Jacobian, Kronecker

OVERFLOWS = 1e150  # of inputs above it: what is infinite may be a number too large, and no pole


class Composition(_Recorded):
    """A function made of others, its `layers`; what all compositions have in common.

    Parameters are named by place, "0.W", "2.b", and in a composition of compositions "1.0.W". A Function object
    that occurs several times, at whatever depth, has one set of parameters, named by its first place; the
    contributions of its places add up.

    A subclass writes `forward` and `_record`.

    Parameters
    ----------
    *layers : Function
        At least one.

    Raises
    ------
    TypeError, ValueError
        If there is no layer or one is not a Function.
    """

    _numpys: tuple[Function, ...] | None = None  # the layers, once their parameters were found to be NumPy's

    def __init__(self, *layers: Function) -> None:
        if not layers:
            raise ValueError("layers: found none, expected at least one Function")
        for position, layer in enumerate(layers):
            if not isinstance(layer, Function):
                raise TypeError(
                    f"layers: found {printable(getattr(layer, '__name__', type(layer).__name__))} at place {position}, "
                    f"expected a Function{_way_out(layer)}"
                )
        self.layers = tuple(layers)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_numpys", None)  # what was seen of the layers is no part of them
        return state

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
        return f"{class_name(self)}({', '.join(map(repr, self.layers))})"

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

    def jacobian(self, x: Any, wrt: str | Sequence[str] = INPUT, *, batched: bool = False) -> Jacobian:
        """Return the structured Jacobian at x, as :meth:`jacobians.Function.jacobian` does.

        Raises
        ------
        TypeError, ValueError
            Also if a layer has an infinite derivative at x, and its product with a factor that is 0 is no number.
        """
        result = super().jacobian(x, wrt, batched=batched)
        self._check_product(real_array(x, "x", foreign="keep"), result, int(batched))
        return result

    def _check_product(self, x: Any, result: Jacobian, batch_ndim: int) -> None:
        """Raise ValueError if 0·∞ made numbers of the product NaN; NaN of x, parameters and layers stay NaN."""
        if type(x) is not np.ndarray or not _is_no_number(result):
            return
        if not all(np.isfinite(part).all() for part in (x, *self.parameters.values())):
            return
        with np.errstate(all="ignore"):
            found = infinite_layer(self, x, batch_ndim)
        if found is not None:
            place, layer = found
            instead = f"{layer.instead}, or " if layer.instead else ""
            raise ValueError(
                f"x: layer {place}, {layer!r}, has an infinite derivative there, and 0·∞ in its product with the other "
                f"layers is no number; expected {instead}a point where every layer has a finite derivative"
            )

    def _repr_html_(self) -> str:
        header = [class_name(self), "layer", "parameters"]
        rows = [
            [f"{place}.{class_name(layer)}", repr(layer), f"{layer.parameter_count:,}"]
            for place, layer in enumerate(self.layers)
        ]
        return html_table(header, rows, numeric=(2,))

    def input_shape(self) -> tuple[int, ...] | None:
        """Return the shape of the inputs where the layers tell it, those before by entry left aside."""
        for layer in self.layers:
            shape = layer.input_shape()
            if shape is not None or not isinstance(layer, Elementwise):
                return shape
        return None

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


def infinite_layer(composition: Composition, x: Array, batch_ndim: int) -> tuple[str, Function] | None:
    """Return the first layer whose Jacobian by its input is infinite, with its place; None if it is NaN, or overflows.

    Examples
    --------
    >>> from jacobians import CrossEntropy, Sequential, Softmax
    >>> infinite_layer(Sequential(Softmax(), CrossEntropy(1)), np.array([1000.0, 0.0]), 0)[0]
    '1'
    """
    steps = composition._linearize(x, batch_ndim)
    layers = composition.layers if len(composition.layers) == len(steps.jacobians) else (composition,)
    inputs = steps.values[: len(steps.jacobians)]  # the last value is the output
    for place, (layer, own, jacobian) in enumerate(zip(layers, inputs, steps.jacobians, strict=True)):
        parts = list(jacobian.flatten().values())
        if isinstance(layer, Composition) and layer is not composition:
            if not all(np.isfinite(part).all() for part in parts):
                inner = infinite_layer(layer, own, batch_ndim)
                return inner and (f"{place}.{inner[0]}", inner[1])
        elif any(np.isnan(part).any() for part in parts):
            return None
        elif any(np.isinf(part).any() for part in parts):
            return (str(place), layer) if np.all(np.abs(own) < OVERFLOWS) else None
    return None


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


def pieces_of(functions: Iterator[tuple[Function, Any]]) -> Array | None:
    """Return the smooth pieces of functions at their inputs, one after the other; None if all are smooth."""
    pieces = [function.smooth_piece(x) for function, x in functions]
    known = [np.ravel(piece) for piece in pieces if piece is not None]
    return np.concatenate(known) if known else None


def _is_no_number(result: Jacobian) -> bool:
    """Say whether a Jacobian stores NaN, or factors of ⊗ of which one holds ∞ and the other 0."""
    stored = list(
        {id(part): part for part in result._stored_arrays()}.values()
    )  # several blocks may store one
    if any(np.isnan(np.maximum.reduce(part, axis=None)) for part in stored):  # of which NaN is the largest
        return True
    if not isinstance(result, Kronecker) or not any(np.isinf(part).any() for part in stored):
        return False
    first, second = (list(factor.flatten().values()) for factor in (result.A, result.B))
    return any(
        any(np.isinf(part).any() for part in one) and any((part == 0).any() for part in other)
        for one, other in ((first, second), (second, first))
    )


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

    def _record(self, record: Record, source: int, prefix: str) -> int:
        for place, layer in enumerate(self.layers):
            if place:
                self._check_layer(place, record.steps[source].shape)
            source = layer._record(record, source, f"{prefix}{place}.")
        return source

    def _check_layer(self, place: int, shape: tuple[int, ...]) -> None:
        try:
            self.layers[place].check_input(shape)
        except ValueError as error:
            raise ValueError(f"layer {place} ({self.layers[place]!r}): {error}") from None

    def _outputs(self, x: Any, batch_ndim: int) -> Iterator[Any]:
        """Yield the output of every layer; what nobody keeps is free for the next."""
        for place, layer in enumerate(self.layers):
            if place:
                self._check_layer(place, (x.shape if type(x) is np.ndarray else np.shape(x))[batch_ndim:])
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

    def _linearize(self, x: Any, batch_ndim: int) -> Linearization:
        values = self._values(x, batch_ndim)
        jacobians = [
            layer._jacobian(x, INPUT, batch_ndim, value)
            for layer, x, value in zip(self.layers, values, values[1:], strict=False)
        ]
        return Linearization(tuple([plain(value) for value in values]), tuple(jacobians))

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of all layers at their inputs, one after the other."""
        return pieces_of(zip(self.layers, self._values(x, 0), strict=False))
