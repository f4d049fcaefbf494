"""What the layers of a network are made from: pairs (W, b), and activations by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from jacobians import Affine, Elementwise, Function, Jacobian, Softmax
from jacobians.layers.activations import IDENTITIES, activation
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_list


def affine_layers(weights: Sequence[tuple[Any, Any]]) -> list[Affine]:
    """Return one affine layer a pair (W, b), each taking what the one before gives.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is no pair of a matrix and a bias, or neighbours don't fit.

    Examples
    --------
    >>> affine_layers([([[1.0, 2.0]], [0.0]), ([[3.0], [4.0]], None)])
    [Affine(W: (1, 2), b: (1,)), Affine(W: (2, 1))]
    """
    expected = "a list of pairs (W, b) with W (outputs, inputs)"
    if hasattr(weights, "coefs_"):
        raise TypeError(
            f"weights: found {class_name(weights)}, expected {expected}; scikit-learn stores (inputs, outputs): "
            f"[(W.T, b) for W, b in zip(model.coefs_, model.intercepts_)], or from_sklearn(model), which is checked"
        )
    if isinstance(weights, Function | Jacobian | Mapping):
        raise TypeError(f"weights: found {class_name(weights)}, expected {expected}")
    layers = []
    for place, pair in enumerate(checked_list(weights, "weights", expected)):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(
                f"weights[{place}]: found {class_name(pair)}, expected a pair (W, b); b may be None"
            )
        W, b = pair
        try:
            layers.append(Affine(W, b))
        except (TypeError, ValueError) as error:
            raise type(error)(f"weights[{place}]: {error}") from None
    if not layers:
        raise ValueError("weights: found none, expected at least one pair (W, b)")
    for place, (before, after) in enumerate(pairwise(layers)):
        if before.W.shape[0] != after.W.shape[1]:
            raise ValueError(
                f"weights[{place}] and weights[{place + 1}]: found W of shapes {before.W.shape} and "
                f"{after.W.shape}, expected {before.W.shape[0]} columns in the second; W is (outputs, inputs)"
                + (": is W.T meant?" if _fit_turned(layers) else "")
            )
    return layers


def _fit_turned(layers: Sequence[Affine]) -> bool:
    """Return whether the matrices fit each other once all are transposed, as other libraries store them."""
    return all(before.W.shape[1] == after.W.shape[0] for before, after in pairwise(layers))


def hidden_activation(given: str | Elementwise) -> Elementwise:
    """Return the activation between the layers, given by name or as an Elementwise.

    Raises
    ------
    ValueError
        If there is none of that name, or it has parameters.

    Examples
    --------
    >>> hidden_activation("tanh")
    Tanh()
    """
    return _without_parameters(given, "activation") if isinstance(given, Elementwise) else activation(given)


def last_activation(given: str | Function | None) -> Function | None:
    """Return the activation of the last layer, given by name ("softmax" too) or as a Function; None for none.

    Raises
    ------
    ValueError
        If there is none of that name, or it has parameters.

    Examples
    --------
    >>> last_activation("softmax"), last_activation(None)
    (Softmax(), None)
    """
    if given is None:
        return None
    if isinstance(given, Function):
        return _without_parameters(given, "output_activation")
    if isinstance(given, str):
        if given == "softmax":
            return Softmax()
        if given.replace("-", "_").lower() in IDENTITIES:
            raise ValueError(
                f"output_activation: found {given!r}, expected None for an affine last layer, whose outputs are "
                f"linear (the identity)"
            )
    try:
        return activation(given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"output_{error}, softmax, or None for an affine last layer") from None


def function_title(function: Function) -> str:
    """Return what an activation is called in tables.

    Examples
    --------
    >>> function_title(Softmax()), function_title(activation("tanh"))
    ('softmax', 'tanh')
    """
    return function.name if isinstance(function, Elementwise) else class_name(function).lower()


F = TypeVar("F", bound=Function)


def _without_parameters(function: F, name: str) -> F:
    # the δ recursion gives gradients by the parameters of affine layers only
    if function.parameters:
        raise ValueError(
            f"{name}: found {function!r}, which has parameters, expected a function without; "
            f"make a Sequential, whose jacobian takes the derivative by every parameter"
        )
    return function
