"""Networks as graphs: each layer is a vertex, and what is done wrong at one is a mutation of it like any other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.graph.recorder import Call
from jacobians.layers.affine import Affine
from jacobians.layers.augmented import AugmentedAffine
from jacobians.layers.branches import Concatenate, Product, Residual, _Parallel
from jacobians.layers.elementwise import Elementwise
from jacobians.layers.recording import Path, Record
from jacobians.layers.softmax import Softmax
from jacobians.names import class_name
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense
from verification.causes import Slip
from verification.diagnosis.hypotheses import Hypothesis
from verification.diagnosis.mutations import scaled
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries, pull_of, unchanged

LARGEST = 2**21
"""Entries of a layer's Jacobian that is formed, to transpose it."""
COST = 1.2
MOST_LAYERS = 16
"""The layers of a way of which any two may have changed places."""


class _Kept(Record):
    """A record that keeps how each value was made, so that it can be made again from others."""

    def __init__(self, batch_ndim: int, max_vertices: int) -> None:
        super().__init__(batch_ndim, max_vertices)
        self.calls: dict[int, Call] = {}

    def leaf(self, function: Function, source: int, name: str) -> int:
        """Add the value of a layer."""
        owned = self.owned(function)
        places = [source, *(place for _, place in owned)]
        return self._keep(name, function, _rule_of([own for own, _ in owned]), places)

    def join(self, name: str, function: Function, value: Any, ways: Iterable[tuple[int, Path]]) -> int:
        """Add what several values make together."""
        found = list(ways)
        if isinstance(function, _Parallel):
            return self._keep(name, function, _joining, [source for source, _ in found])
        return super().join(name, function, value, found)

    def _keep(self, name: str, function: Function, rule: Any, sources: list[int]) -> int:
        args = tuple(self.steps[source].value for source in sources)
        value, jacobian = rule(function, args, {})
        target = self.add(name, value, class_name(function), np.shape(value))
        operands = tuple(((k,), source, jacobian((k,))) for k, source in enumerate(sources))
        place, _, kind = name.rpartition(".")
        label = f"layer {place} ({kind})" if place else kind
        self.calls[target] = Call(label, function, rule, args, {}, operands, None, ())
        self.live.add(target)
        return target


def tape_of_network(f: Function, x: Array, wrt: str) -> Tape:
    """Return the tape of a network by the input or by a parameter: a vertex a layer, those inside of compositions too.

    Examples
    --------
    >>> from jacobians import Affine, Residual, Sequential, Tanh
    >>> net = Sequential(Affine(np.eye(2), np.zeros(2)), Residual(Tanh()))
    >>> [call.name for call in tape_of_network(net, np.ones(2), "input").calls.values()]
    ['layer 0 (Affine)', 'layer 1.0 (Tanh)', 'layer 1 (Residual)']
    """
    record = _Kept.of(f, x, [INPUT, *f.parameters], 0)
    first = record.sources[wrt]
    moved = {0: first, first: 0}  # what is differentiated by is the first vertex of a tape
    values: list[Any] = [None if step.value is None else np.asarray(step.value) for step in record.steps]
    values[0], values[first] = values[first], values[0]
    calls = {
        vertex: replace(
            call, operands=tuple((k, moved.get(source, source), J) for k, source, J in call.operands)
        )
        for vertex, call in record.calls.items()
    }
    names = {moved.get(place, place): name for name, place in record.sources.items()}
    tape = Tape(values, calls, names, record.output)
    tape.link_all((moved.get(source, source), target, J) for source, target, J in record.edges)
    return tape


def _rule_of(names: list[str]) -> Callable[..., Any]:
    def rule(layer: Function, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, Callable[[Any], Any]]:
        bound = layer.bind(dict(zip(names, args[1:], strict=True))) if names else layer

        def jacobian(place: tuple[int, ...]) -> Any:
            return bound._jacobian(args[0], INPUT if place == (0,) else names[place[0] - 1], 0)

        return bound._forward(args[0], 0), jacobian

    return rule


def _joining(layer: _Parallel, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, Callable[[Any], Any]]:
    values = list(args[:1] if isinstance(layer, Residual) else args)
    edges = layer._edges(args[-1], values, 0, False)
    return layer._joined(args[-1], values, 0), lambda place: edges[place[0]]


