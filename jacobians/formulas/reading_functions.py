"""Functions and networks as formulas: a line a layer, parameters by their names ("0.W" is W0).

What a layer is in the language is a row here, in x and its parameters; a user's own layer is followed as NumPy code is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from jacobians.formulas.declarations import Declaration
from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.parser import parse
from jacobians.formulas.reading_code import read_code
from jacobians.formulas.text import text
from jacobians.formulas.tree import FormulaError, Node, name
from jacobians.function import INPUT, Function
from jacobians.layers.activations import ACTIVATIONS, ELU, LeakyReLU
from jacobians.layers.affine import Affine
from jacobians.layers.branches import Product, Residual, Sum
from jacobians.layers.composition import Sequential
from jacobians.layers.cross_entropy import CrossEntropy
from jacobians.layers.determinants import Determinant, LogDeterminant
from jacobians.layers.losses import MeanSquaredError, SoftmaxCrossEntropy, SquaredError
from jacobians.layers.norms import LayerNorm, Norm, Normalize, SquaredNorm
from jacobians.layers.softmax import LogSoftmax, LogSumExp, Softmax


def _layer_norm(layer: Any) -> str:
    made = f"(x - mean(x))/sqrt(mean((x - mean(x)).^2) + {layer.eps!r})"
    made = made if layer.gamma is None else f"gamma.*{made}"
    return made if layer.beta is None else f"{made} + beta"


FORMS: dict[type[Function], Callable[[Any], str]] = {
    Affine: lambda layer: "W*x" if layer.b is None else "W*x + b",
    LeakyReLU: lambda layer: (
        "leaky_relu(x)" if layer.slope == 0.01 else f"relu(x) - {layer.slope!r}*relu(-x)"
    ),
    ELU: lambda layer: "elu(x)" if layer.alpha == 1 else f"relu(x) + {layer.alpha!r}*(exp(-relu(-x)) - 1)",
    Softmax: lambda layer: "softmax(x)",
    LogSoftmax: lambda layer: "logsoftmax(x)",
    LogSumExp: lambda layer: "logsumexp(x)",
    SquaredNorm: lambda layer: "sum(x.^2)",
    Normalize: lambda layer: "x/norm2(x)",
    LayerNorm: _layer_norm,
    SquaredError: lambda layer: f"{layer.scale!r}*sum((x - y).^2)",
    MeanSquaredError: lambda layer: f"{layer.scale!r}*mean((x - y).^2)",
    SoftmaxCrossEntropy: lambda layer: "-y'*logsoftmax(x)",
    CrossEntropy: lambda layer: "-y'*log(x)",
    Determinant: lambda layer: "det(X)",
    LogDeterminant: lambda layer: "logdet(X)",
}
"""What each layer is, in x (or X) and its parameters; y is a loss's target."""


def read_function(
    function: Function, by: Any, declare: Mapping[str, Any] | None
) -> tuple[str, Any, Mapping[str, Any] | None]:
    """Return the formula of a function as text, the variable that `by` means in it, and what is declared.

    Raises
    ------
    FormulaError
        If a layer has no closed form, or `by` is no name of the function.
    """
    reader = _Reader()
    whole = type(function) in (Determinant, LogDeterminant)
    last = reader.of(function, "X" if whole else "x", "")
    names = {INPUT: "X" if whole else "x"} | {key: _own(key) for key in function.parameters}
    if not isinstance(by, str) or (by not in names and by not in names.values()):
        raise FormulaError(f"by: found {by!r}, expected one of the function's {', '.join(names)}")
    body = reader.lines.pop() if reader.lines and reader.lines[-1][0] == last else (last, last)
    formula = "; ".join([*(f"{line} = {said}" for line, said in reader.lines), body[1]])
    scalars = {
        own: "scalar" for key, own in names.items() if key != INPUT and function.parameters[key].ndim == 0
    }
    return formula, names.get(by, by), {**scalars, **reader.declared, **(declare or {})}


def _own(key: str) -> str:
    *places, own = key.split(".")
    return own + "_".join(places)


class _Reader:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.declared: dict[str, Any] = {}

    def line(self, said: str) -> str:
        """Give a value a line, and return its name."""
        own = f"h{len(self.lines) + 1}"
        self.lines.append((own, said))
        return own

    def of(self, function: Any, x: str, prefix: str) -> str:
        """Return the name of a function's value at x."""
        if isinstance(function, Sequential):
            for place, layer in enumerate(function.layers):
                x = self.of(layer, x, f"{prefix}{place}.")
            return x
        if isinstance(function, Residual | Sum | Product):
            layers = function.layers
            values = [self.of(layer, x, f"{prefix}{place}.") for place, layer in enumerate(layers)]
            if isinstance(function, Residual):
                values.insert(0, x)
            return self.line((" .* " if isinstance(function, Product) else " + ").join(values))
        return self.line(
            _renamed(self._form(function), x, {own: _own(prefix + own) for own in function.parameters})
        )

    def _form(self, function: Any) -> str:
        form = FORMS.get(type(function))
        if form is not None:
            return form(function)
        if isinstance(function, Norm):
            if function.ord in (1.0, 2.0):
                return f"norm{function.ord:g}(x)"
            raise FormulaError(
                f"formula: found {function!r}, which has no closed form here, expected Norm(1) or Norm(2)"
            )
        if type(function) in ACTIVATIONS.values() and function.name in ELEMENTWISE:
            return f"{function.name}(x)"
        return self._followed(function)

    def _followed(self, function: Any) -> str:
        """Return what a user's own layer computes, as its code says."""
        own = copy.copy(function)
        names = list(function.parameters)
        declared = {key: Declaration("scalar") for key in names if function.parameters[key].ndim == 0}

        def code(**arrays: Any) -> Any:
            for key in names:
                setattr(own, key, arrays[key])
            return own._forward(arrays["x"], 0)

        import inspect

        kinds = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY) for key in ("x", *names)]
        code.__signature__ = inspect.Signature(kinds)  # type: ignore[attr-defined]
        try:
            said, _ = read_code(code, declared)
        except (FormulaError, TypeError, AttributeError, ValueError) as error:
            raise FormulaError(
                f"formula: found {type(function).__name__}, which has no closed form here: {error}"
            ) from error
        lines = said.split("; ")
        renaming: dict[str, str] = {}
        for line in lines[:-1]:
            inner, _, value = line.partition(" = ")
            renaming[inner] = self.line(text(_replaced(parse(value).body, renaming)))
        return text(_replaced(parse(lines[-1]).body, renaming))


def _renamed(said: str, x: str, names: Mapping[str, str]) -> str:
    return text(_replaced(parse(said).body, {**names, "x": x, "X": x}))


def _replaced(node: Node, names: Mapping[str, str]) -> Node:
    if node.op == "name":
        return name(names.get(node.value, node.value))
    return Node(node.op, tuple(_replaced(arg, names) for arg in node.args), node.value)
