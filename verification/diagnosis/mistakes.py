"""What the usual mistakes would give: a hypothesis is a name, a sentence, and the matrix that it predicts.

:func:`of_matrix` knows a matrix alone, :func:`of_function` also the function and the point, :func:`of_network`
the layers of a Sequential. The expected matrix is (m, n): numerator layout, row-major vec.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.affine import Affine
from jacobians.layers.augmented import AugmentedAffine
from jacobians.layers.composition import Sequential
from jacobians.layers.elementwise import Elementwise
from jacobians.layers.softmax import Softmax
from jacobians.names import class_name
from jacobians.numerics.arrays import Array, MemoryBudgetError
from jacobians.numerics.layouts import column_major_order
from verification.diagnosis.layouts import ORDER, TRANSPOSED, Shape, of_columns

MOST_BYTES = 16 * 1024**2  # of one dense factor; larger networks get the hypotheses that need none


class Mistake(NamedTuple):
    """A hypothesis.

    Attributes
    ----------
    name : str
        For machines: "sign", "missing-derivative", …
    sentence : str
        For people.
    matrix : numpy.ndarray
        What the mistake would have given.
    """

    name: str
    sentence: str
    matrix: Array


def of_matrix(expected: Array, out_shape: Shape, in_shape: Shape) -> Iterator[Mistake]:
    """Yield what follows from the right matrix alone: signs, transposes, vec orders and bias columns.

    Parameters
    ----------
    expected : numpy.ndarray, shape (m, n)
        The right Jacobian.
    out_shape, in_shape : tuple of int
        Of f(x) and of x, or of the parameter.

    Examples
    --------
    >>> [mistake.name for mistake in of_matrix(np.eye(6), (6,), (2, 3))]
    ['sign', 'transposed', 'vec-order', 'bias-column', 'bias-column']
    """
    yield Mistake("sign", "the sign is wrong: the candidate is −J", -expected)
    yield Mistake("transposed", TRANSPOSED, expected.T)
    columns = expected[:, column_major_order(in_shape)] if len(in_shape) > 1 else expected
    rows = expected[column_major_order(out_shape)] if len(out_shape) > 1 else expected
    if len(in_shape) > 1:
        yield Mistake(*of_columns(out_shape, in_shape), columns)
    if len(out_shape) > 1:
        yield Mistake("vec-order", ORDER.format("rows", out_shape), rows)
    if len(in_shape) > 1 and len(out_shape) > 1:
        sentence = "rows and columns are in column-major (Fortran) order, expected row-major vec"
        yield Mistake("vec-order", sentence, columns[column_major_order(out_shape)])
    if len(in_shape) == 2 and in_shape[1] > 1:
        rows_of = expected.reshape(len(expected), *in_shape)
        for kept, which in ((rows_of[:, :, 1:], "first"), (rows_of[:, :, :-1], "last")):
            sentence = f"the bias column is missing: the candidate has no entries for the {which} column of {in_shape}"
            yield Mistake("bias-column", sentence, kept.reshape(len(expected), -1))


def of_function(f: Any, x: Array) -> Iterator[Mistake]:
    """Yield what a function of an array of x's shape suggests: f for f′, and f′ taken at f(x).

    Parameters
    ----------
    f : callable
        From arrays of a shape to arrays of the same shape; for others there is no hypothesis.
    x : numpy.ndarray
        The point.
    """
    from verification.problem import Problem
    from verification.witnesses.finite_difference import richardson

    problem = Problem(f, x)
    if problem.value.shape != problem.point.shape:
        return
    size = problem.value.size
    sentence = "the function stands in place of its derivative: diag(f(x)) for diag(f′(x))"
    yield Mistake("function-for-derivative", sentence, np.diag(problem.value.reshape(-1)))
    yield Mistake(
        "missing-derivative", "the derivative is missing: the candidate is the identity", np.eye(size)
    )
    if np.isfinite(problem.value).all():
        try:
            later = richardson(Problem(f, problem.value))
        except Exception:  # f's own, outside of its domain
            return
        yield Mistake("derivative-at-output", "the derivative is taken at f(x), expected at x", later.matrix)


class _Network:
    """The factors of a derivative of a Sequential, output side first, dense; Sequentials in it are taken apart."""

    def __init__(self, net: Sequential, x: Array, wrt: str) -> None:
        self.names: list[str] = []
        self.layers: list[Function] = []
        for name, layer in _flat(net):
            self.names.append(name)
            self.layers.append(layer)
        self.values = [np.asarray(x)]
        for layer in self.layers:
            self.values.append(np.asarray(layer._forward(self.values[-1], 0)))
        first = 0
        self.own: tuple[int, str] | None = None
        if wrt != INPUT:
            place = next(k for k, name in enumerate(self.names) if wrt.startswith(f"{name}."))
            self.own = (place, wrt.removeprefix(f"{self.names[place]}."))
            first = place + 1
        self.places = list(range(len(self.layers) - 1, first - 1, -1))
        self.factors = [self._factor(place, self.values[place]) for place in self.places]
        if self.own is not None:
            self.factors.append(self._factor(self.own[0], self.values[self.own[0]], self.own[1]))

    def _factor(self, place: int, value: Array, wrt: str = INPUT) -> Array:
        return self.layers[place]._jacobian(value, wrt, 0).dense(max_bytes=MOST_BYTES)

    def label(self, place: int) -> str:
        return f"layer {self.names[place]} ({class_name(self.layers[place])})"

    def at(self, place: int, value: Array, wrt: str = INPUT) -> Array | None:
        """Return the Jacobian of a layer at another value; None where the layer has none."""
        try:
            return self._factor(place, value, wrt)
        except Exception:  # outside of its domain; a layer may be a user's, and a hypothesis may fail
            return None

    def others(self, place: int) -> Iterator[tuple[str, Array]]:
        """Yield the values at which a layer could be evaluated by mistake."""
        right = self.values[place]
        for k, value in enumerate(self.values):
            if k != place and np.shape(value) == np.shape(right) and not np.array_equal(value, right):
                yield ("the input x" if k == 0 else f"the output of {self.label(k - 1)}"), value

    def replaced(self, position: int, factor: Array | None) -> Array | None:
        if factor is None:
            return None
        return product([*self.factors[:position], factor, *self.factors[position + 1 :]])


def _flat(net: Sequential, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield the layers with the places that their parameters are named by, those of inner Sequentials in turn."""
    for place, layer in enumerate(net.layers):
        if isinstance(layer, Sequential):
            yield from _flat(layer, f"{prefix}{place}.")
        else:
            yield f"{prefix}{place}", layer


