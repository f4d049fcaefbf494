"""Networks as graphs: each layer is a vertex, and what is done wrong at one is a mutation of it like any other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.graph.recorder import Call
from jacobians.layers.affine import Affine
from jacobians.layers.augmented import AugmentedAffine
from jacobians.layers.composition import Sequential
from jacobians.layers.elementwise import Elementwise
from jacobians.layers.softmax import Softmax
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense
from verification.causes import Slip
from verification.diagnosis.hypotheses import Hypothesis
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries, pull_of, unchanged

LARGEST = 2**21
"""Entries of a layer's Jacobian that is formed, to transpose it."""
COST = 1.2


def tape_of_network(f: Function, x: Array, wrt: str) -> Tape:
    """Return the tape of a network by the input or by a parameter: a vertex a layer, those of inner Sequentials too.

    Examples
    --------
    >>> from jacobians import Affine, Sequential, Tanh
    >>> net = Sequential(Affine(np.eye(2), np.zeros(2)), Tanh())
    >>> [call.name for call in tape_of_network(net, np.ones(2), "input").calls.values()]
    ['layer 0 (Affine)', 'layer 1 (Tanh)']
    """
    layers = list(_flat(f)) if isinstance(f, Sequential) else [("0", f)]
    order = [wrt, *(name for name in (INPUT, *f.parameters) if name != wrt)]
    vertices = {name: k for k, name in enumerate(order)}
    values: list[Any] = [x if name == INPUT else np.asarray(f.parameters[name]) for name in order]
    calls: dict[int, Call] = {}
    here = vertices[INPUT]
    for place, layer in layers:
        present = list(layer.parameters)
        owned = [vertices[f"{place}.{name}" if isinstance(f, Sequential) else name] for name in present]
        args = (values[here], *(values[one] for one in owned))
        rule = _rule_of(present)
        value, jacobian = rule(layer, args, {})
        places = list(zip([(k,) for k in range(len(args))], [here, *owned], strict=True))
        label = f"layer {place} ({type(layer).__name__})"
        operands = tuple((k, source, jacobian(k)) for k, source in places)
        here = len(values)
        calls[here] = Call(label, layer, rule, args, {}, operands, None, ())
        values.append(np.asarray(value))
    return Tape(values, calls, dict(enumerate(order)), here)