def layer_hypotheses(tape: Tape) -> list[Hypothesis]:
    """Return what one mistake in the chain rule of a network would change; none for plain code."""
    chain = [
        (vertex, call, edge)
        for vertex, call in tape.calls.items()
        if isinstance(call.function, Function)
        for edge in tape.edges[vertex]
        if edge.place == (0,) and edge.source in tape.active and not isinstance(call.function, _Parallel)
    ]
    found: list[Hypothesis] = []
    for vertex, call, edge in chain:
        found += _of_layer(tape, vertex, call, edge)
    found += _everywhere(tape, chain)
    found += _orders(tape, chain)
    found += [one for vertex, call in tape.calls.items() for one in _of_parameter(tape, vertex, call)]
    found += [one for vertex, call in tape.calls.items() for one in _of_join(tape, vertex, call)]
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


def _of_join(tape: Tape, vertex: int, call: Call) -> Iterator[Hypothesis]:
    """Yield what is done wrong where ways meet: one is left out, its sign, a factor, parts in another order."""
    joined = call.function
    edges = [edge for edge in tape.edges[vertex] if edge.source in tape.active]
    if not isinstance(joined, _Parallel):
        return
    for edge in edges:
        (k,) = edge.place
        if isinstance(joined, Residual):
            part = "its identity" if k else "the way through f"
        else:
            part = f"the way through part {k}"
        yield Hypothesis(1.0, Slip.MISSING_PATH, f"{part} is left out in {call.name}", {edge: None}, {})
        said = f"the sign of {part} is wrong in {call.name}"
        yield Hypothesis(1.3, Slip.SIGN, said, {edge: scaled(edge, -1.0)}, {})
        if isinstance(joined, Product):
            said = f"the factor of the other parts is left out in {call.name}, on {part}"
            yield _one(Slip.MISSING_FACTOR, said, edge, unchanged)
            said = f"the part itself stands for the others in {call.name}, on {part}"
            yield _one(Slip.WRONG_VALUE, said, edge, by_entries(tape.values[edge.source]))
    shapes = {np.shape(tape.values[edge.source]) for edge in edges}
    if isinstance(joined, Concatenate) and len(edges) > 1 and len(shapes) == 1:
        turned: dict[Edge, Pull | None] = {
            edge: other.pull for edge, other in zip(edges, reversed(edges), strict=True)
        }
        yield Hypothesis(1.1, Slip.PLACE, f"the parts of {call.name} are in the reversed order", turned, {})


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
    if not isinstance(call.function, Function) or isinstance(call.function, _Parallel):
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
    """Yield two layers, or all of a way, multiplied in the wrong order."""
    for way in _ways(tape, chain):
        square = [len({np.size(tape.values[edge.target]), np.size(tape.values[edge.source])}) == 1
                  for _, _, edge in way]  # fmt: skip
        for k, j in itertools.combinations(range(min(len(way), MOST_LAYERS)), 2):
            (_, below, first), (_, above, second) = way[k], way[j]
            sizes = {np.size(tape.values[one]) for edge in (first, second) for one in edge[:2]}
            if len(sizes) == 1 and (j == k + 1 or type(below.function) is type(above.function)):
                # the chain runs from the input: the layer above is named first
                said = f"{above.name} and {below.name} are multiplied in the wrong order"
                edges: dict[Edge, Pull | None] = {second: first.pull, first: second.pull}
                yield Hypothesis(COST + 0.05 * (j > k + 1), Slip.ORDER, said, edges, {})
        if len(way) > 2 and all(square):
            turned: dict[Edge, Pull | None] = {
                one[2]: other[2].pull for one, other in zip(way, reversed(way), strict=True)
            }
            said = "the layers are multiplied in the reversed order"
            if len(way) < len(chain):
                said = f"the layers from {way[0][1].name} to {way[-1][1].name} are multiplied in the reversed order"
            yield Hypothesis(COST, Slip.ORDER, said, turned, {})


def _ways(tape: Tape, chain: Chain) -> Iterator[Chain]:
    """Yield the layers that follow each other without a branch between them, input side first."""
    into = {edge.target: (vertex, call, edge) for vertex, call, edge in chain}
    after: dict[int, list[int]] = {}
    for edges in tape.edges:
        for edge in edges:
            after.setdefault(edge.source, []).append(edge.target)
    begun = [one for one in chain if one[2].source not in into or len(after[one[2].source]) > 1]
    for one in begun:
        way = [one]
        while len(later := after.get(way[-1][0], [])) == 1 and later[0] in into:
            way.append(into[later[0]])
        yield way
