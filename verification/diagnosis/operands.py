"""What is done wrong with the operands of products, with entries that move, and in linear algebra: more rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense
from verification.causes import Slip
from verification.diagnosis.mutations import (
    ELEMENTWISE,
    PRODUCTS,
    Variant,
    again,
    mutation,
    name_of,
    operand,
    others,
    pool,
    scaled,
)
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries, pull_of, unchanged

MOST_ENTRIES = 16
"""Of a vector whose entries are taken alone."""
LARGEST_TURNED = 64
"""The entries of a value whose Jacobian is formed, to transpose it."""

MOST_PADDED = 2**10
"""The entries of a padded array of which it is looked up where they come from."""

LARGEST_REPEATED = 2**18
"""The entries of the Jacobian of a repetition that is looked at."""

# --- operands ----------------------------------------------------------------------------------------------


def _turned(value: Array) -> Iterator[tuple[float, str, str, Array]]:
    if value.ndim >= 2 and value.shape[-1] == value.shape[-2]:
        yield 1.0, Slip.MATRIX_TRANSPOSED, "{} is transposed", np.swapaxes(value, -1, -2)
    if value.ndim >= 2 and 1 not in value.shape[-2:]:
        yield 1.4, Slip.REVERSED, "{} is turned by 180°", value[..., ::-1, ::-1]
    if value.size > 2:
        yield 1.8, Slip.REVERSED, "{} is reversed along its last axis", value[..., ::-1]


def _reduced(value: Array) -> Iterator[tuple[float, str, str, Array]]:
    yield 1.6, Slip.MISSING_FACTOR, "the factor {} is left out: ones stand for it", np.ones_like(value)
    for axis in range(value.ndim if value.ndim > 1 else 0):
        total = value.sum(axis=axis, keepdims=True) + np.zeros_like(value)
        yield 1.9, Slip.WRONG_AXIS, f"{{}} is summed over axis {axis}", total
        yield 1.95, Slip.WRONG_AXIS, f"{{}} is averaged over axis {axis}", total / value.shape[axis]


@mutation
def operands(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """Another operand of a product is transposed, turned, or another value of the same shape."""
    if getattr(call.function, "__name__", "") not in PRODUCTS:
        return
    for edge in tape.edges[vertex]:
        for where, value in others(call, edge.place):
            name = operand(tape, call, where)
            if call.function not in (np.multiply, np.divide) or value.ndim > 1:
                for cost, slip, said, wrong in _turned(value):
                    if not np.array_equal(wrong, value) and (pull := again(call, edge.place, where, wrong)):
                        said = f"{said.format(name)} at {name_of(call)}"
                        yield Variant(cost, Slip(slip), said, ((edge, pull),))
            for label, wrong in pool(tape, value):
                if pull := again(call, edge.place, where, wrong):
                    said = f"{label} stands for {name} at {name_of(call)}"
                    yield Variant(2.0, Slip.WRONG_VALUE, said, ((edge, pull),))
            if call.function not in ELEMENTWISE:
                for cost, slip, said, wrong in _reduced(value):
                    if pull := again(call, edge.place, where, wrong):
                        yield Variant(
                            cost, Slip(slip), f"{said.format(name)} at {name_of(call)}", ((edge, pull),)
                        )
    for edge in tape.edges[vertex]:
        yield from _upstream(tape, call, edge)
    for edge in tape.edges[vertex] if call.function not in ELEMENTWISE else ():
        source, shape = np.shape(tape.values[edge.source]), np.shape(tape.values[vertex])
        if source == shape:
            said = f"the factor of {name_of(call)} is left out"
            yield Variant(1.4, Slip.MISSING_FACTOR, said, ((edge, unchanged),))


def _upstream(tape: Tape, call: Call, edge: Edge) -> Iterator[Variant]:
    """Yield what comes from above transposed, and one entry of it alone, in the derivative by one operand."""
    shape = np.shape(tape.values[edge.target])
    by, at = operand(tape, call, edge.place), name_of(call)
    if call.function in ELEMENTWISE:
        return
    if len(shape) == 2 and shape[0] == shape[1] > 1:
        said = f"the gradient from above is transposed at {at}, in the derivative by {by}"
        yield Variant(1.35, Slip.MATRIX_TRANSPOSED, said, ((edge, _of_transposed(edge, shape[0])),))
    if len(shape) == 1 and 2 < shape[0] <= MOST_ENTRIES:
        for k in range(shape[0]):
            said = f"only entry {k} of {shape[0]} counts at {at}, in the derivative by {by}"
            yield Variant(2.1, Slip.MISSING_PATH, said, ((edge, _of_entry(edge, k, shape[0])),))


def _of_transposed(edge: Edge, n: int) -> Pull:
    return lambda rows: edge.pull(np.swapaxes(rows.reshape(-1, n, n), 1, 2).reshape(len(rows), -1))


def _of_entry(edge: Edge, k: int, n: int) -> Pull:
    mask = 1.0 * (np.arange(n) == k)
    return lambda rows: edge.pull(rows * mask)


@mutation
def turned(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """The Jacobian of an operation that keeps the shape, and isn't elementwise, is transposed."""
    size = np.size(tape.values[vertex])
    if call.function in ELEMENTWISE or not 1 < size <= LARGEST_TURNED:
        return
    for edge in tape.edges[vertex]:
        if np.shape(tape.values[edge.source]) == np.shape(tape.values[vertex]):
            matrix = edge.pull(np.eye(size))
            if not np.allclose(matrix, matrix.T, rtol=1e-12, atol=0):
                said = f"the Jacobian of {name_of(call)} is transposed"
                yield Variant(1.5, Slip.MATRIX_TRANSPOSED, said, ((edge, pull_of(Dense(matrix.T.copy()))),))


