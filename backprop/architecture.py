"""What the layers of a network are made from: pairs (W, b), and activations by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

from jacobians import Affine, Elementwise, Function, Softmax
from jacobians.activations import activation


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
    layers = []
    for place, pair in enumerate(weights):
        try:
            W, b = pair
        except (TypeError, ValueError):
            raise TypeError(
                f"weights[{place}]: found {type(pair).__name__}, expected a pair (W, b); b may be None"
            ) from None
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
            )
    return layers


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
    if given == "softmax":
        return Softmax()
    try:
        return activation(given)
    except ValueError as error:
        raise ValueError(f"output_{error}, softmax, or None for an affine last layer") from None


def function_title(function: Function) -> str:
    """Return what an activation is called in tables.

    Examples
    --------
    >>> function_title(Softmax()), function_title(activation("tanh"))
    ('softmax', 'tanh')
    """
    return function.name if isinstance(function, Elementwise) else type(function).__name__.lower()


F = TypeVar("F", bound=Function)


def _without_parameters(function: F, name: str) -> F:
    # the δ recursion gives gradients by the parameters of affine layers only
    if function.parameters:
        raise ValueError(
            f"{name}: found {function!r}, which has parameters, expected a function without; "
            f"make a Sequential, whose jacobian takes the derivative by every parameter"
        )
    return function
