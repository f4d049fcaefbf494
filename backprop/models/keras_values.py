"""The values of a model of Keras, in its own order of axes or channels first, and its activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly, NotSupported
from jacobians import (
    ELU,
    GELU,
    Function,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Transpose,
)
from jacobians.numerics.arrays import Array

FIRST = ", channels first"
"""Behind the name of a value: the same with its last axis in front."""


class Values:
    """The values of a model by name, in Keras' order of axes, and with the channels in front where that was asked."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value in Keras' order."""
        shapes = self.assembly.shapes
        return shapes[name] if name in shapes else (*shapes[name + FIRST][1:], shapes[name + FIRST][0])

    def own(self, name: str) -> str:
        """Return the name of a value in Keras' order of axes."""
        if name not in self.assembly.places:
            axes = len(self.assembly.shapes[name + FIRST])
            self.assembly.add(name, Transpose((*range(1, axes), 0)), name + FIRST)
        return name

    def first(self, name: str) -> str:
        """Return the name of a value with its channels in front."""
        axes = len(self.shape(name))
        if axes < 2:
            return name
        if name + FIRST not in self.assembly.places:
            self.assembly.add(name + FIRST, Transpose((axes - 1, *range(axes - 1))), name)
        return name + FIRST

    def add(self, name: str, layer: Function, source: str, *, first: bool = False) -> None:
        """Add a layer of a value; one with the channels in front gives such a value."""
        if first and len(self.shape(source)) > 1:
            self.assembly.add(name + FIRST, layer, self.first(source))
        else:
            self.assembly.add(name, layer, self.own(source))

    def everywhere(self, name: str, layer: Function, source: str) -> None:
        """Add a layer that is the same in any order of axes."""
        self.add(name, layer, source, first=source not in self.assembly.places)

    def join(self, name: str, kind: str, sources: Sequence[str], *, first: bool = False) -> None:
        """Add a sum, a product or a concatenation."""
        if first and len(self.shape(sources[0])) > 1:
            self.assembly.join(name + FIRST, kind, [self.first(source) for source in sources])
        else:
            self.assembly.join(name, kind, [self.own(source) for source in sources])


Given = Sequence[Any]
"""Of a call: names of values, and numbers."""
Operation = Callable[[Values, str, Any, Given], None]


def weights(variable: Any) -> Array | None:
    """Return the numbers of a variable of Keras."""
    if variable is None:
        return None
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def one_value(given: Given) -> str:
    """Return the one value that a call is given."""
    if len(given) != 1 or not isinstance(given[0], str):
        raise NotSupported("of more than one value")
    return given[0]


def channels_last(layer: Any) -> bool:
    """Return whether the channels of a layer are in the last axis, and have to be brought in front."""
    return bool(layer.data_format != "channels_first")


# --- activations -----------------------------------------------------------------------------------------

ELEMENTWISE: dict[str, Callable[[], Function]] = {
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "elu": ELU,
    "softplus": Softplus,
    "silu": SiLU,
    "gelu": GELU,
    "leaky_relu": lambda: LeakyReLU(0.2),
}
"""Activations by Keras' names, as they are without arguments."""

OF_VECTORS: dict[str, Callable[[], Function]] = {"softmax": Softmax, "log_softmax": LogSoftmax}


def activate(values: Values, name: str, activation: Any, source: str) -> None:
    """Add what keras.activations calls by a name."""
    import keras

    own = getattr(activation, "__name__", str(activation))
    if own == "linear":
        values.assembly.same(name, values.own(source))
    elif own in ELEMENTWISE and keras.activations.get(own) is activation:
        values.everywhere(name, ELEMENTWISE[own](), source)
    elif own in OF_VECTORS and keras.activations.get(own) is activation:
        of_vector(values, name, OF_VECTORS[own](), source)
    else:
        raise NotSupported(f"activation {own}")


def of_vector(values: Values, name: str, layer: Function, source: str) -> None:
    """Add a layer that takes vectors alone."""
    if len(values.shape(source)) != 1:
        raise NotSupported("of more than vectors")
    values.add(name, layer, source)


def then_activate(operation: Operation) -> Operation:
    """Return the operation with the activation that its layer has behind it."""

    def add(values: Values, name: str, layer: Any, given: Given) -> None:
        if getattr(layer.activation, "__name__", "") == "linear":
            operation(values, name, layer, given)
            return
        inner = f"{name}, before its activation"
        operation(values, inner, layer, given)
        activate(values, name, layer.activation, inner)

    return add