def _flat(net: Sequential, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield the layers with the places that their parameters are named by, those of inner Sequentials in turn."""
    for place, layer in enumerate(net.layers):
        if isinstance(layer, Sequential):
            yield from _flat(layer, f"{prefix}{place}.")
        else:
            yield f"{prefix}{place}", layer


def _rule_of(names: list[str]) -> Callable[..., Any]:
    def rule(layer: Function, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, Callable[[Any], Any]]:
        bound = layer.bind(dict(zip(names, args[1:], strict=True)))

        def jacobian(place: tuple[int, ...]) -> Any:
            return bound._jacobian(args[0], INPUT if place == (0,) else names[place[0] - 1], 0)

        return bound._forward(args[0], 0), jacobian

    return rule


def layer_hypotheses(tape: Tape) -> list[Hypothesis]:
    """Return what one mistake in the chain rule of a network would change; none for plain code."""
    chain = [
        (vertex, call, edge)
        for vertex, call in tape.calls.items()
        if isinstance(call.function, Function)
        for edge in tape.edges[vertex]
        if edge.place == (0,) and edge.source in tape.active
    ]
    found: list[Hypothesis] = []
    for vertex, call, edge in chain:
        found += _of_layer(tape, vertex, call, edge)
    found += _everywhere(tape, chain)
    found += _orders(tape, chain)
    found += [one for vertex, call in tape.calls.items() for one in _of_parameter(tape, vertex, call)]
    return found


def _one(name: str, sentence: str, edge: Edge, pull: Pull) -> Hypothesis:
    return Hypothesis(COST, name, sentence, {edge: pull}, {})


def _matrix(edge: Edge, tape: Tape) -> Array | None:
    """Return the Jacobian on an edge, None for a large one."""
    m, n = np.size(tape.values[edge.target]), np.size(tape.values[edge.source])
    return edge.pull(np.eye(m)) if m * n <= LARGEST and m <= 2**11 else None


def _pull_at(call: Call, place: tuple[int, ...], value: Array) -> Pull | None:
    """Return the Jacobian of a layer by an operand when its input has another value; None where it has none."""
    try:
        return pull_of(call.rule(call.function, (value, *call.args[1:]), {})[1](place))
    except Exception:  # outside of its domain; a layer may be a user's
        return None


ACTIVATIONS: tuple[tuple[str, str, Callable[[Call, Array, Array], Pull | None]], ...] = (
    (Slip.MISSING_DERIVATIVE, "the factor φ′ is missing", lambda call, z, a: unchanged),
    (Slip.FUNCTION_FOR_DERIVATIVE, "φ stands in place of φ′", lambda call, z, a: by_entries(a)),
    (
        Slip.DERIVATIVE_AT_OUTPUT,
        "φ′ is taken at φ(z), expected at z",
        lambda call, z, a: _pull_at(call, (0,), a),
    ),
)


def _of_layer(tape: Tape, vertex: int, call: Call, edge: Edge) -> Iterator[Hypothesis]:
    z, a = np.asarray(tape.values[edge.source]), np.asarray(tape.values[vertex])
    label = call.name
    if isinstance(call.function, Elementwise):
        for name, said, rule in ACTIVATIONS:
            if (pull := rule(call, z, a)) is not None:
                yield _one(name, f"{said}, in {label}", edge, pull)
    elif z.shape == a.shape:
        yield _one(Slip.MISSING_FACTOR, f"the factor of {label} is missing", edge, unchanged)
    if isinstance(call.function, Softmax):
        for weights, what in ((a, "diag(p)"), (a * (1 - a), "diag(p(1 − p))")):
            said = f"softmax is treated as elementwise in {label}: {what} for diag(p) − p pᵀ"
            yield _one(Slip.SOFTMAX_ELEMENTWISE, said, edge, by_entries(weights))
    matrix = _matrix(edge, tape)
    if matrix is not None:
        if len(matrix) == matrix.shape[1] and not np.array_equal(matrix, matrix.T):
            said = f"the matrix of {label} is transposed"
            yield _one(Slip.MATRIX_TRANSPOSED, said, edge, pull_of(Dense(matrix.T.copy())))
        for which, wrong in _with_a_bias_column(call.function, matrix):
            said = f"the bias column is not dropped in {label}, but the {which} column of its matrix"
            yield _one(Slip.BIAS_COLUMN, said, edge, pull_of(Dense(wrong)))
    for where, value in _others(tape, edge.source):
        if (pull := _pull_at(call, (0,), value)) is not None:
            said = f"{label} is differentiated at {where}, expected at its own input"
            yield _one(Slip.WRONG_POINT, said, edge, pull)


def _with_a_bias_column(layer: Any, factor: Array) -> Iterator[tuple[str, Array]]:
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


def _others(tape: Tape, vertex: int) -> Iterator[tuple[str, Array]]:
    """Yield the input and the outputs of layers that have the shape of a value and are another."""
    right = np.asarray(tape.values[vertex])
    for other, value in enumerate(tape.values):
        is_value = other in tape.calls or tape.names.get(other) == INPUT
        if (
            other != vertex
            and is_value
            and np.shape(value) == right.shape
            and not np.array_equal(value, right)
        ):
            yield f"the output of {tape.calls[other].name}" if other in tape.calls else "the input x", value


def _of_parameter(tape: Tape, vertex: int, call: Call) -> Iterator[Hypothesis]:
    """Yield what another input of the layer gives in the derivative by its parameter."""
    if not isinstance(call.function, Function):
        return
    for edge in tape.edges[vertex]:
        if edge.source != 0 or edge.place == (0,):
            continue
        for where, value in _others(tape, call.operands[0][1]):
            if (pull := _pull_at(call, edge.place, value)) is not None:
                said = f"{call.name} is fed with {where} in the derivative by {tape.names[0]}, expected its own input"
                yield _one(Slip.WRONG_POINT, said, edge, pull)


Chain = list[tuple[int, Call, Edge]]


def _everywhere(tape: Tape, chain: Chain) -> Iterator[Hypothesis]:
    """Yield the same mistake in all activations."""
    places = [one for one in chain if isinstance(one[1].function, Elementwise)]
    for name, said, rule in ACTIVATIONS if len(places) > 1 else ():
        edges: dict[Edge, Pull | None] = {}
        for vertex, call, edge in places:
            pull = rule(call, np.asarray(tape.values[edge.source]), np.asarray(tape.values[vertex]))
            if pull is not None:
                edges[edge] = pull
        if len(edges) == len(places):
            yield Hypothesis(COST + 0.05, name, f"{said}, in every activation", edges, {})


def _orders(tape: Tape, chain: Chain) -> Iterator[Hypothesis]:
    """Yield two layers, or all of them, multiplied in the wrong order."""
    shapes = [(np.size(tape.values[v]), np.size(tape.values[edge.source])) for v, _, edge in chain]
    for (one, below), (two, above) in itertools.pairwise(zip(chain, shapes, strict=True)):
        first, second = one[2], two[2]
        if len({*below, *above}) == 1 and second.source == first.target:
            # the chain runs from the input: the layer above is named first
            said = f"{two[1].name} and {one[1].name} are multiplied in the wrong order"
            edges: dict[Edge, Pull | None] = {second: first.pull, first: second.pull}
            yield Hypothesis(COST, Slip.ORDER, said, edges, {})
    every = [edge for _, _, edge in chain]
    if len(every) > 2 and len({n for shape in shapes for n in shape}) == 1:
        turned: dict[Edge, Pull | None] = {
            edge: other.pull for edge, other in zip(every, reversed(every), strict=True)
        }
        yield Hypothesis(COST, Slip.ORDER, "the layers are multiplied in the reversed order", turned, {})