def of_network(net: Sequential, x: Array, wrt: str) -> Iterator[Mistake]:
    """Yield what one mistake in the chain rule of a network would give.

    Parameters
    ----------
    net : Sequential
        The network.
    x : numpy.ndarray
        Its input.
    wrt : str
        "input", or the name of a parameter.
    """
    try:
        network = _Network(net, x, wrt)
    except MemoryBudgetError:
        return
    for name, sentence, matrix in (
        *_activations(network),
        *_softmaxes(network),
        *_matrices(network),
        *_orders(network),
        *_points(network),
        *_parameters(network, net, x, wrt),
    ):
        if matrix is not None:
            yield Mistake(name, sentence, matrix)


Guess = tuple[str, str, Array | None]


def _activations(network: _Network) -> Iterator[Guess]:
    rules = (
        ("missing-derivative", "the factor φ′ is missing", lambda place, z, a: np.eye(z.size)),
        ("function-for-derivative", "φ stands in place of φ′", lambda place, z, a: np.diag(a.reshape(-1))),
        (
            "derivative-at-output",
            "φ′ is taken at φ(z), expected at z",
            lambda place, z, a: network.at(place, a),
        ),
    )
    activations = [
        (position, place)
        for position, place in enumerate(network.places)
        if isinstance(network.layers[place], Elementwise)
    ]
    for name, sentence, rule in rules:
        replacements: dict[int, Array | None] = {}
        for position, place in activations:
            factor = rule(place, network.values[place], network.values[place + 1])
            replacements[position] = factor
            yield name, f"{sentence}, in {network.label(place)}", network.replaced(position, factor)
        if len(activations) > 1:
            everywhere = [replacements.get(k, factor) for k, factor in enumerate(network.factors)]
            known = [factor for factor in everywhere if factor is not None]
            if len(known) == len(everywhere):
                yield name, f"{sentence}, in every activation", product(known)