# --- moves and linear algebra ------------------------------------------------------------------------------


@mutation
def moved(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """Repeated indices are assigned, not added; parts are taken from another place; a transpose is forgotten."""
    name = name_of(call)
    for edge in tape.edges[vertex]:
        x, y = np.asarray(tape.values[edge.source]), np.asarray(tape.values[vertex])
        if name in ("indexing", "take") and x.size * y.size <= 10**6:
            places = np.argmax(edge.pull(np.eye(y.size)), axis=1) if y.size <= 512 else np.empty(0, dtype=int)
            if places.size and np.unique(places).size < places.size:
                last = {int(place): k for k, place in enumerate(places)}
                matrix = np.zeros((y.size, x.size))
                matrix[list(last.values()), list(last)] = 1
                yield Variant(1.0, Slip.REPEATED_INDEX, "entries of repeated indices are assigned, expected added",
                              ((edge, pull_of(Dense(matrix))),))  # fmt: skip
        if name in ("hstack", "vstack", "concatenate", "stack", "column_stack") and isinstance(
            call.args[0], list | tuple
        ):
            parts = list(call.args[0])
            if len(parts) > 1 and len(edge.place) == 2:
                order = [len(parts) - 1 - k for k in range(len(parts))]
                args = (type(call.args[0])(parts[k] for k in order), *call.args[1:])
                try:
                    steps = call.rule(call.function, args, call.kwargs)[1]((0, order.index(edge.place[1])))
                    said = f"the parts of {name} are taken in the reversed order: others are dropped"
                    yield Variant(1.5, Slip.PLACE, said, ((edge, pull_of(steps)),))
                except Exception:  # parts that don't fit
                    pass
        if name in ("repeat", "tile") and 0 < y.size * x.size <= LARGEST_REPEATED and y.size > x.size:
            yield from _of_copies(edge, x, y)
        if x.size == y.size > 1 and name in (
            "transpose",
            "swapaxes",
            "flip",
            "roll",
            "rot90",
            "moveaxis",
            "fliplr",
            "flipud",
        ):
            yield Variant(1.0, Slip.MATRIX_TRANSPOSED, f"{name} is not undone", ((edge, unchanged),))
        if name == "pad" and x.ndim == y.ndim:
            yield from _other_borders(edge, x, y)
        if name == "where" and x.size == y.size:
            yield Variant(1.2, Slip.MASK, "the condition of where is not applied", ((edge, unchanged),))
            for label, value in pool(tape, x):
                said = f"the condition of where is {label} > 0, expected that of the code"
                yield Variant(1.7, Slip.MASK, said, ((edge, by_entries(value > 0)),))


def _of_copies(edge: Edge, x: Array, y: Array) -> Iterator[Variant]:
    """Yield what it gives to average what flows back to the copies of an entry, or to take that of one alone."""
    matrix = edge.pull(np.eye(y.size))
    for k, which in ((0, "first"), (-1, "last")):
        kept = [np.flatnonzero(column)[k] for column in matrix.T]
        only = np.zeros(y.size)
        only[kept] = 1
        said = f"of the copies of each entry only the {which} counts, expected their sum"
        yield Variant(1.2, Slip.ONE_USE, said, ((edge, _then_pulled(edge, only)),))
    copies = matrix.sum(axis=0)
    if (copies == copies[0]).all():
        said = (
            f"what flows back to the {y.size // x.size} copies of each entry is averaged, expected their sum"
        )
        yield Variant(1.1, Slip.FACTOR, said, ((edge, scaled(edge, 1 / float(copies[0]))),))


def _then_pulled(edge: Edge, weights: Array) -> Pull:
    return lambda rows: edge.pull(rows * weights)


def _other_borders(edge: Edge, x: Array, y: Array) -> Iterator[Variant]:
    """Yield what it gives to cut the border of a padded array off at one side alone."""
    own = np.argmax(edge.pull(np.eye(y.size)) if y.size <= MOST_PADDED else np.zeros((1, 1)), axis=0)
    if own.size != x.size:
        return
    start = np.unravel_index(int(own[0]), y.shape)
    extra = [n - m for n, m in zip(y.shape, x.shape, strict=True)]
    for which, begin in (("last", [0] * x.ndim), ("first", extra)):
        if any(extra) and tuple(begin) != tuple(int(k) for k in start):
            part = tuple(slice(b, b + m) for b, m in zip(begin, x.shape, strict=True))
            places = np.arange(y.size).reshape(y.shape)[part].reshape(-1)
            said = (
                f"the border is cut off at the {which} rows and columns alone, expected on both sides, at pad"
            )
            yield Variant(1.3, Slip.PLACE, said, ((edge, _at(places)),))


def _at(places: Array) -> Pull:
    return lambda rows: rows[:, places]


@mutation
def branches(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """A condition is not looked at, so that one branch of where is taken everywhere, or it is turned round."""
    ways = tape.edges[vertex]
    if (
        name_of(call) != "where"
        or not ways
        or any(np.shape(tape.values[edge.source]) != np.shape(tape.values[vertex]) for edge in ways)
    ):
        return
    size = np.size(tape.values[vertex])
    masks = {edge: edge.pull(np.ones((1, size))).reshape(-1) for edge in ways}
    for edge in ways if len(ways) > 1 else ():
        said = (
            f"the condition of where is not looked at: {operand(tape, call, edge.place)} is taken everywhere"
        )
        yield Variant(1.1, Slip.MASK, said, tuple((one, unchanged if one is edge else None) for one in ways))
    turned = tuple((edge, by_entries(1 - mask)) for edge, mask in masks.items())
    yield Variant(1.2, Slip.MASK, "the condition of where is turned round", turned)


@mutation
def of_matrices(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """The rules of inverse, determinant and solution: a factor missing, not transposed, or entry by entry."""
    name = name_of(call)
    if getattr(call.function, "__module__", "") != "numpy.linalg" or np.ndim(call.args[0]) != 2:
        return
    y = np.asarray(tape.values[vertex])
    for edge in tape.edges[vertex]:
        x = np.asarray(tape.values[edge.source])
        rows: list[tuple[float, Slip, str, Pull]] = []
        if x.ndim == 2 and x.shape[0] == x.shape[1]:
            said = f"what {name} hands back is transposed"
            rows.append((1.2, Slip.MATRIX_TRANSPOSED, said, _turned_back(edge, len(x))))
        if name == "inv":
            eye = np.eye(len(x))
            rows += [
                (1.2, Slip.ELEMENTWISE, "the inverse is taken entry by entry: −1/x²", by_entries(-1 / x**2)),
                (
                    1.2,
                    Slip.MATRIX_TRANSPOSED,
                    "in the derivative of inv one factor is not transposed",
                    _kron(-y, y),
                ),
            ]
            said = "in the derivative of inv one of its two factors is missing"
            pairs = ((-y, eye), (-y.T, eye), (-eye, y), (-eye, y.T))
            rows += [(1.3, Slip.MISSING_FACTOR, said, _kron(*pair)) for pair in pairs]
        if name == "solve" and edge.place == (1,):
            said = "the matrix of solve stands for its inverse"
            rows.append(
                (1.2, Slip.MISSING_FACTOR, said, _kron(np.asarray(call.args[0]), np.eye(y.size // len(y))))
            )
        if name == "det" and y:
            said = "the determinant is left out as a factor"
            rows.append((1.3, Slip.MISSING_FACTOR, said, scaled(edge, 1 / float(y))))
        for cost, slip, said, pull in rows:
            yield Variant(cost, slip, said, ((edge, pull),))


def _kron(A: Array, B: Array) -> Pull:
    return pull_of(Dense(np.kron(A, B)))


def _turned_back(edge: Edge, n: int) -> Pull:
    return lambda rows: np.swapaxes(edge.pull(rows).reshape(-1, n, n), 1, 2).reshape(-1, n * n)
