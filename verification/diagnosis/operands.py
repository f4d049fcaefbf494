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

# --- operands ----------------------------------------------------------------------------------------------


def _turned(value: Array) -> Iterator[tuple[float, str, str, Array]]:
    if value.ndim >= 2 and value.shape[-1] == value.shape[-2]:
        yield 1.0, Slip.MATRIX_TRANSPOSED, "{} is transposed", np.swapaxes(value, -1, -2)
    if value.ndim >= 2 and 1 not in value.shape[-2:]:
        yield 1.4, Slip.REVERSED, "{} is turned by 180°", value[..., ::-1, ::-1]
    if value.size > 2:
        yield 1.8, Slip.REVERSED, "{} is reversed along its last axis", value[..., ::-1]


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
        if name == "where" and x.size == y.size:
            yield Variant(1.2, Slip.MASK, "the condition of where is not applied", ((edge, unchanged),))
            for label, value in pool(tape, x):
                said = f"the condition of where is {label} > 0, expected that of the code"
                yield Variant(1.7, Slip.MASK, said, ((edge, by_entries(value > 0)),))


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