def _softmaxes(network: _Network) -> Iterator[Guess]:
    for position, place in enumerate(network.places):
        if isinstance(network.layers[place], Softmax):
            p = np.asarray(network.values[place + 1])
            label = network.label(place)
            for factor, what in ((np.diag(p), "diag(p)"), (np.diag(p * (1 - p)), "diag(p(1 − p))")):
                sentence = f"softmax is treated as elementwise in {label}: {what} for diag(p) − p pᵀ"
                yield "softmax-elementwise", sentence, network.replaced(position, factor)


def _matrices(network: _Network) -> Iterator[Guess]:
    for position, place in enumerate(network.places):
        factor = network.factors[position]
        if factor.shape[0] == factor.shape[1] and not np.array_equal(factor, factor.T):
            sentence = f"the matrix of {network.label(place)} is transposed"
            yield "matrix-transposed", sentence, network.replaced(position, factor.T)
        for which, wrong in _with_a_bias_column(network.layers[place], factor):
            sentence = f"the bias column is not dropped in {network.label(place)}, but the {which} column of its matrix"
            yield "bias-column", sentence, network.replaced(position, wrong)
        if not isinstance(network.layers[place], Elementwise):
            rest = [*network.factors[:position], *network.factors[position + 1 :]]
            yield "missing-factor", f"the factor of {network.label(place)} is missing", product(rest)


def _with_a_bias_column(layer: Function, factor: Array) -> Iterator[tuple[str, Array]]:
    """Yield the factor with the bias in it, whose column is the first or the last, and another column dropped."""
    if isinstance(layer, AugmentedAffine) and not layer.carry_unit:
        bias = layer.Theta[:, :1]
    elif isinstance(layer, Affine) and layer.b is not None and np.ndim(layer.b) == 1:
        bias = np.asarray(layer.b)[:, None]
    else:
        return
    if len(bias) == len(factor):
        yield "last", np.hstack([bias, factor[:, :-1]])
        yield "first", np.hstack([factor[:, 1:], bias])


def _orders(network: _Network) -> Iterator[Guess]:
    factors = network.factors
    for k in range(len(network.places) - 1):
        swapped = [*factors[:k], factors[k + 1], factors[k], *factors[k + 2 :]]
        one, two = network.label(network.places[k]), network.label(network.places[k + 1])
        yield "order", f"{one} and {two} are multiplied in the wrong order", product(swapped)
    if len(factors) > 2:
        yield "order", "the layers are multiplied in the reversed order", product(factors[::-1])


def _points(network: _Network) -> Iterator[Guess]:
    for position, place in enumerate(network.places):
        for where, value in network.others(place):
            sentence = f"{network.label(place)} is differentiated at {where}, expected at its own input"
            yield "wrong-point", sentence, network.replaced(position, network.at(place, value))


def _parameters(network: _Network, net: Sequential, x: Array, wrt: str) -> Iterator[Guess]:
    if network.own is None:
        return
    place, name = network.own
    for where, value in network.others(place):
        factor = network.at(place, value, name)
        sentence = (
            f"{network.label(place)} is fed with {where} in the derivative by {wrt}, expected its own input"
        )
        yield "wrong-point", sentence, network.replaced(len(network.factors) - 1, factor)
    shape = np.shape(net.parameters[wrt])
    for other, value in net.parameters.items():
        if other != wrt and np.size(value) == math.prod(shape):
            sentence = f"it is the derivative by {other}, expected the one by {wrt}"
            try:
                shifted = net._jacobian(x, other, 0).dense(max_bytes=MOST_BYTES)
            except MemoryBudgetError:
                continue
            yield "shifted", sentence, shifted


def product(factors: list[Array]) -> Array | None:
    """Return the product of matrices, None if their shapes don't fit."""
    if not factors or any(a.shape[1] != b.shape[0] for a, b in itertools.pairwise(factors)):
        return None
    return functools.reduce(np.matmul, factors)


def mistakes(
    expected: Array, f: Any, x: Array | None, wrt: str, out_shape: Shape, in_shape: Shape
) -> Iterator[Mistake]:
    """Yield every hypothesis, the more likely ones first."""
    yield from of_matrix(expected, out_shape, in_shape)
    if f is None or x is None:
        return
    if isinstance(f, Sequential):
        yield from of_network(f, x, wrt)
    elif isinstance(f, Softmax):
        yield from of_network(Sequential(f), x, wrt)
    elif wrt == INPUT and callable(f):
        if isinstance(f, Function) and not isinstance(f, Elementwise):
            return
        yield from of_function(f, x)
